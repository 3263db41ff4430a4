"""Why a provider call did not work. The type says who must act::

    BridgeError
    ├── Unavailable    time      try again later; ``maybe_sent`` says whether it may have arrived
    ├── Refused        author    will never work like this
    │   └── Inexpressible        the provider has no way to say it
    ├── Unauthorized   operator  the credentials are no longer good
    ├── Garbled        us        the answer is not of the known shape (after a send: may have arrived)
    └── Untrusted      nobody    a webhook whose proof is missing or wrong

Messages say what happened, to what, and the remedy; they never hold a secret or a message's text.
"""

from __future__ import annotations


class BridgeError(Exception):
    """Base of everything a bridge or the driver raises on purpose."""


class Unavailable(BridgeError):
    """The provider cannot be reached or asks to wait. ``retry_after`` is in seconds, as the provider said."""

    def __init__(self, message: str, *, retry_after: float | None = None, maybe_sent: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.maybe_sent = maybe_sent


class Refused(BridgeError):
    """The provider, or the bridge before it, says no for good; ``str()`` of it is the reason for the author."""


class Inexpressible(Refused):
    """This provider has no way to carry such a message."""


class Unauthorized(BridgeError):
    """The credentials are refused, also after the auth flow tried anew."""


class Garbled(BridgeError):
    """An answer or a webhook that is not of the known shape."""


class Untrusted(BridgeError):
    """A webhook that fails its proof."""
