"""What every registered provider has to keep, unasked: a new line in the registry is tested by all of this."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bridges.api import (
    Answer,
    Answers,
    Batches,
    Bridge,
    Broadcasts,
    Capabilities,
    Confirms,
    Credentials,
    Edits,
    Fetches,
    Hook,
    Imports,
    Inspects,
    Lists,
    Operates,
    Outgoing,
    Polls,
    Reacts,
    Remembers,
    Subscribes,
)
from bridges.driver import drive
from bridges.errors import BridgeError, Garbled, Inexpressible, Refused, Unauthorized, Unavailable, Untrusted
from bridges.model import ConversationId, Message, Received, events_from_json, events_to_json
from bridges.registry import PROVIDERS
from bridges.sandboxes import make_sandbox
from bridges.testing import (
    FIXTURE_TIME,
    RecordedHook,
    play,
    read_flow,
    read_hook,
    request_to_plain,
    response_of,
    start,
    to_plain,
)

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SECRET = "hook-secret-0123456789"
NAMES = sorted(PROVIDERS)

Serve = Callable[[ASGIApp], str]


@cache
def sample_settings(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((HERE / name / "settings.json").read_text())
    return data


@cache
def sample_memory(name: str) -> dict[str, str]:
    """What a bridge recalls before each test: credentials that are still good, where it fetches them."""
    path = HERE / name / "memory.json"
    data: dict[str, str] = json.loads(path.read_text()) if path.is_file() else {}
    return data


def make(name: str, *, memory: dict[str, str] | None = None, **changes: Any) -> Bridge:
    kind = PROVIDERS[name]
    bridge = kind(kind.Settings.model_validate({**sample_settings(name), **changes}))
    recalled = {**sample_memory(name), **(memory or {})}
    if recalled:
        assert isinstance(bridge, Remembers)
        bridge.recall(recalled)
    return bridge


def fresh(name: str, **changes: Any) -> Bridge:
    """A bridge that has learnt nothing yet."""
    kind = PROVIDERS[name]
    return kind(kind.Settings.model_validate({**sample_settings(name), **changes}))


def secrets_of(name: str) -> list[str]:
    parsed = PROVIDERS[name].Settings.model_validate(sample_settings(name))
    return [v.get_secret_value() for _, v in parsed if isinstance(v, SecretStr)]


CREDENTIAL = {"netsapiens": "api_key", "openim": "secret"}
"""The setting that lets one in, where it is not called ``token``."""


def hooks(name: str) -> list[Path]:
    return sorted((HERE / name / "fixtures").glob("*.http"))


def flows(name: str) -> list[Path]:
    return sorted((HERE / name / "fixtures").glob("*.flow.json"))


def each(paths: Callable[[str], list[Path]]) -> list[Any]:
    return [pytest.param(name, path, id=f"{name}-{path.name.split('.')[0]}") for name in NAMES for path in paths(name)]


def outgoing(name: str, *, text: str = "words to carry", key: str = "key-1", **fields: Any) -> Outgoing:
    conversation = ConversationId(make_sandbox(name).conversation())
    return Outgoing(key=key, conversation=conversation, message=Message(text=text, **fields))


provider = pytest.mark.parametrize("name", NAMES)


# Settings


@provider
def test_a_registered_class_makes_a_bridge(name: str) -> None:
    bridge = make(name)
    assert isinstance(bridge, Bridge)
    assert bridge.name == name
    assert bridge.title


@provider
def test_an_unknown_setting_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make(name, colour="red")
    assert [error["loc"] for error in caught.value.errors()] == [("colour",)]


@provider
def test_another_providers_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="provider"):
        make(name, provider="carrier-pigeon")


@provider
def test_secrets_show_in_no_repr(name: str) -> None:
    bridge = make(name)
    settings = PROVIDERS[name].Settings.model_validate(sample_settings(name))
    shown = f"{settings!r} {settings} {bridge!r} {bridge.auth!r} {settings.model_dump_json()}"
    assert secrets_of(name)
    for secret in secrets_of(name):
        assert secret not in shown


@provider
def test_a_bad_secret_is_not_repeated_in_the_error(name: str) -> None:
    bad = "café " + "canary-" * 3
    for key, value in PROVIDERS[name].Settings.model_validate(sample_settings(name)):
        if isinstance(value, SecretStr):
            with pytest.raises(ValidationError) as caught:
                make(name, **{key: bad})
            assert "canary" not in str(caught.value), key


@provider
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://provider.example", "must be https"),
        ("provider.example", "must start with https://"),
        ("ftp://provider.example", "must start with https://"),
        ("https://", "must start with https://"),
        ("https://provider.example/?a=b", "without ? or #"),
        ("https://provider.example#x", "without ? or #"),
        ("https://user:pass@provider.example", "no user name or password"),
        ("https://provider.example:port", "not a valid URL"),
        ("https://provider .example", "without spaces"),
        ("http://127.0.0.1.example.com", "must be https"),
    ],
)
def test_a_base_url_that_is_no_safe_url_is_refused(name: str, url: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make(name, base_url=url)
    assert words in str(caught.value)


@provider
@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:80", "https://p.example/x"]
)
def test_trailing_slashes_of_base_url_do_not_matter(name: str, base: str) -> None:
    plain, slashed = make(name, base_url=base), make(name, base_url=f"{base}//")
    assert next(plain.probe()).url == next(slashed.probe()).url
    assert str(next(plain.probe()).url).startswith(str(httpx.URL(base)).rstrip("/") + "/")


@provider
@pytest.mark.parametrize("secret", ["short", "a" * 15, "with/slash-0123456789", "with space 0123456789", "." * 16])
def test_a_hook_secret_that_is_weak_or_no_path_segment_is_refused(name: str, secret: str) -> None:
    with pytest.raises(ValidationError, match="hook_secret"):
        make(name, hook_secret=secret)


@provider
def test_what_the_class_can_do_is_what_its_capabilities_say(name: str) -> None:
    bridge = make(name)
    can = bridge.capabilities
    assert isinstance(can, Capabilities)
    assert isinstance(bridge, Batches) == (can.batch > 1)
    assert isinstance(bridge, Edits) == (can.edits or can.deletes)
    assert isinstance(bridge, Reacts) == can.reactions
    assert isinstance(bridge, Imports) == can.history
    assert isinstance(bridge, Credentials) is False  # they belong to the bridge, they are not it


@provider
def test_what_a_bridge_learnt_is_recalled_by_the_next(name: str) -> None:
    bridge = make(name)
    if isinstance(bridge, Remembers):
        learnt = bridge.learnt()
        assert bridge.learnt() is learnt
        assert all(isinstance(key, str) and isinstance(value, str) for key, value in learnt.items())
        other = fresh(name)
        assert isinstance(other, Remembers)
        other.recall(learnt)
        assert other.learnt() == learnt
        other.recall({"no such thing": "x", **dict.fromkeys(learnt, "no sense\x00")})
        other.recall(learnt)
        assert other.learnt() == learnt


# Webhooks


@pytest.mark.parametrize(("name", "path"), each(hooks))
def test_a_recorded_hook_decodes_to_its_golden_events_twice_the_same(name: str, path: Path) -> None:
    recorded, bridge = read_hook(path), make(name)
    golden = events_from_json(path.with_suffix(".events.json").read_text())
    bridge.verify(recorded.hook)
    assert golden
    assert tuple(bridge.decode(recorded.hook)) == golden
    assert tuple(make(name).decode(recorded.hook)) == tuple(bridge.decode(recorded.hook)) == golden


@pytest.mark.parametrize(("name", "path"), each(hooks))
def test_a_recorded_hook_says_where_it_comes_from(name: str, path: Path) -> None:
    assert_origin(read_hook(path).origin)


@pytest.mark.parametrize(("name", "path"), each(flows))
def test_a_flow_fixture_says_where_it_comes_from(name: str, path: Path) -> None:
    assert_origin(read_flow(path).origin)


def assert_origin(origin: str) -> None:
    kind, _, rest = origin.partition(" ")
    assert (kind == "docs" and rest.startswith(("https://", "bridges/"))) or kind == "recorded"


@provider
def test_every_recorded_hook_has_golden_events_and_every_golden_file_a_hook(name: str) -> None:
    goldens = {path.name.removesuffix(".events.json") for path in (HERE / name / "fixtures").glob("*.events.json")}
    assert goldens == {path.stem for path in hooks(name)}
    assert goldens


@provider
def test_different_events_have_different_keys(name: str) -> None:
    seen: dict[str, set[str]] = {}
    for path in hooks(name):
        for event in make(name).decode(read_hook(path).hook):
            content = json.loads(events_to_json((event,)))[0]
            seen.setdefault(event.key, set()).add(json.dumps(content))
    assert [key for key, contents in seen.items() if len(contents) > 1] == []


@provider
def test_a_hook_shows_neither_body_nor_headers_in_its_repr(name: str) -> None:
    hook = Hook(body=b"canary-body", headers=(("x-signature", "canary-header"),))
    assert "canary" not in repr(hook)


SIGNED = [name for name in NAMES if make(name).capabilities.webhook_proof == "signature"]


@pytest.mark.parametrize(("name", "path"), [case for case in each(hooks) if case.values[0] in SIGNED])
def test_a_hook_that_was_tampered_with_is_untrusted(name: str, path: Path) -> None:
    hook, bridge = read_hook(path).hook, make(name)
    bridge.verify(hook)
    step = max(1, len(hook.body) // 40)
    for at in range(0, len(hook.body), step):
        flipped = bytearray(hook.body)
        flipped[at] ^= 1
        with pytest.raises(Untrusted):
            bridge.verify(Hook(body=bytes(flipped), headers=hook.headers))
    for body, headers in (
        (b"", hook.headers),
        (hook.body + b" ", hook.headers),
        (hook.body, ()),
        (hook.body, tuple((key, "") for key, _ in hook.headers)),
        (hook.body, tuple((key, "é" + value[1:]) for key, value in hook.headers)),
    ):
        with pytest.raises(Untrusted):
            bridge.verify(Hook(body=body, headers=headers))


@pytest.mark.parametrize("name", SIGNED)
def test_a_hook_signed_with_another_key_is_untrusted(name: str) -> None:
    hook = read_hook(hooks(name)[0]).hook
    with pytest.raises(Untrusted):
        make(name, signing_secret="another-key-0123456789").verify(hook)


WORDS = st.text(st.characters(), max_size=20)  # with lone surrogates, which JSON can hold
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def keys_in(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(keys_in(v) for v in value.values()))
    if isinstance(value, list):
        return set().union(*(keys_in(v) for v in value))
    return set()


@st.composite
def mutated(draw: st.DrawFn, name: str) -> object:
    """A recorded body with some of its values replaced, dropped or moved under another of the provider's keys."""
    bodies = [json.loads(read_hook(path).hook.body) for path in hooks(name)]
    keys = sorted(set().union(*(keys_in(body) for body in bodies)))

    def change(value: object) -> object:
        match draw(st.sampled_from(("keep", "keep", "keep", "replace", "descend", "rename", "wrap"))):
            case "replace":
                return draw(JSON)
            case "wrap":
                return draw(st.sampled_from(([value], {draw(st.sampled_from(keys)): value})))
            case "rename" if isinstance(value, dict) and value:
                moved = {draw(st.sampled_from(keys)): inner for inner in value.values()}
                return {**value, **moved}
            case "descend" if isinstance(value, dict):
                return {key: change(inner) for key, inner in value.items()}
            case "descend" if isinstance(value, list):
                return [change(inner) for inner in value]
        return value

    start_at = draw(st.sampled_from(bodies))
    if isinstance(start_at, dict):
        return {key: change(value) for key, value in start_at.items()}
    return change(start_at)


