"""The example a new playground starts with: people, chats with topics, and routes between them."""

from __future__ import annotations

from dataclasses import dataclass

from bot.playground.emulator import Emulator

ANN, BO = 1001, 1002
OWNER = ANN
DESK, COMMUNITY = -1001000000001, -1001000000002
KNOWN_NUMBER, OTHER_NUMBER, SERVICE_NUMBER = "85255501234", "85255507777", "85255509999"
ROOMS = ("room-42", "room-43")
REPLY_ROOM = "room-43"
LOBBY = "lobby"
BOT_TOKEN_ID = 7000001
BOT_USERNAME = "patchbay_bot"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of the support desk, by what they are for."""

    sms: int
    echo: int
    new_numbers: int


def make_world(emulator: Emulator) -> Topics:
    """Put the example's people and chats into an empty emulator. The bot is an admin, so it hears everything."""
    bot = emulator.bot.id
    emulator.add_user(ANN, "Ann", "ann_desk")
    emulator.add_user(BO, "Bo", "bo_desk")
    emulator.add_group(DESK, "Support desk", members=[BO], admins=[ANN, bot], is_forum=True)
    topics = Topics(
        sms=emulator.add_topic(DESK, f"SMS {KNOWN_NUMBER}", by=ANN),
        echo=emulator.add_topic(DESK, "Echo lobby", by=ANN, icon_color=9367192),
        new_numbers=emulator.add_topic(DESK, "New numbers", by=ANN, icon_color=16766590),
    )
    emulator.add_group(COMMUNITY, "Community", members=[BO], admins=[ANN, bot])
    # Whoever owns the bot has to have started it: before that no bot may write to anybody.
    emulator.start(ANN)
    return topics


def route_lines(topics: Topics) -> tuple[str, ...]:
    """The example's routes, as people write them."""
    desk = f"telegram:{DESK}"
    return (
        # The known number has a topic of its own; stop keeps it out of the one for everybody else.
        f"{desk}/{topics.sms} <-> support:sms/{KNOWN_NUMBER} name=sms priority=10 stop=yes",
        f"support:* -> {desk}/{topics.new_numbers} name=new-numbers",
        f"{desk}/{topics.echo} <-> echo:{LOBBY} name=echo",
        f"telegram:{COMMUNITY} -> support:{ROOMS[0]} name=community",
    )
