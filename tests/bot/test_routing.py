"""Routes: the line people write, the options that are stored, and what the router makes of them."""

from __future__ import annotations

import dataclasses
import json
import re
import timeit
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.addresses import Address, NewTopic, Pattern, parse_address, parse_source
from bot.routing import (
    Arrow,
    Draft,
    Hours,
    Incoming,
    Kind,
    Late,
    Resolution,
    RouteError,
    RouteOptions,
    Router,
    Rule,
    Topic,
    Verdict,
    edit_route,
    format_route,
    options_from_data,
    options_from_json,
    options_to_data,
    options_to_json,
    parse_hours,
    parse_late,
    parse_route,
)
from bridges.model import Person, PersonId

ROOM, CHAT, OTHER = "support:room-42", "telegram:-100200", "telegram:-100300"
ANN = Person(id=PersonId("u1"), name="Ann Lee")
NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)  # a Wednesday


def option(text: str) -> RouteOptions:
    return parse_route(f"{ROOM} -> {CHAT} {text}").options


def rule(id: int, text: str, *, enabled: bool = True) -> Rule:
    return parse_route(text).saved(id=id, enabled=enabled)


def router(*texts: str) -> Router:
    return Router([rule(number, text) for number, text in enumerate(texts, start=1)])


def incoming(
    address: str = ROOM,
    *,
    text: str = "hello",
    kind: Kind = Kind.TEXT,
    sender: Person | None = ANN,
    at: datetime = NOON,
) -> Incoming:
    return Incoming(parse_address(address), kind, at, text, sender)


def went_to(resolution: Resolution) -> list[str]:
    return [str(target.address) for target in resolution.targets]


# --- the line people write -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "arrow"),
    [
        (f"{ROOM} -> {CHAT}", Arrow.TO),
        (f"  {ROOM}\n<->\t{CHAT} ", Arrow.BOTH),
        (f"{ROOM} ->> {CHAT}", Arrow.REPLIES),
        (f"{ROOM} → {CHAT}", Arrow.TO),
        (f"{ROOM} ↔ {CHAT}", Arrow.BOTH),
    ],
)
def test_source_arrow_and_target_are_read(text: str, arrow: Arrow) -> None:
    assert parse_route(text) == Draft(parse_address(ROOM), arrow, parse_address(CHAT), RouteOptions())


@pytest.mark.parametrize("arrow", ["->", "->>"])
def test_a_source_may_be_a_pattern(arrow: str) -> None:
    assert parse_route(f"pbx:sms/* {arrow} {CHAT}").source == parse_source("pbx:sms/*")


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("match=/urgent/", "match", "urgent"),
        ("match=/two words|a\\/b \\d+/", "match", "two words|a/b \\d+"),
        ("match=/back\\\\/", "match", "back\\\\"),
        ('match="/quoted one/"', "match", "quoted one"),
        ("MATCH=/(?i)x/", "match", "(?i)x"),
        ("not=/test only/", "not_", "test only"),
        ("from=ann", "from_", ("ann",)),
        ("from=Ann Lee,1001", "from_", ("Ann Lee", "1001")),
        ('from="Ann Lee",1001', "from_", ("Ann Lee", "1001")),
        ('from=1001,"Ann Lee"', "from_", ("1001", "Ann Lee")),
        ('from="Ann Lee,1001"', "from_", ("Ann Lee", "1001")),
        ("kinds=media,text", "kinds", (Kind.TEXT, Kind.MEDIA)),
        ("kinds=Joins", "kinds", (Kind.JOINS,)),
        ('template="{sender}: {text}"', "template", "{sender}: {text}"),
        ("template={sender} wrote: {text}", "template", "{sender} wrote: {text}"),
        ("template='a \\n {text}'", "template", "a \\n {text}"),
        ('template="{sender}:\\n\\"{text}\\""', "template", '{sender}:\n"{text}"'),
        ("template=“{sender}: {text}”", "template", "{sender}: {text}"),
        ("hours=mon-fri 08:00-18:00 Europe/Paris", "hours", "mon-fri 08:00-18:00 Europe/Paris"),
        ("hours=8:00-18:00", "hours", "mon-sun 08:00-18:00 UTC"),
        ("priority=10", "priority", 10),
        ("priority=-3", "priority", -3),
        ("stop=yes", "stop", True),
        ("stop=no", "stop", False),
        ("late=hold", "late", "hold"),
        ("long=Attach", "long", "attach"),
        ("late=expire:90m", "late", "expire:1h30m"),
        ("on_ambiguous=resend", "on_ambiguous", "resend"),
    ],
)
def test_an_option_is_read(text: str, key: str, value: object) -> None:
    assert option(text) == RouteOptions(**{key: value})


def test_a_name_may_have_sixty_four_characters() -> None:
    assert parse_route(f"{ROOM} -> {CHAT} name={'x' * 64}").name == "x" * 64