def assert_decodes_or_is_garbled(bridge: Bridge, body: bytes) -> None:
    hook = Hook(body=body, received_at=FIXTURE_TIME)
    try:
        events = tuple(bridge.decode(hook))
    except Garbled:
        pass
    else:
        assert events, "a hook that was accepted has to end in a countable way"
        assert events_from_json(events_to_json(events)) == events
        assert tuple(bridge.decode(hook)) == events
    if isinstance(bridge, Answers):
        try:
            assert isinstance(bridge.answer(hook), Answer)
        except Garbled:
            with pytest.raises(Garbled):
                bridge.decode(hook)


@provider
@given(data=st.data())
@hypothesis_settings(max_examples=300)
def test_any_json_is_decoded_or_garbled_and_nothing_else(name: str, data: st.DataObject) -> None:
    assert_decodes_or_is_garbled(make(name), json.dumps(data.draw(JSON)).encode())


@provider
@given(data=st.data())
@hypothesis_settings(max_examples=300)
def test_any_mutation_of_a_real_hook_is_decoded_or_garbled(name: str, data: st.DataObject) -> None:
    assert_decodes_or_is_garbled(make(name), json.dumps(data.draw(mutated(name))).encode())


@provider
@given(body=st.binary(max_size=200))
@hypothesis_settings(max_examples=200)
def test_any_bytes_are_decoded_or_garbled(name: str, body: bytes) -> None:
    assert_decodes_or_is_garbled(make(name), body)


