"""Returning.AI: what is sent, end to end against the sandbox; what is learnt, and what a doubt ends in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from starlette.types import ASGIApp
from telegram.constants import ReactionEmoji

from bridges.api import Outgoing
from bridges.driver import drive
from bridges.errors import Inexpressible, Refused, Unauthorized, Unavailable
from bridges.files import Bytes
from bridges.model import Attachment, ConversationId, Message, MessageId
from bridges.returning_ai.bridge import ReturningAiBridge, shortcode
from bridges.returning_ai.inbound import emoji_of
from bridges.returning_ai.sandbox import ReturningAiSandbox
from bridges.returning_ai.settings import ReturningAiSettings
from bridges.returning_ai.tries import TRIES_MOST
from bridges.testing import FIXTURE_TIME, play

SECRET = "hook-secret-0123456789"
GENERAL = "66f0c1d2e3a4b5c6d7e8f901"
IDEAS = "66f0c1d2e3a4b5c6d7e8f902"
ROADMAP = f"{IDEAS}/77a1b2c3d4e5f60718293a4b"
Serve = Callable[[ASGIApp], str]
PIXEL = b"\x89PNG\r\n\x1a\n-sample"


def settings_for(base_url: str = "https://rai.example", **changes: Any) -> ReturningAiSettings:
    settings = ReturningAiSandbox().settings(base_url, hook_secret=SECRET)
    return ReturningAiSettings.model_validate({**settings, **changes})


def bridge_for(base_url: str = "https://rai.example", **changes: Any) -> ReturningAiBridge:
    return ReturningAiBridge(settings_for(base_url, **changes))


def out(text: str = "hello", *, to: str = GENERAL, key: str = "k1", reply_to: str | None = None) -> Outgoing:
    message = Message(text=text, reply_to=None if reply_to is None else MessageId(reply_to))
    return Outgoing(key=key, conversation=ConversationId(to), message=message)


def with_images(text: str, *kinds: str) -> Outgoing:
    attachments = tuple(Attachment(kind="image", ref=kind, name=f"plan.{kind}", media_type=kind) for kind in kinds)
    return Outgoing(
        key="k1",
        conversation=ConversationId(GENERAL),
        message=Message(text=text, attachments=attachments),
        files=(Bytes(PIXEL),) * len(kinds),
    )


class Side:
    """A sandbox whose clock is turned by hand, and a bridge that polls it."""

    def __init__(self, serve: Serve, client: httpx.AsyncClient, **changes: Any) -> None:
        self.now = FIXTURE_TIME
        self.sandbox = ReturningAiSandbox(client=client, clock=self.theirs)
        self.url = serve(self.sandbox.app)
        self.bridge = bridge_for(self.url, **{"poll_seconds": 5, **changes})
        self.ahead_s = 0.0
        """How far the sandbox's clock is ahead of ours."""
        self.way_s = 0.05
        """How long a request is on its way, and its answer."""
        self.dated = True
        """Whether answers tell the time, cut to the second."""
        self._client = client

    def theirs(self) -> datetime:
        return self.now + timedelta(seconds=self.ahead_s)

    async def send(self, request: httpx.Request) -> httpx.Response:
        self.later(self.way_s)
        response = await self._client.send(request)
        del response.headers["date"]
        if self.dated:
            response.headers["date"] = format_datetime(self.theirs(), usegmt=True)
        self.later(self.way_s)
        return response

    async def run(self, flow: Any) -> Any:
        return await drive(flow, send=self.send, auth=self.bridge.auth, clock=lambda: self.now)

    async def deliver(self, message: Outgoing) -> None:
        await self.run(self.bridge.deliver(replace(message, began_at=self.now)))

    def later(self, seconds: float = 90) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
async def side(serve: Serve, client: httpx.AsyncClient) -> Side:
    return Side(serve, client)


async def test_a_message_goes_into_a_forum_topic(side: Side) -> None:
    await side.run(side.bridge.deliver(out("an idea", to=ROADMAP)))
    (message,) = side.sandbox.accepted
    assert (message.channel, message.topic, message.text) == (*ROADMAP.split("/"), "an idea")


async def test_a_reply_goes_to_the_message_it_answers_whatever_the_address(side: Side) -> None:
    asked = await side.sandbox.say("Ann", IDEAS, "a question", topic=ROADMAP.split("/")[1])
    await side.run(side.bridge.deliver(out("an answer", to=IDEAS, reply_to=asked)))
    (message,) = side.sandbox.accepted
    assert (message.channel, message.topic, message.reply_to) == (*ROADMAP.split("/"), asked)