def test_several_options_stand_side_by_side() -> None:
    made = parse_route(
        f'{ROOM} -> {CHAT} name="night shift" hours=mon-fri 18:00-08:00 Europe/Paris match=/a b/ stop=yes'
    )
    assert made.name == "night shift"
    assert made.options == RouteOptions(hours="mon-fri 18:00-08:00 Europe/Paris", match="a b", stop=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs a source, an arrow and a target"),
        (f"{ROOM} {CHAT}", "needs a source, an arrow and a target"),
        (f"{ROOM} => {CHAT}", "“=>” is no arrow"),
        (f"{ROOM}->{CHAT} x y", "is no arrow"),
        (f"room -> {CHAT}", "the source is not right: “room” is no address"),
        (f"{ROOM} -> chat", "the target is not right: “chat” is no address"),
        (f"here -> {CHAT}", "here means a chat and there is none"),
        (f"{ROOM} -> telegram:*", "telegram:* is a pattern, a route goes to one conversation"),
        (f"pbx:* <-> {CHAT}", f"for replies write pbx:* ->> {CHAT}"),
        (f"{ROOM} -> {ROOM}", "is both source and target"),
        (f"{ROOM} -> Support:room-42", "is both source and target"),
    ],
)
def test_a_line_that_is_no_route_is_refused_with_what_was_wrong(text: str, words: str) -> None:
    with pytest.raises(RouteError) as caught:
        parse_route(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("urgent", "“urgent” is no option"),
        ("colour=red", "there is no option “colour”="),
        ("name=a b=c", "there is no option “b”="),
        ("match=/a/ match=/b/", "match= is given twice"),
        ("match= stop=yes", "match= has no value"),
        ("match=urgent", "match= is a regular expression between slashes"),
        ("match=/urgent", "match= has no closing slash"),
        ("match=//", "match= is an empty regular expression"),
        ("match=/urgent/i", "(?i)"),
        ("match=/(/", "match=/(/ is no regular expression that RE2 takes: missing )"),
        ("not=/a(?=b)/", "not=/a(?=b)/ is no regular expression that RE2 takes: invalid perl operator"),
        ("match=/(a)\\1/", "invalid escape sequence"),
        ("match=/" + "x" * 1001 + "/", "match= has 1001 characters"),
        ("match=/\ud800/", "match= holds half a character"),
        ("from=,", "from= is ids or names separated by commas"),
        ('from="Ann', "from= has an opening quote and no closing one"),
        ('from="Ann"Lee', "from= goes on after a closing quote"),
        ("kinds=texts", "kinds= has no “texts”, there are text, media"),
        ("kinds=,", "kinds= names none of"),
        ('template="{name}: {text}"', "template= is not right: there is only {sender} and {text}"),
        ('template="{sender}"', "template= is not right: {text} is missing"),
        ('template="{text}', "template= has an opening quote and no closing one"),
        ('template="{text}"x', "template= goes on with “x” after its end"),
        ("hours=Europe/Paris", "hours= names no days and no times"),
        ("hours=8-18 Europe/Paris", "hours= has “8-18”, which is no range of times"),
        ("hours=25:00-26:00", "hours= has “25:00-26:00”"),
        ("hours=08:60-09:00", "hours= has “08:60-09:00”"),
        ("hours=08:00-08:00", "hours= has “08:00-08:00”"),
        ("hours=mon 08:00-18:00 Europe/Nowhere", "hours= has “Europe/Nowhere”"),
        ("hours=mon 08:00-18:00 ../../etc/passwd", "hours= has “../../etc/passwd”"),
        ("hours=mon 08:00-18:00 Europe", "hours= has “Europe”"),
        ("hours=mon 08:00-18:00 UTC tue", "hours= goes on with “tue” after the time zone"),
        ("priority=high", "priority=“high” is no whole number"),
        ("priority=1001", "priority=“1001” is no whole number from -1000 to 1000"),
        ("priority=1.5", "is no whole number"),
        ("stop=maybe", "stop=“maybe” is neither yes nor no"),
        ("late=later", "late=“later” is not one of deliver, stamp, hold"),
        ("late=expire", "late=“expire” is not one of"),
        ("late=expire:0s", "late=“expire:0s” is not one of"),
        ("late=hold:2h", "late=“hold:2h” is not one of"),
        ("long=cut", "long=“cut” is neither split nor attach, as in long=attach"),
        ("on_ambiguous=drop", "on_ambiguous=“drop” is neither hold nor resend"),
        ("name=" + "x" * 65, "name= is 1 to 64 printing characters"),
        ('name="a\nb"', "name= is 1 to 64 printing characters"),
    ],
)
def test_a_wrong_option_is_refused_by_name_with_an_example(text: str, words: str) -> None:
    with pytest.raises(RouteError) as caught:
        option(text)
    assert words in str(caught.value)
    assert "as in " in str(caught.value)


@given(st.text(max_size=80))
def test_no_tail_whatever_breaks_the_reader(tail: str) -> None:
    line = f"{ROOM} -> {CHAT} {tail}"
    try:
        made = parse_route(line)
    except RouteError:
        return
    assert parse_route(format_route(made)) == made


def test_an_account_that_is_not_configured_is_refused_with_those_that_are() -> None:
    with pytest.raises(RouteError, match="the source names the account pbx, which is not configured; there are im"):
        parse_route(f"pbx:* -> {CHAT}", accounts={"im"})


def test_telegram_need_not_be_configured() -> None:
    assert parse_route(f"telegram:4200 -> {CHAT}", accounts=set()).target == parse_address(CHAT)


def test_names_that_people_gave_stand_for_addresses() -> None:
    names = {"ops": parse_address(CHAT), "here": parse_address(OTHER)}
    made = parse_route("Ops <-> here", names=names)
    assert (made.source, made.target) == (names["ops"], names["here"])