@provider
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"NaN",
        b'{"a":Infinity}',
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b"1" * 5000,
    ],
    ids=["empty", "half", "not-utf8", "nan", "infinity", "deep-list", "deep-object", "giant-number"],
)
def test_what_is_not_json_is_garbled(name: str, body: bytes) -> None:
    with pytest.raises(Garbled):
        make(name).decode(Hook(body=body, received_at=FIXTURE_TIME))


@provider
def test_json_that_is_no_known_event_is_unsupported(name: str) -> None:
    for body in (b"{}", b"[]", b"null", b"17", b'"text"', b'{"type":"something-new"}', b"[[[]]]"):
        events = make(name).decode(Hook(body=body, received_at=FIXTURE_TIME))
        assert [event.type for event in events] == ["unsupported"], body


@provider
def test_a_hook_without_a_time_decodes_the_same_for_ever(name: str) -> None:
    for body in (b"{}", read_hook(hooks(name)[0]).hook.body):
        hook = Hook(body=body)
        assert tuple(make(name).decode(hook)) == tuple(make(name).decode(hook))


# Flows


def error_to_plain(error: BridgeError | None) -> dict[str, object] | None:
    if error is None:
        return None
    plain: dict[str, object] = {"type": type(error).__name__}
    if isinstance(error, Unavailable):
        plain |= {"maybe_sent": error.maybe_sent, "retry_after": error.retry_after}
    return plain


