"""Menus of commands: what a bot may set, and which list a person is shown where."""

from __future__ import annotations

from typing import Any

import pytest

from bot.playground.emulator import Emulator
from bot.playground.emulator.world import WorldError
from tests.playground.conftest import ANN, BEN, CARA, CHANNEL, GROUP, RawClient

DEFAULT = {"type": "default"}
PRIVATE = {"type": "all_private_chats"}
GROUPS = {"type": "all_group_chats"}
ADMINS = {"type": "all_chat_administrators"}
CHAT = {"type": "chat", "chat_id": GROUP}
OWN_CHAT = {"type": "chat", "chat_id": ANN}
CHAT_ADMINS = {"type": "chat_administrators", "chat_id": GROUP}
ANN_HERE = {"type": "chat_member", "chat_id": GROUP, "user_id": ANN}


async def put(raw: RawClient, name: str, scope: dict[str, Any], language: str = "") -> None:
    commands = [{"command": name, "description": name}]
    await raw.call("setMyCommands", commands=commands, scope=scope, language_code=language)


def shown(emulator: Emulator, person: int, chat: int) -> str:
    return " ".join(str(command["command"]) for command in emulator.menu_for(person, chat))


@pytest.mark.parametrize(
    ("scopes", "person", "chat"),
    [
        ([DEFAULT, GROUPS, ADMINS, CHAT, CHAT_ADMINS, ANN_HERE], ANN, GROUP),
        ([DEFAULT, GROUPS, CHAT], BEN, GROUP),
        ([DEFAULT, PRIVATE, OWN_CHAT], ANN, ANN),
    ],
)
async def test_the_narrowest_list_wins_and_wider_ones_come_back_when_it_is_deleted(
    raw: RawClient, emulator: Emulator, scopes: list[dict[str, Any]], person: int, chat: int
) -> None:
    emulator.start(ANN)
    for scope in scopes:
        await put(raw, str(scope["type"]), scope)
        assert shown(emulator, person, chat) == scope["type"]
    for scope, wider in zip(reversed(scopes), [*[s["type"] for s in reversed(scopes)][1:], ""], strict=True):
        await raw.call("deleteMyCommands", scope=scope)
        assert shown(emulator, person, chat) == wider


@pytest.mark.parametrize("scope", [ADMINS, CHAT_ADMINS, ANN_HERE, PRIVATE])
async def test_what_is_meant_for_others_is_not_shown(raw: RawClient, emulator: Emulator, scope: dict[str, Any]) -> None:
    await put(raw, "secret", scope)
    assert shown(emulator, BEN, GROUP) == ""


async def test_the_persons_language_counts_within_a_scope_and_not_across_scopes(
    raw: RawClient, emulator: Emulator
) -> None:
    emulator.add_user(2001, "Zoé", language_code="fr-CA")
    emulator.set_member(GROUP, 2001, "member")
    await put(raw, "aide", DEFAULT, "fr")
    await put(raw, "help", DEFAULT)
    assert (shown(emulator, 2001, GROUP), shown(emulator, BEN, GROUP)) == ("aide", "help")
    await put(raw, "ici", CHAT, "fr")
    await put(raw, "here", CHAT)
    assert (shown(emulator, 2001, GROUP), shown(emulator, BEN, GROUP)) == ("ici", "here")
    await raw.call("deleteMyCommands", scope=CHAT, language_code="fr")
    assert shown(emulator, 2001, GROUP) == "here"


async def test_somebody_outside_and_a_channel_have_no_menu(raw: RawClient, emulator: Emulator) -> None:
    await put(raw, "help", DEFAULT)
    with pytest.raises(WorldError, match="not a member"):
        emulator.menu_for(CARA, GROUP)
    assert shown(emulator, ANN, CHANNEL) == ""


async def test_an_admin_who_is_one_no_longer_sees_the_list_of_everybody(raw: RawClient, emulator: Emulator) -> None:
    emulator.set_member(GROUP, BEN, "administrator")
    await put(raw, "all", GROUPS)
    await put(raw, "admins", ADMINS)
    assert shown(emulator, BEN, GROUP) == "admins"
    emulator.set_member(GROUP, BEN, "member")
    assert shown(emulator, BEN, GROUP) == "all"


def commands(name: str = "help", description: str = "Help") -> dict[str, Any]:
    return {"commands": [{"command": name, "description": description}]}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (commands(""), "command must be non-empty"),
        (commands("x" * 33), "command length must not exceed 32"),
        (commands("Help"), "BOT_COMMAND_INVALID"),
        (commands("two words"), "BOT_COMMAND_INVALID"),
        (commands(description=" "), "command description must be non-empty"),
        (commands(description="x" * 257), "command description length must not exceed 256"),
        ({"commands": [{"command": "x"}]}, "can't parse BotCommand: Can't find field \"description\""),
        ({"commands": commands()["commands"] * 101}, "BOT_COMMANDS_TOO_MUCH"),
        ({**commands(), "language_code": "eng"}, "invalid language code specified"),
        ({**commands(), "scope": {"type": "odd"}}, "can't parse BotCommandScope: Unsupported type specified"),
        ({**commands(), "scope": {"type": "chat"}}, "can't parse BotCommandScope: Can't find field \"chat_id\""),
        ({**commands(), "scope": {**CHAT, "chat_id": -100999}}, "chat not found"),
        ({**commands(), "scope": {**CHAT, "chat_id": CHANNEL}}, "can't change commands in channel chats"),
        ({**commands(), "scope": {**ANN_HERE, "user_id": 0}},
         "can't parse BotCommandScope: Invalid user_id specified"),
        ({**commands(), "scope": {**ANN_HERE, "user_id": 999}}, "user not found"),
        ({**commands(), "scope": {**ANN_HERE, "chat_id": ANN}}, "can't use specified scope in private chats"),
    ],
)  # fmt: skip
async def test_a_list_that_the_server_does_not_take_is_refused_in_its_words(
    raw: RawClient, emulator: Emulator, params: dict[str, Any], words: str
) -> None:
    emulator.start(ANN)
    assert await raw.fails("setMyCommands", **params) == (400, f"Bad Request: {words}")


async def test_a_hundred_commands_of_full_length_are_taken(raw: RawClient, emulator: Emulator) -> None:
    full = [{"command": f"{'x' * 29}{number:03}", "description": "ü" * 256} for number in range(100)]
    await raw.call("setMyCommands", commands=full)
    assert emulator.menu_for(BEN, GROUP) == full
