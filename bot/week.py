"""What is planned for the coming days, as a picture for a phone and in words.

Letters come from the fonts that this machine has, and at least the built-in one, which is ASCII and little more. What
no font has is replaced by something readable: an emoji by its name, a letter by the one without its accents, anything
else by a ``?``. Then a line below says what the ``?`` stands for; each row shows the number of its schedule too.
"""

from __future__ import annotations

import io
import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import groupby, takewhile
from pathlib import Path
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

import emoji
import regex  # type: ignore[import-untyped]
from PIL import Image, ImageDraw, ImageFont, features

from bot.calendars import ALONE_MOST, STATE_WORDS, Entry, State, label
from bot.names import one_line
from bot.text import cut, utf16_length
from bridges.responses import clean

DAYS_MOST = 31
CAPTION_MOST = 1_024
"""UTF-16 units of a caption in Telegram."""

_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_ISOLATED, _END_OF_ISOLATE = "\u2068", "\u2069"

# --- what is shown ---------------------------------------------------------------------------------------

LINES_MOST = 8
"""Rows of a day; one more says how many there are besides."""
LINES_LEAST = 3
LINES_IN_ALL = 34
"""Rows that a picture should not exceed: higher than two phones, Telegram would make it too small to read."""
TARGET_MOST = 16
"""Characters of a single target that is shown by itself and not as a number."""


@dataclass(frozen=True, slots=True)
class Row:
    """One occurrence in a day, or all of a schedule that fires often."""

    entry: Entry
    at: datetime
    """In the zone of the picture, as the rest."""
    until: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day in the zone of the picture."""

    date: date
    rows: tuple[Row, ...]
    """In order of time."""
    past: int = 0
    """How many rows at the beginning are over."""

    def cut(self, lines: int) -> tuple[Sequence[Row], str]:
        """The rows that fit into so many lines, and what is said of the others; mostly nothing. Rather those to come,
        but what was missed has half of the lines if it needs them. One row too many takes the line that would say so.
        """
        if len(self.rows) <= lines + 1:
            return self.rows, ""
        missed = [place for place in range(self.past) if self.rows[place].entry.state == "missed"]
        to_come = range(self.past, len(self.rows))[: lines - min(len(missed), lines // 2)]
        chosen = [*missed[max(len(missed) + len(to_come) - lines, 0) :], *to_come]
        others = [place for place in range(self.past) if place not in chosen]
        chosen += others[max(len(others) + len(chosen) - lines, 0) :]
        hidden = [(place, row) for place, row in enumerate(self.rows) if place not in chosen]
        earlier = sum(row.count for place, row in hidden if place < self.past)
        later = sum(row.count for place, row in hidden if place >= self.past)
        unseen = sum(row.count for _, row in hidden if row.entry.state == "missed")
        said = [f"{earlier} earlier" + (f" ({unseen} missed)" if unseen else "")] if earlier else []
        said += [f"{later} more"] if later else []
        return [self.rows[place] for place in sorted(chosen)], "+ " + ", ".join(said)


def days_of(entries: Iterable[Entry], *, now: float, zone: ZoneInfo, days: int = 7) -> list[Day]:
    """The days from today on, with all their occurrences, those of earlier today too.

    Raises ``ValueError`` unless ``days`` is from 1 to ``DAYS_MOST``.
    """
    if not 1 <= days <= DAYS_MOST:
        raise ValueError(f"a picture shows from 1 to {DAYS_MOST} days, as in 7")
    today = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
    dates = [today + timedelta(days=number) for number in range(days + 1)]
    start, *_, end = (datetime(each.year, each.month, each.day, tzinfo=zone).timestamp() for each in dates)
    inside = sorted((each for each in entries if start <= each.at < end), key=lambda each: (each.at, each.schedule))
    found: dict[date, list[tuple[datetime, Entry]]] = {each: [] for each in dates[:-1]}
    for entry in inside:
        at = datetime.fromtimestamp(int(entry.at), UTC).astimezone(zone)
        found[at.date()].append((at, entry))
    return [_day(each, _rows(of_day), now=now) for each, of_day in found.items()]


def _day(of: date, rows: Sequence[Row], *, now: float) -> Day:
    past = sum(1 for _ in takewhile(lambda row: row.until.timestamp() < now, rows))
    return Day(of, tuple(rows), past)


def _rows(found: Sequence[tuple[datetime, Entry]]) -> list[Row]:
    """A day's rows; what one schedule has too often in the same state becomes one, at its first time."""
    often: Counter[tuple[int, State]] = Counter()
    for _, entry in found:
        often[entry.schedule, entry.state] += entry.count
    rows: list[Row] = []
    at_row: dict[tuple[int, State], int] = {}
    for at, entry in found:
        key = (entry.schedule, entry.state)
        until = datetime.fromtimestamp(int(entry.until), UTC).astimezone(at.tzinfo) if entry.until else at
        if often[key] > ALONE_MOST and key in at_row:
            row = rows[at_row[key]]
            rows[at_row[key]] = Row(row.entry, row.at, until, row.count + entry.count)
        else:
            at_row[key] = len(rows)
            rows.append(Row(entry, at, until, entry.count))
    return rows