@pytest.mark.parametrize(("name", "path"), each(flows))
def test_a_flow_makes_exactly_the_recorded_requests_and_result(name: str, path: Path) -> None:
    recorded = read_flow(path)
    bridge = make(name, memory=dict(recorded.memory), **recorded.settings)
    answers = [response_of(exchange["response"]) for exchange in recorded.exchanges]
    played = play(start(bridge, recorded.call), *answers, auth=bridge.auth)
    assert [request_to_plain(request) for request in played.requests] == [
        exchange["request"] for exchange in recorded.exchanges
    ]
    expected = dict(recorded.error) if recorded.error else None
    words = expected.pop("contains") if expected else ""
    assert error_to_plain(played.error) == expected
    assert words in str(played.error or "")
    if expected is None:
        assert to_plain(played.result) == recorded.result


@pytest.mark.parametrize(("name", "path"), each(flows))
def test_an_error_is_one_short_line_without_secrets_or_texts(name: str, path: Path) -> None:
    recorded = read_flow(path)
    bridge = make(name, memory=dict(recorded.memory), **recorded.settings)
    answers = [response_of(exchange["response"]) for exchange in recorded.exchanges]
    error = play(start(bridge, recorded.call), *answers, auth=bridge.auth).error
    assert (error is None) == (recorded.error is None)
    line = f"{error} {error!r}"
    texts = [out["message"].get("text") for out in recorded.call.get("outs", ())]
    for hidden in [*secrets_of(name), *filter(None, texts)]:
        assert hidden not in line
    assert "\n" not in str(error)
    assert len(str(error)) < 600


@provider
def test_there_is_a_flow_for_every_kind_of_outcome(name: str) -> None:
    outcomes: set[tuple[str, str | int]] = set()
    for path in flows(name):
        recorded = read_flow(path)
        statuses = {exchange["response"]["status"] for exchange in recorded.exchanges}
        outcomes.add((recorded.call["do"], (recorded.error or {"type": "result"})["type"]))
        outcomes |= {("status", status) for status in statuses}
    wanted: set[tuple[str, str | int]] = {
        ("deliver", kind) for kind in ("result", "Refused", "Inexpressible", "Unauthorized", "Unavailable", "Garbled")
    }
    wanted |= {("status", status) for status in (401, 429, 500)} | {("probe", "result"), ("probe", "Unauthorized")}
    bridge = make(name)
    if isinstance(bridge, Batches):
        wanted |= {("deliver_many", "result")}
    if isinstance(bridge, Confirms):
        wanted |= {("confirm", "result"), ("confirm", "Unavailable")}
    if isinstance(bridge, Edits):
        can = bridge.capabilities
        wanted |= {("edit", "result"), ("edit", "Refused")} if can.edits else {("edit", "Inexpressible")}
        wanted |= {("delete", "result")} if can.deletes else {("delete", "Inexpressible")}
    for kind, do in (
        (Reacts, "react"),
        (Polls, "poll"),
        (Broadcasts, "broadcast"),
        (Imports, "deliver_past"),
        (Lists, "conversations"),
        (Fetches, "fetch"),
        (Inspects, "subscribed"),
    ):
        if isinstance(bridge, kind):
            wanted |= {(do, "result")}
    if isinstance(bridge, Operates):
        done = {read_flow(path).call.get("operation") for path in flows(name)}
        assert {operation.name for operation in bridge.operations()} - done == set()
    if isinstance(bridge, Subscribes):
        wanted |= {("subscribe", "result"), ("subscribe", "Refused"), ("unsubscribe", "result"), ("attempt", "Refused")}
    assert wanted - outcomes == set()


