"""SMS numbers: who owns them and what they can carry."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from bridges.api import Flow
from bridges.errors import Refused
from bridges.netsapiens import wire
from bridges.netsapiens.calls import Calls, Forbidden, Missing
from bridges.netsapiens.settings import NetSapiensSettings

WHAT = "NetSapiens SMS numbers"


class Numbers:
    """Looks up the account's ``from_number`` once and keeps what it found."""

    def __init__(self, settings: NetSapiensSettings, *, calls: Calls) -> None:
        self._settings = settings
        self._calls = calls
        self._known: wire.SmsNumber | None = None

    @property
    def known(self) -> wire.SmsNumber | None:
        """What was found of ``from_number``; None: not looked up yet."""
        return self._known

    @property
    def users(self) -> tuple[str, ...]:
        """Our extensions: the configured one, and the owner of the number as far as it is known."""
        owner = self.sender_of(self._known) if self._known else self._settings.user
        return tuple(dict.fromkeys((self._settings.user, owner)))

    def all(self) -> Flow[Sequence[wire.SmsNumber]]:
        """Every number that can be read: the domain's, or the extension's where the domain's may not be read."""
        domain, user = self._settings.domain, self._settings.user
        try:
            rows = yield from self._calls.rows(self._calls.domain("smsnumbers"), what=WHAT)
        except (Missing, Forbidden):
            rows = yield from self._calls.rows(self._calls.user(user, "smsnumbers"), what=WHAT)
        found = (wire.SmsNumber.of(row, domain=domain) for row in rows)
        return tuple(number for number in found if number.number)

    def find(self) -> Flow[wire.SmsNumber]:
        """What is known of ``from_number``, looked up unless that was done. Raises ``Refused`` if there is none such.

        Where none can be read, it is taken to be the extension's own: then the send itself is the test.
        """
        if self._known is None:
            self._known = yield from self.look_up()
        return self._known

    def look_up(self, wanted: str = "") -> Flow[wire.SmsNumber]:
        """As :meth:`find`, from the server in any case; ``wanted`` is another number than ``from_number``."""
        wanted, domain = wanted or self._settings.from_number, self._settings.domain
        try:
            numbers = yield from self.all()
        except (Missing, Forbidden):
            numbers = ()
        if not numbers:
            return wire.SmsNumber(wanted, self._settings.user, "", None, None)
        for number in numbers:
            if number.number == wanted:
                return number
        raise Refused(
            f"{wanted} is not among the SMS numbers of {domain} that extension {self._settings.user} can see: "
            'check from_number; send_as = "user" sends without looking it up'
        )

    def keep(self, number: wire.SmsNumber) -> None:
        """Take this for what is known, if it is about ``from_number``."""
        if number.number == self._settings.from_number:
            self._known = number

    def sender_of(self, number: wire.SmsNumber) -> str:
        """The extension to send as. A queue cannot send, so for its number it is the configured one."""
        queue = number.application not in ("", "user")
        return self._settings.user if queue or not wire.EXTENSION.fullmatch(number.owner) else number.owner

    def recall(self, kept: str) -> None:
        """Take what :meth:`to_memory` gave; what makes no sense, or is of another number, is left aside."""
        try:
            fields = json.loads(kept)
            number = wire.SmsNumber(**fields)
        except (ValueError, TypeError, RecursionError):
            return
        texts = (number.number, number.owner, number.application)
        flags = (number.mms, number.group_mms)
        if not all(isinstance(text, str) for text in texts) or not all(flag in (True, False, None) for flag in flags):
            return
        if number.number == self._settings.from_number:
            self._known = number

    def to_memory(self) -> str:
        """What is to survive a restart; empty: nothing."""
        return json.dumps(asdict(self._known), sort_keys=True) if self._known else ""
