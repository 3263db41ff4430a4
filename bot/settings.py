"""The configuration file: TOML, environment and secret files in, frozen settings out, every mistake named.

``load_settings`` reads the file once, at start, and collects all problems before it gives up. A secret is a
``SecretStr`` from the moment it is read: neither a problem nor a ``repr`` ever shows it.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union, cast, get_args, get_origin
from urllib.parse import quote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretBytes,
    SecretStr,
    Strict,
    ValidationError,
)

from bot.quiet import parse_quiet
from bot.zone_names import nearest_zones, zone_named
from bridges.api import AccountSettings, Token, check_hook_secret, is_loopback

if TYPE_CHECKING:
    from bridges.registry import BridgeClass

DEFAULT_CONFIG = Path("config/patchbay.toml")
CONFIG_VARIABLE = "PATCHBAY_CONFIG"
RESERVED_ACCOUNT = "telegram"
"""The account name that addresses of Telegram chats have."""

_ACCOUNT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_LONGEST_DURATION_S = 3650 * 86400


# --- What goes wrong ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake a person can mend: the full name of the key (or the file) and what to do about it."""

    key: str
    message: str

    def __str__(self) -> str:
        return _one_line(f"{self.key}: {self.message}")


class SettingsError(Exception):
    """The configuration cannot be used; ``str`` has one line for each problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


# --- Values ---------------------------------------------------------------------------------------------------------

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_UNIT_WORDS = {
    **{word: "s" for word in ("s", "sec", "secs", "second", "seconds")},
    **{word: "m" for word in ("m", "min", "mins", "minute", "minutes")},
    **{word: "h" for word in ("h", "hr", "hrs", "hour", "hours")},
    **{word: "d" for word in ("d", "day", "days")},
    **{word: "w" for word in ("w", "week", "weeks")},
}
_DURATION_PART = re.compile(r"\s*([0-9]{1,9})\s*([a-z]+)")


def parse_duration(text: str) -> int:
    """Seconds of a duration such as ``90s``, ``2h30m``, ``1d12h`` or ``45 minutes``; raises ``ValueError``."""
    words = text.strip().lower()
    seconds, at = 0, 0
    seen: set[str] = set()
    while at < len(words):
        part = _DURATION_PART.match(words, at)
        unit = _UNIT_WORDS.get(part[2]) if part else None
        if part is None or unit is None or unit in seen:
            raise ValueError('must be a duration such as "90s", "2h30m" or "7d"')
        seen.add(unit)
        seconds += int(part[1]) * _UNITS_S[unit]
        at = part.end()
    if not seen:
        raise ValueError('must be a duration such as "90s", "2h30m" or "7d", not an empty string')
    if seconds > _LONGEST_DURATION_S:
        raise ValueError("must be ten years at most")
    return seconds


class _Referenced(str):
    """A value that came through ``env`` or ``file``: the only strings that may stand for a number."""


def _duration(value: object) -> object:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError('must be a duration such as "90s", "2h30m" or "7d"')


def _an_hour(seconds: int) -> int:
    if seconds < 3600:
        raise ValueError('must be "1h" or more')
    return seconds


def _number(value: object) -> object:
    if isinstance(value, _Referenced) and re.fullmatch(r"[+-]?[0-9]{1,18}", value.strip()):
        return int(value)
    return value


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError("must be a URL such as https://bridge.example.org") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or any(c.isspace() for c in value):
        raise ValueError("must be a URL that begins with https:// and names a host")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must have no user, password, query or fragment: only scheme, host, port and path")
    return value.rstrip("/")


def _public_url(value: str) -> str:
    value = _web_address(value)
    if not value.startswith("https://") and not is_loopback(urlsplit(value).hostname or ""):
        raise ValueError("must begin with https://; plain http is for loopback only")
    return value


def _zone(value: str) -> str:
    """The name of a zone that can also be written in the chat: the files know more of them."""
    found = zone_named(value)
    if found is None or found.key != value:
        near = (found.key,) if found is not None else nearest_zones(value)
        raise ValueError(f'must be an IANA time zone such as "{next(iter(near), "Europe/London")}"')
    return value


def _quiet_hours(value: str) -> str:
    """A window such as ``22:00-07:00``, or nothing."""
    return str(parse_quiet(value)) if value.strip() else ""


def _bot_token(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[0-9]+:[^\s/?#%]+", value.get_secret_value()):
        raise ValueError("must be a bot token as @BotFather gives it: digits, a colon, then the rest, no spaces")
    return value


def _header_secret(value: SecretStr) -> SecretStr:
    # The characters setWebhook's secret_token allows, https://core.telegram.org/bots/api#setwebhook, 2026-11.
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", value.get_secret_value()):
        raise ValueError("must have 1 to 256 of the characters A-Z a-z 0-9 _ - and no other")
    return value


def _file_path(value: object) -> object:
    if isinstance(value, str):
        if not value.strip() or "\0" in value:
            raise ValueError('must be the path of a file, such as "data/patchbay.sqlite3"')
        try:
            return Path(value).expanduser()
        except RuntimeError:
            raise ValueError("begins with ~, but there is no home folder here: write the whole path") from None
    if isinstance(value, Path):
        return value
    raise ValueError("must be a string: the path of a file")


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


Whole: TypeAlias = Annotated[int, Strict(), BeforeValidator(_number)]
Seconds: TypeAlias = Annotated[int, Strict(), BeforeValidator(_duration)]
"""Seconds; in the file a duration such as ``"12h"``, or a whole number of seconds."""
OnAmbiguous: TypeAlias = Literal["hold", "resend"]


# --- Settings -------------------------------------------------------------------------------------------------------


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TelegramSettings(_Section):
    """The bot and how it talks to Telegram."""

    token: Annotated[SecretStr, AfterValidator(_bot_token)]
    api_base_url: Annotated[str, AfterValidator(_web_address)] = "https://api.telegram.org"
    """May be plain http anywhere: a local Bot API server usually is."""
    mode: Literal["polling", "webhook"] = "polling"
    webhook_secret: Annotated[SecretStr, AfterValidator(_header_secret)] | None = None
    owners: tuple[Annotated[Whole, Field(gt=0)], ...] = ()
    on_ambiguous: OnAmbiguous = "resend"
    default_timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    poll_timeout: Annotated[Whole, Field(ge=0, le=50)] = 30
    """Seconds that one getUpdates call waits. Ours: not in the contract."""
    album_wait: Annotated[float, Strict(), BeforeValidator(_number), Field(ge=0.1, le=30)] = 1.0
    """Seconds without a further picture after which an album is complete. Ours: not in the contract."""


class StoreSettings(_Section):
    """The database."""

    path: Annotated[Path, BeforeValidator(_file_path)] = Path("data/patchbay.sqlite3")
    """Absolute once loaded: a relative one is resolved against the project's folder."""
    keep: Annotated[Seconds, AfterValidator(_an_hour)] = 30 * 86400
    """Seconds that texts of finished messages are kept. Ours: not in the contract."""


