"""What an account learns of its community, kept across restarts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import httpx

from bridges.returning_ai import wire
from bridges.returning_ai.settings import ReturningAiSettings, is_id

_FORUMS, _OURS, _READ = "forums", "sender_names", "messages_path"


class Known:
    """Which channels are forums, by which names the sender's messages are known, where messages are read."""

    def __init__(self, settings: ReturningAiSettings) -> None:
        self._settings = settings
        self.forums: frozenset[str] = frozenset()
        self.ours = frozenset(each.casefold() for each in (settings.sender, *settings.sender_ids))
        """In small letters."""
        self.asked_who = bool(settings.sender_ids)
        """Whether there is no need to ask by which other names the sender goes."""
        beside = (f"{settings.base_url}{settings.path_prefix}/messages", f"{settings.base_url}/v1/messages")
        self.read: Sequence[str] = (settings.messages_url,) if settings.messages_url else tuple(dict.fromkeys(beside))
        """The addresses at which messages may be read: one, where it is known."""
        self.learnt: Mapping[str, str] = {}

    def recall(self, memory: Mapping[str, str]) -> None:
        """See :meth:`bridges.api.Remembers.recall`."""
        known = memory.get(_FORUMS)
        channels = known.split(" ") if known else []
        if known is not None and all(is_id(channel) for channel in channels):
            self.learn_forums(frozenset(channels))
        names = memory.get(_OURS, "").split("\n")
        if all(name and wire.word(name) == name for name in names):
            self.learn_names(names)
        for address in self.read:
            if httpx.URL(address).path == memory.get(_READ):
                self.learn_where(address)

    def learn_forums(self, forums: frozenset[str]) -> None:
        """These channels are forums, and no others."""
        if forums != self.forums:
            self.forums = forums
            self._learn(_FORUMS, " ".join(sorted(forums)))

    def learn_names(self, names: Sequence[str]) -> None:
        """The sender's further names, in small letters, unless an administrator has said them."""
        if names and not self._settings.sender_ids:
            self.asked_who = True
            self.ours = frozenset((self._settings.sender.casefold(), *names))
            self._learn(_OURS, "\n".join(names))

    def learn_where(self, address: str) -> None:
        """Of the addresses at which messages may be read, this one is right."""
        self.read = (address,)
        self._learn(_READ, httpx.URL(address).path)

    def _learn(self, name: str, value: str) -> None:
        if self.learnt.get(name) != value:
            self.learnt = {**self.learnt, name: value}