async def test_a_forum_without_topic_is_learnt_from_the_refusal_and_refused_before_the_next_time(side: Side) -> None:
    with pytest.raises(Refused, match="is a forum"):
        await side.run(side.bridge.deliver(out(to=IDEAS)))
    calls = len(side.sandbox.calls)
    with pytest.raises(Refused, match="is a forum"):
        await side.run(side.bridge.deliver(out(to=IDEAS)))
    assert len(side.sandbox.calls) == calls
    assert side.bridge.learnt() == {"forums": IDEAS}


async def test_a_probe_learns_which_channels_are_forums(side: Side) -> None:
    line = await side.run(side.bridge.probe())
    assert "2 channels, 1 of them forums, messages can be read; the sender exists" in line
    assert side.bridge.learnt()["forums"] == IDEAS


def test_a_channel_that_is_no_forum_any_more_is_forgotten() -> None:
    bridge = bridge_for()
    bridge.recall({"forums": f"{GENERAL} {IDEAS}"})
    listed = {"status": "success", "data": [{"_id": GENERAL, "topic": "general", "channelType": "open"}]}
    play(bridge.conversations(), httpx.Response(200, json=listed))
    assert bridge.learnt() == {"forums": ""}
    next(bridge.deliver(out(to=IDEAS)))


@pytest.mark.parametrize("memory", [{}, {"forums": ""}, {"forums": "two  blanks"}, {"forums": "a/b"}])
def test_a_memory_that_makes_no_sense_is_left_aside(memory: dict[str, str]) -> None:
    bridge = bridge_for()
    bridge.recall(memory)
    assert bridge.learnt() == {}


async def test_an_unknown_sender_is_told_by_the_probe(serve: Serve, client: httpx.AsyncClient) -> None:
    side = Side(serve, client, sender="nobody@example.com")
    with pytest.raises(Refused, match=r"knows no sender nobody@example\.com"):
        await side.run(side.bridge.probe())


async def test_images_are_uploaded_and_their_addresses_follow_the_words(side: Side, client: httpx.AsyncClient) -> None:
    await side.run(side.bridge.deliver(with_images("the plan", "image/png", "image/webp")))
    first, second = side.sandbox.accepted[0].text.split("\n")[1:]
    assert side.sandbox.accepted[0].text.startswith("the plan\nhttp")
    answers = [await client.get(first), await client.get(second)]
    assert [(answer.content, answer.headers["content-type"]) for answer in answers] == [
        (PIXEL, "image/png"),
        (PIXEL, "image/webp"),
    ]


def test_a_lost_upload_leaves_no_doubt_about_the_message() -> None:
    played = play(bridge_for().deliver(with_images("", "image/png")), Unavailable("cut", maybe_sent=True))
    assert isinstance(played.error, Unavailable)
    assert not played.error.maybe_sent


def test_the_same_message_is_uploaded_with_the_same_bytes_each_time() -> None:
    first, again = (next(bridge_for().deliver(with_images("x", "image/png"))) for _ in range(2))
    assert (first.headers["content-type"], first.read()) == (again.headers["content-type"], again.read())
    assert first.extensions.get("harmless")


def test_the_name_of_a_file_cannot_leave_its_header() -> None:
    attachment = Attachment(kind="image", ref="r", name='a"\r\nX-Evil: 1/..\\b', media_type="image/png")
    message = Message(text="", attachments=(attachment,))
    request = next(bridge_for().deliver(Outgoing("k1", ConversationId(GENERAL), message, files=(Bytes(PIXEL),))))
    assert b'filename="aX-Evil: 1..b"' in request.read()


# Reactions


@pytest.mark.parametrize(
    ("mark", "code"),
    [
        ("👍", ":thumbsup:"),
        ("👍🏿", ":thumbsup:"),
        ("❤", ":heart:"),
        ("❤️", ":heart:"),
        ("🎉", ":tada:"),
        ("💯", ":100:"),
        (":party_parrot:", ":party_parrot:"),
    ],
)
def test_a_reaction_is_a_shortcode(mark: str, code: str) -> None:
    assert shortcode(mark) == code


@pytest.mark.parametrize("mark", list(ReactionEmoji), ids=lambda mark: mark.name.lower())
def test_every_reaction_of_telegram_has_a_shortcode_that_leads_back(mark: ReactionEmoji) -> None:
    code = shortcode(mark.value)
    for written in (code, code.strip(":")):
        assert emoji_of(written).replace("\ufe0f", "") == mark.value.replace("\ufe0f", "")


