"""Addresses and patterns: what reads back, what is refused and with which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.addresses import (
    TELEGRAM,
    Address,
    AddressError,
    Pattern,
    is_within,
    opening_address,
    opening_id,
    parse_account,
    parse_address,
    parse_pattern,
    parse_source,
    split_telegram,
    telegram_address,
)
from bridges.model import AccountName, ConversationId

accounts = st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True).filter(lambda name: name != TELEGRAM)
conversations = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="*"), min_size=1, max_size=256)


def address(text: str) -> Address:
    account, _, conversation = text.partition(":")
    return Address(AccountName(account), ConversationId(conversation))


@pytest.mark.parametrize(
    "text",
    [
        "telegram:-1001234567890",
        "telegram:-1001234567890/17",
        "telegram:4200",
        "support:room-42",
        "support:sms/85255501234",
        "pbx:chat/4101,4102",
        "pbx:session/9a8b:7c",
        "im:user/ålice",
        "club:66f0c1d2e3a4b5c6d7e8f901/77a1",
    ],
)
def test_every_kind_of_address_reads_and_is_written_the_same(text: str) -> None:
    assert parse_address(text) == address(text)
    assert str(parse_address(text)) == text


@given(accounts, conversations)
def test_any_printable_conversation_survives_writing_and_reading(account: str, conversation: str) -> None:
    made = Address(AccountName(account), ConversationId(conversation))
    assert parse_address(str(made)) == made


def test_a_conversation_may_have_256_characters() -> None:
    assert len(parse_address("im:" + "x" * 256).conversation) == 256


def test_account_names_are_read_in_any_case_and_conversations_kept_as_they_are() -> None:
    assert parse_address(" Support:Room-42 ") == address("support:Room-42")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "an empty text is no address"),
        ("room-42", "“room-42” is no address"),
        (":room-42", "is no account name"),
        ("9lives:x", "“9lives” is no account name"),
        ("a" * 33 + ":x", "is no account name"),
        ("süpport:x", "is no account name"),
        ("support:", "names no conversation"),
        ("support:room 42", "holds a blank"),
        ("support:room\u00a042", "holds a blank"),
        ("support:room\u202e42", "does not print"),
        ("support:room\n42", "holds a blank"),
        ("support:" + "x" * 257, "has 257 characters"),
        ("support:*", "is a pattern for many conversations"),
        ("telegram:ops", "is no Telegram chat"),
        ("telegram:-100/", "is no Telegram chat"),
        ("telegram:-100/x", "is no Telegram chat"),
        ("telegram:0", "is no Telegram chat"),
        ("telegram:١٢", "is no Telegram chat"),
    ],
)
def test_what_is_no_address_is_refused_with_what_was_wrong_and_an_example(text: str, words: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(text)
    assert words in str(caught.value)
    assert ", as in " in str(caught.value)


@given(st.text(max_size=300))
def test_no_text_whatever_breaks_the_reader_or_its_error(text: str) -> None:
    try:
        made = parse_source(text)
    except AddressError as error:
        assert str(error).isprintable()
    else:
        assert parse_source(str(made)) == made


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("pbx:*", "pbx:sms/1555", "im:sms/1555"),
        ("pbx:sms/*", "pbx:sms/1555", "pbx:chat/4101"),
        ("telegram:-100200/*", "telegram:-100200/17", "telegram:-100200"),
    ],
)
def test_a_pattern_matches_its_own_conversations_only(pattern: str, matching: str, other: str) -> None:
    made = parse_pattern(pattern)
    assert str(made) == pattern
    assert made.matches(parse_address(matching))
    assert not made.matches(parse_address(other))


@pytest.mark.parametrize("text", ["pbx:sms*", "pbx:*/x*", "pbx:**"])
def test_a_star_in_the_middle_of_a_word_is_refused(text: str) -> None:
    with pytest.raises(AddressError, match="is no pattern"):
        parse_source(text)


def test_where_a_pattern_is_needed_an_address_is_refused() -> None:
    with pytest.raises(AddressError, match=r"pbx:sms/1 is one conversation, .* as in pbx:\*"):
        parse_pattern("pbx:sms/1")


def test_an_account_name_alone_is_read() -> None:
    assert parse_account("Support") == "support"


def test_patterns_and_addresses_are_told_apart() -> None:
    assert parse_source("im:*") == Pattern(AccountName("im"))
    assert parse_source("im:user/a") == address("im:user/a")


@pytest.mark.parametrize(
    ("chat_id", "topic", "conversation"),
    [
        (-1001234567890, None, "-1001234567890"),
        (-1001234567890, 17, "-1001234567890/17"),
        (4200, None, "4200"),
        (4200, 9, "4200/9"),
    ],
)
def test_telegram_chats_and_topics_go_both_ways(chat_id: int, topic: int | None, conversation: str) -> None:
    assert telegram_address(chat_id, topic) == address(f"telegram:{conversation}")
    assert split_telegram(ConversationId(conversation)) == (chat_id, topic)


def test_the_general_topic_of_a_group_is_the_group() -> None:
    assert telegram_address(-100200, 1) == telegram_address(-100200)
    assert parse_address("telegram:-100200/1") == telegram_address(-100200)


@pytest.mark.parametrize("chat", ["telegram:-100200", "telegram:4200"])
def test_what_waits_for_a_topic_of_a_chat_has_an_address_of_its_own(chat: str) -> None:
    waiting = opening_address(parse_address(chat), 7)
    assert opening_id(waiting.conversation) == 7
    assert is_within(waiting, parse_address(chat))
    with pytest.raises(AddressError):
        parse_address(str(waiting))


@pytest.mark.parametrize("conversation", ["-100200", "-100200/17", "room/new/7", "-100200/new/x"])
def test_nothing_is_opened_at_any_other_address(conversation: str) -> None:
    assert opening_id(conversation) is None


def test_a_chat_holds_its_topics_and_not_the_chats_that_begin_like_it() -> None:
    chat = parse_address("telegram:-100200")
    assert is_within(parse_address("telegram:-100200/17"), chat)
    assert not is_within(parse_address("telegram:-1002001"), chat)
    assert not is_within(parse_address("support:-100200/17"), chat)