def test_hours_without_a_zone_are_kept_with_the_one_that_applies_now() -> None:
    made = parse_route(f"{ROOM} -> {CHAT} hours=mon 08:00-09:00", zone="Asia/Tokyo")
    assert made.options.hours == "mon 08:00-09:00 Asia/Tokyo"


# --- writing and changing --------------------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12)
names = words.map(str.strip).filter(lambda name: bool(name) and name.isprintable())
regexes = st.lists(
    st.sampled_from(["a", "b c", "/", "\\/", "\\\\", '"', "'", "=", "x=", "\\d+", "[^/]", ".*", "é", "|"]), min_size=1
).map("".join)
minutes = st.integers(0, 24 * 60 - 1)


@st.composite
def hours_texts(draw: st.DrawFn) -> str:
    days = draw(st.lists(st.sampled_from(["mon", "tue-thu", "sat-mon", "sun"]), max_size=2))
    start, end = draw(st.tuples(minutes, minutes).filter(lambda pair: pair[0] != pair[1]))
    times = f"{start // 60}:{start % 60:02d}-{end // 60}:{end % 60:02d}"
    zone = draw(st.sampled_from(["UTC", "Europe/Paris", "America/Argentina/Ushuaia"]))
    return " ".join([*days, times, zone])


@st.composite
def options(draw: st.DrawFn) -> RouteOptions:
    data = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "match": regexes,
                "not": regexes,
                "from": st.lists(names.filter(lambda name: "," not in name), min_size=1, max_size=3),
                "kinds": st.lists(st.sampled_from(list(Kind)), min_size=1, unique=True),
                "template": st.tuples(st.text(max_size=8), st.text(max_size=8)).map(
                    lambda ends: "{sender}{text}".join(end.replace("{", "{{").replace("}", "}}") for end in ends)
                ),
                "hours": hours_texts(),
                "priority": st.integers(-1000, 1000),
                "stop": st.booleans(),
                "late": st.sampled_from(["deliver", "stamp", "hold", "expire:1d2h3m4s", "expire:5000s"]),
                "on_ambiguous": st.sampled_from(["hold", "resend"]),
                "long": st.sampled_from(["split", "attach"]),
            },
        )
    )
    return options_from_data(data)


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    arrow = draw(st.sampled_from(list(Arrow)))
    sources = [ROOM, "im:user/a", "telegram:-100200/17"] + ([] if arrow is Arrow.BOTH else ["pbx:*", "pbx:sms/*"])
    return Draft(
        source=parse_source(draw(st.sampled_from(sources))),
        arrow=arrow,
        target=parse_address(draw(st.sampled_from([CHAT, "club:66f0/77a1", 'im:group/"x"']))),
        options=draw(options()),
        name=draw(st.just("") | names),
    )


@settings(deadline=None, max_examples=120)
@given(drafts())
def test_a_route_that_is_written_reads_back_the_same(draft: Draft) -> None:
    assert parse_route(format_route(draft)) == draft


@settings(deadline=None)
@given(options())
def test_options_survive_storing(made: RouteOptions) -> None:
    assert options_from_json(options_to_json(made)) == made
    assert options_from_data(options_to_data(made)) == made


def test_a_rule_is_written_like_its_draft() -> None:
    text = f'{ROOM} ->> {CHAT} name="night shift" match=/a\\/b/ stop=yes'
    assert format_route(rule(3, text)) == text


def test_stored_options_have_the_names_that_people_write_and_only_what_is_set() -> None:
    made = option("match=/a/ not=/b/ from=ann kinds=text stop=yes priority=5")
    assert options_to_data(made) == {
        "match": "a",
        "not": "b",
        "from": ["ann"],
        "kinds": ["text"],
        "priority": 5,
        "stop": True,
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "are not JSON"),
        ("[]", "no JSON object"),
        ('{"match": "("}', "match=/(/ is no regular expression"),
        ('{"colour": "red"}', "colour= is not right"),
        ('{"priority": 5000}', "priority= is not right"),
        ('{"hours": "sometimes"}', "hours= has “sometimes”"),
        ('{"template": "{x}"}', "template= is not right"),
        ('{"from": ["a,b"]}', "from= is ids or names"),
        ('{"kinds": ["words"]}', "kinds= is not right"),
        ('{"late": "x"}', "late=“x”"),
    ],
)
def test_stored_options_that_somebody_spoilt_are_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(RouteError) as caught:
        options_from_json(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("stop=yes", f"{ROOM} -> {CHAT} name=old match=/a/ priority=5 stop=yes"),
        ("match=/b/", f"{ROOM} -> {CHAT} name=old match=/b/ priority=5"),
        ("match= name=new", f"{ROOM} -> {CHAT} name=new priority=5"),
        (f"{ROOM} <-> {OTHER}", f"{ROOM} <-> {OTHER}"),
    ],
)
def test_a_change_touches_only_what_it_names(change: str, expected: str) -> None:
    old = rule(1, f"{ROOM} -> {CHAT} name=old match=/a/ priority=5")
    assert format_route(edit_route(old, change)) == expected


def test_a_wrong_change_is_refused() -> None:
    with pytest.raises(RouteError, match="match= has no closing slash"):
        edit_route(rule(1, f"{ROOM} -> {CHAT}"), "match=/a")


