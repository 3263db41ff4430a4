"""The settings of a NetSapiens account."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from bridges.api import AccountSettings, BaseUrl, HookSecret, Token
from bridges.netsapiens import wire

MEDIA_BYTES = 1_048_576
TEXT_LIMIT = 5000
SUBSCRIPTION_DAYS = 30


def check_password(value: SecretStr) -> SecretStr:
    """Raise ``ValueError`` unless there is something in it; a password may hold anything else."""
    if not value.get_secret_value():
        raise ValueError("must not be empty")
    return value


Password = Annotated[SecretStr, AfterValidator(check_password)]

_HOST = re.compile(rf"{wire.DOMAIN.pattern}(?::[0-9]{{1,5}})?")

_NEEDED = {
    "api_key": ("api_key",),
    "password": ("client_id", "client_secret", "username", "password"),
    "jwt": ("token",),
}


class NetSapiensSettings(AccountSettings):
    """One extension of one domain, on the server of one NetSapiens provider."""

    provider: Literal["netsapiens"]
    base_url: BaseUrl
    """The provider's server; ``/ns-api/v2/…`` follows."""
    domain: str
    user: str
    """The extension that sends."""
    from_number: str = ""
    """The number that SMS and MMS come from; empty: chats only."""
    auth: Literal["api_key", "password", "jwt"] = "api_key"
    api_key: Token | None = None
    client_id: str = ""
    client_secret: Password | None = None
    username: str = ""
    password: Password | None = None
    token: Token | None = None
    hook_secret: HookSecret
    send_as: Literal["owner", "user"] = "owner"
    """Ours, not required: whose SMS they are: the extension that owns ``from_number``, looked up and kept, or always
    ``user``."""
    number_format: Literal["digits", "e164"] = "digits"
    """Ours, not required: phone numbers in requests as ``15550100123`` or ``+15550100123``."""
    text_limit: int = Field(default=TEXT_LIMIT, ge=160, le=100_000)
    """Ours, not required: code points in one message; none is documented."""
    media_bytes: int = Field(default=MEDIA_BYTES, ge=1, le=100_000_000)
    """Ours, not required: bytes of one file; no limit is documented."""
    media_hosts: tuple[str, ...] = ()
    """Ours, not required: where files of messages are fetched from beside host and port of ``base_url``: hosts, with
    their port where it is another than 443."""
    time_zone: str = "UTC"
    """Ours, not required: the zone of the server's times, which say none."""
    subscription_models: tuple[wire.Model, ...] = ("message",)
    """Ours, not required: what to subscribe to."""
    subscription_user: str = "*"
    """Ours, not required: the extension whose messages are posted; ``*``: all of the domain."""
    subscription_days: int = Field(default=SUBSCRIPTION_DAYS, ge=1, le=7300)
    """Ours, not required: how long a subscription lasts unless it is renewed; the running bot renews it in time."""
    requests_per_minute: int = Field(default=0, ge=0)
    """Ours, not required: our own pacing; 0: send at once and wait when the server says that it is too much."""

    @field_validator("base_url")
    @classmethod
    def _is_without_the_path(cls, value: str) -> str:
        if "/ns-api" in value:
            raise ValueError("must end before /ns-api, which is added; example: https://pbx.example")
        return value

    @field_validator("domain")
    @classmethod
    def _is_a_domain(cls, value: str) -> str:
        if not wire.DOMAIN.fullmatch(value) or not value.strip("."):
            raise ValueError("must be the domain as the portal shows it, such as acme.example")
        return value

    @field_validator("user")
    @classmethod
    def _is_an_extension(cls, value: str) -> str:
        if not wire.EXTENSION.fullmatch(value) or not value.strip("."):
            raise ValueError("must be an extension, such as 4100")
        return value

    @field_validator("subscription_user")
    @classmethod
    def _is_an_extension_or_all(cls, value: str) -> str:
        if value != "*" and not wire.EXTENSION.fullmatch(value):
            raise ValueError('must be an extension, such as 4100, or "*" for all of the domain')
        return value

    @field_validator("from_number")
    @classmethod
    def _is_a_number(cls, value: str) -> str:
        digits = wire.number_of(value)
        if value and not digits:
            raise ValueError("must be a phone number with its country code, such as 15550100999")
        return digits

    @field_validator("client_id", "username")
    @classmethod
    def _is_printable(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("must not hold control characters")
        return value

    @field_validator("media_hosts")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_HOST.fullmatch(host) for host in value):
            raise ValueError(
                "must be names of hosts without https:// and path, such as core1.pbx.example or core1.pbx.example:8443"
            )
        return tuple(host.lower() for host in value)

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, KeyError) as error:
            raise ValueError("must be a time zone such as UTC or America/New_York") from error
        return value

    @field_validator("subscription_models")
    @classmethod
    def _are_some_models(cls, value: tuple[wire.Model, ...]) -> tuple[wire.Model, ...]:
        if not value:
            raise ValueError('must name one at least; example: ["message"]')
        return tuple(dict.fromkeys(value))

    @model_validator(mode="after")
    def _has_what_its_auth_needs(self) -> NetSapiensSettings:
        needed = _NEEDED[self.auth]
        for key in needed:
            if not getattr(self, key):
                keys = " and ".join(filter(None, (", ".join(needed[:-1]), needed[-1])))
                raise ValueError(f'{key}: is needed with auth = "{self.auth}"; give {keys}')
        return self

    def media_places(self) -> frozenset[tuple[str, int | None]]:
        """Hosts and ports that files are fetched from."""
        own = urlsplit(self.base_url)
        places = {((own.hostname or "").lower(), own.port or wire.PORTS.get(own.scheme))}
        for each in self.media_hosts:
            host, _, port = each.partition(":")
            places.add((host, int(port) if port else wire.PORTS["https"]))
        return frozenset(places)

    def secrets(self) -> tuple[str, ...]:
        """Everything that must not be repeated in words of ours."""
        kept = (self.api_key, self.client_secret, self.password, self.token, self.hook_secret)
        return tuple(each.get_secret_value() for each in kept if each is not None)