def _time(at: datetime) -> str:
    return f"{at:%H:%M:%S}".removesuffix(":00") if at.second else f"{at:%H:%M}"


def _date(of: date, *, year: bool = False) -> str:
    return f"{of.day} {of:%b %Y}" if year else f"{of.day} {of:%b}"


def _span(days: Sequence[Day]) -> str:
    first, last = days[0].date, days[-1].date
    if first == last:
        return f"{first:%a} {_date(first, year=True)}"
    return f"{_date(first, year=first.year != last.year)} – {_date(last, year=True)}"


def _title(days: Sequence[Day]) -> str:
    return "Today" if len(days) == 1 else f"The next {len(days)} days"


def targets(written: str) -> Sequence[str]:
    """The targets of a line, each as written. Numbers that follow a number after a comma belong to one address, as in
    ``pbx:chat/4101,4102``."""
    found: list[str] = []
    for piece in written.split(","):
        is_number = piece.removeprefix("+").isdecimal()
        if is_number and found and "/" in found[-1] and found[-1].rpartition("/")[2].replace(",", "").isdecimal():
            found[-1] += f",{piece}"
        elif piece.strip():
            found.append(piece.strip())
    return found


def _details(row: Row) -> str:
    """What stands behind the name: state unless planned, how often, for whom."""
    parts = []
    if row.entry.state != "planned":
        parts.append(STATE_WORDS[row.entry.state])
    if row.count > 1:
        parts.append(f"{row.count} times until {_time(row.until)}")
    named = targets(row.entry.targets[:4_096])
    if len(named) == 1 and len(named[0]) <= TARGET_MOST:
        parts.append(one_line(clean(named[0])).replace("@\u2060", "@"))
    elif named:
        parts.append("1 target" if len(named) == 1 else f"{len(named)} targets")
    return " · ".join(parts)


def _counts(days: Sequence[Day]) -> Mapping[State, int]:
    """How many occurrences are in each state, for the states that there are."""
    counted: Counter[State] = Counter()
    for day in days:
        for row in day.rows:
            counted[row.entry.state] += row.count
    return {state: counted[state] for state in STATE_WORDS if counted[state]}


# --- in words --------------------------------------------------------------------------------------------


def caption(entries: Iterable[Entry], *, now: float, zone: ZoneInfo, days: int = 7) -> str:
    """The same in plain words, for who cannot see the picture: at most ``CAPTION_MOST`` UTF-16 units, pings nobody.

    Raises ``ValueError`` as :func:`days_of`.
    """
    shown = days_of(entries, now=now, zone=zone, days=days)
    for lines, most in ((LINES_MOST, 60), (LINES_MOST, 30), (5, 30), (3, 30), (2, 24), (1, 24)):
        text = _in_words(shown, zone=zone, lines=lines, most=most)
        if utf16_length(text) <= CAPTION_MOST:
            return text
    return _in_words(shown, zone=zone, lines=0, most=0)