# --- hours and lateness ----------------------------------------------------------------------------------


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("mon-fri 08:00-18:00 Europe/Paris", "mon-fri 08:00-18:00 Europe/Paris"),
        ("Monday, wednesday 8:00-12:00, 13:00-18:00 UTC", "mon,wed 08:00-12:00 13:00-18:00 UTC"),
        ("mon-fri 08:00-18:00 sat 09:00-12:00", "mon-fri 08:00-18:00 sat 09:00-12:00 UTC"),
        ("sat-mon 22:00-02:00", "mon,sat,sun 22:00-02:00 UTC"),
        ("sat sun", "sat,sun 00:00-24:00 UTC"),
        ("00:00-24:00", "mon-sun 00:00-24:00 UTC"),
        ("mon 08:00-09:00 08:00-09:00", "mon 08:00-09:00 UTC"),
    ],
)
def test_hours_have_one_canonical_form(text: str, canonical: str) -> None:
    assert str(parse_hours(text)) == canonical
    assert parse_hours(canonical) == parse_hours(text)


@pytest.mark.parametrize(
    ("hours", "at", "covered"),
    [
        ("mon-fri 08:00-18:00 UTC", "2026-11-18T08:00+00:00", True),
        ("mon-fri 08:00-18:00 UTC", "2026-11-18T07:59:59+00:00", False),
        ("mon-fri 08:00-18:00 UTC", "2026-11-18T18:00+00:00", False),
        ("mon-fri 08:00-18:00 UTC", "2026-11-21T12:00+00:00", False),
        ("mon-fri 08:00-18:00 Europe/Paris", "2026-11-18T07:30+00:00", True),
        ("mon-fri 08:00-18:00 Europe/Paris", "2026-07-15T06:30+00:00", True),
        ("mon-fri 08:00-18:00 Europe/Paris", "2026-11-18T06:30+00:00", False),
        ("mon 00:00-24:00 Pacific/Auckland", "2026-11-15T11:30+00:00", True),
        ("mon-fri 08:00-12:00 13:00-18:00 UTC", "2026-11-18T12:30+00:00", False),
        ("mon-fri 08:00-12:00 sat 09:00-10:00 UTC", "2026-11-21T09:30+00:00", True),
        ("fri 22:00-02:00 UTC", "2026-11-20T21:59+00:00", False),
        ("fri 22:00-02:00 UTC", "2026-11-20T22:00+00:00", True),
        ("fri 22:00-02:00 UTC", "2026-11-21T01:59+00:00", True),
        ("fri 22:00-02:00 UTC", "2026-11-21T02:00+00:00", False),
        ("fri 22:00-02:00 UTC", "2026-11-20T01:00+00:00", False),
        ("sun 22:00-02:00 UTC", "2026-11-23T01:00+00:00", True),
        ("mon-sun 00:00-24:00 UTC", "2026-11-18T23:59:59+00:00", True),
    ],
)
def test_hours_cover_their_times_in_their_zone(hours: str, at: str, covered: bool) -> None:
    assert parse_hours(hours).cover(moment(at)) is covered


@settings(deadline=None)
@given(hours_texts(), st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))
def test_hours_and_their_canonical_form_cover_the_same(text: str, at: datetime) -> None:
    made: Hours = parse_hours(text)
    assert parse_hours(str(made)).cover(at.replace(tzinfo=UTC)) == made.cover(at.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "late"),
    [
        ("deliver", Late("deliver")),
        ("stamp", Late("stamp")),
        ("hold", Late("hold")),
        ("expire:2h", Late("expire", 7200)),
        ("expire:1d2h30m5s", Late("expire", 95405)),
    ],
)
def test_lateness_is_read_and_written(text: str, late: Late) -> None:
    assert parse_late(text) == late
    assert str(late) == text


# --- the router ------------------------------------------------------------------------------------------


def test_without_a_rule_nothing_takes_it_and_nothing_filtered_it() -> None:
    assert router().resolve(incoming()) == Resolution(targets=(), steps=(), filtered_by=None)


def test_a_one_way_rule_goes_from_source_to_target_only() -> None:
    made = router(f"{ROOM} -> {CHAT}")
    assert went_to(made.resolve(incoming(ROOM))) == [CHAT]
    assert went_to(made.resolve(incoming(CHAT))) == []


def test_a_two_way_rule_goes_from_either_side_to_the_other() -> None:
    made = router(f"{ROOM} <-> {CHAT}")
    assert went_to(made.resolve(incoming(ROOM))) == [CHAT]
    assert went_to(made.resolve(incoming(CHAT))) == [ROOM]


def test_a_rule_with_replies_carries_forward_only() -> None:
    made = router(f"{ROOM} ->> {CHAT}")
    assert went_to(made.resolve(incoming(ROOM))) == [CHAT]
    assert went_to(made.resolve(incoming(CHAT))) == []


def test_a_pattern_takes_every_conversation_it_names() -> None:
    made = router(f"pbx:sms/* -> {CHAT}")
    assert went_to(made.resolve(incoming("pbx:sms/1555"))) == [CHAT]
    assert went_to(made.resolve(incoming("pbx:chat/4101"))) == []


def test_a_topic_is_a_conversation_of_its_own() -> None:
    assert went_to(router(f"{CHAT} -> {ROOM}").resolve(incoming(f"{CHAT}/17"))) == []


