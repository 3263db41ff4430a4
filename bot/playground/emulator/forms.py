"""Reading a request as the Bot API server does: query, form, multipart or JSON, all becoming strings and files.

Starlette's own form parser needs a package the project does without; what a bot sends is simple enough.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl


class FormError(ValueError):
    """The body is not what its Content-Type says."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with the request."""

    name: str
    mime_type: str
    data: bytes = field(repr=False)


@dataclass(slots=True)
class Form:
    """What a request asks for; JSON values that are no strings are kept as JSON text, as the server does."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)


def read_form(query: bytes, content_type: str, body: bytes) -> Form:
    """Parse a request's query string and body."""
    try:
        return _read_form(query, content_type, body)
    except UnicodeDecodeError as error:
        raise FormError("strings must be encoded in UTF-8") from error


def _read_form(query: bytes, content_type: str, body: bytes) -> Form:
    form = Form(dict(_pairs(query)))
    kind, _, rest = content_type.partition(";")
    match kind.strip().lower():
        case "application/json" if body.strip():
            _read_json(body, form)
        case "application/x-www-form-urlencoded":
            form.fields |= _pairs(body)
        case "multipart/form-data":
            boundary = re.search(r'boundary="?([^";,]+)"?', rest)
            if not boundary:
                raise FormError("multipart without a boundary")
            _read_multipart(body, boundary[1].encode("ascii", "replace"), form)
    return form


def _pairs(encoded: bytes) -> list[tuple[str, str]]:
    return parse_qsl(encoded.decode("ascii", "replace"), keep_blank_values=True, errors="strict")


def _read_json(body: bytes, form: Form) -> None:
    try:
        value = json.loads(body.decode())
    except json.JSONDecodeError as error:
        raise FormError("can't parse JSON object") from error
    if not isinstance(value, dict):
        raise FormError("expected an Object")
    for name, item in value.items():
        if item is not None:
            form.fields[name] = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)


def _read_multipart(body: bytes, boundary: bytes, form: Form) -> None:
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise FormError("the multipart body has no end")
    for part in parts[1:-1]:
        head, gap, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not gap:
            raise FormError("a part of the multipart body has no headers")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.decode().split("\r\n"))
        }
        disposition = headers.get("content-disposition", "")
        name = _parameter(disposition, "name")
        file_name = _parameter(disposition, "filename")
        if name is None:
            raise FormError("a part of the multipart body has no name")
        if file_name is not None:
            form.files[name] = Upload(file_name, headers.get("content-type", ""), data)
        else:
            form.fields[name] = data.decode()


def _parameter(disposition: str, name: str) -> str | None:
    quoted = re.search(rf'(?:^|[;\s]){name}="((?:[^"\\]|\\.)*)"', disposition)
    if quoted:
        return re.sub(r"\\(.)", r"\1", quoted[1])
    plain = re.search(rf"(?:^|[;\s]){name}=([^;\s]+)", disposition)
    return plain[1] if plain else None