def _in_words(days: Sequence[Day], *, zone: ZoneInfo, lines: int, most: int) -> str:
    said = [f"{_title(days)}, times in {zone.key}"]
    for number, day in enumerate(days):
        today = " (today)" if number == 0 else ""
        said.append(f"{day.date:%a} {_date(day.date)}{today}: {_day_in_words(day, lines=lines, most=most)}")
    return "\n".join(said)


def _day_in_words(day: Day, *, lines: int, most: int) -> str:
    if not day.rows:
        return "nothing"
    if lines == 0:
        return str(sum(row.count for row in day.rows))
    rows, left = day.cut(lines)
    said = [_row_in_words(row, most=most) for row in rows]
    return "; ".join([*said, left] if left else said)


def _row_in_words(row: Row, *, most: int) -> str:
    remarks = [] if row.entry.state == "planned" else [STATE_WORDS[row.entry.state]]
    if row.count > 1:
        remarks.append(f"{row.count} times until {_time(row.until)}")
    called = one_line(label(row.entry, most=most))
    if any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in called):
        called = f"{_ISOLATED}{called}{_END_OF_ISOLATE}"  # or what follows would be read before it
    return f"{_time(row.at)} #{row.entry.schedule} {called}" + (f" ({', '.join(remarks)})" if remarks else "")


# --- letters ---------------------------------------------------------------------------------------------

