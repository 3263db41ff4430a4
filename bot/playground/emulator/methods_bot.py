"""Methods about the bot itself: its updates, its menus of commands, its name."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from bot.playground.emulator import entities as text_rules
from bot.playground.emulator.calls import (
    Call,
    Json,
    Result,
    bad,
    method,
)
from bot.playground.emulator.menus import SCOPES
from bot.playground.emulator.sending import (
    find_chat,
)
from bot.playground.emulator.updates import LONG_POLL_LIMIT_S, Webhook


@method("getMe")
async def get_me(call: Call) -> Result:
    return call.bot.to_json()


@method("logOut")
async def log_out(call: Call) -> Result:
    call.bot.logged_out = True
    call.bot.updates.clear()
    return True


@method("close")
async def close(call: Call) -> Result:
    return True


def _allowed_updates(call: Call) -> list[str] | None:
    if not call.given("allowed_updates"):
        return None
    try:
        value = json.loads(call.text("allowed_updates"))
    except ValueError:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return None
    return value


@method("getUpdates")
async def get_updates(call: Call) -> Result:
    updates = call.bot.updates
    offset = call.integer("offset")
    limit = call.integer("limit", 100, 1, 100)
    timeout = call.integer("timeout", 0, 0, LONG_POLL_LIMIT_S)
    if not updates.webhook:
        updates.allow(_allowed_updates(call))
    return await updates.poll(offset=offset, limit=limit, timeout=timeout)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@method("setWebhook")
async def set_webhook(call: Call) -> Result:
    url = call.text("url")
    secret = call.text("secret_token")
    updates = call.bot.updates
    if not url:
        return await delete_webhook(call)
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise bad("invalid webhook URL specified")
    if len(secret) > 256:
        raise bad("secret token is too long")
    if not re.fullmatch(r"[A-Za-z0-9_-]*", secret):
        raise bad("secret token contains unallowed characters")
    # The cloud takes https only; here a bot on the same machine may go without.
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise bad("bad webhook: An HTTPS URL must be provided for webhook")
    if not _is_loopback(parts.hostname):
        raise bad("bad webhook: the emulator delivers to this machine only")
    if call.flag("drop_pending_updates"):
        updates.clear()
    updates.allow(_allowed_updates(call))
    updates.set_webhook(
        Webhook(
            parts.geturl(),
            secret,
            call.integer("max_connections", 40, 1, 100),
            call.text("ip_address"),
            has_certificate="certificate" in call.form.files,
        )
    )
    return True


@method("deleteWebhook")
async def delete_webhook(call: Call) -> Result:
    if call.flag("drop_pending_updates"):
        call.bot.updates.clear()
    call.bot.updates.set_webhook(None)
    return True


@method("getWebhookInfo")
async def get_webhook_info(call: Call) -> Result:
    updates = call.bot.updates
    webhook = updates.webhook
    info: Json = {
        "url": webhook.url if webhook else "",
        "has_custom_certificate": bool(webhook and webhook.has_certificate),
        "pending_update_count": updates.pending,
    }
    if webhook:
        info["max_connections"] = webhook.max_connections
        if webhook.ip_address:
            info["ip_address"] = webhook.ip_address
        if updates.last_error:
            info["last_error_date"] = updates.last_error_at
            info["last_error_message"] = updates.last_error
    if updates.allowed_given:
        info["allowed_updates"] = updates.allowed_given
    return info


def _scope(call: Call) -> tuple[str, str]:
    """The key of a list of commands: its scope and its language."""
    value = call.parsed("scope", "BotCommandScope")
    prefix = "can't parse BotCommandScope: "
    if value is None:
        value = {"type": "default"}
    if not isinstance(value, dict):
        raise bad(prefix + "BotCommandScope must be an Object")
    if "type" not in value:
        raise bad(prefix + 'Can\'t find field "type"')
    kind = str(value["type"])
    if kind not in SCOPES:
        raise bad(prefix + "Unsupported type specified")
    for name in SCOPES[kind]:
        if name not in value:
            raise bad(prefix + f'Can\'t find field "{name}"')
    parts = [kind]
    if "chat_id" in SCOPES[kind]:
        parts += _scope_ids(call, kind, str(value["chat_id"]), value.get("user_id"))
    language = call.text("language_code")
    if not re.fullmatch(r"(?:[a-z]{2})?", language):
        raise bad("invalid language code specified")
    return ":".join(parts), language


def _scope_ids(call: Call, kind: str, chat_id: str, user: object) -> list[str]:
    """The chat, and the person in it, that a list of commands is for."""
    prefix = "can't parse BotCommandScope: "
    if not chat_id:
        raise bad(prefix + "Empty chat_id specified")
    user_id = 0
    if kind == "chat_member":
        try:
            user_id = int(str(user))
        except ValueError:
            raise bad(prefix + 'Field "user_id" must be a valid Number') from None
        if user_id <= 0:
            raise bad(prefix + "Invalid user_id specified")
    chat = find_chat(call, chat_id, write=False)
    if user_id and user_id not in call.world.users:
        raise bad("user not found")
    if chat.peer and kind != "chat":
        raise bad("can't use specified scope in private chats")
    if chat.type == "channel":
        raise bad("can't change commands in channel chats")
    return [str(chat.id), *([str(user_id)] if user_id else [])]


@method("setMyCommands")
async def set_my_commands(call: Call) -> Result:
    value = call.parsed("commands", "commands")
    if value is None:
        value = []
    if not isinstance(value, list):
        raise bad("expected an Array of BotCommand")
    given = [_command_fields(item) for item in value]
    key = _scope(call)
    commands = [_command(name, description) for name, description in given]
    if len(commands) > 100:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    if commands:
        call.bot.commands[key] = commands
    else:
        call.bot.commands.pop(key, None)
    call.world.tell("commands", scope=key[0], language=key[1], commands=commands)
    return True


def _command_fields(item: object) -> tuple[str, str]:
    prefix = "can't parse BotCommand: "
    if not isinstance(item, dict):
        raise bad(prefix + "expected an Object")
    for name in ("command", "description"):
        if name not in item:
            raise bad(prefix + f'Can\'t find field "{name}"')
    return str(item["command"]).strip().removeprefix("/"), str(item["description"]).strip()


def _command(name: str, description: str) -> Json:
    """A command as it is kept (td/telegram/BotCommand.cpp, set_commands; the letters are checked behind it)."""
    if not name:
        raise bad("command must be non-empty")
    if len(name) > 32:
        raise bad("command length must not exceed 32")
    if not description:
        raise bad("command description must be non-empty")
    if len(description) > 256:
        raise bad("command description length must not exceed 256")
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise bad("BOT_COMMAND_INVALID")
    return {"command": name, "description": description}


@method("getMyCommands")
async def get_my_commands(call: Call) -> Result:
    return call.bot.commands.get(_scope(call), [])


@method("deleteMyCommands")
async def delete_my_commands(call: Call) -> Result:
    key = _scope(call)
    call.bot.commands.pop(key, None)
    call.world.tell("commands", scope=key[0], language=key[1], commands=[])
    return True


def _naming(name: str, field_name: str, limit: int, default: Callable[[Call], str]) -> None:
    @method(f"setMy{name}")
    async def set_it(call: Call) -> Result:
        value = call.text(field_name)
        if text_rules.utf16_length(value) > limit:
            raise bad(f"{field_name} is too long")
        call.bot.names[(field_name, call.text("language_code"))] = value
        return True

    @method(f"getMy{name}")
    async def get_it(call: Call) -> Result:
        names = call.bot.names
        value = names.get((field_name, call.text("language_code"))) or names.get((field_name, ""))
        return {field_name: value or default(call)}


_naming("Name", "name", 64, lambda call: call.bot.user.first_name)
_naming("Description", "description", 512, lambda call: "")
_naming("ShortDescription", "short_description", 120, lambda call: "")


@method("setChatMenuButton")
async def set_chat_menu_button(call: Call) -> Result:
    value = call.parsed("menu_button", "menu button") or {"type": "default"}
    if not isinstance(value, dict) or value.get("type") not in ("commands", "web_app", "default"):
        raise bad("MenuButton has unsupported type")
    call.bot.names[("menu_button", call.text("chat_id"))] = json.dumps(value)
    return True


@method("getChatMenuButton")
async def get_chat_menu_button(call: Call) -> Result:
    return json.loads(call.bot.names.get(("menu_button", call.text("chat_id")), '{"type": "default"}'))


@method("setMyDefaultAdministratorRights")
async def set_my_default_administrator_rights(call: Call) -> Result:
    call.bot.names[("rights", call.text("for_channels"))] = call.text("rights")
    return True


@method("getMyDefaultAdministratorRights")
async def get_my_default_administrator_rights(call: Call) -> Result:
    given = json.loads(call.bot.names.get(("rights", call.text("for_channels"))) or "{}")
    names = (
        "is_anonymous can_manage_chat can_delete_messages can_manage_video_chats can_restrict_members"
        " can_promote_members can_change_info can_invite_users can_post_stories can_edit_stories can_delete_stories"
    )
    return {name: False for name in names.split()} | given
