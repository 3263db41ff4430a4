"""NetSapiens, logging in: keys, tokens that expire and rotate, the legacy endpoint, a second factor."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from bridges.api import Credentials
from bridges.driver import drive
from bridges.errors import BridgeError, Refused, Unauthorized, Unavailable
from bridges.netsapiens.bridge import NetSapiensBridge
from bridges.netsapiens.settings import NetSapiensSettings
from bridges.testing import FIXTURE_TIME, play
from tests.bridges.netsapiens.common import PASSWORD, Serve, World, answer, bridge_of, out, settings

HANDLE = "0123456789abcdef0123456789abcdef"
TOKENS = {"access_token": "aaaa1111bbbb2222", "refresh_token": "eeee5555ffff6666", "expires_in": 3600}
NEXT = {"access_token": "cccc3333dddd4444", "refresh_token": "9999000011112222", "expires_in": 3600}


def credentials(bridge: NetSapiensBridge) -> Credentials:
    assert isinstance(bridge.auth, Credentials)
    return bridge.auth


def sent_with(bridge: NetSapiensBridge, *answers: httpx.Response | BridgeError) -> Any:
    return play(bridge.deliver(out("chat/4101", handle=HANDLE)), *answers, auth=bridge.auth)


# A thousand at once


async def test_a_token_that_ends_among_a_thousand_sends_loses_none_and_is_renewed_once(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, login=True)
    handle = (await world.deliver(out("chat/4101", "first"))).handle
    assert list(world.sandbox.logins.grants) == ["password"]
    gate = asyncio.Semaphore(64)

    async def one(number: int) -> None:
        async with gate:
            if number == 500:
                world.sandbox.logins.revoke()
            await world.deliver(out("chat/4101", f"words {number}", key=f"k{number}", handle=handle))

    await asyncio.gather(*(one(number) for number in range(1000)))
    texts = [each.text for each in world.sandbox.accepted]
    assert sorted(texts) == sorted(["first", *(f"words {number}" for number in range(1000))])
    assert list(world.sandbox.logins.grants) == ["password", "refresh_token"]


async def test_a_token_that_ends_by_the_clock_is_renewed_once_before_anybody_is_refused(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, login=True)
    handle = (await world.deliver(out("chat/4101", "first"))).handle
    world.clock.pass_by(minutes=59, seconds=30)
    await asyncio.gather(*(world.deliver(out("chat/4101", key=f"k{i}", handle=handle)) for i in range(50)))
    assert list(world.sandbox.logins.grants) == ["password", "refresh_token"]
    assert {call.status for call in world.sandbox.calls} == {200, 202}


async def test_a_hundred_that_all_start_without_a_token_fetch_one(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, login=True, version="v44")
    await asyncio.gather(*(world.deliver(out("chat/4101", key=f"k{i}", handle=HANDLE)) for i in range(100)))
    assert list(world.sandbox.logins.grants) == ["password"]
    assert len(world.sandbox.accepted) == 100


# Tokens


async def test_refresh_tokens_rotate_and_each_is_used_once(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, login=True)
    for number in range(5):
        await world.deliver(out("chat/4101", key=f"k{number}"))
        world.clock.pass_by(hours=1)
    assert list(world.sandbox.logins.grants) == ["password", *["refresh_token"] * 4]


async def test_tokens_are_kept_across_a_restart(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, login=True)
    await world.deliver(out("chat/4101"))
    learnt = world.bridge.learnt()
    world.bridge = bridge_of(world.given)
    world.bridge.recall(learnt)
    await world.deliver(out("chat/4101", key="k2"))
    world.clock.pass_by(hours=2)
    await world.deliver(out("chat/4101", key="k3"))
    assert list(world.sandbox.logins.grants) == ["password", "refresh_token"]


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "https://other.example"},
        {"username": "4102@acme.example"},
        {"password": "another"},
        {"client_secret": "another"},
    ],
)
def test_tokens_of_one_login_are_not_sent_for_another(change: dict[str, str]) -> None:
    bridge = bridge_of(**PASSWORD)
    sent_with(bridge, answer(200, TOKENS), answer(202))
    other = bridge_of(**{**PASSWORD, **change})
    other.recall(bridge.learnt())
    assert credentials(other).mark == ""


def test_learnt_is_another_object_only_after_something_new_was_learnt() -> None:
    bridge = bridge_of(**PASSWORD)
    before = bridge.learnt()
    sent_with(bridge, answer(200, TOKENS), answer(202))
    after = bridge.learnt()
    assert (before, after is before) == ({}, False)
    play(bridge.conversations(), answer(200, []), auth=bridge.auth)
    assert bridge.learnt() is after


def test_a_refresh_token_that_is_refused_falls_back_to_the_password() -> None:
    bridge = bridge_of(**PASSWORD)
    sent_with(bridge, answer(200, TOKENS), answer(202))
    played = sent_with(bridge, answer(401), answer(400), answer(200, NEXT), answer(202))
    assert played.error is None
    assert [request.url.path.rsplit("/", 1)[1] for request in played.requests] == [
        "messages",
        "tokens",
        "tokens",
        "messages",
    ]
    assert played.requests[3].headers["authorization"] == "Bearer cccc3333dddd4444"


def test_a_second_401_is_not_answered_with_a_third_try() -> None:
    bridge = bridge_of(**PASSWORD)
    played = sent_with(bridge, answer(200, TOKENS), answer(401), answer(200, NEXT), answer(401))
    assert isinstance(played.error, Unauthorized)


def test_a_refresh_that_found_nobody_is_tried_again_with_the_same_token() -> None:
    bridge = bridge_of(**PASSWORD)
    sent_with(bridge, answer(200, TOKENS), answer(202))
    assert isinstance(sent_with(bridge, answer(401), Unavailable("away")).error, Unavailable)
    played = sent_with(bridge, answer(401), answer(200, NEXT), answer(202))
    assert b"eeee5555ffff6666" in played.requests[1].content


@pytest.mark.parametrize(
    "refusal",
    [
        answer(400),
        answer(401),
        answer(429),
        answer(500, {"code": 500, "message": "invalid refresh token"}),
        answer(502),
        httpx.Response(200, text="<html>"),
        answer(200, {"status": "failed", "message": "invalid refresh token"}),
        answer(200, {"code": "400", "message": "invalid"}),
        answer(200, {"error_description": "invalid refresh token"}),
        answer(200, []),
        answer(302),
    ],
    ids=["400", "401", "429", "500", "502", "no JSON", "status", "code", "description", "nothing", "redirect"],
)
def test_whatever_is_answered_to_a_refresh_the_password_follows_at_once(refusal: httpx.Response) -> None:
    bridge = bridge_of(**PASSWORD)
    sent_with(bridge, answer(200, TOKENS), answer(202))
    played = sent_with(bridge, answer(401), refusal, answer(200, NEXT), answer(202))
    assert played.error is None
    assert b"pw-sample" in played.requests[2].content


def test_a_refresh_token_that_failed_is_forgotten_also_across_a_restart() -> None:
    bridge = bridge_of(**PASSWORD)
    sent_with(bridge, answer(200, TOKENS), answer(202))
    assert isinstance(sent_with(bridge, answer(401), answer(500), answer(500)).error, Unavailable)
    again = bridge_of(**PASSWORD)
    again.recall(bridge.learnt())
    played = sent_with(again, answer(401), answer(200, NEXT), answer(202))
    assert b"pw-sample" in played.requests[1].content


@pytest.mark.parametrize("code", [401, "401", 401.0])
def test_an_expired_token_told_inside_a_200_is_renewed(code: object) -> None:
    bridge = bridge_of(**PASSWORD)
    expired = {"code": code, "message": "the access token provided has expired"}
    played = sent_with(bridge, answer(200, TOKENS), answer(200, expired), answer(200, NEXT), answer(202))
    assert played.error is None
    assert played.requests[3].headers["authorization"] == "Bearer cccc3333dddd4444"


@pytest.mark.parametrize(("code", "error"), [(500, Unavailable), (429, Unavailable), (400, Unauthorized)])
def test_a_code_inside_a_200_says_whether_to_come_back_with_the_password(code: int, error: type[Exception]) -> None:
    body = {"code": code, "message": "no"}
    assert isinstance(sent_with(bridge_of(**PASSWORD), answer(200, body)).error, error)


@pytest.mark.parametrize(
    "token", ["aaaa1111bbbb2222", "eeee5555ffff6666", "cc+c3333/dddd4444", "cc%2Bc3333%2Fdddd4444"]
)
@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_a_token_that_was_fetched_stands_in_no_error(token: str, status: int) -> None:
    bridge = bridge_of(**PASSWORD)
    following = {**NEXT, "access_token": "cc+c3333/dddd4444"}
    sent_with(bridge, answer(200, TOKENS), answer(202))
    again = bridge_of(**PASSWORD)
    again.recall(bridge.learnt())
    said = answer(status, {"code": 400, "message": f"token {token} is not valid"})
    answers = (answer(401), answer(200, following), said)
    played = sent_with(again, *answers)
    assert played.error is not None
    assert token not in str(played.error)
    assert "is not valid" in str(played.error)


def test_a_token_that_comes_with_a_refusal_stands_in_no_error() -> None:
    body = {**TOKENS, "error": "aaaa1111bbbb2222 is not for you"}
    error = sent_with(bridge_of(**PASSWORD), answer(200, body)).error
    assert isinstance(error, Unauthorized)
    assert "aaaa1111" not in str(error)


def test_a_key_that_comes_back_percent_encoded_is_hidden_too() -> None:
    bridge = bridge_of(api_key="nss_a+b/c=sample")
    played = play(
        bridge.deliver(out("chat/4101", handle=HANDLE)), answer(400, {"message": "key nss_a%2bb%2fc%3dsample"})
    )
    assert str(played.error) == "NetSapiens send: HTTP 400: key •••"


def test_a_token_that_tells_no_end_is_used_until_it_is_refused() -> None:
    bridge = bridge_of(**PASSWORD)
    sent_with(bridge, answer(200, {"access_token": "aaaa1111bbbb2222"}), answer(202))
    assert not credentials(bridge).stale(FIXTURE_TIME + timedelta(days=3650))
    assert sent_with(bridge, answer(401), answer(200, NEXT), answer(202)).error is None


@pytest.mark.parametrize("expires", ["3600", 3600, 3600.0])
def test_the_end_of_a_token_is_read_from_whatever_type_it_comes_in(expires: object) -> None:
    bridge = bridge_of(**PASSWORD)
    sent_with(bridge, answer(200, {**TOKENS, "expires_in": expires}), answer(202))
    assert not credentials(bridge).stale(FIXTURE_TIME + timedelta(seconds=3539))
    assert credentials(bridge).stale(FIXTURE_TIME + timedelta(seconds=3540))


def test_the_legacy_end_of_a_token_is_a_point_in_time() -> None:
    bridge = bridge_of(**PASSWORD)
    ends = int(FIXTURE_TIME.timestamp()) + 600
    sent_with(bridge, answer(200, {"access_token": "aaaa1111bbbb2222", "expires": ends}), answer(202))
    assert credentials(bridge).stale(FIXTURE_TIME + timedelta(seconds=540))
    assert not credentials(bridge).stale(FIXTURE_TIME + timedelta(seconds=539))


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "words",
        {"access_token": ""},
        {"access_token": "two words"},
        {"access_token": 17},
        {"access_token": None},
        {"access_token": "grüße"},
    ],
)
def test_an_answer_without_a_token_that_can_be_sent_is_tried_again_later(body: object) -> None:
    assert isinstance(sent_with(bridge_of(**PASSWORD), answer(200, body)).error, Unavailable)


@pytest.mark.parametrize(("life_s", "left_s"), [(60, 6), (10, 1), (600, 60), (7200, 60)])
def test_a_token_is_renewed_when_a_tenth_of_its_life_is_left_and_a_minute_at_most(life_s: int, left_s: int) -> None:
    bridge = bridge_of(**PASSWORD)
    sent_with(bridge, answer(200, {**TOKENS, "expires_in": life_s}), answer(202))
    again = bridge_of(**PASSWORD)
    again.recall(bridge.learnt())
    for each in (bridge, again):
        assert not credentials(each).stale(FIXTURE_TIME + timedelta(seconds=life_s - left_s - 1))
        assert credentials(each).stale(FIXTURE_TIME + timedelta(seconds=life_s - left_s))


def test_an_end_that_is_past_already_by_our_clock_is_no_end() -> None:
    bridge = bridge_of(**PASSWORD)
    ended = int(FIXTURE_TIME.timestamp()) - 600
    sent_with(bridge, answer(200, {"access_token": "aaaa1111bbbb2222", "expires": ended}), answer(202))
    assert not credentials(bridge).stale(FIXTURE_TIME)


@pytest.mark.parametrize("expires", [10**18, "9" * 19, -5, "soon", [], {}, True])
def test_an_odd_end_of_a_token_is_no_end(expires: object) -> None:
    bridge = bridge_of(**PASSWORD)
    assert sent_with(bridge, answer(200, {**TOKENS, "expires_in": expires}), answer(202)).error is None


@pytest.mark.parametrize("body", [{"code": 401, "message": "bad"}, {"error": "invalid_grant"}])
def test_a_refusal_inside_a_200_is_a_refusal(body: object) -> None:
    assert isinstance(sent_with(bridge_of(**PASSWORD), answer(200, body)).error, Unauthorized)


# The legacy endpoint


async def test_a_server_with_the_legacy_endpoint_only_is_understood_and_remembered(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, login=True, legacy_tokens=True)
    await world.deliver(out("chat/4101"))
    world.clock.pass_by(hours=2)
    await world.deliver(out("chat/4101", key="k2"))
    assert [path for path in world.paths() if "oken" in path] == [
        "POST /tokens",
        "POST /ns-api/oauth2/token/",
        "POST /ns-api/oauth2/token/",
    ]
    assert world.bridge.learnt()["oauth"] == "legacy"


async def test_a_server_that_was_upgraded_since_is_found_at_the_other_endpoint(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    bridge = bridge_of(**PASSWORD)
    bridge.recall({"oauth": "legacy", "account": bridge._account})
    played = sent_with(bridge, answer(404), answer(200, TOKENS), answer(202))
    assert played.error is None
    assert "oauth" not in bridge.learnt()


# Who is refused


async def test_a_user_with_a_second_factor_is_refused_with_the_remedy(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client, login=True, settings={"username": "4101@acme.example"})
    with pytest.raises(Unauthorized, match=r"second factor \(MFA\).*api_key"):
        await world.deliver(out("chat/4101"))
    assert world.sandbox.accepted == []


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"client_secret": "wrong"}, {"username": "nobody"}])
async def test_a_wrong_login_is_refused_without_repeating_it(
    change: dict[str, str], serve: Serve, client: httpx.AsyncClient
) -> None:
    world = World(serve, client, login=True, settings=change)
    with pytest.raises(Unauthorized) as caught:
        await world.run(world.bridge.probe())
    assert world.given["password"] not in str(caught.value)
    assert world.given["client_secret"] not in str(caught.value)


async def test_a_jwt_goes_as_it_is(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    given = {**world.given, "auth": "jwt", "token": world.given["api_key"]}
    world.bridge = bridge_of(given, api_key=None)
    await world.deliver(out("chat/4101"))
    assert len(world.sandbox.accepted) == 1


async def test_a_key_that_is_read_only_can_send_nothing_and_says_so(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    world.sandbox.logins.keys[world.sandbox.api_key].readonly = True
    with pytest.raises(Refused, match="read-only"):
        await world.run(world.bridge.probe())
    with pytest.raises(Refused, match="read only"):
        await world.deliver(out("chat/4101"))


@pytest.mark.parametrize("auth", ["api_key", "password", "jwt"])
def test_credentials_show_in_no_repr_nor_in_what_is_dumped(auth: str) -> None:
    given = {**settings(), **PASSWORD, "auth": auth, "token": "jwt-canary", "api_key": "key-canary"}
    bridge = bridge_of(given)
    if auth == "password":
        sent_with(bridge, answer(200, TOKENS), answer(202))
    shown = f"{bridge!r} {bridge.auth!r} {bridge._settings!r} {bridge._settings.model_dump_json()}"
    for hidden in ("canary", "s3cr3t", "pw-sample", "aaaa1111bbbb2222", "eeee5555ffff6666"):
        assert hidden not in shown


# Settings


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"api_key": None}, 'api_key: is needed with auth = "api_key"; give api_key'),
        ({"auth": "jwt"}, 'token: is needed with auth = "jwt"; give token'),
        (
            {**PASSWORD, "client_id": None},
            'client_id: is needed with auth = "password"; give client_id, client_secret, username and password',
        ),
        ({**PASSWORD, "client_secret": None}, 'client_secret: is needed with auth = "password"'),
        ({**PASSWORD, "username": None}, 'username: is needed with auth = "password"'),
        ({**PASSWORD, "password": None}, 'password: is needed with auth = "password"'),
    ],
)
def test_what_a_way_of_logging_in_needs_is_asked_for_by_name(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        NetSapiensSettings.model_validate(settings(**changes))
    (error,) = caught.value.errors()
    assert str(error["ctx"]["error"]).startswith(problem)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_url": "https://pbx.example/ns-api/v2"}, "must end before /ns-api"),
        ({"domain": "~"}, "must be the domain"),
        ({"domain": "a/b"}, "must be the domain"),
        ({"domain": ".."}, "must be the domain"),
        ({"user": "~"}, "must be an extension"),
        ({"user": "4100@acme.example"}, "must be an extension"),
        ({"user": "1" * 17}, "must be an extension"),
        ({"from_number": "my phone"}, "must be a phone number"),
        ({"time_zone": "Mars/Olympus"}, "must be a time zone"),
        ({"time_zone": "../etc/passwd"}, "must be a time zone"),
        ({"media_hosts": ["https://x.example"]}, "must be names of hosts"),
        ({"media_hosts": ["x.example:"]}, "must be names of hosts"),
        ({"media_hosts": ["x.example:https"]}, "must be names of hosts"),
        ({"media_hosts": ["x.example/path"]}, "must be names of hosts"),
        ({"subscription_models": []}, "must name one at least"),
        ({"subscription_models": ["call"]}, "Input should be 'message' or 'messagesession'"),
        ({"subscription_user": "~"}, "must be an extension"),
        ({"subscription_days": 0}, "greater than or equal to 1"),
        ({"media_bytes": 0}, "greater than or equal to 1"),
        ({"requests_per_minute": -1}, "greater than or equal to 0"),
        ({**PASSWORD, "password": ""}, "must not be empty"),
        ({"auth": "oauth"}, "Input should be 'api_key', 'password' or 'jwt'"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        NetSapiensSettings.model_validate(settings(**changes))
    assert words in str(caught.value)


def test_a_number_with_plus_and_spaces_is_the_same_number() -> None:
    assert bridge_of(from_number="+1 (555) 010-0999")._settings.from_number == "15550100999"


def test_the_settings_of_limits_are_the_capabilities() -> None:
    can = bridge_of(text_limit=200, media_bytes=500, requests_per_minute=30).capabilities
    assert (can.text_limit, can.attachment_bytes, can.requests_per_minute) == (200, 500, 30)


async def test_nothing_is_asked_of_a_server_that_cannot_be_reached() -> None:
    bridge = bridge_of(**PASSWORD)

    async def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(Unavailable) as caught:
        await drive(bridge.deliver(out("chat/4101")), send=nobody, auth=bridge.auth)
    assert not caught.value.maybe_sent
