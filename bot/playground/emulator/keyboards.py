"""What may stand in ``reply_markup``: keyboards of all four kinds, read and checked as the server does (pure).

Kinds and limits are those of https://core.telegram.org/bots/api#inlinekeyboardmarkup and its neighbours (Bot API 10.1);
the texts of refusals follow tdlib/telegram-bot-api Client.cpp and tdlib/td ReplyMarkup.cpp (read 2026-11).
"""

from __future__ import annotations

import json
from typing import Any

from bot.playground.emulator import entities as text_rules

Json = dict[str, Any]

BUTTONS_MOST, ROW_MOST = 100, 8
_ACTIONS = (
    "url",
    "callback_data",
    "callback_game",
    "pay",
    "switch_inline_query",
    "switch_inline_query_chosen_chat",
    "switch_inline_query_current_chat",
    "login_url",
    "web_app",
    "copy_text",
)
_STYLES = ("danger", "success", "primary", "default")
_REQUESTS = {
    "request_contact": "phone number",
    "request_location": "location",
    "request_poll": "poll",
    "web_app": "web App buttons",
    "request_users": "users",
    "request_chat": "chats",
    "request_managed_bot": "managed bots",
}
_NUMBERS = {"request_users": ("request_id", "max_quantity"), "request_chat": ("request_id",)}


class KeyboardError(ValueError):
    """A keyboard that the server does not take; the text is the server's."""


def read_keyboard(value: str) -> Json | None:
    """The parameter ``reply_markup``: ``inline_keyboard``, ``keyboard``, ``remove_keyboard`` or ``force_reply``."""
    if not value:
        return None
    try:
        given = json.loads(value)
    except ValueError:
        raise KeyboardError("can't parse reply keyboard markup JSON object") from None
    if not isinstance(given, dict):
        raise KeyboardError("object expected as reply markup")
    keys = [[_key(key) for key in row] for row in _rows(given, "keyboard", 'Field "keyboard"')]
    where = 'Field "inline_keyboard" of the InlineKeyboardMarkup'
    buttons = [[_button(button) for button in row] for row in _rows(given, "inline_keyboard", where)]
    if keys:
        names = ("is_persistent", "resize_keyboard", "one_time_keyboard", "selective")
        # A button without a label is left out; a keyboard without buttons is none.
        rows = _not_empty(keys)
        return {"keyboard": rows, **_flags(given, *names), **_placeholder(given)} if rows else None
    if buttons:
        rows = _not_empty(buttons)
        return {"inline_keyboard": rows} if rows else None
    if given.get("remove_keyboard"):
        return {"remove_keyboard": True, **_flags(given, "selective")}
    if given.get("force_reply"):
        return {"force_reply": True, **_flags(given, "selective"), **_placeholder(given)}
    return None


def suit(markup: Json | None, chat_type: str) -> None:
    """Refuse a keyboard that does not go with the kind of chat."""
    if markup is None:
        return
    if chat_type == "channel" and "inline_keyboard" not in markup:
        raise KeyboardError("inline keyboard expected")
    if chat_type == "private":
        return
    for key in (key for row in markup.get("keyboard", ()) for key in row):
        for name, words in _REQUESTS.items():
            if name in key:
                how = "can be used" if name == "web_app" else "can be requested"
                raise KeyboardError(f"{words} {how} in private chats only")


def only_inline(markup: Json | None) -> Json | None:
    """What an edit may put under a message."""
    if markup is not None and "inline_keyboard" not in markup:
        raise KeyboardError("inline keyboard expected")
    return markup


def _rows(given: Json, name: str, where: str) -> list[list[Any]]:
    rows = given.get(name)
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise KeyboardError(f'field "{name}" must be of type Array')
    if not all(isinstance(row, list) for row in rows):
        raise KeyboardError(f"{where} must be an Array of Arrays")
    return rows


