"""What the step of a wizard finds when it is shown or answered: the tables, the person, what was answered so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.addresses import Address, telegram_address
from bot.relay import Relay
from bot.store import Tx
from bot.telegram.access import Role, covers
from bot.telegram.replies import out_of_reach

if TYPE_CHECKING:
    # Commands begin wizards, so this is no more than a name here.
    from bot.telegram.commands.registry import Services


@dataclass(frozen=True, slots=True)
class Scene:
    """See the module."""

    tx: Tx
    services: Services
    here: Address
    """The chat or topic in which the wizard was begun."""
    person: int
    person_name: str
    role: Role
    """The highest role held here."""
    everywhere: Role
    needed: Role
    """What the wizard needs."""
    now: float
    values: Mapping[str, Any]

    @property
    def relay(self) -> Relay:
        """The relay."""
        return self.services.relay

    @property
    def zone(self) -> str:
        """The zone of hours that name none."""
        return self.services.default_timezone

    @property
    def is_private(self) -> bool:
        """Whether the person is alone with this bot."""
        return not self.here.conversation.startswith("-")

    @property
    def is_limited(self) -> bool:
        """Whether the person's role counts in this chat only."""
        return self.everywhere < self.needed

    @property
    def chat(self) -> Address:
        """This chat without the topic."""
        return telegram_address(int(self.here.conversation.partition("/")[0]))

    def reaches(self, address: Address) -> bool:
        """Whether the person's role covers what concerns this address."""
        return covers(address, here=self.here, everywhere=self.everywhere, needed=self.needed)

    def reach(self, address: Address, *, typed: str = "") -> Address:
        """The address, if the person's role covers it; raises ``NotAllowed``. ``typed``: what the person wrote."""
        if not self.reaches(address):
            raise out_of_reach(address, held=self.role.word, needed=self.needed.word, typed=typed)
        return address

    def target(self, word: str) -> Address:
        """An address, a name or ``here``, that the person's role reaches. Raises what :meth:`reach` raises,
        ``AddressError`` and ``Refused``."""
        found = self.relay.parse_target(self.tx, word, here=self.here, seen=self.reaches)
        return self.reach(found, typed=word)
