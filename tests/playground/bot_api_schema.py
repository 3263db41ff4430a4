"""Checks requests and answers of the Bot API against its machine-readable description.

The description lies in the shared folder beside the checkout; without it tests that need it are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bot.playground.emulator import ApiCall

API = Path(__file__).resolve().parents[3] / "shared" / "telegram" / "api.json"
_SIMPLE: dict[str, type | tuple[type, ...]] = {"String": str, "Float": (int, float), "Boolean": bool, "True": bool}
# A request may be refused for these and is still a well-formed one.
_LEGACY = {"reply_to_message_id", "disable_web_page_preview", "allow_sending_without_reply", "correct_option_id"}

# What came after the description and is only shown when asked for.
_NEWER = {"ChatMemberAdministrator": {"can_send_welcome_messages"}}


class SchemaError(AssertionError):
    """Something is not of the documented shape."""


@cache
def api() -> dict[str, Any]:
    """The description, or a skip of the test that asks."""
    if not API.is_file():
        pytest.skip("no Bot API description in the shared folder beside the checkout")
    loaded: dict[str, Any] = json.loads(API.read_text())
    return loaded


@cache
def method_names() -> dict[str, str]:
    return {name.lower(): name for name in api()["methods"]}


def check(types: list[str], value: object, where: str = "$") -> None:
    """Raise SchemaError unless the value is of one of the types."""
    if len(types) > 1 and isinstance(value, list) and all(name.startswith("Array of ") for name in types):
        # An album is described as an array of photos, or one of videos; both may stand in it.
        for index, item in enumerate(value):
            check([name.removeprefix("Array of ") for name in types], item, f"{where}[{index}]")
        return
    problems = []
    for name in types:
        try:
            return _check_one(name, value, where)
        except SchemaError as error:
            problems.append(error)
    # The problem deepest inside is the one that tells most.
    raise max(problems, key=lambda error: str(error).count("."))


def _check_one(name: str, value: object, where: str) -> None:
    if name.startswith("Array of "):
        if not isinstance(value, list):
            raise SchemaError(f"{where}: {value!r} is no array")
        for index, item in enumerate(value):
            check([name.removeprefix("Array of ")], item, f"{where}[{index}]")
    elif name == "Integer":
        if not isinstance(value, int) or isinstance(value, bool):
            raise SchemaError(f"{where}: {value!r} is no integer")
    elif name in _SIMPLE:
        if not isinstance(value, _SIMPLE[name]) or (name == "Float" and isinstance(value, bool)):
            raise SchemaError(f"{where}: {value!r} is no {name}")
        if name == "True" and value is not True:
            raise SchemaError(f"{where}: must be true or left out")
    else:
        _check_object(name, value, where)


def _check_object(name: str, value: object, where: str) -> None:
    described = api()["types"][name]
    if described.get("subtypes"):
        return check(described["subtypes"], value, where)
    if not isinstance(value, dict):
        raise SchemaError(f"{where}: {value!r} is no {name}")
    fields = {field["name"]: field for field in described.get("fields", ())}
    unknown = set(value) - set(fields) - _NEWER.get(name, set())
    if unknown:
        raise SchemaError(f"{where}: {name} has no field {', '.join(sorted(unknown))}")
    for key, field in fields.items():
        if key in value:
            check(field["types"], value[key], f"{where}.{key}")
        elif field["required"]:
            raise SchemaError(f"{where}: {name} must have {key}")
    for key in ("type", "status", "source"):
        # What tells the kinds of an object apart is spelled in its description.
        if key in fields and described.get("subtype_of") and f"“{value.get(key)}”" not in _said(fields[key]):
            raise SchemaError(f"{where}.{key}: {value.get(key)!r} is not the {key} of {name}")


def _said(field: dict[str, Any]) -> str:
    text = str(field["description"])
    parts = text.split('"')
    quoted = "".join(f"“{part}”" for part in parts[1::2])
    last = text.replace(".", "").split()[-1]
    return f"{quoted}“{last}”{text}"


def check_request(call: ApiCall) -> None:
    """Raise SchemaError unless the request is of a known method with documented parameters of the right kinds."""
    name = method_names().get(call.method.lower())
    if name is None:
        raise SchemaError(f"there is no method {call.method}")
    fields = {field["name"]: field for field in api()["methods"][name].get("fields", ())}
    for key, value in call.params.items():
        if key not in fields:
            if key in _LEGACY:
                continue
            raise SchemaError(f"{name} has no parameter {key}")
        _check_parameter(f"{name}.{key}", fields[key]["types"], value)
    if call.status == 200:
        for key, field in fields.items():
            if field["required"] and not call.params.get(key) and key not in call.files:
                raise SchemaError(f"{name} was called without {key}")


def _check_parameter(where: str, types: list[str], value: str) -> None:
    if "String" in types or "InputFile" in types:
        return
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = {"True": True, "False": False}.get(value)
        if parsed is None:
            raise SchemaError(f"{where}: {value!r} is neither a string nor JSON") from None
    check(types, parsed, where)


def check_answer(call: ApiCall) -> None:
    """Raise SchemaError unless the answer is of the documented shape."""
    answer = call.answer
    if call.status == 200:
        if set(answer) != {"ok", "result"} or answer["ok"] is not True:
            raise SchemaError(f"{call.method}: an answer has ok and result")
        check(api()["methods"][method_names()[call.method.lower()]]["returns"], answer["result"], call.method)
        return
    if answer["ok"] is not False or answer["error_code"] != call.status or not answer["description"]:
        raise SchemaError(f"{call.method}: {answer!r} is no error")
    if set(answer) - {"ok", "error_code", "description", "parameters"}:
        raise SchemaError(f"{call.method}: an error has nothing but its code, description and parameters")
    if "parameters" in answer:
        check(["ResponseParameters"], answer["parameters"], f"{call.method}.parameters")


def check_calls(calls: Iterable[ApiCall]) -> None:
    """Check every request that was answered, and its answer."""
    for call in calls:
        if not call.status:
            continue  # a long poll that still waits, or whose client left
        check_request(call)
        check_answer(call)