@pytest.mark.parametrize("mark", [":a_custom_one:", "a_custom_one", "👍", "hello there", "", ":", ":)"])
def test_what_is_no_known_shortcode_stays_as_it_is(mark: str) -> None:
    assert emoji_of(mark) == mark


@pytest.mark.parametrize("mark", ["", "x", ":", "::", ":a b:", "👍👎", "12345678901234567890", ":a:b:"])
def test_what_has_no_shortcode_cannot_be_expressed(mark: str) -> None:
    with pytest.raises(Inexpressible, match="by shortcode"):
        shortcode(mark)


async def test_a_reaction_arrives_at_its_message(side: Side) -> None:
    said = await side.sandbox.say("Ann", GENERAL, "we did it")
    await side.run(side.bridge.react(ConversationId(GENERAL), MessageId(said), "🎉"))
    assert [(each.message, each.emoji) for each in side.sandbox.reactions] == [(said, ":tada:")]


# After an unknown outcome


def lose(side: Side, message: Outgoing) -> Outgoing:
    """A send whose request was cut off before it arrived; returns it as it is asked about."""
    begun = replace(message, began_at=side.now)
    flow = side.bridge.deliver(begun)
    next(flow)
    with pytest.raises(Unavailable):
        flow.throw(Unavailable("cut", maybe_sent=True))
    return begun


async def cut(side: Side, message: Outgoing) -> Outgoing:
    """A send that arrived and whose answer was cut off; returns it as it is asked about."""
    begun = replace(message, began_at=side.now)

    async def send(request: httpx.Request) -> httpx.Response:
        answer = await side.send(request)
        if request.url.path.endswith("/send"):
            raise httpx.ReadError("cut", request=request)
        return answer

    with pytest.raises(Unavailable) as caught:
        await drive(side.bridge.deliver(begun), send=send, auth=side.bridge.auth, clock=lambda: side.now)
    assert caught.value.maybe_sent
    return begun


async def by_hand(side: Side, text: str) -> None:
    """Somebody writes as the member that is the sender."""
    await side.sandbox.say("bridge", GENERAL, text)


async def test_a_message_that_is_surely_of_later_than_its_send_has_arrived(side: Side) -> None:
    side.way_s = 4
    asked = await cut(side, out("deploy finished"))
    receipt = await side.run(side.bridge.confirm(asked))
    assert receipt.ids == (side.sandbox.accepted[0].id,)


async def test_earlier_sends_tell_the_clocks_apart_closely(side: Side) -> None:
    await side.deliver(out("one", key="k0"))
    side.later()
    side.way_s = 0.1
    asked = await cut(side, out("deploy finished"))
    assert (await side.run(side.bridge.confirm(asked))).ids == (side.sandbox.accepted[1].id,)


async def test_without_them_what_may_be_of_the_same_seconds_leaves_the_doubt(side: Side) -> None:
    asked = await cut(side, out("deploy finished"))
    with pytest.raises(Refused, match="cannot be told"):
        await side.run(side.bridge.confirm(asked))


@pytest.mark.parametrize("ahead_s", [-3600, -2.5, 0, 2.5, 3600])
@pytest.mark.parametrize("known", [False, True])
async def test_equal_words_written_by_hand_before_are_never_taken_for_it(
    ahead_s: float, known: bool, side: Side
) -> None:
    side.ahead_s = ahead_s
    if known:
        await side.deliver(out("one", key="k0"))
        side.later()
    for before_s in (0.05, 1, 7):
        await by_hand(side, "ok")
        side.later(before_s)
        asked = lose(side, out("ok"))
        with contextlib.suppress(Refused):
            assert await side.run(side.bridge.confirm(asked)) is None
        side.later()


async def test_an_arrival_within_the_same_moment_is_never_taken_for_missing(side: Side) -> None:
    await side.deliver(out("one", key="k0"))
    side.way_s = 0.0003  # what is written of a time is cut to the millisecond
    for number in range(12):
        side.later(1.00017)
        asked = await cut(side, out(f"line {number}", key=f"k-{number}"))
        with contextlib.suppress(Refused):
            assert await side.run(side.bridge.confirm(asked)) is not None


async def test_a_clock_that_was_set_meanwhile_tells_nothing(side: Side) -> None:
    side.way_s = 1
    await side.deliver(out("one", key="k0"))
    side.ahead_s = 30
    await side.deliver(out("two", key="k2"))
    asked = await cut(side, out("deploy finished"))
    with pytest.raises(Refused, match="cannot be told"):
        await side.run(side.bridge.confirm(asked))


