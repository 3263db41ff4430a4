"""Reading what somebody asks of the playground: fields of a JSON object, and what is said of a wrong one."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

TEXT_MOST = 20_000


class Wrong(Exception):
    """A request that cannot be done; says why."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def text_of(body: Json, name: str, *, default: str | None = None) -> str:
    """A text that is not empty; the default where it is missing. Raises :class:`Wrong`."""
    value = body.get(name, default)
    if value is None:
        raise Wrong(f"{name!r} is missing")
    if not isinstance(value, str) or not value.strip():
        raise Wrong(f"{name!r} must be a text that is not empty")
    if len(value) > TEXT_MOST:
        raise Wrong(f"{name!r} is longer than {TEXT_MOST} characters")
    return value


def number_of(body: Json, name: str) -> int:
    """A whole number. Raises :class:`Wrong`."""
    value = body.get(name)
    if type(value) is not int:
        raise Wrong(f"{name!r} must be a whole number")
    return value


def only(body: Json, names: tuple[str, ...]) -> None:
    """Raise :class:`Wrong` for a field that nobody reads: it may be a slip of the pen."""
    for name in body:
        if name not in names:
            raise Wrong(f"there is no field {name[:40]!r} here; there are {', '.join(names)}")