class WebSettings(_Section):
    """The HTTP server and the address the world knows it by."""

    host: Annotated[str, AfterValidator(_text)] = "127.0.0.1"
    port: Annotated[Whole, Field(ge=0, le=65535)] = 8080
    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    """Without a trailing slash."""
    files_keep: Annotated[Seconds, Field(gt=0)] = 7 * 86400
    """How long a link to a file is good for."""
    metrics_token: Token | None = None


class DeliverySettings(_Section):
    """What becomes of messages that do not go through."""

    max_age: Annotated[Seconds, Field(gt=0)] = 12 * 3600
    """Seconds; older deliveries are dead-lettered."""
    on_ambiguous: OnAmbiguous = "hold"
    file_bytes: Annotated[Whole, Field(ge=1, le=2_000_000_000)] = 20 << 20
    """The largest file that is fetched to be sent on."""


class ScheduleSettings(_Section):
    """Rules for scheduled announcements."""

    approval_over: Annotated[Whole, Field(ge=0)] = 0
    """More targets than this need an admin's button; 0: never."""
    approvals: Annotated[Whole, Field(ge=1, le=2)] = 1
    """How many persons have to press it."""
    quiet_hours: Annotated[str, AfterValidator(_quiet_hours)] = ""
    """When schedules deliver nothing, in each target's zone, such as ``22:00-07:00``; empty: there are none."""


