"""Named points at which the process can be made to kill itself: a test aid, asleep unless armed.

``PATCHBAY_KILL_AT=delivery.answered:3`` makes ``patchbay run`` send itself SIGKILL when it comes to that point for the
third time: nothing is tidied up, as after a power cut of the process. A bot that talks to anything but this machine
refuses to be armed. Unarmed, a point is one call and one look at an empty dictionary.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterable, Mapping
from typing import NoReturn
from urllib.parse import urlsplit

from bridges.api import is_loopback

logger = logging.getLogger(__name__)

VARIABLE = "PATCHBAY_KILL_AT"
POINTS: Mapping[str, str] = {
    "start.opened": "the store is open, nothing that was left behind is taken up yet",
    "start.recovered": "what was found under way is leased again, nothing is decided about it yet",
    "hook.arrived": "a webhook is verified, not committed",
    "hook.committed": "a webhook and what it leads to are committed, its 2xx has not left",
    "intake.decoded": "a webhook is decoded, neither it nor what it leads to is committed",
    "telegram.fetched": "updates are fetched, not committed",
    "telegram.committed": "updates are committed, the next offset has not left",
    "telegram.talked": "what a chat message leads to is committed",
    "telegram.commanded": "what a command leads to is committed",
    "delivery.begun": "lease and beginning of an attempt are committed, the request has not left",
    "delivery.answered": "a send is answered with success, that is not written down",
    "delivery.confirmed": "the provider said what became of a doubtful send, that is not written down",
    "delivery.settled": "the end of a send is committed",
    "telegram.pressed": "what a pressed button leads to is committed, neither toast nor card is shown",
    "broadcast.released": "some of an announcement are let go, that is committed",
    "broadcast.shown": "how an announcement stands is shown, that is written down",
    "schedule.due": "a schedule is due, nothing is written down yet",
    "schedule.firing": "an occurrence is decided about and its deliveries are made, not committed",
    "schedule.ending": "what has had its time is taken back, that is not committed",
    "schedule.telling": "people are told of what was missed, that is not committed",
    "schedule.fired": "what was due is dealt with, or some of it, and committed",
    "mark.shown": "the state of a delivery is shown on its message, that is not written down",
    "stop.begun": "told to stop, nothing is stopped yet",
    "stop.drained": "what was under way is finished, the store is still open",
}
"""Every point there is, and what has happened by then."""

_left: dict[str, int] = {}


class CannotArm(ValueError):
    """The variable is wrong, or this bot talks to more than this machine."""


def arm(spec: str, *, urls: Iterable[str]) -> None:
    """Kill this process at the N-th hit of a point, ``name:N``; raises ``CannotArm``. ``urls``: the servers in use."""
    name, _, number = spec.partition(":")
    if name not in POINTS or not (number.isascii() and number.isdigit()) or int(number) < 1:
        raise CannotArm(f"{VARIABLE}: {spec!r} is not a point and a number such as delivery.begun:1; {_known()}")
    for url in urls:
        host = urlsplit(url).hostname or ""
        if not is_loopback(host):
            raise CannotArm(f"{VARIABLE}: is for tests on this machine, and this bot talks to {host}; unset it")
    _left.clear()
    _left[name] = int(number)
    logger.warning(
        "armed for a test: this process will KILL ITSELF at %s; unset %s in earnest", spec, VARIABLE,
        extra={"action": "arm", "point": name},
    )  # fmt: skip


def point(name: str) -> None:
    """The process came to this point."""
    if _left:
        _hit(name)


def _hit(name: str) -> None:
    if name in _left:
        _left[name] -= 1
        if _left[name] <= 0:
            _die()


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL came back")


def _known() -> str:
    return f"there are: {', '.join(POINTS)}"
