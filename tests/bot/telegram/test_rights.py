"""What this bot lacks to write in a chat, by what Telegram says that it is there; and the buttons that pick a chat."""

from __future__ import annotations

import pytest
from telegram import ChatFullInfo, ChatMember, ReplyKeyboardMarkup, ReplyKeyboardRemove

from bot.telegram.outbound import chooser_of, lacking

ME = {"id": 99, "is_bot": True, "first_name": "Patchbay"}
GIFTS = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
CHAT = {"id": -1005, "type": "supergroup", "accent_color_id": 1, "max_reaction_count": 1, "accepted_gift_types": {}}
_RIGHTS = [
    "can_be_edited",
    "is_anonymous",
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
]
_PERMISSIONS = [
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
    "can_edit_tag",
    "can_react_to_messages",
]


def member(status: str, **more: object) -> ChatMember:
    """This bot in a chat, as Telegram tells it."""
    flags = {
        "administrator": dict.fromkeys(_RIGHTS, False),
        "restricted": {**dict.fromkeys(_PERMISSIONS, False), "is_member": True, "until_date": 0},
        "kicked": {"until_date": 0},
    }
    made = ChatMember.de_json({"status": status, "user": ME, **flags.get(status, {}), **more})
    assert made is not None
    return made


def chat(*, open_: bool) -> ChatFullInfo:
    """A group in which members may write, or may not."""
    made = ChatFullInfo.de_json(
        {**CHAT, "accepted_gift_types": dict.fromkeys(GIFTS, False), "permissions": {"can_send_messages": open_}}
    )
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("me", "is_open", "opens", "says"),
    [
        (member("left"), True, False, "I am no member."),
        (member("kicked"), True, False, "I am no member."),
        (member("member"), True, False, ""),
        (member("member"), False, False, "Members may not write there."),
        (member("member"), True, True, "I may not open topics there. Make me an admin"),
        (member("restricted"), True, False, "I am restricted there."),
        (member("restricted", can_send_messages=True), True, False, ""),
        (member("administrator"), False, False, ""),
        (member("administrator", can_post_messages=False), True, False, "I may not post there."),
        (member("administrator", can_post_messages=True), True, False, ""),
        (
            member("administrator", can_manage_topics=False),
            True,
            True,
            "I may not open topics there. Give me",
        ),
        (member("administrator", can_manage_topics=True), True, True, ""),
    ],
    ids=lambda value: value.status if isinstance(value, ChatMember) else None,
)
def test_what_is_missing_is_said_with_the_remedy(me: ChatMember, is_open: bool, opens: bool, says: str) -> None:
    told = lacking(me, chat(open_=is_open), opens=opens)
    assert told.startswith(says)
    assert bool(told) == bool(says)


def test_the_buttons_offer_chats_in_which_this_bot_is_too() -> None:
    offered = chooser_of("chats")
    assert isinstance(offered, ReplyKeyboardMarkup)
    asked = [row[0].request_chat for row in offered.keyboard]
    assert [(each.chat_is_channel, each.bot_is_member) for each in asked if each] == [(False, True), (True, True)]
    assert isinstance(chooser_of("nothing"), ReplyKeyboardRemove)
    assert chooser_of("") is None
