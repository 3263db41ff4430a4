"""Text as Telegram stores it: parse modes, explicit entities, cleaning, trimming and what is found unasked.

The rules, their order and the error texts follow the server's open-source client library
(https://github.com/tdlib/td, td/telegram/MessageEntity.cpp, read 2026-11); offsets and lengths are UTF-16 code units
(https://core.telegram.org/bots/api#messageentity), offsets in error texts are bytes of the UTF-8 text. The functions
are pure. Not imitated: phone and bank card numbers, media timestamps, and the whole list of top-level domains (a link
without a scheme is found under the ones in ``_DOMAINS``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024


class EntityError(ValueError):
    """The text or its entities are refused; the words are the server's, without its prefix."""


@dataclass(slots=True)
class Entity:
    """A stretch of text with a meaning; ``extra`` holds the fields only its type has (url, user, language, …)."""

    type: str
    offset: int
    length: int
    extra: Json = field(default_factory=dict)

    @property
    def end(self) -> int:
        return self.offset + self.length

    def to_json(self) -> Json:
        return {"type": self.type, "offset": self.offset, "length": self.length, **self.extra}


# The order of entities that share a place: outer ones first.
_PRIORITY = {
    "blockquote": 0,
    "expandable_blockquote": 0,
    "pre": 10,
    "code": 20,
    "date_time": 30,
    "text_link": 49,
    "text_mention": 49,
    "bold": 90,
    "italic": 91,
    "underline": 92,
    "strikethrough": 93,
    "spoiler": 94,
    "custom_emoji": 99,
}
_SPLITTABLE = ("bold", "italic", "underline", "strikethrough", "spoiler")
_QUOTES = frozenset({"blockquote", "expandable_blockquote"})
_CODE = frozenset({"pre", "code", "date_time"})
_CONTINUOUS = frozenset(
    {
        "mention",
        "hashtag",
        "cashtag",
        "bot_command",
        "url",
        "email",
        "phone_number",
        "text_link",
        "text_mention",
        "custom_emoji",
    }
)
#: The types a bot may give explicitly; the server drops the others without a word and finds them anew.
EXPLICIT = frozenset({*_SPLITTABLE, *_QUOTES, *_CODE, "text_link", "text_mention", "custom_emoji"})


def _order(entity: Entity) -> tuple[int, int, int]:
    # A pre with a language comes before one without.
    priority = _PRIORITY.get(entity.type, 50) + (entity.type == "pre" and "language" not in entity.extra)
    return entity.offset, -entity.length, priority


def utf16_length(text: str) -> int:
    """The length of a text as Telegram counts it."""
    return len(text) + sum(char > "\uffff" for char in text)


def utf16_slice(text: str, offset: int, length: int) -> str:
    """The part of a text at an offset and length given in UTF-16 code units."""
    raw = text.encode("utf-16-le", "surrogatepass")[2 * offset : 2 * (offset + length)]
    return raw.decode("utf-16-le", "replace")


# ---------------------------------------------------------------------------------------------------------------- links


def checked_link(link: str) -> str:
    """The link as the server would store it, or an empty string when it is none."""
    lowered = link.lower()
    for scheme in ("tg", "tonsite", "ton"):
        if lowered.startswith(scheme + ":"):
            return _checked_internal_link(scheme, link[len(scheme) + 1 :].removeprefix("//"))
    parts = _split_link(link)
    if parts is None:
        return ""
    protocol, userinfo, host, port, query = parts
    if "." not in host and not host.startswith("["):
        return ""
    return f"{protocol}://{userinfo + '@' if userinfo else ''}{host}{f':{port}' if port else ''}{query}"


def _checked_internal_link(scheme: str, rest: str) -> str:
    parts = _split_link(rest)
    if parts is None or rest.lower().startswith(("http://", "https://")):
        return ""
    _, userinfo, host, port, query = parts
    allowed = re.compile(r"[a-z0-9_.-]+" if scheme == "tonsite" else r"[a-z0-9_-]+")
    if userinfo or port or not allowed.fullmatch(host):
        return ""
    if query.startswith("/?"):
        query = query[1:]
    return f"{scheme}://{host}{query}"


_URL_PART = re.compile(r"(?:[A-Za-z0-9.\-_!$,~*'();&+=]|%[0-9A-Fa-f]{2}|[^\x00-\x7f])*")
_USER_PART = re.compile(r"(?:[A-Za-z0-9.\-_!$,~*'();&+=:]|%[0-9A-Fa-f]{2}|[^\x00-\x7f])*")


def _split_link(link: str) -> tuple[str, str, str, int, str] | None:
    head = re.match(r"([^:/?#@\[\]]*)://", link)
    protocol = "http"
    if head:
        protocol = _ascii_lower(head[1])
        if protocol not in ("http", "https"):
            return None
        link = link[head.end() :]
    authority = re.match(r"[^/?#]*", link)
    assert authority is not None
    place, query = authority[0], link[authority.end() :].rstrip(" \t\n\r\v\0")
    port = 0
    port_match = re.search(r":([^:\]@]*)$", place)
    if port_match and port_match.start() > 0:
        if not re.fullmatch(r"[0-9]+", port_match[1]) or not 0 < int(port_match[1]) <= 65535:
            return None
        port = int(port_match[1])
        place = place[: port_match.start()]
    userinfo, _, host = place.rpartition("@")
    if host in ("", "."):
        return None
    host = _ascii_lower(host)
    if host.startswith("[") and host.endswith("]"):
        if not re.fullmatch(r"\[[0-9a-f:.]+\]", host):
            return None
    elif not _URL_PART.fullmatch(host) or not _USER_PART.fullmatch(userinfo):
        return None
    if not query.startswith("/"):
        query = "/" + query
    return protocol, userinfo, host, port, re.sub(r"[\0- ]", lambda m: f"%{ord(m[0]):02X}", query)


def _ascii_lower(text: str) -> str:
    return re.sub(r"[A-Z]+", lambda m: m[0].lower(), text)


