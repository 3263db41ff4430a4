"""How CINNOX may read the answer to its handshake: every reading of the documentation."""

from __future__ import annotations

import json
from typing import Literal, TypeAlias

import httpx

Reading: TypeAlias = Literal["object", "object_only", "string", "object_plus_top", "top", "plain", "refuse"]
"""How a verifier reads the handshake's answer. ``object`` is how Go reads it: unknown fields do not matter;
``object_only`` minds them; ``refuse`` takes no answer at all."""


def reads(answer: httpx.Response, *, challenge: str, reading: Reading) -> bool:
    """Whether a verifier of this reading takes the answer to a handshake."""
    if reading == "refuse":
        return False
    if reading == "plain":
        return answer.headers.get("content-type", "").startswith("text/plain") and answer.text == challenge
    if answer.headers.get("content-type", "").split(";")[0] != "application/json":
        return False
    try:
        body = json.loads(answer.content)
    except ValueError:
        return False
    if not isinstance(body, dict):
        return False
    if reading == "top":
        return body.get("challenge") == challenge
    # A Go int takes neither "0" nor 0.0 nor false, and a missing one stays 0; here it has to be there.
    if type(body.get("code")) is not int or body["code"] != 0:
        return False
    result = body.get("result")
    if reading == "string":
        if not isinstance(result, str):
            return False
        try:
            result = json.loads(result)
        except ValueError:
            return False
    if not isinstance(result, dict) or result.get("challenge") != challenge:
        return False
    if reading == "object_only":
        return set(body) == {"code", "result"} and set(result) == {"challenge"}
    return reading != "object_plus_top" or body.get("challenge") == challenge
