"""The configuration file: what is accepted, and how each mistake is told."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from bot.settings import (
    DeliverySettings,
    Problem,
    ScheduleSettings,
    Settings,
    SettingsError,
    StoreSettings,
    TelegramSettings,
    WebSettings,
    find_config,
    hook_url,
    load_settings,
    parse_duration,
    secrets,
)
from bridges import registry
from bridges.api import AccountSettings, BaseUrl
from bridges.registry import BridgeClass

TOKEN = "4200:canary-bot-token"
HOOK_SECRET = "canary-hook-secret-1"
KEY = "canary-api-key"

GOOD = f"""
[telegram]
token = "{TOKEN}"

[accounts.support]
provider = "sample"
base_url = "https://sample.example"
token = "{KEY}"
hook_secret = "{HOOK_SECRET}"
"""


class Retry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    times: int = Field(default=1, ge=0)
    pass_phrase: SecretStr = SecretStr("")


class SampleSettings(AccountSettings):
    provider: Literal["sample"]
    base_url: BaseUrl
    token: SecretStr = Field(min_length=4)
    hook_secret: SecretStr
    auth: Literal["api_key", "password"] = "api_key"
    password: SecretStr | None = None
    peers: tuple[str, ...] = ()
    room: str = Field(default="", max_length=8)
    fast: bool = False
    retry: Retry = Retry()
    either: int | list[int] = 0

    @model_validator(mode="after")
    def _password_given(self) -> SampleSettings:
        if self.auth == "password" and self.password is None:
            raise ValueError('password is needed with auth = "password"')
        if self.room == "both" and self.fast:
            raise ValueError("a fast room cannot be both")
        return self


class Sample:
    name = "sample"
    title = "Sample"
    Settings = SampleSettings


PROVIDERS: Mapping[str, BridgeClass] = {"sample": cast(BridgeClass, Sample)}


def write(folder: Path, text: str, *, name: str = "patchbay.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def load(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    return load_settings(write(folder, text), environ=environ or {}, providers=PROVIDERS)


def problems(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(folder, text, environ)
    lines = str(caught.value).splitlines()
    assert lines == [str(problem) for problem in caught.value.problems]
    return lines


def edited(*lines: str, under: str) -> str:
    """``GOOD`` with lines put into one of its tables, or into a new one at the end; a key given anew wins."""
    keys = {line.split(" =")[0] for line in lines}
    out: list[str] = []
    table = ""
    for line in GOOD.splitlines():
        table = line if line.startswith("[") else table
        if table != f"[{under}]" or line.split(" =")[0] not in keys:
            out.append(line)
        if line == f"[{under}]":
            out.extend(lines)
    return "\n".join(out if f"[{under}]" in out else [*out, f"[{under}]", *lines])


# --- What is accepted


def test_the_shortest_file_gets_every_default(tmp_path: Path) -> None:
    settings = load(tmp_path, f'[telegram]\ntoken = "{TOKEN}"\n')
    assert settings.telegram.model_dump(exclude={"token"}) == {
        "api_base_url": "https://api.telegram.org",
        "mode": "polling",
        "webhook_secret": None,
        "owners": (),
        "on_ambiguous": "resend",
        "default_timezone": "UTC",
        "poll_timeout": 30,
        "album_wait": 1.0,
    }
    assert settings.store == StoreSettings(path=tmp_path / "data" / "patchbay.sqlite3", keep=30 * 86400)
    assert settings.web == WebSettings(host="127.0.0.1", port=8080, public_url=None, metrics_token=None)
    assert settings.delivery == DeliverySettings(max_age=12 * 3600, on_ambiguous="hold")
    assert settings.schedules == ScheduleSettings(approval_over=0, approvals=1, quiet_hours="")
    assert settings.accounts == {}


def test_every_setting_of_the_file_arrives(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        f"""
        [telegram]
        token = "{TOKEN}"
        api_base_url = "http://10.0.0.5:8081/"
        mode = "webhook"
        webhook_secret = "A-b_9"
        owners = [1001, 1002]
        on_ambiguous = "hold"
        default_timezone = "Europe/London"
        poll_timeout = 5
        [store]
        path = "/var/lib/patchbay.sqlite3"
        keep = "2w"
        [web]
        host = "0.0.0.0"
        port = 0
        public_url = "https://bridge.example.org/chat/"
        metrics_token = "metrics"
        [delivery]
        max_age = "2h30m"
        on_ambiguous = "resend"
        [schedules]
        approval_over = 20
        approvals = 2
        quiet_hours = " 22:00 - 7:00 "
        """,
    )
    telegram, web = settings.telegram, settings.web
    assert telegram.token.get_secret_value() == TOKEN
    assert (telegram.api_base_url, telegram.mode) == ("http://10.0.0.5:8081", "webhook")
    assert telegram.webhook_secret is not None and telegram.webhook_secret.get_secret_value() == "A-b_9"
    assert (telegram.owners, telegram.on_ambiguous) == ((1001, 1002), "hold")
    assert (telegram.default_timezone, telegram.poll_timeout) == ("Europe/London", 5)
    assert settings.store == StoreSettings(path=Path("/var/lib/patchbay.sqlite3"), keep=14 * 86400)
    assert (web.host, web.port, web.public_url) == ("0.0.0.0", 0, "https://bridge.example.org/chat")
    assert web.metrics_token is not None and web.metrics_token.get_secret_value() == "metrics"
    assert settings.delivery == DeliverySettings(max_age=9000, on_ambiguous="resend")
    assert settings.schedules == ScheduleSettings(approval_over=20, approvals=2, quiet_hours="22:00-07:00")


def test_an_account_gets_the_settings_class_of_its_provider(tmp_path: Path) -> None:
    account = load(tmp_path, GOOD).accounts["support"]
    assert isinstance(account, SampleSettings)
    assert account.base_url == "https://sample.example"


def test_without_providers_given_the_registry_is_used(tmp_path: Path) -> None:
    path = write(tmp_path, edited('provider = "sample"', under="accounts.support"))
    with pytest.raises(SettingsError, match=r"accounts\.support\.provider: must be one of: .*cinnox"):
        load_settings(path, environ={})


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD)
    with pytest.raises(ValidationError, match="frozen"):
        settings.web.port = 9  # type: ignore[misc]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeff" + GOOD).accounts.keys() == {"support"}


@pytest.mark.parametrize("name", ["a", "support", "s-2_b", "a" * 32])
def test_an_account_name_of_small_letters_digits_and_dashes_is_accepted(tmp_path: Path, name: str) -> None:
    assert list(load(tmp_path, GOOD.replace("accounts.support", f"accounts.{name}")).accounts) == [name]


# --- References


def test_a_string_may_come_from_the_environment(tmp_path: Path) -> None:
    text = edited('token = { env = "KEY" }', under="accounts.support")
    account = load(tmp_path, text, {"KEY": "from-environment"}).accounts["support"]
    assert cast(SampleSettings, account).token.get_secret_value() == "from-environment"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_string_may_come_from_a_file_beside_the_configuration(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (tmp_path / "key.txt").write_bytes(b" two words" + ending.encode())
    text = edited('token = { file = "key.txt" }', under="accounts.support")
    account = load(tmp_path, text).accounts["support"]
    assert cast(SampleSettings, account).token.get_secret_value() == " two words"


def test_a_multi_line_file_keeps_its_inner_lines(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("one\ntwo\n")
    text = edited('token = { file = "key.pem" }', under="accounts.support")
    account = load(tmp_path, text).accounts["support"]
    assert cast(SampleSettings, account).token.get_secret_value() == "one\ntwo"


def test_references_work_in_lists_and_inner_tables(tmp_path: Path) -> None:
    text = edited('peers = [{ env = "A" }, "b"]', 'retry = { pass_phrase = { env = "B" } }', under="accounts.support")
    account = cast(SampleSettings, load(tmp_path, text, {"A": "a", "B": "hush"}).accounts["support"])
    assert (account.peers, account.retry.pass_phrase.get_secret_value()) == (("a", "b"), "hush")


def test_a_number_may_come_from_the_environment(tmp_path: Path) -> None:
    assert load(tmp_path, edited('port = { env = "PORT" }', under="web"), {"PORT": "9000"}).web.port == 9000


def test_a_number_in_quotes_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, edited('port = "9000"', under="web")) == [
        'web.port: must be a whole number (given: "9000")'
    ]


REFERENCE_MISTAKES = {
    "an unset variable": ('{ env = "NOPE" }', "environment variable NOPE is not set; set it"),
    "a missing file": ('{ file = "nope.txt" }', "nope.txt cannot be read (No such file or directory)"),
    "a folder": ('{ file = "." }', "cannot be read (Is a directory)"),
    "a file that is not text": ('{ file = "binary" }', "binary is not UTF-8 text"),
    "a path with a NUL": ('{ file = "a\\u0000b" }', "must be the path of a file"),
    "two references at once": ('{ env = "A", file = "b" }', 'must be a string, { env = "NAME" }'),
    "a reference that is no string": ("{ env = 5 }", 'must be a string, { env = "NAME" }'),
    "an empty file name": ('{ file = "" }', 'must be a string, { env = "NAME" }'),
    "another key": ('{ envv = "A" }', 'must be a string in quotes, or { env = "NAME" }'),
    "nothing": ("{}", 'must be a string in quotes, or { env = "NAME" }'),
}


@pytest.mark.parametrize("value, message", REFERENCE_MISTAKES.values(), ids=REFERENCE_MISTAKES)
def test_a_reference_that_leads_nowhere_is_one_problem_of_its_key(tmp_path: Path, value: str, message: str) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (line,) = problems(tmp_path, edited(f"base_url = {value}", under="accounts.support"))
    assert line.startswith("accounts.support.base_url: ") and message in line


def test_a_secret_put_where_a_variable_name_belongs_is_not_repeated(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, edited(f'token = {{ env = "{TOKEN}" }}', under="telegram"))
    assert line.startswith("telegram.token: env must be the name of an environment variable") and TOKEN not in line


def test_what_follows_from_a_broken_reference_is_not_told_too(tmp_path: Path) -> None:
    text = edited('auth = "password"', 'password = { env = "NOPE" }', under="accounts.support")
    (line,) = problems(tmp_path, text)
    assert line.startswith("accounts.support.password: environment variable NOPE is not set")


# --- Mistakes: table, line, key and message

MISTAKES = {
    "token without digits": ("telegram", 'token = "abc"', "telegram.token: must be a bot token"),
    "token with a space": ("telegram", 'token = "1:a b"', "telegram.token: must be a bot token"),
    "token with a newline": ("telegram", 'token = "1:a\\n"', "telegram.token: must be a bot token"),
    "token that is a number": ("telegram", "token = 5", "telegram.token: must be a string in quotes"),
    "unknown mode": ("telegram", 'mode = "pull"', 'telegram.mode: must be "polling" or "webhook" (given: "pull")'),
    "webhook secret": ("telegram", 'webhook_secret = "é"', "telegram.webhook_secret: must have 1 to 256"),
    "long webhook secret": ("telegram", f'webhook_secret = "{"a" * 257}"', "telegram.webhook_secret: must have 1"),
    "owner by name": ("telegram", 'owners = [1, "@ann"]', 'telegram.owners[1]: must be a whole number (given: "@ann")'),
    "owner below one": ("telegram", "owners = [-5]", "telegram.owners[0]: must be more than 0 (given: -5)"),
    "owners no list": ("telegram", "owners = 1001", "telegram.owners: must be a list in square brackets (given: 1001)"),
    "on_ambiguous": (
        "telegram",
        'on_ambiguous = "x"',
        'telegram.on_ambiguous: must be "hold" or "resend" (given: "x")',
    ),
    "zone in small letters": (
        "telegram",
        'default_timezone = "europe/london"',
        'telegram.default_timezone: must be an IANA time zone such as "Europe/London" (given: "europe/london")',
    ),
    **{
        f"zone that nobody says: {name}": (
            "telegram",
            f'default_timezone = "{name}"',
            f'telegram.default_timezone: must be an IANA time zone such as "{near}" (given: "{name}")',
        )
        for name, near in {
            "Factory": "Europe/London",
            "localtime": "Europe/London",
            "posixrules": "Europe/London",
            "posix/Europe/Paris": "Europe/Paris",
            "right/UTC": "UTC",
        }.items()
    },
    "zone with an escape": ("telegram", 'default_timezone = "../etc"', "telegram.default_timezone: must be an IANA"),
    "zone that is a folder": ("telegram", 'default_timezone = "Europe"', "telegram.default_timezone: must be an IANA"),
    "api url without scheme": ("telegram", 'api_base_url = "x.org"', "telegram.api_base_url: must be a URL"),
    "poll timeout": ("telegram", "poll_timeout = 51", "telegram.poll_timeout: must be 50 or less (given: 51)"),
    "album wait": ("telegram", "album_wait = 31", "telegram.album_wait: must be 30 or less (given: 31)"),
    "empty path": ("store", 'path = ""', "store.path: must be the path of a file"),
    "path that is a number": ("store", "path = 1", "store.path: must be a string"),
    "keep too short": ("store", 'keep = "59m"', 'store.keep: must be "1h" or more (given: "59m")'),
    "port too high": ("web", "port = 65536", "web.port: must be 65535 or less (given: 65536)"),
    "port below zero": ("web", "port = -1", "web.port: must be 0 or more (given: -1)"),
    "port true": ("web", "port = true", "web.port: must be a whole number (given: true)"),
    "empty host": ("web", 'host = ""', 'web.host: must not be empty (given: "")'),
    "plain http": (
        "web",
        'public_url = "http://bridge.example.org"',
        "web.public_url: must begin with https://; plain http is for loopback only"
        ' (given: "http://bridge.example.org")',
    ),
    "url without host": ("web", 'public_url = "https://"', "web.public_url: must be a URL"),
    "url with a bad port": ("web", 'public_url = "https://x.org:abc"', "web.public_url: must be a URL"),
    "url with a query": ("web", 'public_url = "https://x.org/?a=1"', "web.public_url: must have no user"),
    "empty metrics token": ("web", 'metrics_token = ""', "web.metrics_token: must not be empty"),
    "max_age without unit": ("delivery", 'max_age = "12"', 'delivery.max_age: must be a duration such as "90s"'),
    "max_age with a fraction": ("delivery", "max_age = 1.5", "delivery.max_age: must be a duration such as"),
    "max_age of nothing": ("delivery", 'max_age = "0s"', 'delivery.max_age: must be more than 0 (given: "0s")'),
    "approval below zero": ("schedules", "approval_over = -1", "schedules.approval_over: must be 0 or more"),
    "approvals of nobody": ("schedules", "approvals = 0", "schedules.approvals: must be 1 or more (given: 0)"),
    "approvals of three": ("schedules", "approvals = 3", "schedules.approvals: must be 2 or less (given: 3)"),
    "quiet hours by halves": (
        "schedules",
        'quiet_hours = "22-7"',
        'schedules.quiet_hours: quiet hours are written from-to, such as 22:00-07:00 (given: "22-7")',
    ),
    "quiet all day": (
        "schedules",
        'quiet_hours = "22:00-22:00"',
        "schedules.quiet_hours: quiet hours end at another time than they begin, such as 22:00-07:00",
    ),
    "unknown key, near": ("telegram", "ownrs = [1]", 'telegram.ownrs: is an unknown key; did you mean "owners"?'),
    "unknown key, dashes": (
        "web",
        'public-url = "https://x.org"',
        'web.public-url: is an unknown key; did you mean "public_url"?',
    ),
    "unknown key, elsewhere": ("store", "port = 1", "store.port: is an unknown key here; it belongs under [web]"),
    "unknown key, far": ("store", "zzz = 1", "store.zzz: is an unknown key; remove it. Known here: path, keep"),
    "unknown section": ("webb", "port = 1", 'webb: is an unknown section; did you mean "web"?'),
    "unknown provider": (
        "accounts.support",
        'provider = "simple"',
        'accounts.support.provider: must be one of: sample (given: "simple"); did you mean "sample"?',
    ),
    "provider that is a number": ("accounts.support", "provider = 5", "accounts.support.provider: must be one of"),
    "account: unknown key": (
        "accounts.support",
        'tokn = "x"',
        'accounts.support.tokn: is an unknown key; did you mean "token"?',
    ),
    "account: wrong type": ("accounts.support", "fast = 3", "accounts.support.fast: must be true or false (given: 3)"),
    "account: too long": (
        "accounts.support",
        'room = "123456789"',
        'accounts.support.room: must have at most 8 characters (given: "123456789")',
    ),
    "account: plain http": (
        "accounts.support",
        'base_url = "http://x.org"',
        "accounts.support.base_url: must be https",
    ),
    "account: short secret": ("accounts.support", 'token = "abc"', "accounts.support.token: must have at least 4"),
    "account: empty password": ("accounts.support", 'password = ""', "accounts.support.password: is empty; give it"),
    "account: short hook secret": (
        "accounts.support",
        'hook_secret = "short"',
        "accounts.support.hook_secret: must have at least 16 characters",
    ),
    "account: hook secret with a slash": (
        "accounts.support",
        'hook_secret = "0123456789abcdef/"',
        "accounts.support.hook_secret: must consist of letters",
    ),
    "account: inner table": (
        "accounts.support",
        "retry = { times = -1 }",
        "accounts.support.retry.times: must be 0 or more (given: -1)",
    ),
    "account: unknown inner key": (
        "accounts.support",
        "retry = { time = 1 }",
        'accounts.support.retry.time: is an unknown key; did you mean "times"?',
    ),
    "account: check over keys": (
        "accounts.support",
        'auth = "password"',
        'accounts.support.password: is needed with auth = "password"',
    ),
    "account: date": ("accounts.support", "room = 2026-01-02", "accounts.support.room: must be a string in quotes"),
}


@pytest.mark.parametrize("table, line, message", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_in_one_line_that_names_the_key(tmp_path: Path, table: str, line: str, message: str) -> None:
    (told,) = problems(tmp_path, edited(line, under=table))
    assert told.startswith(message)


def test_a_check_over_several_keys_names_the_account(tmp_path: Path) -> None:
    text = edited('room = "both"', "fast = true", under="accounts.support")
    assert problems(tmp_path, text) == ["accounts.support: a fast room cannot be both"]


def test_the_alternatives_of_a_union_are_not_part_of_the_key(tmp_path: Path) -> None:
    lines = problems(tmp_path, edited('either = "x"', under="accounts.support"))
    assert {line.split(": ")[0] for line in lines} == {"accounts.support.either"}


MISSING = {
    "telegram.token": 'is missing; get one from @BotFather and add token = { env = "TELEGRAM_BOT_TOKEN" }',
    "accounts.support.provider": 'is missing; add provider = "…" with one of: sample',
    "accounts.support.base_url": 'is missing; add base_url = "…" under [accounts.support]',
    "accounts.support.hook_secret": 'is missing; add hook_secret = { env = "SUPPORT_HOOK_SECRET" } under',
}


@pytest.mark.parametrize("key, message", MISSING.items())
def test_a_missing_key_is_told_with_the_line_to_add(tmp_path: Path, key: str, message: str) -> None:
    table, _, name = key.rpartition(".")
    lines = edited("x = 1", under=table).replace("x = 1\n", "").splitlines()
    start = lines.index(f"[{table}]")
    gone = next(index for index in range(start, len(lines)) if lines[index].startswith(f"{name} ="))
    (told,) = problems(tmp_path, "\n".join(lines[:gone] + lines[gone + 1 :]))
    assert told.startswith(f"{key}: {message}")


def test_an_empty_file_only_lacks_the_token(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, "")
    assert told.startswith("telegram.token: is missing")


def test_webhook_mode_needs_a_public_url(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, edited('mode = "webhook"', under="telegram"))
    assert told.startswith('web.public_url: is missing, and telegram.mode = "webhook" needs it')


BAD_NAMES = ["Support", "1st", "a b", "_x", "a" * 33, "é"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_account_name_is_told_with_the_rule(tmp_path: Path, name: str) -> None:
    (told,) = problems(tmp_path, GOOD.replace("accounts.support", f'accounts."{name}"'))
    assert name in told and "is no account name: it must begin with a-z" in told


def test_the_account_name_telegram_is_taken(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, GOOD.replace("accounts.support", "accounts.telegram"))
    assert told.startswith("accounts.telegram: is taken")


NOT_TABLES = {
    "a value for a section": (f'web = 5\n[telegram]\ntoken = "{TOKEN}"', "web: must be a table: write [web]"),
    "a list of tables": (f'[telegram]\ntoken = "{TOKEN}"\n[[web]]\nport = 1', "web: must be a table: write [web]"),
    "a value for an account": (
        f'[telegram]\ntoken = "{TOKEN}"\n[accounts]\nsupport = "x"',
        "accounts.support: must be a table: write [accounts.support]",
    ),
    "a value for all accounts": (f'accounts = 1\n[telegram]\ntoken = "{TOKEN}"', "accounts: must hold tables"),
    "a secret for a section": (f'telegram = "{TOKEN}"', "telegram: must be a table: write [telegram]"),
}


@pytest.mark.parametrize("text, message", NOT_TABLES.values(), ids=NOT_TABLES)
def test_what_should_be_a_table_is_told(tmp_path: Path, text: str, message: str) -> None:
    (told,) = problems(tmp_path, text)
    assert told.startswith(message) and TOKEN not in told


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = """
    colour = "red"
    [telegram]
    mode = "pull"
    [web]
    port = 70000
    host = { env = "NOPE" }
    [accounts.Bad]
    provider = "nobody"
    [accounts.support]
    provider = "sample"
    base_url = 5
    """
    assert {line.split(": ")[0] for line in problems(tmp_path, text)} == {
        "colour",
        "telegram.mode",
        "telegram.token",
        "web.port",
        "web.host",
        "accounts.Bad",
        "accounts.Bad.provider",
        "accounts.support.base_url",
        "accounts.support.token",
        "accounts.support.hook_secret",
    }


def test_the_origin_of_a_wrong_value_is_told(tmp_path: Path) -> None:
    text = edited('host = { env = "HOST" }', under="web") + '\nport = { env = "PORT" }'
    assert problems(tmp_path, text, {"HOST": "", "PORT": "high"}) == [
        'web.host: must not be empty (given: "", from environment variable HOST)',
        'web.port: must be a whole number (given: "high", from environment variable PORT)',
    ]


def test_a_problem_stays_on_one_line_whatever_the_value(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, edited('host = "a"', 'public_url = "one\\ntwo\\u001b[31m"', under="web"))
    assert told.startswith("web.public_url: ") and told.isprintable()


# --- The file itself


def test_a_missing_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environ={}, providers=PROVIDERS)
    assert str(caught.value) == (
        f"{path}: there is no such file; copy config/example.toml there, "
        "or name yours with --config FILE or $PATCHBAY_CONFIG"
    )


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path, environ={}, providers=PROVIDERS)


SYNTAX = {
    "no quotes": ("[telegram]\ntoken = abc\n", "line 2", "key ="),
    "twice": ('[telegram]\ntoken = "a"\ntoken = "b"\n', "line 3", "may stand once"),
    "cut off": ('[telegram]\ntoken = "a', "end of document", "key ="),
}


@pytest.mark.parametrize("text, place, remedy", SYNTAX.values(), ids=SYNTAX)
def test_a_syntax_error_is_told_with_file_and_line(tmp_path: Path, text: str, place: str, remedy: str) -> None:
    (told,) = problems(tmp_path, text)
    assert told.startswith(f"{tmp_path / 'patchbay.toml'}: ") and place in told and remedy in told


@pytest.mark.parametrize("value", ["1" * 5000, "[" * 5000 + "]" * 5000], ids=["digits", "brackets"])
def test_a_value_beyond_the_limits_of_the_parser_is_told(tmp_path: Path, value: str) -> None:
    (told,) = problems(tmp_path, f"[web]\nport = {value}\n")
    assert "too long or brackets nested too deep" in told


def test_a_file_that_is_not_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "patchbay.toml"
    path.write_bytes(b"[telegram]\n# caf\xe9\n")
    with pytest.raises(SettingsError, match="line 2 is not UTF-8"):
        load_settings(path, environ={}, providers=PROVIDERS)


# --- Secrets


def test_no_secret_is_in_the_repr(tmp_path: Path) -> None:
    text = edited('metrics_token = "canary-metrics"', under="web")
    settings = load(tmp_path, text)
    assert "canary" not in f"{settings!r} {settings}"


LEAKS = {
    "too short": ("accounts.support", 'hook_secret = "canary"'),
    "wrong shape": ("telegram", 'token = "canary"'),
    "unknown key": ("accounts.support", 'secret_of_mine = "canary"'),
    "a list": ("accounts.support", 'token = ["canary"]'),
    "a table": ("accounts.support", 'token = { value = "canary" }'),
    "inner": ("accounts.support", 'retry = { pass_phrase = ["canary"] }'),
    "the same value in another key": ("accounts.support", f'base_url = "{KEY}"'),
    "a part of another key": ("web", f'public_url = "ftp://x/{HOOK_SECRET}"'),
    "a password in a URL": ("web", 'public_url = "https://me:canary@x.org"'),
    "as provider": ("accounts.support", f'provider = "{KEY}"'),
}


@pytest.mark.parametrize("table, line", LEAKS.values(), ids=LEAKS)
def test_no_problem_shows_a_secret(tmp_path: Path, table: str, line: str) -> None:
    lines = problems(tmp_path, edited(line, under=table))
    assert "canary" not in "".join(lines)


def test_a_referenced_secret_is_told_by_its_origin_only(tmp_path: Path) -> None:
    text = edited('hook_secret = { env = "HOOK" }', under="accounts.support")
    (told,) = problems(tmp_path, text, {"HOOK": "canary"})
    assert told.startswith("accounts.support.hook_secret: must have at least 16")
    assert "environment variable HOOK" in told and "canary" not in told


def test_a_secret_referenced_by_the_wrong_key_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "api-key.txt").write_text("canary-of-the-file")
    text = edited('public_url = { env = "SUPPORT_TOKEN" }', 'host = ""', under="web").replace(
        'provider = "sample"', 'provider = { file = "api-key.txt" }'
    )
    lines = problems(tmp_path, text, {"SUPPORT_TOKEN": "canary-of-the-environment"})
    assert len(lines) == 3 and "canary" not in "".join(lines)


def test_secrets_lists_every_secret_of_every_account_longest_first(tmp_path: Path) -> None:
    text = edited('metrics_token = "canary"', under="web").replace(
        "[accounts.support]", '[accounts.support]\nretry = { pass_phrase = "inner" }'
    )
    assert secrets(load(tmp_path, text)) == (TOKEN, HOOK_SECRET, KEY, "canary", "inner")


# --- Addresses and paths

PUBLIC_URLS = {
    "https://bridge.example.org": "https://bridge.example.org",
    "https://bridge.example.org/": "https://bridge.example.org",
    "https://bridge.example.org:8443/chat/": "https://bridge.example.org:8443/chat",
    "http://127.0.0.1:8080": "http://127.0.0.1:8080",
    "http://localhost:8080/": "http://localhost:8080",
    "http://[::1]:8080": "http://[::1]:8080",
}


@pytest.mark.parametrize("given, kept", PUBLIC_URLS.items())
def test_a_public_url_is_https_or_on_loopback(tmp_path: Path, given: str, kept: str) -> None:
    assert load(tmp_path, edited(f'public_url = "{given}"', under="web")).web.public_url == kept


@pytest.mark.parametrize("host", ["localhost.example.org", "127.0.0.1.example.org", "10.0.0.1", "0.0.0.0"])
def test_a_host_that_only_looks_like_loopback_needs_https(tmp_path: Path, host: str) -> None:
    (told,) = problems(tmp_path, edited(f'public_url = "http://{host}"', under="web"))
    assert "plain http is for loopback only" in told


def test_the_hook_url_ends_with_the_secret(tmp_path: Path) -> None:
    settings = load(tmp_path, edited('public_url = "https://x.org/"', under="web"))
    assert hook_url(settings, "support") == f"https://x.org/hooks/support/{HOOK_SECRET}"


def test_without_a_public_url_there_is_no_hook_url(tmp_path: Path) -> None:
    assert hook_url(load(tmp_path, GOOD), "support") is None


STORE_PATHS = {
    "in a folder named config, from its parent": ("config/patchbay.toml", "data/x.db", "data/x.db"),
    "elsewhere, from the file's own folder": ("etc/patchbay.toml", "data/x.db", "etc/data/x.db"),
    "upwards": ("etc/patchbay.toml", "../x.db", "x.db"),
}


@pytest.mark.parametrize("config, given, expected", STORE_PATHS.values(), ids=STORE_PATHS)
def test_a_relative_store_path_starts_from_the_project_folder(
    tmp_path: Path, config: str, given: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write(tmp_path, edited(f'path = "{given}"', under="store"), name=config).parent)
    settings = load_settings(Path("patchbay.toml"), environ={}, providers=PROVIDERS)
    assert settings.store.path == tmp_path / expected


def test_a_store_path_may_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", os.fspath(tmp_path / "home"))
    assert load(tmp_path, edited('path = "~/x.db"', under="store")).store.path == tmp_path / "home" / "x.db"


CONFIG_CHOICES = {
    "the option wins": ("a.toml", {"PATCHBAY_CONFIG": "b.toml"}, "a.toml"),
    "then the environment": (None, {"PATCHBAY_CONFIG": "b.toml"}, "b.toml"),
    "then the default": (None, {}, "config/patchbay.toml"),
    "an empty variable counts as unset": (None, {"PATCHBAY_CONFIG": ""}, "config/patchbay.toml"),
}


@pytest.mark.parametrize("option, environ, expected", CONFIG_CHOICES.values(), ids=CONFIG_CHOICES)
def test_the_configuration_is_found(option: str | None, environ: dict[str, str], expected: str) -> None:
    assert find_config(option, environ) == Path(expected)


# --- The example: comments begin with "# ", settings that are commented out with "#"

EXAMPLE = Path(__file__).parents[2] / "config" / "example.toml"
SECTIONS: Mapping[str, type[BaseModel]] = {
    "telegram": TelegramSettings,
    "store": StoreSettings,
    "web": WebSettings,
    "delivery": DeliverySettings,
    "schedules": ScheduleSettings,
}
NOT_DEFAULTS = {"telegram.owners", "telegram.webhook_secret", "web.public_url", "web.metrics_token"}
"""Commented settings that show an example, for their default is to be absent or empty."""


def example(*, everything: Literal["as it is", "uncommented"]) -> str:
    text = EXAMPLE.read_text(encoding="utf-8")
    return text if everything == "as it is" else re.sub(r"(?m)^#(?=\[|[a-z_]+ = )", "", text)


def environment_of(text: str) -> dict[str, str]:
    names = set(re.findall(r'env = "([A-Z_]+)"', text)) - {"NAME"}
    return {name: TOKEN if name == "TELEGRAM_BOT_TOKEN" else f"fake-{name}-0123456789" for name in names}


def load_example(folder: Path, text: str) -> Settings:
    return load_settings(write(folder, text), environ=environment_of(text))


def test_the_example_is_valid_as_it_is(tmp_path: Path) -> None:
    settings = load_example(tmp_path, example(everything="as it is"))
    assert {name: account.provider for name, account in settings.accounts.items()} == {"support": "cinnox"}


def test_the_example_is_valid_with_everything_in_it_uncommented(tmp_path: Path) -> None:
    settings = load_example(tmp_path, example(everything="uncommented"))
    assert {account.provider for account in settings.accounts.values()} == set(registry.PROVIDERS)


def tables_of_the_example() -> dict[str, tuple[type[BaseModel], dict[str, object]]]:
    tables = tomllib.loads(example(everything="uncommented"))
    accounts = tables.pop("accounts")
    named: dict[str, tuple[type[BaseModel], dict[str, object]]] = {
        name: (SECTIONS[name], table) for name, table in tables.items()
    }
    named |= {f"accounts.{n}": (registry.PROVIDERS[t["provider"]].Settings, t) for n, t in accounts.items()}
    return named


@pytest.mark.parametrize("name", tables_of_the_example())
def test_every_setting_is_in_the_example(name: str) -> None:
    model, table = tables_of_the_example()[name]
    assert set(model.model_fields) == set(table)


def test_the_example_has_every_section() -> None:
    assert {*SECTIONS, "accounts"} == set(Settings.model_fields)
    assert set(SECTIONS) <= set(tables_of_the_example())


def test_a_setting_commented_out_in_the_example_shows_its_default(tmp_path: Path) -> None:
    active = tomllib.loads(example(everything="as it is"))
    text = example(everything="uncommented")
    settings = load_example(tmp_path, text)
    shown = {
        f"{name}.{key}": (getattr(model, key), info.default)
        for name, kind in SECTIONS.items()
        for model in [getattr(settings, name)]
        for key, info in kind.model_fields.items()
        if key not in active.get(name, {})
    }
    support = settings.accounts["support"]
    shown |= {
        f"support.{key}": (getattr(support, key), info.default)
        for key, info in type(support).model_fields.items()
        if key not in active["accounts"]["support"]
    }
    shown["store.path"] = (settings.store.path, tmp_path / StoreSettings().path)
    different = {key for key, (value, default) in shown.items() if value != default}
    assert different == NOT_DEFAULTS


# --- Durations

DURATIONS = {
    "600s": 600,
    "90m": 5400,
    "2h30m": 9000,
    "1d12h": 129600,
    "2w": 1209600,
    "45 minutes": 2700,
    "2 hours 30 minutes": 9000,
    " 1H ": 3600,
    "0s": 0,
}


@pytest.mark.parametrize("text, seconds", DURATIONS.items())
def test_a_duration_is_read_as_seconds(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "12", "h", "-1h", "1.5h", "1h1h", "1x", "1h and", "٣h", "9999w", "1h,2m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_duration(text)


def test_a_problem_reads_as_key_and_message() -> None:
    assert str(Problem("web.port", "is\nwrong")) == "web.port: is wrong"
