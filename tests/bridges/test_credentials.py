"""Credentials that expire: one renewal for everybody who waits, and what its failure means for the messages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from bridges.api import HARMLESS, RECEIVED_AT, Credentials, Flow
from bridges.driver import drive
from bridges.errors import BridgeError, Garbled, Refused, Unauthorized, Unavailable
from bridges.signing import KeptToken, binding
from bridges.testing import play

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TOKEN_URL, SEND_URL = "https://provider.example/token", "https://provider.example/send"


class Tokens:
    """Credentials in their plainest form."""

    def __init__(self, token: KeptToken | None = None) -> None:
        self.token = token

    @property
    def mark(self) -> str:
        return self.token.mark if self.token else ""

    def stale(self, now: datetime) -> bool:
        return self.token is None or self.token.stale(now, margin=timedelta(minutes=1))

    def put_on(self, request: httpx.Request) -> None:
        assert self.token is not None
        request.headers["Authorization"] = f"Bearer {self.token.value}"

    def refused(self, response: httpx.Response) -> bool:
        return response.status_code == 401

    def renew(self, now: datetime) -> Flow[None]:
        response = yield httpx.Request("POST", TOKEN_URL, extensions=dict(HARMLESS))
        if response.status_code == 403:
            raise Refused("the client is not known")
        if response.status_code == 401:
            raise Unauthorized("wrong secret")
        if response.status_code >= 500:
            raise Unavailable(f"HTTP {response.status_code}", retry_after=7.0)
        if not response.text:
            raise Garbled("no token in it")
        self.token = KeptToken(response.text, now + timedelta(hours=1))


class Provider:
    """Takes one token at a time, and lets everybody wait until it is told to go on."""

    def __init__(self, *, good: str = "t1") -> None:
        self.good = good
        self.renewals = 0
        self.sent: list[str] = []
        self.refusals = 0
        self.answers: list[httpx.Response | Exception] = []
        """Of the token endpoint, before it gives the good one."""

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        if request.url == TOKEN_URL:
            self.renewals += 1
            await asyncio.sleep(0)
            if self.answers:
                answer = self.answers.pop(0)
                if isinstance(answer, Exception):
                    raise answer
                return answer
            return httpx.Response(200, text=self.good)
        if request.headers.get("authorization") != f"Bearer {self.good}":
            self.refusals += 1
            return httpx.Response(401)
        self.sent.append(request.content.decode())
        return httpx.Response(200)


def sending(text: str) -> Flow[int]:
    response = yield httpx.Request("POST", SEND_URL, content=text.encode())
    if response.status_code == 401:
        raise Unauthorized("refused")
    return response.status_code


async def all_of(provider: Provider, tokens: Tokens, texts: Sequence[str]) -> list[int | BaseException]:
    flows = (drive(sending(text), send=provider, auth=tokens, clock=lambda: NOW) for text in texts)
    return await asyncio.gather(*flows, return_exceptions=True)


def test_they_are_credentials() -> None:
    assert isinstance(Tokens(), Credentials)
    assert not isinstance(httpx.Auth(), Credentials)


async def test_a_token_is_fetched_before_the_first_request_and_kept_for_the_next() -> None:
    provider, tokens = Provider(), Tokens()
    assert await all_of(provider, tokens, ["a"]) == [200]
    assert await all_of(provider, tokens, ["b"]) == [200]
    assert (provider.renewals, provider.refusals) == (1, 0)


async def test_a_thousand_sends_that_meet_an_expired_token_renew_it_once_and_all_arrive() -> None:
    provider, tokens = Provider(), Tokens(KeptToken("old", NOW + timedelta(hours=1)))
    texts = [str(n) for n in range(1000)]
    assert await all_of(provider, tokens, texts) == [200] * 1000
    assert sorted(provider.sent, key=int) == texts
    assert (provider.renewals, provider.refusals) == (1, 1000)


async def test_a_token_about_to_expire_is_renewed_once_before_anything_is_sent_with_it() -> None:
    provider, tokens = Provider(), Tokens(KeptToken("old", NOW + timedelta(seconds=59)))
    assert await all_of(provider, tokens, ["a"] * 100) == [200] * 100
    assert (provider.renewals, provider.refusals) == (1, 0)


async def test_one_that_was_refused_with_an_older_token_uses_the_newer_one_without_renewing_it() -> None:
    provider, tokens = Provider(), Tokens(KeptToken("old"))

    async def slow(request: httpx.Request) -> httpx.Response:
        if request.headers.get("authorization") == "Bearer old":
            tokens.token = KeptToken("t1")  # somebody else renewed it meanwhile
            return httpx.Response(401)
        return await provider(request)

    assert await drive(sending("a"), send=slow, auth=tokens, clock=lambda: NOW) == 200
    assert provider.renewals == 0


async def test_a_token_refused_twice_is_refused() -> None:
    provider, tokens = Provider(good="t1"), Tokens(KeptToken("old"))
    provider.answers = [httpx.Response(200, text="wrong")]
    (result,) = await all_of(provider, tokens, ["a"])
    assert isinstance(result, Unauthorized)
    assert provider.renewals == 1


@pytest.mark.parametrize(
    ("answer", "kind", "retry_after"),
    [
        (httpx.Response(401), Unauthorized, None),
        (httpx.Response(403), Unauthorized, None),
        (httpx.Response(200, text=""), Unavailable, None),
        (httpx.Response(502), Unavailable, 7.0),
        (httpx.ReadTimeout("silent"), Unavailable, None),
        (httpx.ConnectError("refused"), Unavailable, None),
    ],
    ids=["wrong secret", "refused", "nonsense", "away", "silent", "no connection"],
)
async def test_a_renewal_that_fails_is_never_about_the_message_and_fails_for_all_who_wait(
    answer: httpx.Response | Exception, kind: type[BridgeError], retry_after: float | None
) -> None:
    provider, tokens = Provider(), Tokens()
    provider.answers = [answer]
    results = await all_of(provider, tokens, ["a"] * 50)
    assert {type(result) for result in results} == {kind}
    for result in results:
        if isinstance(result, Unavailable):
            assert not result.maybe_sent
            assert result.retry_after == retry_after
    assert provider.renewals == 1
    assert provider.sent == []
    assert await all_of(provider, tokens, ["b"]) == [200]


async def test_whoever_gives_up_waiting_does_not_take_the_token_away_from_the_others() -> None:
    provider, tokens = Provider(), Tokens()
    first = asyncio.create_task(drive(sending("a"), send=provider, auth=tokens, clock=lambda: NOW))
    second = asyncio.create_task(drive(sending("b"), send=provider, auth=tokens, clock=lambda: NOW))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 200
    assert provider.sent == ["b"]
    assert provider.renewals == 1


def test_play_does_the_same() -> None:
    tokens = Tokens(KeptToken("old"))
    played = play(sending("a"), httpx.Response(401), httpx.Response(200, text="t1"), httpx.Response(200), auth=tokens)
    assert played.result == 200
    assert [request.headers.get("authorization") for request in played.requests] == ["Bearer old", None, "Bearer t1"]
    played = play(sending("a"), httpx.Response(403), auth=Tokens())
    assert isinstance(played.error, Unauthorized)


def test_a_kept_token_is_remembered_and_shows_nothing() -> None:
    token = KeptToken("secret-value", NOW)
    assert KeptToken.from_memory(token.to_memory()) == token
    assert KeptToken.from_memory(KeptToken("x").to_memory("refresh"), "refresh") == KeptToken("x")
    assert "secret-value" not in f"{token!r} {token.mark}"
    assert token.mark != KeptToken("other", NOW).mark


@pytest.mark.parametrize("value", ["", "with space", "line\nbreak", "café", "nul\x00"])
def test_what_cannot_be_sent_in_a_header_is_no_token(value: str) -> None:
    assert KeptToken.from_memory({"token": value}) is None


def test_a_kept_token_is_not_used_with_other_settings_than_it_was_got_with() -> None:
    mine, other = binding("https://a.example", "user", "password"), binding("https://a.example", "user", "changed")
    memory = KeptToken("x", NOW).to_memory(bound_to=mine)
    assert KeptToken.from_memory(memory, bound_to=mine) == KeptToken("x", NOW)
    assert KeptToken.from_memory(memory, bound_to=other) is None
    assert KeptToken.from_memory({"token": "x"}, bound_to=mine) is None
    assert binding("ab", "c") != binding("a", "bc")


def test_a_token_whose_end_makes_no_sense_is_kept_without_one() -> None:
    assert KeptToken.from_memory({"token": "x", "token_expires_at": "soon"}) == KeptToken("x")
    assert KeptToken.from_memory({"token": "x", "token_expires_at": "2026-01-02T03:04:05"}) == KeptToken("x", NOW)


class Shared:
    """What two processes keep their token in."""

    def __init__(self) -> None:
        self.token: KeptToken | None = None
        self.looks = 0


class Keeping:
    """Keeps one process's credentials there."""

    def __init__(self, shared: Shared, tokens: Tokens) -> None:
        self.shared, self.tokens = shared, tokens

    async def look(self) -> None:
        self.shared.looks += 1
        await asyncio.sleep(0)
        if self.shared.token is not None:
            self.tokens.token = self.shared.token

    async def keep(self) -> None:
        await asyncio.sleep(0)
        self.shared.token = self.tokens.token