def _not_empty(rows: list[list[Json]]) -> list[list[Json]]:
    rows = [[button for button in row if button["text"] or "icon_custom_emoji_id" in button] for row in rows]
    rows = [row for row in rows if row]
    if sum(map(len, rows)) > BUTTONS_MOST or any(len(row) > ROW_MOST for row in rows):
        raise KeyboardError("reply markup is too long")
    return rows


def _flags(given: Json, *names: str) -> Json:
    return {name: True for name in names if given.get(name)}


def _placeholder(given: Json) -> Json:
    text = given.get("input_field_placeholder")
    if not text:
        return {}
    if not isinstance(text, str):
        raise KeyboardError('field "input_field_placeholder" must be of type String')
    # The server cuts what does not fit into the field.
    return {"input_field_placeholder": text_rules.utf16_slice(text, 0, 64)}


def _look(button: Json, prefix: str) -> Json:
    """What every button has: its label, an icon, a colour."""
    if not isinstance(button.get("text"), str):
        raise KeyboardError(prefix + 'Can\'t find field "text"')
    shown: Json = {"text": button["text"]}
    if button.get("style"):
        if button["style"] not in _STYLES:
            raise KeyboardError(prefix + "invalid button style specified")
        shown["style"] = button["style"]
    if button.get("icon_custom_emoji_id"):
        shown["icon_custom_emoji_id"] = str(button["icon_custom_emoji_id"])
    return shown


def _key(key: object) -> Json:
    """A button of the keyboard that takes the place of the letters."""
    prefix = "can't parse keyboard button: "
    if isinstance(key, str):
        return {"text": key}
    if not isinstance(key, dict):
        raise KeyboardError(prefix + "KeyboardButton must be a String or an Object")
    shown = _look(key, prefix)
    for name in ("request_contact", "request_location"):
        if key.get(name):
            return {**shown, name: True}
    for name in ("request_poll", "web_app", "request_users", "request_chat", "request_managed_bot"):
        if name in key:
            return {**shown, name: _request(name, key[name], prefix)}
    return shown


def _request(name: str, asked: object, prefix: str) -> Json:
    if not isinstance(asked, dict):
        raise KeyboardError(prefix + f'Field "{name}" must be of type Object')
    for number in _NUMBERS.get(name, ()):
        if number == "request_id" and number not in asked:
            raise KeyboardError(prefix + f'Can\'t find field "{number}"')
        if number in asked and (isinstance(asked[number], bool) or not isinstance(asked[number], int)):
            raise KeyboardError(prefix + f'Field "{number}" must be of type Number')
        if number == "request_id" and not -(1 << 31) <= asked[number] < 1 << 31:
            raise KeyboardError(prefix + f'Field "{number}" must be a valid Number')
    for rights in ("user_administrator_rights", "bot_administrator_rights"):
        if not isinstance(asked.get(rights, {}), dict):
            raise KeyboardError(prefix + "ChatAdministratorRights must be an Object")
    return dict(asked)


def _button(button: object) -> Json:
    """A button under a message."""
    prefix = "can't parse inline keyboard button: "
    if not isinstance(button, dict):
        raise KeyboardError(prefix + "InlineKeyboardButton must be an Object")
    shown = _look(button, prefix)
    for name in ("url", "callback_data"):
        if button.get(name) is not None and not isinstance(button[name], str):
            raise KeyboardError(prefix + f'Field "{name}" must be of type String')
    # Of several actions the first one counts; an address or data that is empty is none.
    used = next(
        (name for name in _ACTIONS if button.get(name) not in ((None, "") if name in _ACTIONS[:2] else (None,))), ""
    )
    if not used:
        raise KeyboardError(prefix + "Text buttons are unallowed in the inline keyboard")
    if used == "callback_data" and len(button[used].encode("utf-8", "replace")) > 64:
        raise KeyboardError("BUTTON_DATA_INVALID")
    if used == "url":
        url = text_rules.checked_link(button["url"])
        if not url:
            raise KeyboardError(f"inline keyboard button URL '{button['url']}' is invalid: Wrong HTTP URL")
        return {**shown, "url": url}
    return {**shown, used: button[used]}
