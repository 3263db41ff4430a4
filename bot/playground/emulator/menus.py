"""The menus of commands: for whom a list is meant, and which one a person is shown in a chat.

The order is that of https://core.telegram.org/bots/api#determining-list-of-commands (Bot API 10.1): the narrowest list
that there is wins, in the person's own language before the one for all languages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]

#: The kinds of scopes, with what they must name.
SCOPES: Mapping[str, tuple[str, ...]] = {
    "default": (),
    "all_private_chats": (),
    "all_group_chats": (),
    "all_chat_administrators": (),
    "chat": ("chat_id",),
    "chat_administrators": ("chat_id",),
    "chat_member": ("chat_id", "user_id"),
}


def scopes(*, user_id: int, chat_id: int, is_private: bool, is_admin: bool) -> Iterator[str]:
    """The keys of the lists that count for somebody in a chat, the narrowest first."""
    if is_private:
        yield from (f"chat:{chat_id}", "all_private_chats", "default")
        return
    yield f"chat_member:{chat_id}:{user_id}"
    if is_admin:
        yield f"chat_administrators:{chat_id}"
    yield f"chat:{chat_id}"
    if is_admin:
        yield "all_chat_administrators"
    yield from ("all_group_chats", "default")


def pick(lists: Mapping[tuple[str, str], list[Json]], keys: Iterator[str], *, language: str) -> list[Json]:
    """The list that is shown; none where nothing was set."""
    # What Telegram calls "en-GB" is looked up under its first two letters.
    spoken = language.lower()[:2]
    for key in keys:
        for code in (spoken, "") if spoken else ("",):
            if lists.get((key, code)):
                return lists[(key, code)]
    return []