def test_nothing_is_sent_back_to_where_it_came_from() -> None:
    resolution = router(f"telegram:* -> {CHAT}").resolve(incoming(CHAT))
    assert went_to(resolution) == []
    assert resolution.steps[0].why == "filtered: it comes from there"


def test_rules_are_tried_by_priority_and_then_by_id() -> None:
    made = router(f"{ROOM} -> im:user/a", "support:* -> im:user/b priority=5", f"{ROOM} -> im:user/c priority=5")
    assert went_to(made.resolve(incoming())) == ["im:user/b", "im:user/c", "im:user/a"]


def test_the_order_in_which_rules_are_given_does_not_matter() -> None:
    made = Router([rule(2, f"{ROOM} -> {OTHER}"), rule(1, f"{ROOM} -> {CHAT}")])
    assert went_to(made.resolve(incoming())) == [CHAT, OTHER]


def test_a_matching_rule_with_stop_ends_it() -> None:
    resolution = router(f"{ROOM} -> {CHAT} stop=yes name=first", f"{ROOM} -> {OTHER}").resolve(incoming())
    assert went_to(resolution) == [CHAT]
    assert resolution.steps[1].verdict is Verdict.STOPPED
    assert resolution.steps[1].why == "stopped by rule 1 (first)"


def test_a_rule_with_stop_that_does_not_match_ends_nothing() -> None:
    made = router(f"{ROOM} -> {CHAT} stop=yes match=/urgent/", f"{ROOM} -> {OTHER}")
    assert went_to(made.resolve(incoming())) == [OTHER]


def test_two_rules_to_one_target_send_once_as_the_first_says() -> None:
    resolution = router(f"{ROOM} -> {CHAT} template={{text}}", f"support:* -> {CHAT} template=second:{{text}}").resolve(
        incoming()
    )
    assert [(target.rule.id, target.template) for target in resolution.targets] == [(1, "{text}")]
    assert resolution.steps[1].verdict is Verdict.DUPLICATE
    assert resolution.steps[1].why == "matched, and rule 1 goes there already"


def test_a_disabled_rule_takes_nothing_and_filters_nothing() -> None:
    resolution = Router([rule(1, f"{ROOM} <-> {CHAT}", enabled=False)]).resolve(incoming())
    assert went_to(resolution) == []
    assert resolution.steps[0].why == "disabled"
    assert resolution.filtered_by is None


@pytest.mark.parametrize(
    ("options", "item", "why"),
    [
        ("match=/urgent/", {"text": "all is well"}, "filtered: match=/urgent/ not found"),
        ("not=/test/", {"text": "a test"}, "filtered: not=/test/ found"),
        ("from=bob", {}, "filtered: from=bob does not name the sender"),
        ("from=bob", {"sender": None}, "filtered: from=bob does not name the sender"),
        ("kinds=media", {}, "filtered: kinds= is not for text"),
        ("", {"kind": Kind.JOINS}, "filtered: without kinds= not for joins"),
        ("hours=sat 08:00-18:00 UTC", {}, "filtered: outside hours sat 08:00-18:00 UTC"),
    ],
)
def test_what_a_rule_turns_away_is_explained(options: str, item: dict[str, Any], why: str) -> None:
    resolution = router(f"{ROOM} -> {CHAT} {options}").resolve(incoming(**item))
    assert resolution.targets == ()
    assert resolution.steps[0].why == why
    assert resolution.filtered_by is not None and resolution.filtered_by.id == 1


@pytest.mark.parametrize(
    ("options", "item"),
    [
        ("match=/urgent|sev[12]/", {"text": "a sev2 case"}),
        ("match=/(?i)URGENT/", {"text": "urgent"}),
        ("not=/test/", {"text": "in earnest"}),
        ("from=ANN LEE", {}),
        ("from=@u1,bob", {}),
        ("kinds=joins", {"kind": Kind.JOINS}),
        ("hours=wed 08:00-18:00 UTC", {}),
        ("", {"kind": Kind.EDITS}),
        ("", {"kind": Kind.DELETES}),
        ("", {"kind": Kind.REACTIONS}),
        ("", {"kind": Kind.MEDIA}),
    ],
)
def test_what_a_rule_takes_is_taken(options: str, item: dict[str, Any]) -> None:
    assert went_to(router(f"{ROOM} -> {CHAT} {options}").resolve(incoming(**item))) == [CHAT]


def test_the_first_rule_that_filtered_is_named_only_if_nothing_took_it() -> None:
    made = router(f"{ROOM} -> {CHAT} match=/a/", f"{ROOM} -> {OTHER} match=/b/")
    nothing, something = made.resolve(incoming(text="x")), made.resolve(incoming(text="b"))
    assert nothing.filtered_by is not None and nothing.filtered_by.id == 1
    assert something.filtered_by is None


def test_every_rule_of_the_source_is_explained_and_no_other() -> None:
    resolution = router(f"{ROOM} -> {CHAT}", f"im:* -> {CHAT}", f"{ROOM} -> {OTHER} match=/x/").resolve(incoming())
    assert [str(step) for step in resolution.steps] == [
        f"rule 1 to {CHAT}: matched",
        f"rule 3 to {OTHER}: filtered: match=/x/ not found",
    ]


def test_a_target_says_how_to_send() -> None:
    (target,) = router(f"{ROOM} -> {CHAT} priority=7 late=expire:2h on_ambiguous=resend").resolve(incoming()).targets
    assert target.template == "{sender}: {text}"
    assert (target.priority, target.on_ambiguous, target.late) == (7, "resend", Late("expire", 7200))