def _tg_query(link: str, host: str) -> dict[str, str] | None:
    """The parameters of tg://host?…, the last value of each, or None when it is another link."""
    match = re.match(rf"tg:(?://)?{host}/?\?([^#]*)", link, re.IGNORECASE)
    if not match:
        return None
    return dict(pair.partition("=")[::2] for pair in match[1].split("&"))


def _tg_first(link: str, host: str, key: str) -> str | None:
    match = re.match(rf"tg:(?://)?{host}/?\?([^#]*)", link, re.IGNORECASE)
    if not match:
        return None
    for pair in match[1].split("&"):
        name, _, value = pair.partition("=")
        if name == key:
            return value
    return None


def _link_entity(url: str, offset: int, length: int) -> Entity | None:
    user_id = _tg_first(_ascii_lower(url), "user", "id")
    if user_id is not None and re.fullmatch(r"[0-9]{1,18}", user_id) and int(user_id) > 0:
        return Entity("text_mention", offset, length, {"user": {"id": int(user_id)}})
    checked = checked_link(url)
    return Entity("text_link", offset, length, {"url": checked}) if checked else None


def _date_format(value: str, wrong: str = "Invalid date format used") -> str:
    """The format as the server gives it back: weekday, date, time."""
    if value in ("r", "R"):
        return "r"
    if set(value) - set("tTdDwW"):
        raise EntityError(wrong)
    result = "w" if "w" in value or "W" in value else ""
    result += "d" if "d" in value else "D" if "D" in value else ""
    return result + ("t" if "t" in value else "T" if "T" in value else "")


def _date_entity(unix: int, form: str, offset: int, length: int) -> Entity:
    extra: Json = {"unix_time": unix}
    if form:
        extra["date_time_format"] = form
    return Entity("date_time", offset, length, extra)


# ---------------------------------------------------------------------------------------------------------- parse modes