async def test_a_send_of_long_ago_tells_nothing_of_the_clocks(side: Side) -> None:
    await side.deliver(out("one", key="k0"))
    side.later(3600)
    side.way_s = 0.1
    asked = await cut(side, out("deploy finished"))
    with pytest.raises(Refused, match="cannot be told"):
        await side.run(side.bridge.confirm(asked))


async def test_the_doubt_ends_a_few_seconds_before_the_send(side: Side) -> None:
    await by_hand(side, "ok")
    side.later(7)
    assert await side.run(side.bridge.confirm(lose(side, out("ok")))) is None


@pytest.mark.parametrize("ahead_s", [-3600, 0, 3600])
async def test_a_message_that_is_not_there_has_not_arrived(ahead_s: float, side: Side) -> None:
    side.ahead_s = ahead_s
    await side.sandbox.say("Ann", GENERAL, "good morning")
    side.later()
    assert await side.run(side.bridge.confirm(lose(side, out("deploy finished")))) is None


async def test_equal_words_that_were_sent_long_before_are_not_taken_for_it(side: Side) -> None:
    await side.deliver(out("deploy finished", key="yesterday"))
    side.later()
    assert await side.run(side.bridge.confirm(lose(side, out("deploy finished")))) is None


async def test_equal_words_sent_meanwhile_leave_the_doubt(side: Side) -> None:
    asked = lose(side, out("ok", key="first"))
    side.later()
    await side.deliver(out("ok", key="second"))
    with pytest.raises(Refused, match="cannot be told"):
        await side.run(side.bridge.confirm(asked))


async def test_equal_words_that_were_surely_not_sent_are_no_doubt(side: Side) -> None:
    side.way_s = 4
    side.sandbox.token, token = "another-token-0123456789", side.sandbox.token
    with pytest.raises(Unauthorized):
        await side.deliver(out("ok", key="refused"))
    side.sandbox.token = token
    asked = await cut(side, out("ok"))
    assert (await side.run(side.bridge.confirm(asked))).ids


async def test_equal_words_of_somebody_who_may_be_us_leave_the_doubt(side: Side) -> None:
    asked = lose(side, out("ok"))
    side.later()
    await side.sandbox.say("Ann", GENERAL, "ok")
    with pytest.raises(Refused, match="cannot be told"):
        await side.run(side.bridge.confirm(asked))


async def test_a_second_attempt_is_judged_by_the_beginning_of_the_first(side: Side) -> None:
    side.way_s = 4
    await cut(side, out("once"))
    side.later()
    asked = lose(side, out("once"))
    assert (await side.run(side.bridge.confirm(asked))).ids == (side.sandbox.accepted[0].id,)


async def test_after_a_restart_it_is_told_by_when_the_request_began(side: Side) -> None:
    side.way_s = 4
    asked = await cut(side, out("deploy finished"))
    side.bridge = bridge_for(str(side.url), poll_seconds=5)
    assert (await side.run(side.bridge.confirm(asked))).ids == (side.sandbox.accepted[0].id,)
    with pytest.raises(Refused, match="cannot be told"):
        await side.run(side.bridge.confirm(replace(asked, began_at=None)))


async def test_after_a_restart_the_other_topics_of_a_forum_leave_the_doubt(side: Side) -> None:
    side.way_s = 4
    asked = await cut(side, out("deploy finished", to=ROADMAP))
    assert (await side.run(side.bridge.confirm(asked))).ids
    side.bridge = bridge_for(str(side.url), poll_seconds=5)
    with pytest.raises(Refused, match="cannot be told"):
        await side.run(side.bridge.confirm(asked))


async def test_without_a_date_only_what_is_a_minute_away_is_told(side: Side) -> None:
    side.dated = False
    asked = await cut(side, out("deploy finished"))
    with pytest.raises(Refused, match="cannot be told"):
        await side.run(side.bridge.confirm(asked))
    side.later(61)
    assert await side.run(side.bridge.confirm(lose(side, out("deploy finished", key="k2")))) is None


async def test_an_image_is_known_by_its_words_and_an_address_below(side: Side) -> None:
    side.way_s = 4
    asked = await cut(side, with_images("the plan", "image/png"))
    assert (await side.run(side.bridge.confirm(asked))).ids
    other = replace(with_images("the plan", "image/png", "image/png"), key="k2", began_at=asked.began_at)
    assert await side.run(side.bridge.confirm(other)) is None