def test_a_target_of_a_bare_rule_leaves_everything_to_the_defaults() -> None:
    (target,) = router(f"{ROOM} -> {CHAT}").resolve(incoming()).targets
    assert (target.priority, target.on_ambiguous, target.late) == (0, None, Late("deliver"))


def test_a_hostile_pattern_and_text_take_no_time() -> None:
    made = router(f"{ROOM} -> {CHAT} match=/(a+)+$/")
    item = incoming(text="a" * 5000 + "!")
    assert min(timeit.repeat(lambda: made.resolve(item), number=1, repeat=3)) < 0.1


def test_half_a_character_in_a_text_is_searched_too() -> None:
    assert went_to(router(f"{ROOM} -> {CHAT} match=/urgent/").resolve(incoming(text="\ud800 urgent"))) == [CHAT]


@pytest.mark.parametrize(
    ("line", "source", "chat", "lets"),
    [
        (f"{ROOM} ->> {CHAT}", ROOM, CHAT, True),
        (f"{ROOM} <-> {CHAT}", ROOM, CHAT, True),
        (f"{CHAT} <-> {ROOM}", ROOM, CHAT, True),
        (f"support:* ->> {CHAT}", ROOM, CHAT, True),
        (f"{ROOM} -> {CHAT}", ROOM, CHAT, False),
        (f"{ROOM} ->> {CHAT}", ROOM, OTHER, False),
        (f"{ROOM} ->> {CHAT}", CHAT, ROOM, False),
    ],
)
def test_replies_go_back_where_a_rule_lets_them(line: str, source: str, chat: str, lets: bool) -> None:
    found = router(line).reply_rule(source=parse_address(source), chat=parse_address(chat))
    assert (found is not None) is lets


def test_a_disabled_rule_lets_no_reply_back() -> None:
    made = Router([rule(1, f"{ROOM} ->> {CHAT}", enabled=False)])
    assert made.reply_rule(source=parse_address(ROOM), chat=parse_address(CHAT)) is None


def test_linked_conversations_are_those_of_enabled_two_way_rules() -> None:
    made = Router(
        [
            rule(1, f"{ROOM} <-> {CHAT}"),
            rule(2, f"im:user/a <-> {CHAT}"),
            rule(3, f"{CHAT} <-> im:user/b", enabled=False),
            rule(4, f"{CHAT} ->> im:user/c"),
            rule(5, f"{CHAT} <-> {ROOM} match=/x/"),
        ]
    )
    assert list(map(str, made.linked(parse_address(CHAT)))) == [ROOM, "im:user/a"]
    assert list(map(str, made.linked(parse_address(ROOM)))) == [CHAT]
    assert made.linked(parse_address(OTHER)) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ROOM, "im:user/a", CHAT, "support:*", "im:*"]),
            st.sampled_from(list(Arrow)),
            st.sampled_from([ROOM, "im:user/a", CHAT, OTHER]),
            st.sampled_from(["", "stop=yes", "priority=3", "match=/x/"]),
            st.booleans(),
        ),
        max_size=12,
    ),
    st.sampled_from([ROOM, "im:user/a", CHAT]),
)
def test_targets_are_distinct_never_the_source_and_each_explained(
    lines: list[tuple[str, Arrow, str, str, bool]], source: str
) -> None:
    rules = [
        rule(number, f"{start} {arrow} {end} {tail}", enabled=enabled)
        for number, (start, arrow, end, tail, enabled) in enumerate(lines, start=1)
        if start != end and not (arrow is Arrow.BOTH and isinstance(parse_source(start), Pattern))
    ]
    resolution = Router(rules).resolve(incoming(source))
    targets = went_to(resolution)
    assert len(set(targets)) == len(targets)
    assert source not in targets
    assert [str(step.target) for step in resolution.steps if step.verdict is Verdict.MATCHED] == targets
    assert not (resolution.targets and resolution.filtered_by)


def test_among_ten_thousand_rules_the_right_one_is_found_in_microseconds() -> None:
    bare = RouteOptions()
    rules = [
        Rule(number, "", source, Arrow.TO, parse_address(CHAT), True, bare)
        for number, source in ((n, parse_source(f"support:room-{n}")) for n in range(1, 10_001))
    ]
    made, item = Router(rules), incoming("support:room-9999")
    assert [target.rule.id for target in made.resolve(item).targets] == [9999]
    assert min(timeit.repeat(lambda: made.resolve(item), number=100, repeat=5)) / 100 < 60e-6


def test_what_came_in_does_not_show_its_text() -> None:
    assert "a secret" not in repr(incoming(text="a secret"))


def test_stored_options_are_json_that_other_programs_read() -> None:
    assert json.loads(options_to_json(option("kinds=text match=/é/"))) == {"kinds": ["text"], "match": "é"}


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    made = router(f"{ROOM} -> {CHAT} hours=wed 12:00-12:01 UTC")
    elsewhere = moment("2026-11-18T21:00+09:00")
    assert elsewhere - NOON == timedelta(0)
    assert went_to(made.resolve(incoming(at=elsewhere))) == [CHAT]


def test_a_source_is_an_address_or_a_pattern() -> None:
    assert isinstance(rule(1, f"{ROOM} -> {CHAT}").source, Address)
    assert isinstance(rule(1, f"pbx:* -> {CHAT}").source, Pattern)