class _Out:
    """The text without its marks as it grows, and how long it is so far."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.utf16 = 0

    def put(self, byte: int) -> None:
        if byte & 0xC0 != 0x80:
            self.utf16 += 1 + (byte >= 0xF0)
        self.data.append(byte)


_SPACES = b" \t\r\n\0\v"


def parse(text: str, mode: str) -> tuple[str, list[Json]]:
    """The text and entities that a parse mode (HTML, MarkdownV2, Markdown) makes of a marked-up text.

    Raises EntityError with the server's words, "Can't find end of …" and the like.
    """
    plain, entities = _parser(mode)(text)
    return plain, [entity.to_json() for entity in entities]


def _parser(mode: str) -> Callable[[str], tuple[str, list[Entity]]]:
    match mode.lower():
        case "html":
            return _parse_html
        case "markdownv2":
            return _parse_markdown_v2
        case "markdown":
            return _parse_markdown
    raise EntityError("Unsupported parse_mode")


def _language(data: bytes, at: int) -> tuple[int, str]:
    """The language after three backticks and where the code begins; one new line after them does not count."""
    end = at
    while end < len(data) and data[end] not in _SPACES and data[end] != 0x60:
        end += 1
    language = ""
    if at != end and end < len(data) and data[end] != 0x60:
        language = data[at:end].decode("utf-8", "replace")
        at = end
    here, following = data[at : at + 1], data[at + 1 : at + 2]
    if here in (b"\n", b"\r"):
        at += 2 if following in (b"\n", b"\r") and following != here else 1
    return at, language


def _pre(offset: int, length: int, language: str) -> Entity:
    return Entity("pre", offset, length, {"language": language} if language else {})


def _parse_markdown(text: str) -> tuple[str, list[Entity]]:
    data = text.encode("utf-8", "surrogatepass")
    out, entities, at = _Out(), list[Entity](), 0
    while at < len(data):
        char = data[at : at + 1]
        if char == b"\\" and data[at + 1 : at + 2] in (b"_", b"*", b"`", b"["):
            out.put(data[at + 1])
            at += 2
            continue
        if char not in (b"_", b"*", b"`", b"["):
            out.put(data[at])
            at += 1
            continue
        begin, end_mark, language = at, b"]" if char == b"[" else char, ""
        at += 1
        if char == b"`" and data[at : at + 2] == b"``":
            end_mark = b"```"
            at, language = _language(data, at + 2)
        offset = out.utf16
        while at < len(data) and data[at : at + len(end_mark)] != end_mark:
            out.put(data[at])
            at += 1
        if at >= len(data):
            raise EntityError(f"Can't find end of the entity starting at byte offset {begin}")
        length = out.utf16 - offset
        if length:
            found: Entity | None
            if char == b"[":
                url = data[begin + 1 : at]
                if data[at + 1 : at + 2] == b"(":
                    close = data.find(b")", at)
                    close = len(data) if close < 0 else close
                    url = data[at + 2 : close]
                    at = close
                found = _link_entity(url.decode("utf-8", "replace"), offset, length)
            elif end_mark == b"```":
                found = _pre(offset, length, language)
            else:
                found = Entity({b"_": "italic", b"*": "bold", b"`": "code"}[char], offset, length)
            if found:
                entities.append(found)
        at += len(end_mark)
    return out.data.decode("utf-8", "surrogatepass"), sorted(entities, key=_order)


@dataclass(slots=True)
class _Open:
    """A mark that was opened and waits for its end."""

    type: str
    argument: str
    offset: int
    at: int
    begin: int


_V2_NAMES = {
    "bold": "Bold",
    "italic": "Italic",
    "underline": "Underline",
    "strikethrough": "Strikethrough",
    "spoiler": "Spoiler",
    "code": "Code",
    "pre": "Pre",
    "pre_code": "PreCode",
    "text_link": "TextUrl",
    "custom_emoji": "CustomEmoji",
    "blockquote": "BlockQuote",
}


def _unended(mark: _Open) -> EntityError:
    return EntityError(f"Can't find end of {_V2_NAMES[mark.type]} entity at byte offset {mark.at}")


def _reserved(byte: int) -> EntityError:
    return EntityError(f"Character '{chr(byte)}' is reserved and must be escaped with the preceding '\\'")


def _v2_url(data: bytes, at: int) -> tuple[str, int]:
    """The escaped address that begins at ``at`` and where its closing parenthesis stands."""
    begin, url = at, bytearray()
    while at < len(data) and data[at] != 0x29:
        if data[at] == 0x5C and at + 1 < len(data) and 0 < data[at + 1] <= 126:
            at += 1
        url.append(data[at])
        at += 1
    if at >= len(data):
        raise EntityError(f"Can't find end of a URL at byte offset {begin}")
    return url.decode("utf-8", "replace"), at


def _v2_ends(mark: _Open, data: bytes, at: int, quoted: bool) -> bool:
    char, following = data[at : at + 1], data[at + 1 : at + 2]
    if quoted and char == b"\n" and following != b">":
        return True
    match mark.type:
        case "bold":
            return char == b"*"
        case "italic":
            return char == b"_" and following != b"_"
        case "underline":
            return char == b"_" and following == b"_"
        case "code":
            return char == b"`"
        case "pre" | "pre_code":
            return data[at : at + 3] == b"```"
        case "text_link" | "custom_emoji":
            return char == b"]"
        case "strikethrough":
            return char == b"~"
        case "spoiler":
            return char == b"|" and following == b"|"
    return False


_V2_RESERVED = frozenset(b"_*[]()~`>#+-=|{}.!\n")


def _parse_markdown_v2(text: str) -> tuple[str, list[Entity]]:
    data = text.encode("utf-8", "surrogatepass")
    out, entities, opened = _Out(), list[Entity](), list[_Open]()
    quoted, may_quote = False, True
    at = 0
    while at < len(data):
        byte = data[at]
        if byte == 0x5C and at + 1 < len(data) and 0 < data[at + 1] <= 126:
            at += 1
            out.put(data[at])
            if data[at] != 0x0D:
                may_quote = data[at] == 0x0A
            at += 1
            continue
        in_code = bool(opened) and opened[-1].type in ("code", "pre", "pre_code")
        if not (byte == 0x60 if in_code else byte in _V2_RESERVED):
            if byte & 0xC0 != 0x80 and byte != 0x0D:
                may_quote = False
            out.put(byte)
            at += 1
            continue
        if not opened or not _v2_ends(opened[-1], data, at, quoted):
            char, following = data[at : at + 1], data[at + 1 : at + 2]
            kind, argument, begin = "", "", at
            if char == b"_":
                kind = "underline" if following == b"_" else "italic"
                at += kind == "underline"
            elif char == b"*":
                kind = "bold"
            elif char == b"~":
                kind = "strikethrough"
            elif char == b"|" and following == b"|":
                kind = "spoiler"
                at += 1
            elif char == b"[":
                kind = "text_link"
            elif char == b"`":
                kind = "code"
                if data[at : at + 3] == b"```":
                    at, argument = _language(data, at + 3)
                    kind = "pre_code" if argument else "pre"
                    at -= 1
            elif char == b"!" and following == b"[":
                kind = "custom_emoji"
                at += 1
            elif char == b"\n":
                out.put(byte)
                may_quote = True
            elif char == b">" and may_quote:
                if not quoted:
                    kind = "blockquote"
                    quoted = True
            else:
                raise _reserved(byte)
            if kind:
                opened.append(_Open(kind, argument, out.utf16, begin, len(out.data)))
            at += 1
            continue
        mark = opened[-1]
        kind = mark.type
        if byte == 0x0A and kind != "blockquote":
            # Two bars just before the end of a quotation make it expandable.
            if kind != "spoiler" or not (mark.at == at - 2 or (mark.at == at - 3 and out.data[-1:] == b"\r")):
                raise _unended(mark)
            opened.pop()
            mark = opened[-1]
            if mark.type != "blockquote":
                raise _unended(mark)
            kind = "expandable_blockquote"
        skip = out.utf16 == mark.offset
        found: Entity | None = None
        if kind in ("underline", "spoiler"):
            at += 1
        elif kind in ("pre", "pre_code"):
            at += 2
        elif kind == "text_link":
            if data[at + 1 : at + 2] == b"(":
                url, at = _v2_url(data, at + 2)
            else:
                url = out.data[mark.begin :].decode("utf-8", "replace")
            found = _link_entity(url, mark.offset, out.utf16 - mark.offset)
            skip = skip or found is None
        elif kind == "custom_emoji":
            if data[at + 1 : at + 2] != b"(":
                raise EntityError("The entity must contain a tg://emoji or tg://time URL")
            url, at = _v2_url(data, at + 2)
            found = _emoji_or_time(url, mark.offset, out.utf16 - mark.offset)
        elif kind in _QUOTES:
            quoted = False
            out.put(byte)
            may_quote = True
            skip = False
        if not skip:
            length = out.utf16 - mark.offset
            if found is None and kind in ("pre", "pre_code"):
                found = _pre(mark.offset, length, mark.argument)
            entities.append(found or Entity(kind, mark.offset, length))
        opened.pop()
        at += 1
    if quoted:
        kind = "blockquote"
        if opened[-1].type == "spoiler" and opened[-1].at == len(data) - 2:
            opened.pop()
            kind = "expandable_blockquote"
        if opened[-1].type == "blockquote":
            if out.utf16 != opened[-1].offset:
                entities.append(Entity(kind, opened[-1].offset, out.utf16 - opened[-1].offset))
            opened.pop()
    if opened:
        raise _unended(opened[-1])
    return out.data.decode("utf-8", "surrogatepass"), sorted(entities, key=_order)


def _emoji_or_time(url: str, offset: int, length: int) -> Entity:
    emoji = _tg_first(url, "emoji", "id")
    if emoji is not None and re.fullmatch(r"-?(0|[1-9][0-9]{0,18})", emoji) and int(emoji):
        return Entity("custom_emoji", offset, length, {"custom_emoji_id": emoji})
    query = _tg_query(url, "time")
    if query and re.fullmatch(r"[1-9][0-9]{0,9}", query.get("unix", "")):
        try:
            return _date_entity(int(query["unix"]), _date_format(query.get("format", "")), offset, length)
        except EntityError:
            pass
    # A leading zero is not a number to the server: "id=025" is refused as well.
    raise EntityError("Invalid tg://emoji or tg://time URL specified")


_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "u": "underline",
    "ins": "underline",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
    "a": "text_link",
    "pre": "pre",
    "code": "code",
    "blockquote": "blockquote",
}
_NAMED = {b"lt": "<", b"gt": ">", b"amp": "&", b"quot": '"'}
_REFERENCE = re.compile(rb"&(?:#x([0-9A-Fa-f]*)|#([0-9]*)|([A-Za-z]*))")


def _html_reference(data: bytes, at: int) -> tuple[str, int] | None:
    """The character of an HTML reference at ``at`` and where the text goes on, or None if it is none."""
    match = _REFERENCE.match(data, at)
    if not match:
        return None
    if match[3] is not None:
        char = _NAMED.get(match[3])
        if char is None:
            return None
    else:
        digits, base = (match[1], 16) if match[1] is not None else (match[2], 10)
        code = int(digits or b"0", base)
        if code == 0 or code >= 0x10FFFF or match.end() - at >= 10:
            return None
        char = chr(code)
    end = match.end()
    return char, end + (data[end : end + 1] == b";")


@dataclass(slots=True)
class _Tag:
    name: str
    argument: str
    date: int
    offset: int
    begin: int


def _parse_html(text: str) -> tuple[str, list[Entity]]:
    data = text.encode("utf-8", "surrogatepass")
    out, entities, opened = _Out(), list[Entity](), list[_Tag]()
    at = 0
    while at < len(data):
        byte = data[at]
        if byte == 0x26:
            reference = _html_reference(data, at)
            if reference:
                char, at = reference
                for part in char.encode("utf-8", "surrogatepass"):
                    out.put(part)
                continue
        if byte != 0x3C:
            out.put(byte)
            at += 1
            continue
        if data[at + 1 : at + 2] != b"/":
            tag, at = _html_start(data, at, out)
            opened.append(tag)
        else:
            at = _html_end(data, at, out, opened, entities)
    for entity in entities:
        if entity.type == "code":
            entity.extra.clear()
    if opened:
        raise EntityError(f'Can\'t find end tag corresponding to start tag "{opened[-1].name}"')
    try:
        plain = out.data.decode("utf-8")
    except UnicodeDecodeError:
        raise EntityError(
            "Text contains invalid Unicode characters after decoding HTML entities, check for unmatched surrogate"
            " code units"
        ) from None
    return plain, sorted(entities, key=_order)


def _skip(data: bytes, at: int, until: Callable[[int], bool]) -> int:
    while at < len(data) and not until(data[at]):
        at += 1
    return at


def _is_space(byte: int) -> bool:
    return byte in _SPACES


def _html_start(data: bytes, begin: int, out: _Out) -> tuple[_Tag, int]:
    at = _skip(data, begin + 1, lambda b: b in _SPACES or b == 0x3E)
    if at >= len(data):
        raise EntityError(f"Unclosed start tag at byte offset {begin}")
    name = _ascii_lower(data[begin + 1 : at].decode("utf-8", "replace"))
    if name not in _TAGS:
        raise EntityError(f'Unsupported start tag "{name}" at byte offset {begin}')
    argument, date = "", 0
    while data[at : at + 1] != b">":
        at = _skip(data, at, lambda b: not _is_space(b))
        if data[at : at + 1] == b">":
            break
        start = at
        at = _skip(data, at, lambda b: b in _SPACES or b in b"=>/\"'")
        attribute = data[start:at].decode("utf-8", "replace")
        if not attribute:
            raise EntityError(f'Empty attribute name in the tag "{name}" at byte offset {begin}')
        at = _skip(data, at, lambda b: not _is_space(b))
        if data[at : at + 1] != b"=":
            if at >= len(data):
                raise EntityError(f'Unclosed start tag "{name}" at byte offset {begin}')
            if name == "blockquote" and attribute == "expandable":
                argument = "1"
            continue
        at = _skip(data, at + 1, lambda b: not _is_space(b))
        if at >= len(data):
            raise EntityError(f'Unclosed start tag "{name}" at byte offset {begin}')
        value, at = _html_value(data, at)
        if at >= len(data):
            raise EntityError(f"Unclosed start tag at byte offset {begin}")
        match name, attribute:
            case ("a", "href") | ("tg-emoji", "emoji-id") | ("tg-time", "format"):
                argument = value
            case "code", "class" if value.startswith("language-"):
                argument = value[len("language-") :]
            case "span", "class" if value.startswith("tg-"):
                argument = value[len("tg-") :]
            case "blockquote", "expandable":
                argument = "1"
            case "tg-time", "unix":
                number = re.match(r"[0-9]{1,10}", value)
                date = int(number[0]) if number else 0
    if name == "span" and argument != "spoiler":
        raise EntityError(f'Tag "span" must have class "tg-spoiler" at byte offset {begin}')
    return _Tag(name, argument, date, out.utf16, len(out.data)), at + 1


def _html_value(data: bytes, at: int) -> tuple[str, int]:
    if data[at] not in b"'\"":
        start = at
        at = _skip(data, at, lambda b: not (chr(b).isascii() and (chr(b).isalnum() or b in b".-")))
        if at < len(data) and data[at] not in _SPACES and data[at] != 0x3E:
            raise EntityError(f"Unexpected end of name token at byte offset {start}")
        return _ascii_lower(data[start:at].decode("utf-8", "replace")), at
    quote = data[at]
    at += 1
    value = bytearray()
    while at < len(data) and data[at] != quote:
        reference = _html_reference(data, at) if data[at] == 0x26 else None
        if reference:
            value += reference[0].encode("utf-8", "surrogatepass")
            at = reference[1]
        else:
            value.append(data[at])
            at += 1
    return value.decode("utf-8", "replace"), at + (at < len(data))


def _html_end(data: bytes, begin: int, out: _Out, opened: list[_Tag], entities: list[Entity]) -> int:
    """Close the innermost tag; returns where the text goes on."""
    if not opened:
        raise EntityError(f"Unexpected end tag at byte offset {begin}")
    at = _skip(data, begin + 2, lambda b: b in _SPACES or b == 0x3E)
    name = _ascii_lower(data[begin + 2 : at].decode("utf-8", "replace"))
    at = _skip(data, at, lambda b: not _is_space(b))
    if data[at : at + 1] != b">":
        raise EntityError(f"Unclosed end tag at byte offset {begin}")
    tag = opened[-1]
    if name and name != tag.name:
        raise EntityError(f'Unmatched end tag at byte offset {begin}, expected "</{tag.name}>", found "</{name}>"')
    length = out.utf16 - tag.offset
    if length:
        _close_tag(tag, length, out.data[tag.begin :].decode("utf-8", "replace"), entities)
    opened.pop()
    return at + 1


def _close_tag(tag: _Tag, length: int, inside: str, entities: list[Entity]) -> None:
    kind, last = _TAGS[tag.name], entities[-1] if entities else None
    same_place = last is not None and (last.offset, last.length) == (tag.offset, length)
    match kind:
        case "custom_emoji":
            if not re.fullmatch(r"-?[0-9]{1,19}", tag.argument) or not int(tag.argument):
                raise EntityError("Invalid custom emoji identifier specified")
            entities.append(Entity(kind, tag.offset, length, {"custom_emoji_id": str(int(tag.argument))}))
        case "date_time":
            form = _date_format(tag.argument)
            if tag.date > 0:
                entities.append(_date_entity(tag.date, form, tag.offset, length))
        case "text_link":
            found = _link_entity(tag.argument or inside, tag.offset, length)
            if found:
                entities.append(found)
        case "pre" if same_place and last is not None and last.type == "code" and last.extra:
            last.type = "pre"
        case "code" if same_place and last is not None and last.type == "pre" and not last.extra and tag.argument:
            last.extra["language"] = tag.argument
        case "code":
            entities.append(_pre(tag.offset, length, tag.argument))
            entities[-1].type = "code"
        case "blockquote" if tag.argument:
            entities.append(Entity("expandable_blockquote", tag.offset, length))
        case _:
            entities.append(Entity(kind, tag.offset, length))


# ------------------------------------------------------------------------------------------------------ found unasked


def _is_word(char: str) -> bool:
    return char == "_" or unicodedata.category(char)[0] in "LN"


def _is_tag_letter(char: str) -> bool:
    category = unicodedata.category(char)
    return char in "_\u200c\u00b7" or "\u0d80" <= char <= "\u0dff" or category == "Nd" or category[0] == "L"


_MENTION = re.compile(r"@([a-zA-Z0-9_]{2,32})(?![a-zA-Z0-9_])")
_SHORT_NAMES = frozenset({"gif", "nft", "pic", "ufc", "vid"})
_COMMAND = re.compile(r"/[a-zA-Z0-9_]{1,64}(?![a-zA-Z0-9_])(?:@[a-zA-Z0-9_]{3,32}(?![a-zA-Z0-9_])|(?!@))")
_CASHTAG = re.compile(r"\$(?:1INCH|[A-Z]{1,8}(?![A-Z]))(?:@[a-zA-Z0-9_]{3,32}(?![a-zA-Z0-9_]))?")
_TG_LINK = re.compile(
    r"(?:tonsite|ton|tg)://[a-zA-Z0-9_-]{1,253}"
    r"(?:[/?#][^\s\u2000-\u200b\u200e\u200f\u2016-\u206f<>\u00ab\u00bb\"]*)?",
    re.IGNORECASE,
)
_Found = tuple[int, int, str]


def _mentions(text: str) -> Iterable[_Found]:
    for match in _MENTION.finditer(text):
        start, end = match.span()
        if (start and _is_word(text[start - 1])) or (end < len(text) and _is_word(text[end])):
            continue
        if len(match[1]) >= 4 or match[1].lower() in _SHORT_NAMES:
            yield start, end, "mention"


def _commands(text: str) -> Iterable[_Found]:
    for match in _COMMAND.finditer(text):
        start, end = match.span()
        before, after = text[start - 1 : start], text[end : end + 1]
        if (before and (_is_word(before) or before in "/<>")) or (after and (_is_word(after) or after in "/<>")):
            continue
        yield start, end, "bot_command"


def _hashtags(text: str) -> Iterable[_Found]:
    at = text.find("#")
    while at >= 0:
        end = at + 1
        while end < len(text) and _is_tag_letter(text[end]):
            end += 1
        stop = min(end, at + 257)
        letters = any(unicodedata.category(char)[0] == "L" for char in text[at + 1 : stop])
        if not (at and _is_tag_letter(text[at - 1])) and stop > at + 1:
            if stop == end:
                owner = re.compile(r"@[a-zA-Z0-9_]{3,32}").match(text, end)
                stop = end = owner.end() if owner else end
            if text[end : end + 1] != "#" and letters:
                yield at, stop, "hashtag"
        at = text.find("#", max(end, at + 1))


def _cashtags(text: str) -> Iterable[_Found]:
    for match in _CASHTAG.finditer(text):
        start, end = match.span()
        around = text[start - 1 : start] + text[end : end + 1]
        if not any(_is_tag_letter(char) or char == "$" for char in around):
            yield start, end, "cashtag"


_TRAILING = ".:;,('?!`"


def _tg_links(text: str) -> Iterable[_Found]:
    for match in _TG_LINK.finditer(text):
        # A mark that begins a path and has none behind it is not part of the address.
        found = match[0].rstrip(_TRAILING + "#") if match[0][-1] in "?#" and match[0].count("/") == 2 else match[0]
        found = found.rstrip(_TRAILING)
        yield match.start(), match.start() + len(found), "url"


_LINK_STOP = frozenset('\n<>"\u00ab\u00bb')
_USER_STOP = _LINK_STOP | frozenset("/[]{}()'`@")


def _is_link_char(char: str) -> bool:
    if "\u2000" <= char <= "\u206f":
        return char in "\u200c\u200d" or "\u2010" <= char <= "\u2015"
    return unicodedata.category(char)[0] != "Z"


def _is_host_char(char: str) -> bool:
    if char < "\u00c0":
        return char.isascii() and (char.isalnum() or char in "._-~")
    return _is_link_char(char)


def _links(text: str) -> Iterable[_Found]:
    """Addresses and e-mail addresses: around every dot the longest host, then what stands before and behind it."""
    floor = 0
    dot = text.find(".", floor)
    while 0 <= dot < len(text) - 1:
        found = _link_around(text, floor, dot)
        if found is None:
            floor = dot + 1
        else:
            start, end, good = found
            if good and end > dot + 1:
                yield from _named_link(text, start, end)
            floor = max(end, dot + 1)
        dot = text.find(".", floor)


def _back(text: str, at: int, floor: int, allowed: Callable[[str], bool]) -> int:
    while at > floor and allowed(text[at - 1]):
        at -= 1
    return at


def _is_user_char(char: str) -> bool:
    return char not in _USER_STOP and _is_link_char(char)


def _link_around(text: str, floor: int, dot: int) -> tuple[int, int, bool] | None:
    """Start and end of the address that has its first dot at ``dot``, and whether it may stand there."""
    if text[dot + 1] == " ":
        return None
    start = _back(text, dot, floor, _is_host_char)
    end, has_at = dot, False
    while end < len(text) and (text[end] == "@" or _is_host_char(text[end])):
        has_at = has_at or text[end] == "@"
        end += 1
    if has_at:
        start = _back(text, start, floor, _is_user_char)
    port = re.compile(r":0*([0-9]{1,5})(?![0-9])").match(text, end)
    if port and 0 < int(port[1]) <= 65535:
        end = port.end()
    if text[end : end + 1] in ("/", "?", "#") and end < len(text):
        path = end + 1
        while path < len(text) and text[path] not in _LINK_STOP and _is_link_char(text[path]):
            path += 1
        while path > end + 1 and text[path - 1] in _TRAILING:
            path -= 1
        if text[end] == "/" or path > end + 1:
            end = path
    while end > dot + 1 and text[end - 1] == ".":
        end -= 1
    good = True
    if start > floor and text[start - 1] == "@":
        user = _back(text, start - 1, floor, _is_user_char)
        good = not has_at and user != start - 1
        start = user
    if start > floor:
        start, allowed = _link_prefix(text, floor, start)
        good = good and allowed
    return start, end, good


def _link_prefix(text: str, floor: int, start: int) -> tuple[int, bool]:
    """Where the address begins with its scheme, and whether an address may stand there."""
    if text[floor:start].endswith("://"):
        begin = _back(
            text,
            start - 3,
            floor,
            lambda c: c.isalnum() or c in "+-" if c.isascii() else unicodedata.category(c)[0] != "Z",
        )
        scheme = text[begin : start - 3].lower()
        for name, refused in (("https", ()), ("http", ("shttp",)), ("ftp", ("tftp", "sftp")), ("tonsite", ())):
            if scheme.endswith(name) and scheme not in refused:
                return start - 3 - len(name), True
        return start, False
    before = text[start - 1]
    return start, not (_is_word(before) or before in "/#@")


_EMAIL = re.compile(
    r"(?:[a-z0-9_-]{0,26}[.+]){0,10}[a-z0-9_-]{1,35}"
    r"@(?:(?:[a-z0-9][a-z0-9_-]{0,28})?[a-z0-9]\.){1,6}[a-z]{2,8}",
    re.IGNORECASE,
)


def _named_link(text: str, start: int, end: int) -> Iterable[_Found]:
    found = text[start:end]
    if found.startswith("mailto:") and _EMAIL.fullmatch(found, len("mailto:")):
        yield start + len("mailto:"), end, "email"
    elif _EMAIL.fullmatch(found):
        yield start, end, "email"
    else:
        length = _sound_link(found)
        if length:
            yield start, start + length, "url"


def _sound_link(link: str) -> int:
    """How much of a found address is one, 0 if nothing."""
    scheme = re.match(r"(?:https?|ftp|tonsite)://", link, re.IGNORECASE)
    rest = link[scheme.end() :] if scheme else link
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    path = rest[len(host) :]
    host = host.partition("@")[2] if "@" in host else host
    host = host.rpartition(":")[0] if ":" in host else host
    kept = _balanced(path)
    length = len(link) - len(path) + kept
    parts = host.split(".")
    if len(parts) < 2 or any(not 0 < len(part) < 64 or part.endswith("-") for part in parts):
        return 0
    if len(parts) == 4 and all(re.fullmatch(r"0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]", p) for p in parts):
        return length
    domain = parts[-1]
    if all(re.fullmatch(r"[0-9]+", part) for part in parts) or len(domain) <= 1 or "_" in parts[-2]:
        return 0
    if domain.startswith("xn--"):
        return length if re.fullmatch(r"[a-zA-Z0-9]{2,}", domain[4:]) else 0
    if "_" in domain or "-" in domain or (not scheme and not _is_common(domain)):
        return 0
    # A name made to be taken for Telegram's own.
    return 0 if host.lower() == "teiegram.org" else length


def _is_common(domain: str) -> bool:
    """Whether the top-level domain is one; a capital at its beginning alone is that of a new sentence."""
    lowered = domain.lower()
    return lowered in _DOMAINS and not (domain[0] != lowered[0] and domain[1:] == lowered[1:])


def _balanced(path: str) -> int:
    """The length of a path without a closing bracket that was not opened in it, nor what hangs on its end."""
    balance, at = {"(": 0, "[": 0, "{": 0}, 0
    for at, char in enumerate(path):  # noqa: B007 (the position is used after the loop)
        if char in balance:
            balance[char] += 1
        elif char in ")]}":
            balance["([{"[")]}".index(char)]] -= 1
            if min(balance.values()) < 0:
                break
    else:
        at = len(path)
    while at > 0 and path[at - 1] in _TRAILING:
        at -= 1
    return at


# Country domains, then the generic ones a chat is likely to name (https://data.iana.org/TLD/tlds-alpha-by-domain.txt
# has them all).
_DOMAINS = frozenset(
    re.findall(
        r"\w+",
        """
    ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bv bw by bz ca cc
    cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gb
    gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke
    kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu
    mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw
    sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz
    ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw
    academy aero agency app art asia audio bank bar bet bid bio biz blog blue boutique build business cab cafe camera
    camp care cash cat center ceo charity chat church city cloud club codes coffee com community company computer
    consulting contact cool coop country credit dance data date dating deals delivery design dev digital direct
    directory dog domains download earth edu education email energy engineer events exchange expert express family fan
    farm finance fit fitness foundation fun fund fyi gallery game games garden global gold gov green group guide guru
    haus health help home host hosting house how inc industries info ink institute int international investments
    jobs kitchen land law legal lgbt life link live loan lol love ltd management map market marketing mba media
    men menu mil mobi moda money movie museum name net network news ngo ninja one onl online org page partners parts
    party photo photos pics pictures pink pizza plus post press pro productions properties pub red rent repair report
    rest review reviews rip rocks run sale school science security services sexy shop show singles site ski social
    software solar solutions space store stream studio study style support surf systems tax team tech technology tel
    tips tires today tools top tours town toys trade training travel tube university video vip vision vote voyage
    watch website wiki win wine work works world wtf xxx xyz yoga zone onion ton
    бг бел дети ею ком мон москва онлайн орг рус рф сайт срб укр қаз
    ελ ευ 中国 中國 公司 台湾 台灣 网络 网站 香港 한국 భారత్
        """,
    )
)


def find(text: str) -> list[Entity]:
    """What the server marks by itself: mentions, commands, hashtags, cashtags, addresses and e-mail addresses."""
    found: list[_Found] = []
    if "@" in text:
        found += _mentions(text)
    if "/" in text:
        found += _commands(text)
    if "#" in text:
        found += _hashtags(text)
    if "$" in text:
        found += _cashtags(text)
    if "://" in text:
        found += _tg_links(text)
    if "." in text:
        found += _links(text)
    found.sort(key=lambda item: (item[0], -item[1]))
    result: list[Entity] = []
    end = counted = offset = 0
    for start, stop, kind in found:
        if start < end:
            continue
        offset += utf16_length(text[counted:start])
        counted, end = start, stop
        result.append(Entity(kind, offset, utf16_length(text[start:stop])))
    return result


# ------------------------------------------------------------------------------------- sorting, cleaning and trimming


def _has_content(entity: Entity) -> bool:
    if entity.length <= 0:
        return False
    match entity.type:
        case "text_link":
            return bool(entity.extra["url"])
        case "text_mention":
            return int(entity.extra["user"]["id"]) > 0
    return True


def _without_overlap(entities: Iterable[Entity]) -> list[Entity]:
    result, end = list[Entity](), 0
    for entity in entities:
        if entity.offset >= end:
            end = entity.end
            result.append(entity)
    return result


def _without_crossing(entities: Iterable[Entity], quotes: Sequence[Entity]) -> list[Entity]:
    """Those that do not cross the edge of a quotation; one may contain them, they may not contain one."""
    result, at = list[Entity](), 0
    for entity in entities:
        while at < len(quotes) and quotes[at].end <= entity.offset:
            at += 1
        if at < len(quotes):
            quote = quotes[at]
            if quote.end < entity.end or entity.offset < quote.offset < entity.end:
                continue
        result.append(entity)
    return result


def _resplit(styles: list[Entity], others: list[Entity]) -> list[Entity]:
    """Styles joined where they touch, cut where another begins or ends, and left out inside code.

    A style is cut also where another style begins in it: bold with italic inside becomes two pieces of bold, as on
    the server.
    """
    if not styles:
        return others
    splitter = _Splitter(styles)
    nested = list[Entity]()

    def go_to(offset: float) -> None:
        while nested and offset >= nested[-1].end:
            before = len(splitter.result)
            splitter.advance(nested[-1].end)
            if nested.pop().type in _CODE:
                del splitter.result[before:]
        splitter.advance(offset)

    for other in others:
        go_to(other.offset)
        nested.append(other)
    go_to(float("inf"))
    return sorted([*others, *splitter.result], key=_order)


class _Splitter:
    """Goes through sorted styles from left to right and writes down their pieces."""

    def __init__(self, styles: list[Entity]) -> None:
        self._styles = styles
        self._at = 0
        self._open: dict[str, tuple[int, int]] = {}
        self.result: list[Entity] = []

    def advance(self, offset: float) -> None:
        """Take in what begins before the offset and write down what is open up to it."""
        while self._at < len(self._styles) and self._styles[self._at].offset < offset:
            style = self._styles[self._at]
            self._at += 1
            begin, end = self._open.get(style.type, (0, -1))
            if style.offset <= end:
                self._open[style.type] = (begin, max(end, style.end))
            else:
                self._flush(style.offset)
                self._open[style.type] = (style.offset, style.end)
        self._flush(offset)

    def _flush(self, offset: float) -> None:
        for kind in _SPLITTABLE:
            begin, end = self._open.get(kind, (0, -1))
            if begin >= offset or end < 0:
                continue
            stop = end if end <= offset else int(offset)
            self.result.append(Entity(kind, begin, stop - begin))
            if end <= offset:
                del self._open[kind]
            else:
                self._open[kind] = (stop, end)


def _sorted_apart(entities: Iterable[Entity]) -> tuple[list[Entity], list[Entity], list[Entity]]:
    styles, quotes, others = list[Entity](), list[Entity](), list[Entity]()
    for entity in sorted(entities, key=_order):
        kind = styles if entity.type in _SPLITTABLE else quotes if entity.type in _QUOTES else others
        kind.append(entity)
    return styles, quotes, others


def _settled(entities: Iterable[Entity], found: Sequence[Entity] = ()) -> list[Entity]:
    """Entities as the server keeps them: sorted, without overlap; found ones only where nothing else stands."""
    styles, quotes, others = _sorted_apart(entities)
    quotes = _without_overlap(quotes)
    others = _without_crossing(_without_overlap(others), quotes)
    for entity in _without_crossing(found, quotes):
        if all(entity.end <= other.offset or other.end <= entity.offset for other in others):
            others.append(entity)
    return _resplit(styles, sorted([*others, *quotes], key=_order))


_DROPPED = frozenset("\r\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u0333\u033f\u030a")
_MARKS = re.compile("[\u200e\u200f]+")


def _clean(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """The text without control characters, and its entities moved accordingly."""
    edges: dict[int, int] = {}
    wanted = {edge for entity in entities for edge in (entity.offset, entity.end)}
    result, utf16, kept = list[str](), 0, 0
    inside: dict[int, int] = {}
    size = 0
    for char in text:
        if utf16 in wanted:
            edges[utf16] = kept
        width = 1 + (char > "\uffff")
        if width == 2 and utf16 + 1 in wanted:
            inside[utf16 + 1] = size + 4
        utf16 += width
        size += len(char.encode("utf-8", "surrogatepass"))
        if char in _DROPPED:
            continue
        result.append(" " if char < " " and char != "\n" else char)
        kept += width
    edges[utf16] = kept
    moved = list[Entity]()
    for entity in entities:
        if entity.offset in inside:
            raise EntityError(f"Entity begins in a middle of a UTF-16 symbol at byte offset {inside[entity.offset]}")
        if entity.end in inside:
            raise EntityError(
                f"Entity beginning at UTF-16 offset {entity.offset} ends in a middle of a UTF-16 symbol"
                f" at byte offset {inside[entity.end]}"
            )
        if entity.offset not in edges or entity.offset > utf16:
            raise EntityError(f"Entity begins after the end of the text at UTF-16 offset {entity.offset}")
        if entity.end not in edges:
            raise EntityError(
                f"Entity beginning at UTF-16 offset {entity.offset} ends after the end of the text"
                f" at UTF-16 offset {entity.end}"
            )
        offset = edges[entity.offset]
        moved.append(replace(entity, offset=offset, length=edges[entity.end] - offset))
    # Runs of direction marks are a nuisance to readers: all but the last become non-joiners.
    return _MARKS.sub(lambda m: "\u200c" * (len(m[0]) - 1) + m[0][-1], "".join(result)), moved


def settle(text: str, entities: Iterable[Entity] = ()) -> tuple[str, list[Json]]:
    """A text and its entities as the server would store and show them; an empty text comes back empty."""
    kept = [entity for entity in entities if _has_content(entity)]
    text, kept = _clean(text, _settled(kept) if kept else kept)
    kept = [entity for entity in kept if entity.length > 0]
    stripped = text.rstrip(" \n")
    if not stripped:
        return "", []
    limit = utf16_length(stripped)
    kept = [replace(e, length=min(e.length, limit - e.offset)) for e in kept if e.offset < limit]
    first = min((entity.offset for entity in kept), default=limit)
    skipped = min(len(stripped) - len(stripped.lstrip(" \n")), first)
    stripped = stripped[skipped:]
    for entity in kept:
        entity.offset -= skipped
    return stripped, [entity.to_json() for entity in _settled(kept, find(stripped))]


def explicit(value: object, *, what: str = "MessageEntity") -> list[Entity]:
    """The entities a bot gave as parsed JSON; types the server ignores are left out.

    Raises EntityError where a field is missing or out of range.
    """
    result = list[Entity]()
    if not isinstance(value, list):
        return result
    for item in value:
        try:
            found = _explicit_one(item)
        except EntityError as error:
            raise EntityError(f"Can't parse {what}: {error}") from None
        if found:
            if not 0 <= found.offset <= 1_000_000:
                raise EntityError(f"Receive an entity with incorrect offset {found.offset}")
            if not 0 <= found.length <= 1_000_000:
                raise EntityError(f"Receive an entity with incorrect length {found.length}")
            result.append(found)
    return result


def _field(item: Json, name: str, kind: type) -> Any:
    if item.get(name) is None:
        raise EntityError(f'Can\'t find field "{name}"')
    try:
        return kind(item[name])
    except (TypeError, ValueError):
        wanted = "Number" if kind is int else "String"
        raise EntityError(f'Field "{name}" must be of type {wanted}') from None


def _explicit_one(item: object) -> Entity | None:
    if not isinstance(item, dict):
        raise EntityError("expected an Object")
    offset, length = _field(item, "offset", int), _field(item, "length", int)
    kind = _field(item, "type", str)
    if kind not in EXPLICIT:
        return None
    extra: Json = {}
    match kind:
        case "pre" if item.get("language"):
            extra["language"] = str(item["language"])
        case "text_link":
            extra["url"] = checked_link(_field(item, "url", str))
        case "text_mention":
            user = item.get("user")
            if not isinstance(user, dict):
                raise EntityError('Can\'t find field "user"')
            extra["user"] = {"id": _field(user, "id", int)}
        case "custom_emoji":
            extra["custom_emoji_id"] = str(_field(item, "custom_emoji_id", int))
        case "date_time":
            unix = _field(item, "unix_time", int)
            form = _date_format(str(item.get("date_time_format") or ""), "Invalid date-time format specified")
            if unix <= 0:
                raise EntityError("Invalid date specified")
            return _date_entity(unix, form, offset, length)
    return Entity(kind, offset, length, extra)


def formatted(text: str, parse_mode: str = "", entities: object = None) -> tuple[str, list[Json]]:
    """What a bot's text becomes, by its parse mode if it has one, else by its explicit entities.

    Raises EntityError; limits of length are the caller's.
    """
    if len(text.encode("utf-8", "surrogatepass")) > 1 << 15:
        raise EntityError("Text is too long")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise EntityError("Strings must be encoded in UTF-8") from None
    if text and parse_mode and parse_mode.lower() != "none":
        parser = _parser(parse_mode)
        try:
            plain, marked = parser(text)
        except EntityError as error:
            raise EntityError(f"Can't parse entities: {error}") from None
        return settle(plain, marked)
    return settle(text, explicit(entities))