REGULAR: Final = (
    *("NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "arial.ttf", "Arial.ttf", "DejaVuSans.ttf"),
    *("NotoSansHebrew-Regular.ttf", "NotoSansArabic-Regular.ttf", "NotoSansDevanagari-Regular.ttf"),
    *("NotoSansBengali-Regular.ttf", "NotoSansTamil-Regular.ttf", "NotoSansThai-Regular.ttf"),
    *("NotoSansCJK-Regular.ttc", "NotoSansCJKjp-Regular.otf", "wqy-microhei.ttc", "DroidSansFallbackFull.ttf"),
    *("msyh.ttc", "malgun.ttf", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "Arial Unicode.ttf"),
    *("NotoSansSymbols2-Regular.ttf", "NotoEmoji-Regular.ttf", "seguisym.ttf", "Symbola.ttf"),
)
"""Files of fonts, the preferred ones first."""
BOLD: Final = ("NotoSans-Bold.ttf", "LiberationSans-Bold.ttf", "arialbd.ttf", "Arial Bold.ttf", "DejaVuSans-Bold.ttf")
"""For our own words only, which are ASCII."""

UNKNOWN: Final = "?"
"""What stands for letters that no font has."""

Glyph: TypeAlias = tuple[tuple[int, int], bytes]

_CLUSTER: re.Pattern[str] = regex.compile(r"\X")
_IGNORABLE: re.Pattern[str] = regex.compile(r"\p{Default_Ignorable_Code_Point}")
_VARIANT = re.compile("[\ufe0e\ufe0f]")
_NOTHING = "\uffff"  # no font has it, so what is drawn for it stands for all that a font has not
_UNKNOWN = re.compile(f"{_NOTHING}(?: *{_NOTHING})*")
_PLAIN = str.maketrans({"×": "x", "–": "-", "—": "-", "−": "-", "•": "·", "→": ">", "„": '"', "ß": "ss", "ø": "o"})
_PROBE = 24
_KEPT_MOST = 20_000


class Fonts:
    """Fonts to draw with, in order of preference, and what each of them has. Files that are no fonts are left out."""

    def __init__(self, regular: Sequence[Path] = (), *, bold: Path | None = None) -> None:
        self.shapes = bool(features.check("raqm"))
        """Whether letters are joined and directions turned; without that, such scripts count as not there."""
        self.paths = [path for path in regular if _is_font(path)]
        """Those that are used, but for the built-in one, which comes last."""
        self._paths: list[Path | None] = [*self.paths, None]
        self._bold = bold if bold is not None and _is_font(bold) else self._paths[0]
        self._loaded: dict[tuple[Path | None, int, bool], ImageFont.FreeTypeFont] = {}
        self._has: dict[tuple[int, str], bool] = {}
        self._lacking: list[Glyph] = [self._glyph(number, _NOTHING) for number in range(len(self._paths))]

    def bold(self, size: int) -> ImageFont.FreeTypeFont:
        """For our own words."""
        return self._load(self._bold, size)

    def runs(self, text: str, size: int) -> list[tuple[str, ImageFont.FreeTypeFont]]:
        """A text that is :meth:`drawable`, with the font of each piece: one for all of it if there is such a font."""
        clusters = _CLUSTER.findall(text)
        for number, path in enumerate(self._paths):
            if all(self._covers(number, cluster) for cluster in clusters):
                return [(text, self._load(path, size))]
        numbered = ((self._first(cluster), cluster) for cluster in clusters)
        return [
            ("".join(cluster for _, cluster in run), self._load(self._paths[number], size))
            for number, run in groupby(numbered, key=lambda each: each[0] or 0)
        ]

    def width(self, text: str, size: int) -> float:
        """In pixels."""
        return sum(font.getlength(piece) for piece, font in self.runs(text, size))

    def drawable(self, text: str) -> str:
        """The text in letters that there are fonts for; several in a row that there are none for are one ``?``."""
        return _UNKNOWN.sub(UNKNOWN, "".join(self._drawable(cluster) for cluster in _CLUSTER.findall(text)))

    def _drawable(self, cluster: str) -> str:
        bare = _VARIANT.sub("", cluster) if self.shapes else _IGNORABLE.sub("", cluster)
        is_picture = emoji.is_emoji(cluster) or emoji.is_emoji(bare)
        # A picture that is put together of several would be drawn as these.
        if not (is_picture and len(bare) > 1) and self._first(bare) is not None:
            return bare
        if is_picture:
            named: str = emoji.demojize(cluster if emoji.is_emoji(cluster) else bare)
            return named if self._first(named) is not None else _NOTHING
        simple = unicodedata.normalize("NFKD", bare.translate(_PLAIN)).translate(_PLAIN)
        letters = "".join(char for char in simple if not unicodedata.combining(char))
        return letters if letters.strip() and self._first(letters) is not None else _NOTHING

    def _first(self, cluster: str) -> int | None:
        """The first font that has all of it."""
        return next((number for number in range(len(self._paths)) if self._covers(number, cluster)), None)

    def _covers(self, number: int, cluster: str) -> bool:
        return all(self._covers_one(number, char) for char in cluster)

    def _covers_one(self, number: int, char: str) -> bool:
        known = self._has.get((number, char))
        if known is None:
            if len(self._has) >= _KEPT_MOST:
                self._has.clear()
            known = self._has[number, char] = self._looked_up(number, char)
        return known

    def _looked_up(self, number: int, char: str) -> bool:
        if char == " " or (self.shapes and _IGNORABLE.match(char)):
            return True
        if not char.isprintable() or (not self.shapes and unicodedata.bidirectional(char) in _RIGHT_TO_LEFT):
            return False
        return self._glyph(number, char) != self._lacking[number]

    def _glyph(self, number: int, char: str) -> Glyph:
        """What a font draws for a character by itself."""
        mask = self._load(self._paths[number], _PROBE, is_basic=True).getmask(char)
        return mask.size, bytes(mask)

    def _load(self, path: Path | None, size: int, *, is_basic: bool = False) -> ImageFont.FreeTypeFont:
        key = (path, size, is_basic)
        font = self._loaded.get(key)
        if font is None:
            font = self._loaded[key] = _load(path, size, is_basic=is_basic)
        return font


def _is_font(path: Path) -> bool:
    try:
        _load(path, _PROBE, is_basic=True)
    except (OSError, ValueError):
        return False
    return True


def _load(path: Path | None, size: int, *, is_basic: bool) -> ImageFont.FreeTypeFont:
    if path is None:
        return _built_in(size)
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC if is_basic else None)