# --- topics for new conversations ------------------------------------------------------------------------

FORUM = "telegram:-100900"
DESK = f"support:* -> new-topic({FORUM})"


def with_topic(*texts: str, source: str = ROOM, at: str = f"{FORUM}/17") -> Router:
    rules = [rule(number, text) for number, text in enumerate(texts, start=1)]
    return Router(rules, topics={(parse_address(source), parse_address(FORUM)): Topic(parse_address(at))})


@pytest.mark.parametrize(
    "line", [f"support:* -> new-topic({FORUM})", f"{ROOM} -> new-topic({FORUM}) name=desk stop=yes"]
)
def test_a_forum_as_target_is_written_as_it_is_read(line: str) -> None:
    draft = parse_route(line)
    assert draft.target == NewTopic(parse_address(FORUM))
    assert format_route(draft) == line


def test_a_forum_may_be_named() -> None:
    named = {"here": parse_address(FORUM)}
    assert str(parse_route("pbx:* -> new-topic(here)", names=named).target) == f"new-topic({FORUM})"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"support:* <-> new-topic({FORUM})", "cannot go both ways"),
        (f"{ROOM} <-> new-topic({FORUM})", "each topic is linked both ways"),
        (f"{ROOM} ->> new-topic({FORUM})", "each topic is linked both ways"),
        (f"{ROOM} -> new-topic({FORUM}/17)", "is no forum to open topics in"),
        (f"{ROOM} -> new-topic(telegram:4200)", "is no forum to open topics in"),
        (f"{ROOM} -> new-topic(support:room-1)", "is no forum to open topics in"),
        (f"{ROOM} -> new-topic({FORUM}", "is no forum to open topics in"),
        (f"{FORUM}/17 -> new-topic({FORUM})", "a route leads elsewhere"),
        (f"{FORUM} -> new-topic({FORUM})", "a route leads elsewhere"),
        (f"new-topic({FORUM}) -> {ROOM}", "the source is not right"),
    ],
)
def test_a_forum_that_cannot_be_a_target_is_refused(line: str, words: str) -> None:
    with pytest.raises(RouteError, match=re.escape(words)):
        parse_route(line)


def test_a_conversation_without_a_topic_has_one_opened() -> None:
    (target,) = router(DESK).resolve(incoming()).targets
    assert target.opens
    assert str(target.address) == FORUM


def test_what_comes_while_a_topic_is_opened_waits_with_the_first() -> None:
    (target,) = with_topic(DESK, at=f"{FORUM}/3").resolve(incoming()).targets
    assert not target.opens
    assert str(target.address) == f"{FORUM}/3"


def test_a_topic_that_is_linked_is_left_to_its_own_rule() -> None:
    made = with_topic(DESK, f"{ROOM} <-> {FORUM}/17 name=own")
    resolution = made.resolve(incoming())
    assert [(str(target.address), target.rule.name) for target in resolution.targets] == [(f"{FORUM}/17", "own")]
    assert resolution.steps[0].verdict is Verdict.DUPLICATE
    assert resolution.steps[0].why == f"matched: its topic is {FORUM}/17, by rule 2 (own)"


def test_what_the_rule_of_a_topic_filters_goes_nowhere_else() -> None:
    made = with_topic(DESK, f"{ROOM} <-> {FORUM}/17 not=/spam/")
    assert went_to(made.resolve(incoming(text="spam"))) == []
    assert made.resolve(incoming(text="spam")).is_filtered


def test_stop_of_the_rule_that_opened_a_topic_does_not_stop_the_topics_own_rule() -> None:
    made = with_topic(f"{DESK} stop=yes", f"{ROOM} <-> {FORUM}/17", f"support:* -> {OTHER}")
    assert went_to(made.resolve(incoming())) == [f"{FORUM}/17"]
    assert went_to(made.resolve(incoming("support:room-7"))) == [FORUM]


def test_a_topic_whose_link_was_taken_away_still_gets_its_messages() -> None:
    assert went_to(with_topic(DESK).resolve(incoming())) == [f"{FORUM}/17"]


def test_another_conversation_gets_another_topic() -> None:
    (target,) = with_topic(DESK, f"{ROOM} <-> {FORUM}/17").resolve(incoming("support:room-7")).targets
    assert target.opens


def test_the_forum_itself_opens_no_topics() -> None:
    made = router(f"telegram:* -> new-topic({FORUM})")
    for place in (FORUM, f"{FORUM}/17"):
        assert went_to(made.resolve(incoming(place))) == []
    assert went_to(made.resolve(incoming(CHAT))) == [FORUM]


# --- what rests, what is muted, what is a program's ------------------------------------------------------


def test_a_rule_that_rests_takes_nothing_and_says_why() -> None:
    rests = dataclasses.replace(rule(1, f"{ROOM} <-> {CHAT}"), paused=f"{CHAT}: bot was kicked")
    made = Router([rests])
    resolution = made.resolve(incoming())
    assert went_to(resolution) == []
    assert resolution.is_filtered
    assert resolution.steps[0].why == f"paused: {CHAT}: bot was kicked"
    assert made.linked(parse_address(ROOM)) == []
    assert made.reply_rule(parse_address(CHAT), parse_address(ROOM)) is None