@provider
@pytest.mark.parametrize("do", ["deliver", "probe"])
def test_every_failing_status_is_a_bridge_error(name: str, do: str) -> None:
    for status in range(400, 600):
        for body in (b"", b"<html>", b'{"code":0,"error":"no","message":"no"}', b"[]"):
            bridge = make(name)
            flow = bridge.deliver(outgoing(name)) if do == "deliver" else bridge.probe()
            played = play(flow, *[httpx.Response(status, content=body)] * 6, auth=bridge.auth)
            assert isinstance(played.error, BridgeError), (status, body)
            if status == 401:
                assert isinstance(played.error, Unauthorized)
            if status in (408, 429, 500, 503):
                # A 500 whose body says nothing to a bridge may leave open what was done, where that can be asked.
                is_open = status == 500 and isinstance(bridge, Confirms)
                assert isinstance(played.error, Unavailable), (status, body)
                assert not played.error.maybe_sent or is_open, (status, body)
            if status in (502, 504):
                assert isinstance(played.error, Unavailable) and played.error.maybe_sent, (status, body)


@provider
def test_a_redirect_is_refused_and_never_followed(name: str) -> None:
    for status in (301, 302, 303, 307, 308):
        bridge = make(name)
        answers = [httpx.Response(status, headers={"Location": "https://elsewhere.example/"}) for _ in range(6)]
        played = play(bridge.deliver(outgoing(name)), *answers, auth=bridge.auth)
        assert isinstance(played.error, Refused)
        assert {request.url.host for request in played.requests} == {httpx.URL(sample_settings(name)["base_url"]).host}