def _built_in(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise OSError("this build of Pillow has no FreeType, and so no letters to draw with")
    return font


@cache
def installed() -> Fonts:
    """The fonts of this machine; looked for once."""
    found = dict(_files(_folders(), wanted={*REGULAR, *BOLD}))
    bold = next((found[name] for name in BOLD if name in found), None)
    return Fonts([found[name] for name in REGULAR if name in found], bold=bold)


def _folders() -> list[Path]:
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        return [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    return [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts", home / ".fonts"]


def _files(folders: Sequence[Path], *, wanted: set[str]) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in wanted.intersection(names):
                yield name, Path(place) / name


# --- the picture -----------------------------------------------------------------------------------------

WIDTH = 1080
MARGIN = 36
COLUMN = 176
"""Width of the column with weekday and date."""
ROW = 50
LEGEND = 44
PAD = 16
SMALL, TEXT, LARGE, TITLE = 25, 31, 36, 46

Colour: TypeAlias = tuple[int, int, int]

PAPER: Final[Colour] = (255, 255, 255)
INK: Final[Colour] = (27, 36, 48)
MUTED: Final[Colour] = (86, 97, 110)
RULE: Final[Colour] = (217, 222, 228)
TODAY: Final[Colour] = (231, 241, 253)
TODAY_EDGE: Final[Colour] = (21, 101, 192)
COLOURS: Final[Mapping[State, Colour]] = {
    "planned": (21, 101, 192),
    "paused": (91, 98, 110),
    "waits": (168, 84, 0),
    "sent": (22, 120, 60),
    "skipped": (117, 76, 160),
    "missed": (192, 28, 40),
}
"""On the paper and on today's blue all are dark enough to be read (4.5 to 1 and more)."""


def picture(
    entries: Iterable[Entry], *, now: float, zone: ZoneInfo, days: int = 7, fonts: Fonts | None = None
) -> bytes:
    """A PNG, ``WIDTH`` pixels wide: a band for each day with its occurrences. ``fonts`` None: those of this machine.

    Takes some 0.1 s of CPU, so it belongs on a thread. Raises ``ValueError`` as :func:`days_of`.
    """
    shown = days_of(entries, now=now, zone=zone, days=days)
    page = _Page(fonts or installed(), shown, lines=_lines(shown))
    page.draw(now=datetime.fromtimestamp(now, UTC).astimezone(zone), zone=zone)
    file = io.BytesIO()
    page.image.save(file, "PNG")
    return file.getvalue()


def _lines(days: Sequence[Day]) -> int:
    """How many rows a day may have, so that the picture does not become too high."""
    for lines in range(LINES_MOST, LINES_LEAST, -1):
        if sum(_height_in_rows(day, lines) for day in days) <= LINES_IN_ALL:
            return lines
    return LINES_LEAST


def _height_in_rows(day: Day, lines: int) -> int:
    rows, left = day.cut(lines)
    return max(1, len(rows) + bool(left))


class _Page:
    """A picture while it is drawn, from the top."""

    def __init__(self, fonts: Fonts, days: Sequence[Day], *, lines: int) -> None:
        self.fonts = fonts
        self.days = days
        self.lines = lines
        self.heights = [
            max(_height_in_rows(day, lines) * ROW, 128 if number == 0 else 92) + 2 * PAD
            for number, day in enumerate(days)
        ]
        self.top = 148
        self.legend = self._legend_lines()
        bottom = 74 + LEGEND * len(self.legend)
        self.image = Image.new("RGB", (WIDTH, self.top + sum(self.heights) + bottom), PAPER)
        self.brush = ImageDraw.Draw(self.image)
        self.has_unknown = False
        times = [_time(row.at) for day in days for row in day.cut(lines)[0]]
        self.times = max((fonts.bold(TEXT).getlength(time) for time in times), default=0)

    def draw(self, *, now: datetime, zone: ZoneInfo) -> None:
        self._bold(MARGIN, 68, _title(self.days), TITLE, INK)
        self._text(MARGIN, 114, f"{_span(self.days)} · times in {zone.key}", SMALL, MUTED)
        y = self.top
        for number, (day, height) in enumerate(zip(self.days, self.heights, strict=True)):
            self._day(day, y, height, is_today=number == 0)
            y += height
        self.brush.line((0, y, WIDTH, y), RULE, 2)
        self._foot(y + 48, now)

    def _day(self, day: Day, y: int, height: int, *, is_today: bool) -> None:
        if is_today:
            self.brush.rectangle((0, y, WIDTH, y + height), TODAY)
            self.brush.rectangle((0, y, 10, y + height), TODAY_EDGE)
        self.brush.line((0, y, WIDTH, y), RULE, 2)
        colour = TODAY_EDGE if is_today else INK
        self._bold(MARGIN, y + PAD + 38, f"{day.date:%a}", LARGE, colour)
        self._text(MARGIN, y + PAD + 76, _date(day.date), SMALL + 2, MUTED)
        if is_today:
            self._bold(MARGIN, y + PAD + 114, "today", SMALL, colour)
        rows, left = day.cut(self.lines)
        x = MARGIN + COLUMN
        for number, row in enumerate(rows):
            self._row(row, x, y + PAD + number * ROW)
        base = y + PAD + len(rows) * ROW + 36
        if left:
            self._text(x + 22, base, left, SMALL + 2, MUTED)
        elif not rows:
            self._text(x + 22, base, "nothing planned", SMALL + 2, MUTED)

    def _row(self, row: Row, x: int, y: int) -> None:
        state = row.entry.state
        self.brush.rounded_rectangle((x, y + 6, x + 8, y + ROW - 6), 4, COLOURS[state])
        base = y + 36
        self._bold(x + 22, base, _time(row.at), TEXT, INK)
        x += 22 + int(self.times) + 18
        details = self._fitted(_details(row), SMALL, (WIDTH - MARGIN - x) // 2)
        edge = WIDTH - MARGIN - int(self.fonts.width(details, SMALL))
        self._text(edge, base, details, SMALL, MUTED if state == "planned" else COLOURS[state])
        number = f"#{row.entry.schedule} "
        self._text(x, base, number, SMALL, MUTED)
        x += int(self.fonts.width(number, SMALL)) + 4
        name = self._fitted(label(row.entry), TEXT, edge - 24 - x)
        self._text(x, base, name, TEXT, MUTED if state in ("paused", "skipped") else INK)
        if state == "skipped":
            self.brush.line((x, base - 11, x + self.fonts.width(name, TEXT), base - 11), MUTED, 2)

    def _legend_lines(self) -> list[list[tuple[float, State, str]]]:
        """How many there are of each state, with where it stands in its line."""
        lines: list[list[tuple[float, State, str]]] = []
        x = float(WIDTH)
        for state, count in _counts(self.days).items():
            said = f"{count} {STATE_WORDS[state]}"
            width = 28 + self.fonts.width(said, SMALL)
            if x + width > WIDTH - MARGIN:
                lines.append([])
                x = MARGIN
            lines[-1].append((x, state, said))
            x += width + 30
        return lines

    def _foot(self, y: int, now: datetime) -> None:
        for line in self.legend:
            for x, state, said in line:
                self.brush.rounded_rectangle((x, y - 18, x + 18, y), 5, COLOURS[state])
                self._text(x + 28, y, said, SMALL, INK)
            y += LEGEND
        said = f"as of {now:%a} {_date(now.date())}, {now:%H:%M}"
        if self.has_unknown:
            said += f' · "{UNKNOWN}" stands for letters that this machine has no font for'
        self._text(MARGIN, y, said, SMALL, MUTED)

    def _fitted(self, text: str, size: int, width: int) -> str:
        """The text in letters that can be drawn, cut to a width in pixels."""
        whole = self.fonts.drawable(text)
        self.has_unknown |= whole.count(UNKNOWN) > text.count(UNKNOWN)
        if self.fonts.width(whole, size) <= width:
            return whole
        low, high = 1, len(whole)
        while low < high:
            middle = (low + high + 1) // 2
            if self.fonts.width(cut(whole, middle), size) <= width:
                low = middle
            else:
                high = middle - 1
        return cut(whole, low)

    def _text(self, x: float, base: float, text: str, size: int, colour: Colour) -> None:
        for piece, font in self.fonts.runs(self.fonts.drawable(text), size):
            self.brush.text((x, base), piece, colour, font, anchor="ls")
            x += font.getlength(piece)

    def _bold(self, x: float, base: float, text: str, size: int, colour: Colour) -> None:
        self.brush.text((x, base), text, colour, self.fonts.bold(size), anchor="ls")
