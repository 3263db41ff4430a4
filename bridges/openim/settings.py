"""The settings of one OpenIM account."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from bridges.api import AccountSettings, BaseUrl, HookSecret, Token, check_base_url
from bridges.openim import wire

PUPPET = "puppet"

_HOST = re.compile(r"(http://)?([A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?")


class OpenIMSettings(AccountSettings):
    """One OpenIM server, as its admin sees it."""

    provider: Literal["openim"]
    base_url: BaseUrl
    """Of the API, by default on port 10002 of the server."""
    admin_user: str = "imAdmin"
    """An admin of ``share.yml``."""
    secret: Token
    """``secret`` of ``share.yml``."""
    send_as: str = ""
    """The user that sends; empty: the admin; ``puppet``: a user of its own for each person."""
    hook_secret: HookSecret
    server_line: wire.Line = "stable"
    """Ours, not required: what the server is. ``main`` takes quotes and Markdown."""
    platform_id: int = Field(default=wire.ADMIN_PLATFORM, ge=1, le=12)
    """Ours, not required: the platform that messages seem to come from; 10 is the admin's."""
    puppet_prefix: str = Field(default="tg_", pattern=r"^[A-Za-z0-9_]{1,16}$")
    """Ours, not required: the ids of puppets begin with it."""
    puppet_mark: str = Field(default="TG", max_length=16)
    """Ours, not required: stands in brackets after the name of a Telegram person's puppet, so that nobody takes it for
    the person's own account; those of other people have their account's name there. Empty: nothing does."""
    sender_nickname: str = Field(default="", max_length=64)
    """Ours, not required: the name on messages that no puppet sends; empty: clients show the sender's profile."""
    sender_face_url: str = ""
    """Ours, not required: the picture on messages that no puppet sends."""
    online_only: bool = False
    """Ours, not required: only who is online gets a message; nothing is stored."""
    no_offline_push: bool = False
    """Ours, not required: nobody's telephone rings for our messages."""
    push_title: str = Field(default="", max_length=200)
    """Ours, not required: the title of the push notification; empty: the server's own."""
    push_text: str = Field(default="", max_length=200)
    """Ours, not required: the words of the push notification; empty: the server's own."""
    text_limit: int = Field(default=wire.TEXT_MOST, ge=100, le=100_000)
    """Ours, not required: most characters in one message. OpenIM documents none."""
    media_bytes: int = Field(default=20_000_000, ge=1)
    """Ours, not required: most bytes of one file."""
    object_group: str = Field(default="patchbay", max_length=64)
    """Ours, not required: the group under which our files are stored over there."""
    files_url: str = ""
    """Ours, not required: the API's address as clients reach it, where that is not ``base_url``: our files are found
    below it."""
    file_hosts: tuple[str, ...] = ()
    """Ours, not required: hosts beside ``base_url`` from which files that people send are fetched: by https at the
    usual port, where neither another port nor ``http://`` stands with the host."""
    ignore_system: bool = False
    """Ours, not required: leave aside what other programs send through the API."""
    requests_per_minute: int = Field(default=0, ge=0)
    """Ours, not required: our own pacing; 0: send at once and wait when OpenIM answers 429."""

    @field_validator("admin_user", "send_as")
    @classmethod
    def _is_an_id(cls, value: str) -> str:
        if not value.isprintable() or " " in value or len(value) > wire.USER_ID_MOST:
            raise ValueError(f"must be a user id without spaces, at most {wire.USER_ID_MOST} characters")
        return value

    @field_validator("admin_user")
    @classmethod
    def _is_given(cls, value: str) -> str:
        if not value:
            raise ValueError("must name an admin of share.yml; example: imAdmin")
        return value

    @field_validator("sender_face_url")
    @classmethod
    def _is_a_picture(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("must be the address of a picture; example: https://bridge.example.org/face.png")
        return value

    @field_validator("files_url")
    @classmethod
    def _is_a_base_url(cls, value: str) -> str:
        return check_base_url(value) if value else value

    @field_validator("file_hosts")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if not _HOST.fullmatch(host):
                raise ValueError(
                    "must hold host names only; example: files.example.org or http://files.example.org:9000"
                )
        return tuple(host.lower() for host in value)

    @property
    def puppets(self) -> bool:
        """Whether each person is a user of its own."""
        return self.send_as == PUPPET

    @property
    def account(self) -> str:
        """The user that sends where no puppet does."""
        return self.admin_user if self.puppets or not self.send_as else self.send_as