@provider
@given(content=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@hypothesis_settings(max_examples=300)
def test_any_answer_with_200_is_a_receipt_or_a_bridge_error(name: str, content: bytes) -> None:
    bridge = make(name)
    for flow in (bridge.deliver(outgoing(name)), bridge.probe()):
        played = play(flow, *[httpx.Response(200, content=content)] * 6, auth=bridge.auth)
        assert (played.result is None) != (played.error is None)


@provider
def test_a_text_with_half_a_character_is_sent_as_valid_utf8(name: str) -> None:
    request = next(make(name).deliver(outgoing(name, text="broken \ud83d\x00 emoji")))
    assert "broken ? emoji" in request.content.decode() or "broken \ufffd emoji" in request.content.decode()


@provider
@pytest.mark.parametrize(
    "address", ["", " ", "two words", "tab\tbed", "line\nbreak", "nul\x00", "x" * 1000, "rtl\u202e"]
)
def test_an_address_that_is_none_is_refused_with_a_valid_example(name: str, address: str) -> None:
    bridge = make(name)
    with pytest.raises(Refused) as caught:
        bridge.check(ConversationId(address))
    words = str(caught.value).replace(",", " ").replace(";", " ").split()
    assert any(accepted(bridge, word) for word in words if not word.isalpha() or word == words[-1])


def accepted(bridge: Bridge, address: str) -> bool:
    try:
        bridge.check(ConversationId(address))
    except Refused:
        return False
    return True


@provider
def test_the_requests_of_a_probe_are_harmless(name: str) -> None:
    request = next(make(name).probe())
    assert request.method == "GET" or request.extensions.get("harmless")


# With the sandbox, over real HTTP


def at_limit(can: Capabilities) -> str:
    match can.text_unit:
        case "codepoints":
            return "é" * can.text_limit
        case "utf16":
            return "😀" * (can.text_limit // 2) + "x" * (can.text_limit % 2)
        case "bytes":
            return "é" * (can.text_limit // 2) + "x" * (can.text_limit % 2)


async def send(bridge: Bridge, client: httpx.AsyncClient, *outs: Outgoing) -> Any:
    if len(outs) > 1:
        assert isinstance(bridge, Batches)
        return await drive(bridge.deliver_many(outs), send=client.send, auth=bridge.auth)
    return await drive(bridge.deliver(outs[0]), send=client.send, auth=bridge.auth)


@provider
async def test_the_sandbox_takes_what_deliver_sends(name: str, serve: Serve, client: httpx.AsyncClient) -> None:
    sandbox = make_sandbox(name)
    bridge = fresh(name, **sandbox.settings(serve(sandbox.app), hook_secret=SECRET))
    texts = ["plain words", 'quotes " \\ and \n lines', "👨‍👩‍👧 שלום", at_limit(bridge.capabilities)]
    receipts = [await send(bridge, client, outgoing(name, text=text, key=f"k{i}")) for i, text in enumerate(texts)]
    assert [message.text for message in sandbox.accepted] == texts
    assert [message.number for message in sandbox.accepted] == [1, 2, 3, 4]
    assert all(bool(receipt.ids) == bridge.capabilities.receipt_ids for receipt in receipts)


@provider
async def test_the_sandbox_takes_a_full_batch_in_its_order(name: str, serve: Serve, client: httpx.AsyncClient) -> None:
    sandbox = make_sandbox(name)
    bridge = fresh(name, **sandbox.settings(serve(sandbox.app), hook_secret=SECRET))
    texts = [f"line {i}" for i in range(bridge.capabilities.batch)]
    await send(bridge, client, *(outgoing(name, text=text, key=text) for text in texts))
    assert [message.text for message in sandbox.accepted] == texts
    if len(texts) > 1:
        assert len(sandbox.calls) == 1


@provider
async def test_one_unit_over_the_limit_is_refused_before_it_is_sent(name: str) -> None:
    bridge = make(name)
    played = play(bridge.deliver(outgoing(name, text=at_limit(bridge.capabilities) + "x")))
    assert isinstance(played.error, Inexpressible)
    assert played.requests == ()


@provider
async def test_the_sandbox_refuses_a_wrong_token_and_stores_nothing(
    name: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    sandbox = make_sandbox(name)
    settings = {
        **sandbox.settings(serve(sandbox.app), hook_secret=SECRET),
        CREDENTIAL.get(name, "token"): "wrong-token",
    }
    bridge = fresh(name, **settings)
    with pytest.raises(Unauthorized):
        await send(bridge, client, outgoing(name))
    with pytest.raises(Unauthorized):
        await drive(bridge.probe(), send=client.send, auth=bridge.auth)
    assert sandbox.accepted == []


@provider
async def test_a_probe_sends_nothing(name: str, serve: Serve, client: httpx.AsyncClient) -> None:
    sandbox = make_sandbox(name)
    bridge = fresh(name, **sandbox.settings(serve(sandbox.app), hook_secret=SECRET))
    assert await drive(bridge.probe(), send=client.send, auth=bridge.auth)
    assert sandbox.accepted == []
    assert 1 <= len(sandbox.calls) <= 4


@provider
async def test_decode_reads_what_the_sandbox_emits(name: str, serve: Serve) -> None:
    sandbox = make_sandbox(name)
    bridge = fresh(name, **sandbox.settings("http://127.0.0.1:9", hook_secret=SECRET))
    came: list[Hook] = []

    async def listener(request: Request) -> Response:
        headers = tuple((key.lower(), value) for key, value in request.headers.items())
        came.append(Hook(body=await request.body(), headers=headers, received_at=FIXTURE_TIME))
        return Response(status_code=204)

    url = serve(Starlette(routes=[Route("/hooks/{rest:path}", listener, methods=["POST"])]))
    text = 'grüße 👋 "and" \\ more'
    assert await sandbox.greet(f"{url}/hooks/sample/{SECRET}", text=text) == 204
    await sandbox.close()
    bridge.verify(came[0])
    (event,) = bridge.decode(came[0])
    assert isinstance(event, Received)
    assert event.message.text == text
    bridge.check(event.conversation.id)


@provider
async def test_the_sandbox_tells_listeners_and_shows_a_state_fit_for_json(
    name: str, serve: Serve, client: httpx.AsyncClient
) -> None:
    sandbox = make_sandbox(name)
    heard: list[Any] = []
    stop = sandbox.subscribe_listener(heard.append)
    bridge = fresh(name, **sandbox.settings(serve(sandbox.app), hook_secret=SECRET))
    await send(bridge, client, outgoing(name, text="first", key="a"))
    stop()
    await send(bridge, client, outgoing(name, text="second", key="b"))
    assert [change["text"] for change in heard if change["kind"] == "message"] == ["first"]
    assert sandbox.state()["accepted"] == 2
    shown = json.dumps([sandbox.state(), heard])
    assert "second" in shown
    assert SECRET not in shown


# Documents

README_SECTIONS = ["Setup", "Settings", "What works", "Limits and quirks", "Webhook setup", "Sources"]

RULES: dict[str, Callable[[Bridge], bool]] = {
    "receives": lambda bridge: bridge.capabilities.receives,
    "webhooks_signed": lambda bridge: bridge.capabilities.webhook_proof == "signature",
    "handshake_answered": lambda bridge: isinstance(bridge, Answers),
    "subscribes_by_api": lambda bridge: isinstance(bridge, Subscribes),
    "idempotent_sends": lambda bridge: bridge.capabilities.idempotent,
    "unknown_outcomes_confirmed": lambda bridge: isinstance(bridge, Confirms),
    "receipt_ids": lambda bridge: bridge.capabilities.receipt_ids,
    "batches": lambda bridge: isinstance(bridge, Batches),
    "replies_threaded": lambda bridge: bridge.capabilities.replies,
    "edits_and_deletes": lambda bridge: bridge.capabilities.edits and bridge.capabilities.deletes,
    "reactions": lambda bridge: bridge.capabilities.reactions,
    "attachments": lambda bridge: bridge.capabilities.attachments != "none",
    "conversations_listed": lambda bridge: isinstance(bridge, Lists),
    "rate_limit_known": lambda bridge: type(bridge).capabilities.requests_per_minute is not None,
    "fixtures_recorded_live": lambda bridge: all(
        path and read_hook(path).origin.startswith("recorded") for path in hooks(bridge.name)
    ),
}


@provider
def test_the_quality_scale_claims_what_the_code_does_and_gives_a_reason_for_the_rest(name: str) -> None:
    scale = tomllib.loads((ROOT / "bridges" / name / "quality.toml").read_text())["rules"]
    assert set(scale) == set(RULES)
    bridge = make(name)
    for rule, holds in RULES.items():
        claim = scale[rule]
        if claim == "done":
            assert holds(bridge), f"{rule} is said to be done"
        else:
            ((status, reason),) = claim.items()
            assert status in ("todo", "exempt") and len(reason) >= 20, rule
            assert not holds(bridge), f"{rule} is done, but said to be {status}"


@provider
def test_the_readme_has_every_section_and_names_every_setting(name: str) -> None:
    text = (ROOT / "bridges" / name / "README.md").read_text()
    sections = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert sections == README_SECTIONS
    settings = text.split("## Settings")[1].split("\n## ")[0]
    for field in PROVIDERS[name].Settings.model_fields:
        assert f"`{field}`" in settings


@provider
def test_a_provider_has_the_same_files_as_the_others(name: str) -> None:
    present = {path.name for path in (ROOT / "bridges" / name).iterdir() if path.suffix != ""}
    assert {"__init__.py", "bridge.py", "wire.py", "sandbox.py", "README.md", "quality.toml"} <= present


def test_every_folder_of_a_provider_is_registered() -> None:
    folders = {path.parent.name for path in (ROOT / "bridges").glob("*/bridge.py")}
    assert folders == set(PROVIDERS)


def test_a_recorded_hook_reads_the_same_with_either_line_end(tmp_path: Path) -> None:
    read: list[RecordedHook] = []
    for end in ("\r\n", "\n"):
        file = tmp_path / "hook.http"
        head = ["POST /hooks/im/secret/rest/of/it HTTP/1.1", "X-Fixture-Origin: recorded 2026-01-02", "X-A: b", "", ""]
        file.write_bytes(end.join(head).encode() + b"body\r\n\r\nwith\n\nempty lines")
        read.append(read_hook(file))
    assert read[0] == read[1]
    assert read[0].hook.body == b"body\r\n\r\nwith\n\nempty lines"
    assert read[0].hook.path == "rest/of/it"