class Settings(_Section):
    """Everything in the configuration file."""

    telegram: TelegramSettings
    store: StoreSettings = StoreSettings()
    web: WebSettings = WebSettings()
    delivery: DeliverySettings = DeliverySettings()
    schedules: ScheduleSettings = ScheduleSettings()
    accounts: dict[str, AccountSettings] = Field(default_factory=dict)
    """Account name to the settings class of its provider, in the order of the file."""


_SECTIONS: Mapping[str, type[BaseModel]] = {
    "telegram": TelegramSettings,
    "store": StoreSettings,
    "web": WebSettings,
    "delivery": DeliverySettings,
    "schedules": ScheduleSettings,
}


def hook_url(settings: Settings, account: str) -> str | None:
    """Where the provider of an account posts its events; None without a public URL or a hook secret.

    The result holds the secret: it is for the provider and the operator's own terminal, never for a log.
    """
    secret = getattr(settings.accounts[account], "hook_secret", None)
    if settings.web.public_url is None or not isinstance(secret, SecretStr):
        return None
    return f"{settings.web.public_url}/hooks/{account}/{quote(secret.get_secret_value(), safe='')}"


def secrets(settings: Settings) -> tuple[str, ...]:
    """Every secret value in the settings, longest first, for the log redactor."""
    found = {value for value in _secret_values(settings) if value}
    return tuple(sorted(found, key=lambda value: (-len(value), value)))


def _secret_values(value: object) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case SecretBytes():
            yield value.get_secret_value().decode("utf-8", "replace")
        case BaseModel():
            for name in type(value).model_fields:
                yield from _secret_values(getattr(value, name))
        case Mapping():
            for item in value.values():
                yield from _secret_values(item)
        case list() | tuple() | set() | frozenset():
            for item in value:
                yield from _secret_values(item)


# --- Finding and reading the file -----------------------------------------------------------------------------------


def find_config(option: str | None, environ: Mapping[str, str]) -> Path:
    """The configuration file: ``--config``, else ``$PATCHBAY_CONFIG``, else ``config/patchbay.toml``."""
    named = option or environ.get(CONFIG_VARIABLE)
    return Path(named) if named else DEFAULT_CONFIG


def project_folder(config: Path) -> Path:
    """The folder that relative paths start from: the one that holds ``config/``, else the file's own."""
    own = Path(os.path.abspath(config)).parent
    return own.parent if own.name == "config" else own


def load_settings(
    path: Path, *, environ: Mapping[str, str], providers: Mapping[str, BridgeClass] | None = None
) -> Settings:
    """Read, resolve and check the configuration; reads files, raises ``SettingsError`` with all problems."""
    if providers is None:
        from bridges.registry import PROVIDERS

        providers = PROVIDERS
    return _Loader(path, environ, providers).load(_read_toml(path))


