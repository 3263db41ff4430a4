"""Returning.AI: what is sent, end to end against the sandbox; what is learnt, and what a doubt ends in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from starlette.types import ASGIApp

from bridges.api import Outgoing
from bridges.driver import drive
from bridges.errors import Inexpressible, Refused, Unavailable
from bridges.model import Attachment, ConversationId, Message, MessageId
from bridges.returning_ai.bridge import ReturningAiBridge, shortcode
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
        files=(PIXEL,) * len(kinds),
    )


class Side:
    """A sandbox whose clock is turned by hand, and a bridge that polls it."""

    def __init__(self, serve: Serve, client: httpx.AsyncClient, **changes: Any) -> None:
        self.now = FIXTURE_TIME
        self.sandbox = ReturningAiSandbox(client=client, clock=lambda: self.now)
        self.bridge = bridge_for(serve(self.sandbox.app), **{"poll_seconds": 5, **changes})
        self.cursor = ""
        self._client = client

    async def run(self, flow: Any) -> Any:
        return await drive(flow, send=self._client.send, auth=self.bridge.auth)

    async def look(self) -> None:
        self.cursor = (await self.run(self.bridge.poll(self.cursor))).cursor
        self.later()

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
    assert (first.headers["content-type"], first.content) == (again.headers["content-type"], again.content)
    assert first.extensions.get("harmless")


def test_the_name_of_a_file_cannot_leave_its_header() -> None:
    attachment = Attachment(kind="image", ref="r", name='a"\r\nX-Evil: 1/..\\b', media_type="image/png")
    message = Message(text="", attachments=(attachment,))
    request = next(bridge_for().deliver(Outgoing("k1", ConversationId(GENERAL), message, files=(PIXEL,))))
    assert b'filename="aX-Evil: 1..b"' in request.content


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


@pytest.mark.parametrize("mark", ["", "x", ":", "::", ":a b:", "👍👎", "12345678901234567890", ":a:b:"])
def test_what_has_no_shortcode_cannot_be_expressed(mark: str) -> None:
    with pytest.raises(Inexpressible, match="by shortcode"):
        shortcode(mark)


async def test_a_reaction_arrives_at_its_message(side: Side) -> None:
    said = await side.sandbox.say("Ann", GENERAL, "we did it")
    await side.run(side.bridge.react(ConversationId(GENERAL), MessageId(said), "🎉"))
    assert [(each.message, each.emoji) for each in side.sandbox.reactions] == [(said, ":tada:")]


# After an unknown outcome


async def test_a_message_that_came_after_the_last_look_has_arrived(side: Side) -> None:
    await side.sandbox.say("Ann", GENERAL, "good morning")
    await side.look()
    await side.run(side.bridge.deliver(out("deploy finished")))
    receipt = await side.run(side.bridge.confirm(out("deploy finished")))
    assert receipt.ids == (side.sandbox.accepted[0].id,)


async def test_a_message_that_is_not_there_since_the_last_look_has_not_arrived(side: Side) -> None:
    await side.sandbox.say("Ann", GENERAL, "good morning")
    await side.look()
    lost = side.bridge.deliver(out("deploy finished"))
    next(lost)
    assert await side.run(side.bridge.confirm(out("deploy finished"))) is None


async def test_equal_words_of_before_the_last_look_are_not_taken_for_it(side: Side) -> None:
    await side.run(side.bridge.deliver(out("deploy finished", key="yesterday")))
    await side.look()
    lost = side.bridge.deliver(out("other words"))
    next(lost)
    assert await side.run(side.bridge.confirm(out("other words"))) is None
    assert side.sandbox.accepted[0].text == "deploy finished"


async def test_equal_words_sent_lately_leave_the_doubt(side: Side) -> None:
    await side.look()
    await side.run(side.bridge.deliver(out("ok", key="first")))
    lost = side.bridge.deliver(out("ok", key="second"))
    next(lost)
    with pytest.raises(Refused, match="cannot be told"):
        await side.run(side.bridge.confirm(out("ok", key="second")))


async def test_equal_words_of_somebody_who_may_be_us_leave_the_doubt(side: Side) -> None:
    await side.look()
    lost = side.bridge.deliver(out("ok"))
    next(lost)
    await side.sandbox.say("Ann", GENERAL, "ok")
    with pytest.raises(Refused, match="cannot be told"):
        await side.run(side.bridge.confirm(out("ok")))


async def test_a_second_attempt_is_judged_by_what_was_seen_before_the_first(side: Side) -> None:
    await side.look()
    await side.run(side.bridge.deliver(out("once")))
    await side.look()
    lost = side.bridge.deliver(out("once"))
    next(lost)
    assert (await side.run(side.bridge.confirm(out("once")))).ids == (side.sandbox.accepted[0].id,)


async def test_an_image_is_known_by_its_words_and_an_address_below(side: Side) -> None:
    await side.look()
    await side.run(side.bridge.deliver(with_images("the plan", "image/png")))
    assert (await side.run(side.bridge.confirm(with_images("the plan", "image/png")))).ids
    assert await side.run(side.bridge.confirm(with_images("the plan", "image/png", "image/png"))) is None


async def test_a_page_that_does_not_reach_back_far_enough_leaves_the_doubt(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    side = Side(serve, client, poll_count=3)
    await side.sandbox.say("Ann", GENERAL, "good morning")
    await side.look()
    lost = side.bridge.deliver(out("lost"))
    next(lost)
    for word in ("a", "b", "c"):
        await side.sandbox.say("Ann", GENERAL, word)
    with pytest.raises(Refused, match="cannot be told"):
        await side.run(side.bridge.confirm(out("lost")))


async def test_only_so_many_sends_are_kept_in_mind(side: Side) -> None:
    await side.look()
    await side.run(side.bridge.deliver(out("the first")))
    for number in range(TRIES_MOST):
        next(side.bridge.deliver(out(key=f"later-{number}")))
    with pytest.raises(Refused, match="cannot be told"):
        await side.run(side.bridge.confirm(out("the first")))


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