@pytest.mark.parametrize("within", ["", "/17"])
def test_a_rule_that_rests_for_a_chats_sake_still_takes_what_is_written_there(within: str) -> None:
    topic = f"{CHAT}{within}"
    made = Router([dataclasses.replace(rule(1, f"{ROOM} <-> {topic}"), paused=f"{CHAT}: not enough rights")])
    assert went_to(made.resolve(incoming(topic))) == [ROOM]
    assert went_to(made.resolve(incoming())) == []
    assert made.linked(parse_address(topic)) == [parse_address(ROOM)]
    assert made.reply_rule(parse_address(ROOM), parse_address(topic)) is not None


def test_a_rule_that_rests_for_one_chats_sake_still_leads_to_another() -> None:
    made = Router([dataclasses.replace(rule(1, f"{ROOM} <-> {CHAT}0"), paused=f"{CHAT}: not enough rights")])
    assert went_to(made.resolve(incoming())) == [f"{CHAT}0"]


def test_nothing_is_relayed_from_a_muted_conversation() -> None:
    made = Router([rule(1, f"{ROOM} <-> {CHAT}")], muted=[parse_address(ROOM)])
    resolution = made.resolve(incoming())
    assert went_to(resolution) == []
    assert resolution.is_filtered
    assert resolution.steps[0].why == f"muted: /unmute {ROOM} lets it through"
    assert went_to(made.resolve(incoming(CHAT))) == [ROOM], "the other way is open"


def test_a_muted_conversation_is_filtered_even_without_a_rule() -> None:
    assert Router([], muted=[parse_address(ROOM)]).resolve(incoming()).is_filtered


@pytest.mark.parametrize(
    ("options", "taken"),
    [("", False), ("from=u9", True), ("from=@Helper", True), ("from=ann", False), ("kinds=text", False)],
)
def test_a_program_is_taken_only_by_a_rule_that_names_it(options: str, taken: bool) -> None:
    program = Person(id=PersonId("u9"), name="helper", kind="bot")
    resolution = router(f"{ROOM} -> {CHAT} {options}").resolve(incoming(sender=program))
    assert bool(resolution.targets) is taken
    if not taken:
        assert resolution.steps[0].why == "filtered: the sender is a bot, and from= does not name it"


# --- what becomes of a message ---------------------------------------------------------------------------


def carried(line: str, item: Incoming, *, to: str = CHAT) -> bool:
    made = router(line)
    return made.carries_on(made.rules[0], item, to=parse_address(to)) is not None


NIGHT = datetime(2026, 11, 18, 23, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "item", "taken"),
    [
        ("match=/urgent/", incoming(kind=Kind.EDITS, text="not any more"), True),
        ("not=/spam/", incoming(kind=Kind.DELETES, text="spam by now"), True),
        ("hours=08:00-18:00", incoming(kind=Kind.EDITS, at=NIGHT), True),
        ("kinds=text", incoming(kind=Kind.EDITS), False),
        ("kinds=text,reactions", incoming(kind=Kind.REACTIONS), True),
        ("from=bo", incoming(kind=Kind.EDITS), False),
        ("", incoming("support:room-7", kind=Kind.EDITS), False),
    ],
)
def test_the_rule_that_took_a_message_takes_what_becomes_of_it(options: str, item: Incoming, taken: bool) -> None:
    assert carried(f"{ROOM} -> {CHAT} {options}", item) is taken


def test_a_rule_before_that_stops_does_not_stop_what_becomes_of_a_message() -> None:
    made = router(f"{ROOM} -> {OTHER} stop=yes priority=5 match=/late/", f"{ROOM} -> {CHAT}")
    later = incoming(kind=Kind.EDITS, text="late")
    assert made.carries_on(made.rules[1], later, to=parse_address(CHAT)) is not None


def test_what_becomes_of_a_message_follows_it_into_its_topic() -> None:
    assert carried(DESK, incoming(kind=Kind.EDITS), to=f"{FORUM}/17")


# --- many places -----------------------------------------------------------------------------------------


def test_places_joined_in_pairs_each_have_a_message_once_and_nothing_goes_on_from_there() -> None:
    made = router(f"{ROOM} <-> {CHAT}", f"{CHAT} <-> {OTHER}", f"{OTHER} <-> {ROOM}")
    for here in (ROOM, CHAT, OTHER):
        assert sorted(went_to(made.resolve(incoming(here)))) == sorted({ROOM, CHAT, OTHER} - {here})


def test_a_place_between_two_others_does_not_join_them() -> None:
    made = router(f"{ROOM} <-> {CHAT}", f"{CHAT} <-> {OTHER}")
    assert went_to(made.resolve(incoming())) == [CHAT]
    assert went_to(made.resolve(incoming(CHAT))) == [ROOM, OTHER]


def test_a_rule_for_replies_lets_only_replies_back() -> None:
    made = router(f"support:* ->> {CHAT}")
    assert went_to(made.resolve(incoming(CHAT))) == []
    found = made.reply_rule(parse_address(ROOM), parse_address(CHAT))
    assert found is not None and found.id == 1
    assert made.linked(parse_address(CHAT)) == []


def test_no_reply_goes_back_from_a_muted_chat_by_a_rule() -> None:
    made = Router([rule(1, f"support:* ->> {CHAT}")], muted=[parse_address(CHAT)])
    assert made.reply_rule(parse_address(ROOM), parse_address(CHAT)) is None
