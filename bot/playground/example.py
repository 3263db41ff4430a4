"""The example a new playground starts with: people, chats with topics, and routes between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.playground.emulator import Emulator

ANN, BO, CLEO, DAN = 1001, 1002, 1003, 1004
OWNER = ANN
ROLES = {CLEO: "operator", DAN: "admin"}
"""What people may do beside the owner; Bo holds no role, as anybody in a group."""
DESK, COMMUNITY, NEWS = -1001000000001, -1001000000002, -1001000000003
KNOWN_NUMBER, OTHER_NUMBER, SERVICE_NUMBER = "85255501234", "85255507777", "85255509999"
ROOMS = ("room-42", "room-43")
REPLY_ROOM = "room-43"
CALLER, OTHER_CALLER, EXTENSION = "15550100123", "15550100177", "4101"
LOBBY = "lobby"
CLUB_GENERAL, CLUB_IDEAS, CLUB_LOUNGE = (f"66f0c1d2e3a4b5c6d7e8f90{n}" for n in (1, 2, 3))
IM_OPS, IM_LOUNGE = "2839001122", "2839001133"
CLUB_TOPIC = "77a1b2c3d4e5f60718293a4b"
BOT_TOKEN_ID = 7000001
BOT_USERNAME = "patchbay_bot"


TEAL, AMBER, VIOLET, GREEN, ROSE, RED = 7322096, 16766590, 13338331, 9367192, 16749490, 16478047
"""Telegram's colours of topics: https://core.telegram.org/bots/api#createforumtopic (2026-11)."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the Support desk."""

    key: str
    title: str
    colour: int
    options: str = ""
    """Of the route that joins it with a place at a provider."""


TOUR = {
    "account": "support",
    "room": ROOMS[0],
    "phone": f"sms/{KNOWN_NUMBER}",
    "topic": "sms",
    "reply_room": REPLY_ROOM,
}
"""Where the steps to try take place: an account, conversations of it, and the topic's key."""
NEW_NUMBERS = Topic("new_numbers", "New numbers", AMBER)


def make_world(emulator: Emulator) -> None:
    """Put the example's people and chats into an empty emulator. The bot is an admin, so it hears everything."""
    bot = emulator.bot.id
    emulator.add_user(ANN, "Ann", "ann_desk")
    emulator.add_user(BO, "Bo", "bo_desk")
    emulator.add_user(CLEO, "Cleo", "cleo_desk")
    emulator.add_user(DAN, "Dan", "dan_desk")
    emulator.add_group(DESK, "Support desk", members=[BO, CLEO], admins=[ANN, DAN, bot], is_forum=True)
    emulator.add_group(COMMUNITY, "Community", members=[BO, CLEO], admins=[ANN, DAN, bot])
    emulator.add_channel(NEWS, "News", admins=[ANN], members=[BO, CLEO, DAN])
    # Whoever owns the bot has to have started it: before that no bot may write to anybody.
    emulator.start(ANN)


def add_newcomers(emulator: Emulator) -> None:
    """The people and the channel that worlds of an earlier version lack."""
    for person, name in ((CLEO, "Cleo"), (DAN, "Dan")):
        if person in emulator.users:
            continue
        emulator.add_user(person, name, f"{name.lower()}_desk")
        for chat in (DESK, COMMUNITY):
            if chat in emulator.chats:
                emulator.set_member(chat, person, "administrator" if person == DAN else "member")
    if NEWS not in emulator.chats:
        emulator.add_channel(NEWS, "News", admins=[ANN], members=[BO, CLEO, DAN])


def open_topics(emulator: Emulator, topics: Iterable[Topic], *, known: Mapping[str, int]) -> dict[str, int]:
    """Open the topics that are not known yet; the ids of all of them. ``WorldError`` if the desk is gone."""
    new = (topic for topic in topics if topic.key not in known)
    return {**known, **{t.key: emulator.add_topic(DESK, t.title, by=ANN, icon_color=t.colour) for t in new}}


NAMES = {"vip": f"support:{ROOMS[0]}"}
"""Names that addresses have from the start."""
EVERYONE = (
    f"telegram:{COMMUNITY}",
    f"telegram:{NEWS}",
    f"support:{ROOMS[0]}",
    f"pbx:sms/{CALLER}",
    f"im:group/{IM_OPS}",
    f"club:{CLUB_GENERAL}",
    f"echo:{LOBBY}",
)
"""Who is in the audience ``everyone``: a place on every side."""
SCHEDULES = (
    f"every weekday at 9:00 name=standup | telegram:{COMMUNITY} | Good morning! It is {{weekday}}: what is on today?",
    "every month on the last day at 12:00 name=newsletter | @everyone | Newsletter {n}, {date}: thank you for reading!",
)
"""What is planned from the start, as people write it: seldom enough to disturb nobody."""


def further_routes(topics: Mapping[str, int]) -> tuple[str, ...]:
    """What is routed beside the places that have a topic, as people write it."""
    new_numbers = f"telegram:{DESK}/{topics[NEW_NUMBERS.key]}"
    return (
        # Known numbers have topics of their own; stop keeps them out of the one for everybody else.
        f"support:* -> {new_numbers} name=new-numbers",
        f"pbx:sms/* -> {new_numbers} name=new-callers",
        # Whoever writes to the messenger's account alone gets a topic of their own, at their first word.
        f"im:user/* -> new-topic(telegram:{DESK}) name=alone",
        f"telegram:{COMMUNITY} -> support:{ROOMS[0]} name=community",
        f"im:group/{IM_LOUNGE} <-> club:{CLUB_LOUNGE} name=lounge",
    )
