"""Buttons that open addresses, as people write them: last lines of a message such as ``[Tickets](https://…)`` (pure).

One line is one row. Only lines that hold nothing but such buttons count, and only at the end.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from bridges.model import LABEL_MOST, LinkButton, Message

BUTTONS_MOST, ROW_MOST, URL_MOST = 20, 8, 2048
"""Of one message; beside each other (https://core.telegram.org/bots/api, 2026-11); characters of an address."""
EXAMPLE = "[Tickets](https://example.org)"

_BUTTON = re.compile(r"\s*\[([^\[\]]+)\]\((\S+?)\)(?=\s|\[|\Z)")
_HOST = re.compile(r"[a-z0-9_-]+")


def take_buttons(message: Message) -> Message:
    """The message with the buttons that its last lines are. Raises ``ValueError`` for one that cannot be, and where no
    words and nothing else would be left above them.

    Formatting stays on the words that stay. Links that a client made of such a line are no buttons: only what still has
    its brackets is one.
    """
    rows, end = _rows(message.text)
    if not rows:
        return message
    links = tuple(
        LinkButton(label=label, url=url, beside=place > 0) for row in rows for place, (label, url) in enumerate(row)
    )
    for link in links:
        _check(link)
    if len(links) > BUTTONS_MOST:
        raise ValueError(f"there are {len(links)} buttons, and a message can have {BUTTONS_MOST}; leave some out")
    if any(len(row) > ROW_MOST for row in rows):
        raise ValueError(f"at most {ROW_MOST} buttons stand in a line; put {EXAMPLE} on the next one")
    text = message.text[:end].rstrip()
    if not (text or message.attachments or message.location or message.contact or message.poll):
        raise ValueError(
            f'there are no words above the buttons; write some first, for example "Come along!", then {EXAMPLE}'
        )
    kept = (span for span in message.spans if span.start < len(text))
    spans = tuple(
        span.model_copy(update={"length": len(text) - span.start}) if span.start + span.length > len(text) else span
        for span in kept
    )
    return message.model_copy(update={"text": text, "spans": spans, "links": links})


def _rows(text: str) -> tuple[list[list[tuple[str, str]]], int]:
    """The rows of buttons at the end of a text, and where they begin; blank lines between them count for nothing."""
    rows: list[list[tuple[str, str]]] = []
    end = at = len(text)
    while at > 0:
        start = text.rfind("\n", 0, at) + 1
        line = text[start:at]
        if line.strip():
            row = _row(line)
            if not row:
                break
            rows.append(row)
            end = start
        at = start - 1
    return rows[::-1], end


def _row(line: str) -> list[tuple[str, str]]:
    """The buttons of a line, label and address; none if there is anything else in it."""
    row = []
    at, stop = 0, len(line.rstrip())
    while at < stop:
        found = _BUTTON.match(line, at)
        if found is None or not found[1].strip():
            return []
        row.append((" ".join(found[1].split()), found[2]))
        at = found.end()
    return row


def _check(link: LinkButton) -> None:
    if len(link.label) > LABEL_MOST:
        raise ValueError(
            f"the button “{link.label[:LABEL_MOST]}…” has {len(link.label)} characters, at most {LABEL_MOST} fit"
        )
    if not is_openable(link.url):
        raise ValueError(
            f"the button “{link.label}” opens nothing: “{link.url[:LABEL_MOST]}” is no address on the web; write it in"
            f" full, for example {EXAMPLE}"
        )


def site_of(url: str) -> str:
    """What an address leads to: all before its path, its query and its fragment."""
    end = url.find("://") + 3 if "://" in url else 0
    return url[: next((at for at in range(end, len(url)) if url[at] in "/?#"), len(url))]


def is_openable(url: str) -> bool:
    """Whether a button can open it: an address on the web with a name that anybody can look up, or one in Telegram."""
    if len(url) > URL_MOST or not url.isprintable() or any(char.isspace() for char in url):
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.scheme == "tg":
        return _HOST.fullmatch(parts.netloc.lower()) is not None
    return parts.scheme in ("http", "https") and ("." in host.strip(".") or ":" in host)