async def test_a_page_that_does_not_reach_back_far_enough_leaves_the_doubt(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    side = Side(serve, client, poll_count=3)
    asked = lose(side, out("lost"))
    side.later()
    for word in ("a", "b", "c"):
        await side.sandbox.say("Ann", GENERAL, word)
    with pytest.raises(Refused, match="cannot be told"):
        await side.run(side.bridge.confirm(asked))


def test_only_so_many_sends_are_kept_in_mind() -> None:
    bridge = bridge_for()
    for number in range(TRIES_MOST + 1):
        next(bridge.deliver(out(key=f"k{number}")))
    assert [bridge._tries.knows(f"k{number}") for number in (0, 1, TRIES_MOST)] == [False, True, True]


# Lists and operations


async def test_conversations_are_channels_and_the_forum_topics_configured(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    side = Side(serve, client, forum_topics=[ROADMAP])
    listed = await side.run(side.bridge.conversations())
    assert [(each.conversation.id, each.conversation.kind, each.conversation.title) for each in listed] == [
        (GENERAL, "group", "general"),
        (IDEAS, "group", "Ideas"),
        (ROADMAP, "topic", "Ideas"),
    ]
    for each in listed:
        side.bridge.check(each.conversation.id)


async def test_every_operation_works_with_its_example(side: Side) -> None:
    await side.sandbox.say("Ann", GENERAL, "hello")
    for operation in side.bridge.operations():
        assert await side.run(operation.run(operation.example.split()))


async def test_whoami_tells_the_names_that_sender_ids_needs(side: Side) -> None:
    (whoami,) = (each for each in side.bridge.operations() if each.name == "whoami")
    lines = (await side.run(whoami.run(()))).splitlines()
    assert "user_id: 66f0b0000000000000000001" in lines and "username: bridge" in lines


# Settings and addresses


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sender": ""}, "at least 1"),
        ({"sender": " bridge"}, "without blanks"),
        ({"path_prefix": "apis/v1"}, "begins with a slash"),
        ({"path_prefix": "/apis/v1?x=1"}, "begins with a slash"),
        ({"path_prefix": "/apis/.."}, "begins with a slash"),
        ({"path_prefix": "/./v1"}, "begins with a slash"),
        ({"messages_url": "https://api.example/v1/../messages"}, "dots alone"),
        ({"messages_url": "http://api.example/v1/messages"}, "must be https"),
        ({"poll_seconds": -1}, "greater than or equal to 0"),
        ({"poll_channels": ["general chat"]}, "ids of channels"),
        ({"forum_topics": [IDEAS]}, "a topic each"),
        ({"match_by": "shoe size"}, "'id', 'email' or 'username'"),
        ({"fields": {"text": "a..b"}}, "names with dots"),
        ({"fields": {"colour": "a"}}, "Extra inputs"),
    ],
)
def test_a_wrong_setting_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings_for(**changes)


def test_the_documented_addresses_of_the_api_are_made_of_the_defaults() -> None:
    bridge = bridge_for("https://integration.returning.ai", path_prefix="/apis/v1/")
    assert str(next(bridge.deliver(out())).url) == "https://integration.returning.ai/apis/v1/messages/send"
    assert str(next(bridge.probe()).url) == "https://integration.returning.ai/apis/v1/channels"


@pytest.mark.parametrize("address", [f"{GENERAL}/", f"/{GENERAL}", f"{ROADMAP}/x", "general chat", "..", "a/.."])
def test_an_address_that_is_no_channel_is_refused(address: str) -> None:
    with pytest.raises(Refused, match="for a forum topic"):
        bridge_for().check(ConversationId(address))


@pytest.mark.parametrize("address", [GENERAL, ROADMAP, "general", "17"])
def test_channels_and_topics_are_valid_addresses(address: str) -> None:
    bridge_for().check(ConversationId(address))


def test_the_instructions_name_the_url_the_events_and_the_fields_setting() -> None:
    url = f"https://bridge.example/hooks/club/{SECRET}"
    told = bridge_for().instructions(url)
    assert url in told
    for words in ("Outgoing webhooks", "New message posted anywhere", "[accounts.club.fields]", "poll_seconds"):
        assert words in told
    assert "NAME" not in told


def test_the_instructions_show_the_paths_that_are_configured() -> None:
    told = bridge_for(fields={"text": "payload.body"}, poll_seconds=5).instructions("https://bridge.example/x")
    assert 'text = "payload.body"' in told
    assert "every 5 s" in told