async def test_what_another_process_renewed_is_used_and_not_renewed_again() -> None:
    provider, shared = Provider(), Shared()
    shared.token = KeptToken("t1")
    tokens = Tokens(KeptToken("old"))
    keeper = Keeping(shared, tokens)
    assert await drive(sending("a"), send=provider, auth=tokens, clock=lambda: NOW, keeper=keeper) == 200
    assert provider.renewals == 0


async def test_what_another_process_left_may_be_out_of_date_too() -> None:
    provider, shared = Provider(), Shared()
    shared.token = KeptToken("also old")
    tokens = Tokens(KeptToken("old"))
    keeper = Keeping(shared, tokens)
    assert await drive(sending("a"), send=provider, auth=tokens, clock=lambda: NOW, keeper=keeper) == 200
    assert provider.renewals == 1
    assert shared.token == KeptToken("t1", NOW + timedelta(hours=1))


class OneAtATime(Provider):
    """Each new token ends the one before."""

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url == TOKEN_URL:
            self.good = f"t{self.renewals + 1}"
        return await super().__call__(request)


async def test_two_processes_whose_renewals_end_each_others_tokens_both_get_through() -> None:
    provider, shared = OneAtATime(), Shared()
    both = [Tokens(), Tokens()]
    keepers = [Keeping(shared, tokens) for tokens in both]

    async def one(n: int, text: str) -> int:
        return await drive(sending(text), send=provider, auth=both[n], clock=lambda: NOW, keeper=keepers[n])

    for _ in range(20):
        provider.good = "ended by the server"
        assert set(await asyncio.gather(*(one(n, "a") for n in (0, 1) for _ in range(5)))) == {200}


async def test_a_flow_knows_when_each_answer_came() -> None:
    def asking() -> Flow[datetime]:
        response = yield httpx.Request("GET", SEND_URL)
        at: datetime = response.extensions[RECEIVED_AT]
        return at

    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200)

    assert await drive(asking(), send=answer, clock=lambda: NOW) == NOW
