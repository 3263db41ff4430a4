"""The capability matrix of ``bridges/README.md``, made from what the bridges declare.

``python -m bridges.matrix`` prints it, ``python -m bridges.matrix --write`` puts it into the document.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bridges.api import Capabilities
from bridges.registry import PROVIDERS, BridgeClass

README = Path(__file__).parent / "README.md"
START, END = "<!-- matrix: made by python -m bridges.matrix --write -->", "<!-- end of matrix -->"

UNITS = {"codepoints": "code points", "utf16": "UTF-16 units", "bytes": "bytes"}


def _yes(holds: object) -> str:
    return "yes" if holds else "–"


def _attachments(can: Capabilities) -> str:
    if can.attachments == "none":
        return "–"
    how = ["as links" if can.attachments == "url" else "uploaded"]
    if can.attachment_kinds:
        how.append(" and ".join(can.attachment_kinds))
    if can.attachments_most:
        how.append(f"{can.attachments_most} in a message")
    if can.attachment_bytes:
        how.append(f"{can.attachment_bytes:,} bytes")
    return ", ".join(how)


_DECLARED: Sequence[tuple[str, Callable[[Capabilities], str]]] = (
    ("text in one message", lambda can: f"{can.text_limit:,} {UNITS[can.text_unit]}"),
    ("messages in one request", lambda can: str(can.batch)),
    ("formatting", lambda can: "–" if can.markup == "none" else can.markup),
    ("attachments", _attachments),
    ("replies threaded", lambda can: _yes(can.replies)),
    ("edits", lambda can: _yes(can.edits)),
    ("deletions", lambda can: _yes(can.deletes)),
    ("reactions", lambda can: "put on only" if can.reactions and can.reactions_stay else _yes(can.reactions)),
    ("threads", lambda can: _yes(can.threads)),
    ("past messages with their time", lambda can: _yes(can.history)),
    ("same key again has no second effect", lambda can: _yes(can.idempotent)),
    ("ids of sent messages", lambda can: "when it reports them back" if can.echoes else _yes(can.receipt_ids)),
    ("requests a minute, by its documents", lambda can: str(can.requests_per_minute or "not stated")),
    ("webhooks", lambda can: _yes(can.receives)),
    ("proof of webhooks", lambda can: "–" if not can.receives else can.webhook_proof),
)

# By the method that each optional protocol of `bridges.api` has.
_IMPLEMENTED: Sequence[tuple[str, str]] = (
    ("handshake answered", "answer"),
    ("subscribes by API", "subscribe"),
    ("says what to enter at the provider", "instructions"),
    ("can be polled", "poll"),
    ("unknown outcomes confirmed", "confirm"),
    ("one message to many in one request", "broadcast"),
    ("files that come in can be sent on", "file_origins"),
    ("conversations listed", "conversations"),
    ("look-ups and changes (`patchbay account`)", "operations"),
)


def render(providers: Sequence[BridgeClass]) -> str:
    """The matrix as a Markdown table, a column for each provider."""
    head = ["", *(provider.title for provider in providers)]
    rows = [[label, *(show(p.capabilities) for p in providers)] for label, show in _DECLARED]
    rows += [[label, *(_yes(hasattr(p, method)) for p in providers)] for label, method in _IMPLEMENTED]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def put(document: str, *, table: str) -> str:
    """The document with the table between its two marks; raises ``ValueError`` if they are not there."""
    before, start, rest = document.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"the document must hold the lines {START!r} and {END!r}")
    return f"{before}{START}\n\n{table}\n\n{END}{after}"


def main(args: Sequence[str]) -> int:
    """Print the matrix, or write it into the document; returns the exit code."""
    table = render(list(PROVIDERS.values()))
    match list(args):
        case []:
            sys.stdout.write(table + "\n")
        case ["--write"]:
            README.write_text(put(README.read_text(encoding="utf-8"), table=table), encoding="utf-8")
        case _:
            sys.stderr.write("usage: python -m bridges.matrix [--write]\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