def _read_toml(path: Path) -> dict[str, Any]:
    where = str(path)
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        remedy = f"copy config/example.toml there, or name yours with --config FILE or ${CONFIG_VARIABLE}"
        raise SettingsError([Problem(where, f"there is no such file; {remedy}")]) from None
    except OSError as error:
        message = f"cannot be read ({error.strerror}); it must be a file that this user may read"
        raise SettingsError([Problem(where, message)]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError([Problem(where, f"line {line} is not UTF-8; save the file as UTF-8")]) from None
    except tomllib.TOMLDecodeError as error:
        what, _, position = str(error).partition(" (at ")
        place = position.rstrip(")") or "end of document"
        twice = "overwrite" in what or "twice" in what
        remedy = "each key and each [table] may stand once" if twice else 'a line is [table] or key = "value"'
        message = f"{place}: not valid TOML: {what}; {remedy}"
        raise SettingsError([Problem(where, message)]) from None
    except (ValueError, RecursionError):
        # Python's own limits, which tomllib passes on: digits of a number, depth of nesting.
        message = "has a number too long or brackets nested too deep to be read; remove them"
        raise SettingsError([Problem(where, message)]) from None


Location: TypeAlias = tuple[str | int, ...]


@dataclass
class _Loader:
    """One reading of one file: what was found wrong so far, and what must not be shown."""

    path: Path
    environ: Mapping[str, str]
    providers: Mapping[str, BridgeClass]
    problems: list[Problem] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    """Keys whose reference could not be resolved: nothing more is said about them."""
    origins: dict[str, str] = field(default_factory=dict)
    """Where a referenced value came from, in words."""
    hidden: set[str] = field(default_factory=set)
    """Values of secrets, so that no other key's problem shows one of them."""

    def load(self, raw: Mapping[str, Any]) -> Settings:
        sections = {name: self._section(name, raw.get(name, {})) for name in _SECTIONS}
        accounts = self._accounts(raw.get("accounts", {}))
        known = {name: bridge for name, table in accounts.items() if (bridge := self._bridge(table)) is not None}
        # All secrets first: a problem of one key must not show the secret of another.
        for name, table in sections.items():
            self.hidden.update(_raw_secrets(_SECTIONS[name], table))
        for name, table in accounts.items():
            model = known[name].Settings if name in known else AccountSettings
            self.hidden.update(_raw_secrets(model, table))

        for name in raw:
            if name not in _SECTIONS and name != "accounts":
                self._report((name,), _unknown(name, known=[*_SECTIONS, "accounts"], what="section"))
        built: dict[str, Any] = {
            name: self._build(_SECTIONS[name], table, at=(name,)) for name, table in sections.items()
        }
        built["accounts"] = {name: self._account(name, table, known.get(name)) for name, table in accounts.items()}
        self._cross_checks(sections)
        if self.problems:
            raise SettingsError(self.problems)
        settings = Settings.model_validate(built)
        path = Path(os.path.abspath(project_folder(self.path) / settings.store.path))
        return settings.model_copy(update={"store": settings.store.model_copy(update={"path": path})})

    # Tables and references

    def _section(self, name: str, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._report((name,), f"must be a table: write [{name}] on a line above its keys")
            self.broken.add(name)
            return {}
        return self._resolved_table(value, at=(name,))

    def _accounts(self, value: object) -> dict[str, dict[str, Any]]:
        if not isinstance(value, dict):
            self._report(("accounts",), "must hold tables: write [accounts.support] on a line above an account's keys")
            return {}
        tables: dict[str, dict[str, Any]] = {}
        for name, table in value.items():
            at = ("accounts", name)
            if not isinstance(table, dict):
                self._report(at, f"must be a table: write [{_dotted(at)}] on a line above the account's keys")
                continue
            if name == RESERVED_ACCOUNT:
                self._report(at, "is taken: addresses of Telegram chats begin with it; choose another name")
            elif not _ACCOUNT_NAME.fullmatch(name):
                rule = "begin with a-z and have at most 32 of a-z 0-9 _ -"
                self._report(at, f"is no account name: it must {rule}, such as [accounts.support]")
            tables[name] = self._resolved_table(table, at=at)
        return tables

    def _resolved_table(self, table: Mapping[str, Any], *, at: Location) -> dict[str, Any]:
        resolved = {key: self._resolved(value, at=(*at, key)) for key, value in table.items()}
        return {key: value for key, value in resolved.items() if _dotted((*at, key)) not in self.broken}

    def _resolved(self, value: object, *, at: Location) -> object:
        match value:
            case dict() if value and value.keys() <= {"env", "file"}:
                return self._referenced(value, at=at)
            case dict():
                return self._resolved_table(value, at=at)
            case list():
                return [self._resolved(item, at=(*at, index)) for index, item in enumerate(value)]
        return value

    def _referenced(self, reference: Mapping[str, object], *, at: Location) -> str | None:
        key = _dotted(at)
        try:
            match dict(reference):
                case {"env": str(name), **rest} if not rest:
                    self.origins[key] = f"environment variable {name}"
                    return self._noted(name, self._from_environment(name))
                case {"file": str(name), **rest} if not rest and name:
                    self.origins[key] = f"file {name}"
                    return self._noted(name, self._from_file(name))
            raise ValueError('must be a string, { env = "NAME" } or { file = "path" }, and nothing beside it')
        except ValueError as error:
            self._report(at, str(error))
            self.broken.add(key)
            return None

    def _noted(self, name: str, value: str) -> _Referenced:
        # Two references may have been swapped: what is called a secret is one, whichever key it was given to.
        if value and _SECRET_ORIGIN.search(name.lower()):
            self.hidden.add(value)
        return _Referenced(value)

    def _from_environment(self, name: str) -> str:
        # A name that cannot be one may be the secret itself, put in the wrong place: it is not repeated.
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError("env must be the name of an environment variable, such as BOT_TOKEN, not the value itself")
        if name not in self.environ:
            raise ValueError(f'environment variable {name} is not set; set it, or use {{ file = "path" }}')
        return self.environ[name]

    def _from_file(self, name: str) -> str:
        path = Path(os.path.abspath(self.path)).parent / name
        try:
            return path.read_bytes().decode("utf-8").rstrip("\r\n")
        except OSError as error:
            raise ValueError(f"file {path} cannot be read ({error.strerror}); make it, or mend the path") from None
        except UnicodeDecodeError:
            raise ValueError(f"file {path} is not UTF-8 text; save it as UTF-8") from None
        except ValueError:
            raise ValueError("file must be the path of a file, which a NUL character cannot be part of") from None

    # Models

    def _bridge(self, table: Mapping[str, Any]) -> BridgeClass | None:
        name = table.get("provider")
        return self.providers.get(name) if isinstance(name, str) else None

    def _account(self, name: str, table: Mapping[str, Any], bridge: BridgeClass | None) -> BaseModel | None:
        at = ("accounts", name)
        if bridge is None:
            self._unknown_provider(table, at=(*at, "provider"))
            return None
        settings = self._build(bridge.Settings, table, at=at)
        secret = getattr(settings, "hook_secret", None)
        if isinstance(secret, SecretStr) and secret.get_secret_value():
            # Also for a bridge that declares it as a plain secret: our own paths are made with it.
            try:
                check_hook_secret(secret)
            except ValueError as error:
                key = (*at, "hook_secret")
                self._report(key, f"{error}{self._origin(key)}")
        return settings

    def _unknown_provider(self, table: Mapping[str, Any], *, at: Location) -> None:
        known = ", ".join(sorted(self.providers))
        if _dotted(at) in self.broken:
            return
        if "provider" not in table:
            self._report(at, f'is missing; add provider = "…" with one of: {known}')
            return
        value = table["provider"]
        near = difflib.get_close_matches(str(value), self.providers, n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        self._report(at, f"must be one of: {known} (given: {self._shown(value)}){hint}")

    def _build(self, model: type[BaseModel], table: Mapping[str, Any], *, at: Location) -> BaseModel | None:
        before = len(self.problems)
        if _dotted(at) in self.broken:
            return None
        try:
            built = model.model_validate(table)
        except ValidationError as error:
            built = None
            for detail in error.errors(include_url=False, include_input=False):
                self._translate(cast(Mapping[str, Any], detail), model, table, at=at)
        named = {problem.key for problem in self.problems[before:]}
        for key, value in table.items():
            if value == "" and _dotted((*at, key)) not in named and _secret_at(model, (key,)):
                self._report((*at, key), f"is empty{self._origin((*at, key))}; give it a value, or remove the line")
        return built

    def _translate(
        self, detail: Mapping[str, Any], model: type[BaseModel], table: Mapping[str, Any], *, at: Location
    ) -> None:
        """Say one pydantic error in our words; what follows from a broken reference is not said again."""
        kind = str(detail["type"])
        place, value = _place(detail["loc"], table, missing=kind == "missing")
        key = (*at, *place)
        if _dotted(key) in self.broken:
            return
        if kind == "missing":
            self._report(key, _missing(key, secret=_secret_at(model, place)))
            return
        if kind == "extra_forbidden":
            name = str(place[-1])
            fields = [known for inner in _models_at(model, place[:-1]) for known in _keys(inner)]
            self._report(key, _unknown(name, known=fields, what="key"))
            return
        message = _what(detail, value)
        if not place:  # a check over several keys: providers begin its message with the key it is about
            if any(broken.startswith(f"{_dotted(at)}.") for broken in self.broken):
                return
            first, _, rest = message.partition(" ")
            if (named := first.rstrip(":")) in _keys(model):
                self._report((*at, named), self._without_secrets(rest))
            else:
                self._report(at, self._without_secrets(message))
            return
        message = self._without_secrets(message)
        if _secret_at(model, place):
            self._report(key, f"{message}{self._origin(key)}")
        else:
            origin = f", from {self.origins[_dotted(key)]}" if _dotted(key) in self.origins else ""
            self._report(key, f"{message} (given: {self._shown(value)}{origin})")

    def _cross_checks(self, sections: Mapping[str, Mapping[str, Any]]) -> None:
        if sections["telegram"].get("mode") != "webhook" or "public_url" in sections["web"]:
            return
        if not self.broken & {"web", "web.public_url"}:
            remedy = 'add public_url = "https://…" under [web], or set telegram.mode = "polling"'
            self._report(("web", "public_url"), f'is missing, and telegram.mode = "webhook" needs it; {remedy}')

    # Words

    def _report(self, at: Location, message: str) -> None:
        self.problems.append(Problem(_dotted(at), message))

    def _origin(self, at: Location) -> str:
        origin = self.origins.get(_dotted(at))
        return f" (from {origin})" if origin else ""

    def _without_secrets(self, text: str) -> str:
        # Below four characters a value occurs in ordinary words, and hiding it would show it by the gaps.
        for value in sorted((v for v in self.hidden if len(v) >= 4), key=len, reverse=True):
            for form in (value, json.dumps(value)[1:-1], repr(value)[1:-1]):
                text = text.replace(form, _HIDDEN)
        return text

    def _shown(self, value: object) -> str:
        match value:
            case str():
                plain = re.sub(r"//[^/@\s]*@", f"//{_HIDDEN}@", self._without_secrets(value))
                plain = re.sub(r"[0-9]{5,}:[A-Za-z0-9_-]{20,}", _HIDDEN, plain)
                return json.dumps(plain if len(plain) <= 80 else plain[:79] + "…", ensure_ascii=False)
            case bool():
                return str(value).lower()
            case int() | float() | datetime() | date() | time():
                return self._without_secrets(str(value))
            case list():
                return "a list"
            case dict():
                return "a table"
        return f"a {type(value).__name__}"


_HIDDEN = "•••"
_SECRET_NAME = re.compile(r"(^|_)(token|secret|password|passphrase|api_key|private_key|credentials?)$")
_SECRET_ORIGIN = re.compile(r"token|secret|passw|passphrase|key|credential")


def _dotted(at: Location) -> str:
    """A location as one writes it in TOML, with ``[n]`` for the elements of a list."""
    words = ""
    for step in at:
        if isinstance(step, int):
            words += f"[{step}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", step)
            words += ("." if words else "") + (step if bare else json.dumps(step, ensure_ascii=False))
    return words


def _place(loc: Location, table: Mapping[str, Any], *, missing: bool) -> tuple[Location, object]:
    """The part of a pydantic location that stands in the file, and its value: a union's own steps do not."""
    place: list[str | int] = []
    value: object = table
    for index, step in enumerate(loc):
        inside = (isinstance(value, Mapping) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and step < len(value)
        )
        if inside:
            value = cast(Any, value)[step]
            place.append(step)
        elif missing and index == len(loc) - 1:
            value = None
            place.append(step)
    return tuple(place), value


def _types(annotation: Any) -> Iterator[Any]:
    """The plain types an annotation is made of."""
    origin = get_origin(annotation)
    if origin is Literal:
        return
    if origin is Annotated:
        yield from _types(get_args(annotation)[0])
    elif origin in (Union, types.UnionType) or origin is not None:
        for part in get_args(annotation):
            yield from _types(part)
    else:
        yield annotation


def _keys(model: type[BaseModel]) -> dict[str, Any]:
    """The keys a model takes, as written in the file, with their annotations."""
    keys: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        alias = info.validation_alias
        keys[alias if isinstance(alias, str) else name] = info.annotation
    return keys


def _models(annotation: Any) -> list[type[BaseModel]]:
    return [part for part in _types(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]


def _models_at(model: type[BaseModel], place: Location) -> list[type[BaseModel]]:
    models = [model]
    for step in place:
        if isinstance(step, str):
            models = [inner for outer in models for inner in _models(_keys(outer).get(step))]
    return models


def _secret_at(model: type[BaseModel], place: Location) -> bool:
    """Whether a location is, or is inside, a setting whose value may not be shown."""
    for index, step in enumerate(place):
        if not isinstance(step, str):
            continue
        for outer in _models_at(model, place[:index]):
            if _is_secret(step, _keys(outer).get(step)):
                return True
    return False


def _is_secret(key: str, annotation: Any) -> bool:
    by_type = any(isinstance(part, type) and issubclass(part, SecretStr | SecretBytes) for part in _types(annotation))
    return by_type or _SECRET_NAME.search(key) is not None


def _raw_secrets(model: type[BaseModel], table: Mapping[str, Any]) -> Iterator[str]:
    annotations = _keys(model)
    for key, value in table.items():
        annotation = annotations.get(key)
        if _is_secret(key, annotation):
            yield from _strings(value)
        for inner in _models(annotation):
            for nested in value if isinstance(value, list) else [value]:
                if isinstance(nested, Mapping):
                    yield from _raw_secrets(inner, nested)


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield str(value)
        case int() | float():
            yield str(value)
        case Mapping():
            for item in value.values():
                yield from _strings(item)
        case list():
            for item in value:
                yield from _strings(item)


def _missing(at: Location, *, secret: bool) -> str:
    key, table = str(at[-1]), _dotted(at[:-1])
    if _dotted(at) == "telegram.token":
        return 'is missing; get one from @BotFather and add token = { env = "TELEGRAM_BOT_TOKEN" } under [telegram]'
    if not secret:
        return f'is missing; add {key} = "…" under [{table}]'
    variable = re.sub(r"[^A-Z0-9]", "_", f"{at[-2]}_{key}".upper())
    return f'is missing; add {key} = {{ env = "{variable}" }} under [{table}]'


def _unknown(key: str, *, known: Sequence[str], what: str) -> str:
    near = difflib.get_close_matches(key.lower().replace("-", "_"), known, n=1, cutoff=0.6)
    if near:
        return f'is an unknown {what}; did you mean "{near[0]}"?'
    homes = [section for section, model in _SECTIONS.items() if key in _keys(model)]
    if homes:
        return f"is an unknown {what} here; it belongs under {' or '.join(f'[{home}]' for home in homes)}"
    return f"is an unknown {what}; remove it. Known here: {', '.join(known)}"


def _what(detail: Mapping[str, Any], value: object) -> str:
    """What pydantic objects to, in our words."""
    context: Mapping[str, Any] = detail.get("ctx") or {}
    match detail["type"]:
        case "value_error" | "assertion_error":
            return str(context.get("error") or "is not valid")
        case "literal_error" | "enum":
            return f"must be {context.get('expected', 'one of the known words')}".replace("'", '"')
        case "string_type":
            return 'must be a string in quotes, or { env = "NAME" }, or { file = "path" }'
        case "int_type" | "int_parsing" | "int_from_float":
            return "must be a whole number"
        case "bool_type" | "bool_parsing":
            return "must be true or false"
        case "list_type" | "tuple_type" | "set_type":
            return "must be a list in square brackets"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "must be a table"
        case "string_too_short" | "too_short" if isinstance(value, str):
            return f"must have at least {context.get('min_length')} characters"
        case "string_too_long" | "too_long" if isinstance(value, str):
            return f"must have at most {context.get('max_length')} characters"
        case "greater_than_equal":
            return f"must be {context['ge']} or more"
        case "greater_than":
            return f"must be more than {context['gt']}"
        case "less_than_equal":
            return f"must be {context['le']} or less"
        case "less_than":
            return f"must be less than {context['lt']}"
    message = str(detail["msg"])
    return re.sub(r"^(Input|String|Value|URL) should ", "must ", message)
