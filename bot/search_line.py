"""What people write after ``/search``: words, "words in a row", begin*, ``in:``, ``from:``, ``since:``, ``until:``.

Whatever is written becomes a question that the index can be asked: nothing of its own language is passed on. The index
knows words by the blanks and signs between them. Of scripts that are written without these (Chinese, Japanese, Thai, …)
it knows no words, so that what is written in them is looked for wherever it stands in a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

QUERY_MOST = 500
WORDS_MOST = 16
BEGINNING_LEAST = 3
"""The index gathers every word that begins so before it finds anything: for fewer letters that takes seconds."""
_MARKS = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "＂": '"'})
_PIECE = re.compile(r'(?:(in|from|since|until):)?(?:"([^"]*)"?|([^\s"]+))', re.IGNORECASE)
_SPACED = re.compile(r"[\u0000-\u0dff\u10a0-\u10ff\u1e00-\u1fff\u2000-\u206f\s]*")
"""Scripts whose words stand apart, and the signs between them."""


class SearchError(ValueError):
    """What cannot be searched for; says why."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for."""

    match: str = ""
    """As the index is asked (https://sqlite.org/fts5.html#full_text_query_syntax, 2026-11): strings only, all of them
    needed."""
    pieces: tuple[str, ...] = ()
    """What stands somewhere in the text."""
    place: str = ""
    sender: str = ""
    since: float | None = None
    until: float | None = None
    """Up to then, without it."""


def read_query(text: str, *, zone: ZoneInfo) -> Query:
    """Read it; raises ``SearchError``. ``zone``: of the days."""
    if len(text) > QUERY_MOST:
        raise SearchError(f"a search has at most {QUERY_MOST} characters")
    # Half a character of a pair, or one that ends a string in C, is in no text.
    text = "".join(c if c.isprintable() else " " for c in text.encode("utf-8", "replace").decode()).translate(_MARKS)
    asked, pieces = [], []
    said: dict[str, str] = {}
    for key, quoted, bare in _PIECE.findall(text):
        word = (quoted or bare).strip()
        if key or (bare.lower().removesuffix(":") in _EXAMPLES and bare.endswith(":")):
            said[(key or bare[:-1]).lower()] = word if key else ""
            continue
        begins = not quoted and word.endswith("*")
        word = word.rstrip("*")
        if not any(char.isalnum() for char in word):
            if word.strip("\"'*()-+:^"):
                pieces.append(word)
        elif not _SPACED.fullmatch(word):
            pieces.append(word)
        elif begins and sum(map(str.isalnum, word)) < BEGINNING_LEAST:
            raise SearchError(f"at least {BEGINNING_LEAST} letters stand before a *")
        else:
            asked.append(f'"{word.replace(chr(34), " ")}"' + (" *" if begins else ""))
    if len(asked) + len(pieces) > WORDS_MOST:
        raise SearchError(f"a search has at most {WORDS_MOST} words")
    for key, word in said.items():
        if not word:
            raise SearchError(f"{key}: stands before nothing; write it as in {_EXAMPLES[key]}")
    if not asked and not pieces and "from" not in said:
        raise SearchError("say what to search for: a word, or from:NAME")
    since, until = _day(said, "since"), _day(said, "until")
    return Query(
        match=" AND ".join(asked),
        pieces=tuple(pieces),
        place=said.get("in", ""),
        sender=said.get("from", ""),
        since=None if since is None else _begin(since, zone),
        until=None if until is None else _begin(until + timedelta(days=1), zone),
    )


_EXAMPLES = {"in": "in:here", "from": 'from:"Ann Lee"', "since": "since:2026-11-01", "until": "until:2026-11-30"}


def _day(said: dict[str, str], key: str) -> date | None:
    if key not in said:
        return None
    try:
        found = date.fromisoformat(said[key])
    except ValueError as error:
        raise SearchError(f"{key}: is no day; write it as in {_EXAMPLES[key]}") from error
    if not 1970 <= found.year <= 9000:
        raise SearchError(f"{key}: is a day on which nobody wrote; write it as in {_EXAMPLES[key]}")
    return found


def _begin(day: date, zone: ZoneInfo) -> float:
    return datetime.combine(day, time(), zone).timestamp()
