"""Messages that are sent at their time, once or again and again."""

from __future__ import annotations

import difflib

from bot import planning
from bot.agenda import HIDDEN, calendar_secret, calendar_url, concealed
from bot.instants import Words
from bot.plans import zone_of
from bot.store import Tx
from bot.telegram import schedule_cards, schedule_show, scheduling
from bot.telegram.access import Role
from bot.telegram.commands.announce import content
from bot.telegram.commands.registry import NEAR, Answer, Call, Effect, Reply, Scope, registry, way
from bot.telegram.commands.usage import first_word
from bot.telegram.scheduling import Actor, Wish, actor_of, reply_of
from bot.telegram.wizards import schedule as schedule_wizard
from bot.telegram.wizards.engine import begin
from bot.text import cut
from bot.weeks import week_picture

_SENDS, _SETS = Effect.SENDS, Effect.SETS
_WIZARD = schedule_wizard.NAME
_SLIPS = {
    **dict.fromkeys(("delete", "del", "rm", "cancel", "drop"), "remove"),
    **dict.fromkeys(("view", "info", "status", "history"), "show"),
    **dict.fromkeys(("change", "modify", "update", "set"), "edit"),
    **dict.fromkeys(("send", "run", "fire", "test"), "now"),
    **dict.fromkeys(("stop", "hold", "disable"), "pause"),
    **dict.fromkeys(("continue", "unpause", "start", "enable"), "resume"),
}
"""What people write for the words that there are."""
_LISTS = {"list": "", "ls": "", "all": "", "over": " over", "week": " week", "calendar": " calendar"}
_REST_MOST = 40
_KEYWORDS = ("show", "edit", "pause", "resume", "now", "skip", "remove")


def _meant(arguments: str) -> str:
    """Which command was most likely meant by what is no ``WHEN | TARGETS | text``; empty: nobody can tell."""
    first, rest = first_word(arguments)
    word = first.lower()
    if not rest and word.lstrip("#").isdecimal():
        return f"/schedule show {word.lstrip('#')}"
    if word in _LISTS:
        return f"/schedules{_LISTS[word]}"
    near = difflib.get_close_matches(word, _KEYWORDS, n=1, cutoff=NEAR)
    keyword = _SLIPS.get(word) or next(iter(near), "")
    if not keyword or "|" in rest or (" " in rest and keyword != "edit"):
        return ""
    return f"/schedule {keyword} {cut(rest, _REST_MOST)}" if rest else f"/schedule {keyword} and its number"


@registry.add(
    "schedule",
    role=Role.OPERATOR,
    ways=(
        way("", effect=_SETS, example="/schedule", summary="a wizard with buttons asks for all of it"),
        way("WHEN | TARGETS | [text]", effect=_SENDS),
        way("show SCHEDULE", example="/schedule show 3", summary="all of it, and what became of it lately"),
        way(
            "edit SCHEDULE [WHEN] | [TARGETS] | [text]",
            effect=_SETS,
            example="/schedule edit 3 every day at 9:00 | |",
            summary="an empty part stays as it is, and so does every key that is not given",
        ),
        way("pause SCHEDULE", effect=_SETS, example="/schedule pause 3", summary="nothing of it is sent for a while"),
        way("resume SCHEDULE", effect=_SETS, example="/schedule resume 3", summary="it goes on"),
        way("now SCHEDULE", effect=_SENDS, example="/schedule now 3", summary="once more than its rule says"),
        way("skip SCHEDULE", effect=_SETS, example="/schedule skip 3", summary="leaves the next time out"),
        way("remove SCHEDULE", effect=_SETS, example="/schedule remove 3", summary="for good; Undo brings it back"),
    ),
    summary="Send a message at its time, once or again and again",
    example="/schedule tomorrow 9:00 | here | We are open again.",
    details=(
        "WHEN, once:\n"
        "at 18:00 · tomorrow 9:00 · in 2h30m\n"
        "2026-12-24 18:00 Europe/Paris\n"
        "WHEN, again and again:\n"
        "every day at 09:00 · every 15m\n"
        "every mon,thu at 9:30\n"
        "every 2 weeks on fri at 17:00\n"
        "every month on the last day at 12:00\n"
        "cron 0 9 * * mon-fri\n"
        "Behind that: starting 2026-12-01, until 2026-12-31, 5 times; then a time zone.\n"
        "\n"
        "Options, behind WHEN:\n"
        "name=lunch: it can be called that\n"
        "missed=send:1h: what is late is sent if it is not older; missed=skip: never; missed=ask: you are asked\n"
        "silent=yes: without a sound\n"
        "pin=yes: it is pinned\n"
        "replace=yes: the one before is deleted\n"
        "expire=2h: it is deleted then\n"
        "warn=15m: you hear of it beforehand\n"
        "approve=1: an admin has to approve\n"
        "quiet=22:00-07:00: it waits for these hours to end; urgent=yes: it does not\n"
        "jitter=5m: each target has it a little later\n"
        "\n"
        "In the text {date}, {time}, {weekday}, {count_down}, {chat} and {n} are filled in when it goes out.\n"
        "Last lines such as [Tickets](https://example.org) become buttons.\n"
        "As a reply to a message, its files go along.\n"
        "What goes to more than one target is shown first."
    ),
    meant=_meant,
)
def schedule(call: Call, tx: Tx) -> Answer:
    """Make one, or do something with one."""
    word = call.way.keyword if call.way is not None else ""
    if not word:
        return _new(call, tx)
    actor = actor_of(call)
    found = scheduling.find(tx, actor, call.values["SCHEDULE"])
    if word == "show":
        return schedule_show.shown_schedule(tx, actor, found)
    if word == "edit":
        return _edit(call, tx, found.id)
    addresses = scheduling.within_reach(tx, actor, found)
    match word:
        case "pause":
            words = schedule_cards.paused_words(found, planning.pause(tx, found, now=call.now))
            return reply_of(words, outcome=f"schedule {found.id} paused")
        case "resume":
            return _resume(tx, actor, found.id)
        case "skip":
            skipped = planning.skip(tx, found, now=call.now)
            after = scheduling.find(tx, actor, str(found.id))
            words = schedule_cards.skipped_words(after, skipped, now=call.now)
            return reply_of(words, outcome=f"schedule {found.id} skipped")
        case "remove":
            return schedule_cards.removed(tx, actor, found)
    if len(addresses) > 1:
        return schedule_cards.ask_now(tx, actor, found)
    return schedule_cards.sent_now(tx, actor, found)


def _new(call: Call, tx: Tx) -> Answer:
    if "WHEN" not in call.values:
        return begin(call, tx, _WIZARD)
    message = scheduling.with_buttons(content(call, tx, call.values.get("text", "")))
    return scheduling.wished(tx, actor_of(call), Wish(call.values["WHEN"], call.values["TARGETS"], message))


def _edit(call: Call, tx: Tx, id: int) -> Reply:
    """What the command gives in the place of what there is."""
    actor, text = actor_of(call), call.values.get("text", "")
    said = content(call, tx, text)
    message = None
    # What is answered may be the bot's own word on the schedule: without words of one's own only files are meant.
    if text or said.attachments:
        message = scheduling.changed_message(scheduling.find(tx, actor, str(id)), said)
    wish = Wish(call.values.get("WHEN", ""), call.values.get("TARGETS", ""), message, id)
    return scheduling.wished(tx, actor, wish)


def _resume(tx: Tx, actor: Actor, id: int) -> Reply:
    found = scheduling.find(tx, actor, str(id))
    held = planning.resume(tx, found, now=actor.now)
    after = scheduling.find(tx, actor, str(id))
    words = Words(f"{after.title} goes on.")
    if after.state == "waits":
        words = Words(f"{after.title} is not paused any more, and waits for its approval.")
    following = planning.coming(after, now=actor.now, most=1)
    if following:
        words.add(" Next: ").at(following[0].at, zone_of(after)).add(".")
    else:
        words.add(" Nothing is to come.")
    if held:
        words.add(f" {scheduling.held_words(held)}")
    return reply_of(words, outcome=f"schedule {id} resumed")


@registry.add(
    "schedules",
    role=Role.OPERATOR,
    ways=(
        way("", example="/schedules", summary="what is to come, in that order, then what waits or is paused"),
        way("week", example="/schedules week", summary="a picture of the coming week"),
        way(
            "calendar [renew]",
            role=Role.ADMIN,
            scope=Scope.ALL,
            effect=_SETS,
            example="/schedules calendar",
            summary="the address of a calendar to subscribe to, in a private chat; renew makes a new one",
        ),
        way("over", example="/schedules over", summary="those that are over, the latest first"),
    ),
    summary="What is scheduled",
    example="/schedules",
    details=(
        "A role that counts in one chat sees what was scheduled there. Whoever knows the address of the calendar can"
        " read it: renew makes the one before useless."
    ),
)
def schedules(call: Call, tx: Tx) -> Answer:
    """List them, draw the week, or tell the calendar's address."""
    word = call.way.keyword if call.way is not None else ""
    if word == "calendar":
        return _calendar(call, tx)
    actor = actor_of(call)
    if word == "week":
        chat = str(actor.chat) if actor.is_limited else ""
        text, picture = week_picture(tx, chat=chat, now=call.now, zone=actor.zone(tx))
        return Reply(text, picture=picture)
    return schedule_show.listed(tx, actor, starts=[0], over=word == "over")


def _calendar(call: Call, tx: Tx) -> Reply:
    if call.here.conversation.startswith("-"):
        return Reply(
            "The address of the calendar is a secret: ask me for it in our private chat, with /schedules calendar.",
            outcome="not told in a group",
        )
    surroundings = call.services.surroundings
    base = surroundings.installation.public_url if surroundings is not None else None
    if base is None:
        return Reply(
            "Nobody could reach a calendar yet: set web.public_url in the configuration, for example"
            ' public_url = "https://bridge.example.org", and start this bot anew.',
            outcome="no public_url",
        )
    renew = "renew" in call.values
    calendar_secret(tx, renew=renew)
    # What is kept of an answer is shown to operators: it has the secret only when it goes out.
    url = calendar_url(base.rstrip("/"), HIDDEN)
    before = " The address before is of no use any more." if renew else ""
    return Reply(
        f"Subscribe to this address in your calendar:\n{url}\nWhoever knows it can read what is planned; /schedules"
        f" calendar renew makes a new one.{before}",
        outcome="renewed" if renew else "told",
        picture=concealed(call.here),
    )
