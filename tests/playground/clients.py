"""Two independent libraries as clients of the emulator, behind one small face."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Protocol

import aiogram
import telegram
import telegram.error
import telegram.ext
from aiogram import exceptions
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

Json = dict[str, Any]
KINDS = ["message", "edited_message", "callback_query", "message_reaction", "my_chat_member", "channel_post"]


class Client(Protocol):
    """What the scenarios need of a library."""

    async def send(
        self,
        chat: int,
        text: str,
        *,
        html: bool = False,
        thread: int | None = None,
        reply_to: int | None = None,
        button: tuple[str, str] | None = None,
    ) -> int: ...

    async def edit(self, chat: int, message: int, text: str) -> None: ...
    async def delete(self, chat: int, message: int) -> None: ...
    async def react(self, chat: int, message: int, emoji: str) -> None: ...
    async def topic(self, chat: int, name: str) -> int: ...
    async def answer(self, callback: str, text: str) -> None: ...
    async def upload(self, chat: int, data: bytes, name: str) -> str: ...
    async def download(self, file_id: str) -> bytes: ...
    async def album(self, chat: int, pictures: list[bytes], caption: str) -> list[int]: ...
    async def commands(self, names: list[str]) -> list[str]: ...
    async def admins(self, chat: int) -> set[int]: ...
    async def webhook(self, url: str, secret: str) -> None: ...
    async def fetch(self, offset: int | None = None) -> list[int]: ...
    async def failure(self, work: Awaitable[object]) -> tuple[str, object]: ...
    async def close(self) -> None: ...
    def polling(self) -> Any: ...


class Ptb:
    """python-telegram-bot: its Bot, and its Application to poll."""

    def __init__(self, token: str, url: str) -> None:
        self.token, self.url = token, url
        self.bot = telegram.Bot(token, base_url=f"{url}/bot", base_file_url=f"{url}/file/bot")

    async def open(self) -> None:
        await self.bot.initialize()

    async def close(self) -> None:
        await self.bot.shutdown()

    async def send(
        self,
        chat: int,
        text: str,
        *,
        html: bool = False,
        thread: int | None = None,
        reply_to: int | None = None,
        button: tuple[str, str] | None = None,
    ) -> int:
        markup = None
        if button:
            markup = telegram.InlineKeyboardMarkup(
                [[telegram.InlineKeyboardButton(button[0], callback_data=button[1])]]
            )
        sent = await self.bot.send_message(
            chat,
            text,
            parse_mode="HTML" if html else None,
            message_thread_id=thread,
            reply_parameters=telegram.ReplyParameters(reply_to) if reply_to else None,
            reply_markup=markup,
        )
        return sent.message_id

    async def edit(self, chat: int, message: int, text: str) -> None:
        await self.bot.edit_message_text(text, chat, message)

    async def delete(self, chat: int, message: int) -> None:
        await self.bot.delete_message(chat, message)

    async def react(self, chat: int, message: int, emoji: str) -> None:
        await self.bot.set_message_reaction(chat, message, emoji)

    async def topic(self, chat: int, name: str) -> int:
        return (await self.bot.create_forum_topic(chat, name)).message_thread_id

    async def answer(self, callback: str, text: str) -> None:
        await self.bot.answer_callback_query(callback, text)

    async def upload(self, chat: int, data: bytes, name: str) -> str:
        sent = await self.bot.send_document(chat, data, filename=name)
        assert sent.document and sent.document.file_name == name
        return sent.document.file_id

    async def download(self, file_id: str) -> bytes:
        return bytes(await (await self.bot.get_file(file_id)).download_as_bytearray())

    async def album(self, chat: int, pictures: list[bytes], caption: str) -> list[int]:
        media = [telegram.InputMediaPhoto(data, caption=None if i else caption) for i, data in enumerate(pictures)]
        return [message.message_id for message in await self.bot.send_media_group(chat, media)]

    async def commands(self, names: list[str]) -> list[str]:
        await self.bot.set_my_commands([(name, f"About {name}") for name in names])
        return [command.command for command in await self.bot.get_my_commands()]

    async def admins(self, chat: int) -> set[int]:
        return {member.user.id for member in await self.bot.get_chat_administrators(chat)}

    async def webhook(self, url: str, secret: str) -> None:
        await self.bot.set_webhook(url, secret_token=secret, allowed_updates=KINDS)

    async def fetch(self, offset: int | None = None) -> list[int]:
        return [update.update_id for update in await self.bot.get_updates(offset, timeout=0)]

    async def failure(self, work: Awaitable[object]) -> tuple[str, object]:
        try:
            await work
        except telegram.error.RetryAfter as error:
            return "too many", int(error.retry_after.total_seconds())  # type: ignore[union-attr]
        except telegram.error.ChatMigrated as error:
            return "migrated", error.new_chat_id
        except telegram.error.BadRequest as error:
            return "bad request", error.message.lower()
        except telegram.error.Forbidden as error:
            return "forbidden", error.message.removeprefix("Forbidden: ")
        except telegram.error.Conflict:
            return "conflict", None
        except telegram.error.InvalidToken:
            return "unauthorized", None
        except telegram.error.TimedOut:
            return "network", None
        except telegram.error.NetworkError as error:
            return ("server error" if "Internal Server Error" in error.message else "network"), None
        return "ok", None

    @asynccontextmanager
    async def polling(self) -> AsyncIterator[asyncio.Queue[Json]]:
        seen: asyncio.Queue[Json] = asyncio.Queue()

        async def note(update: telegram.Update, _: object) -> None:
            await seen.put(update.to_dict())

        application = (
            telegram.ext.ApplicationBuilder()
            .token(self.token)
            .base_url(f"{self.url}/bot")
            .base_file_url(f"{self.url}/file/bot")
            .build()
        )
        application.add_handler(telegram.ext.TypeHandler(telegram.Update, note))
        async with application:
            await application.start()
            assert application.updater
            await application.updater.start_polling(poll_interval=0, timeout=10, allowed_updates=KINDS)
            try:
                yield seen
            finally:
                await application.updater.stop()
                await application.stop()


class Aiogram:
    """aiogram: its Bot, and its Dispatcher to poll."""

    def __init__(self, token: str, url: str) -> None:
        self.bot = aiogram.Bot(
            token,
            AiohttpSession(api=TelegramAPIServer.from_base(url)),
            default=DefaultBotProperties(link_preview_is_disabled=True),
        )

    async def open(self) -> None:
        await self.bot.me()

    async def close(self) -> None:
        await self.bot.session.close()

    async def send(
        self,
        chat: int,
        text: str,
        *,
        html: bool = False,
        thread: int | None = None,
        reply_to: int | None = None,
        button: tuple[str, str] | None = None,
    ) -> int:
        types = aiogram.types
        markup = None
        if button:
            row = [types.InlineKeyboardButton(text=button[0], callback_data=button[1])]
            markup = types.InlineKeyboardMarkup(inline_keyboard=[row])
        sent = await self.bot.send_message(
            chat,
            text,
            parse_mode="HTML" if html else None,
            message_thread_id=thread,
            reply_parameters=types.ReplyParameters(message_id=reply_to) if reply_to else None,
            reply_markup=markup,
        )
        return sent.message_id

    async def edit(self, chat: int, message: int, text: str) -> None:
        await self.bot.edit_message_text(text=text, chat_id=chat, message_id=message)

    async def delete(self, chat: int, message: int) -> None:
        await self.bot.delete_message(chat, message)

    async def react(self, chat: int, message: int, emoji: str) -> None:
        await self.bot.set_message_reaction(chat, message, [aiogram.types.ReactionTypeEmoji(emoji=emoji)])

    async def topic(self, chat: int, name: str) -> int:
        return (await self.bot.create_forum_topic(chat, name)).message_thread_id

    async def answer(self, callback: str, text: str) -> None:
        await self.bot.answer_callback_query(callback, text)

    async def upload(self, chat: int, data: bytes, name: str) -> str:
        sent = await self.bot.send_document(chat, aiogram.types.BufferedInputFile(data, name))
        assert sent.document and sent.document.file_name == name
        return sent.document.file_id

    async def download(self, file_id: str) -> bytes:
        got = await self.bot.download(file_id, io.BytesIO())
        assert got is not None
        return got.read()

    async def album(self, chat: int, pictures: list[bytes], caption: str) -> list[int]:
        media = [
            aiogram.types.InputMediaPhoto(
                media=aiogram.types.BufferedInputFile(data, f"{index}.jpg"), caption=None if index else caption
            )
            for index, data in enumerate(pictures)
        ]
        return [message.message_id for message in await self.bot.send_media_group(chat, media)]  # type: ignore[arg-type]

    async def commands(self, names: list[str]) -> list[str]:
        commands = [aiogram.types.BotCommand(command=name, description=f"About {name}") for name in names]
        await self.bot.set_my_commands(commands)
        return [command.command for command in await self.bot.get_my_commands()]

    async def admins(self, chat: int) -> set[int]:
        return {member.user.id for member in await self.bot.get_chat_administrators(chat)}

    async def webhook(self, url: str, secret: str) -> None:
        await self.bot.set_webhook(url, secret_token=secret, allowed_updates=KINDS)

    async def fetch(self, offset: int | None = None) -> list[int]:
        return [update.update_id for update in await self.bot.get_updates(offset, timeout=0)]

    async def failure(self, work: Awaitable[object]) -> tuple[str, object]:
        try:
            await work
        except exceptions.TelegramRetryAfter as error:
            return "too many", error.retry_after
        except exceptions.TelegramMigrateToChat as error:
            return "migrated", error.migrate_to_chat_id
        except exceptions.TelegramBadRequest as error:
            return "bad request", error.message.removeprefix("Bad Request: ").lower()
        except exceptions.TelegramForbiddenError as error:
            return "forbidden", error.message.removeprefix("Forbidden: ")
        except exceptions.TelegramConflictError:
            return "conflict", None
        except exceptions.TelegramUnauthorizedError:
            return "unauthorized", None
        except exceptions.TelegramServerError:
            return "server error", None
        except exceptions.TelegramNetworkError:
            return "network", None
        return "ok", None

    @asynccontextmanager
    async def polling(self) -> AsyncIterator[asyncio.Queue[Json]]:
        seen: asyncio.Queue[Json] = asyncio.Queue()
        dispatcher = aiogram.Dispatcher()

        @dispatcher.update.outer_middleware()
        async def note(_: object, update: aiogram.types.Update, __: object) -> None:
            await seen.put(update.model_dump(mode="json", exclude_none=True, exclude_unset=True, by_alias=True))

        running = asyncio.create_task(
            dispatcher.start_polling(
                self.bot, handle_signals=False, close_bot_session=False, polling_timeout=10, allowed_updates=KINDS
            )
        )
        try:
            yield seen
        finally:
            with suppress(RuntimeError):
                await dispatcher.stop_polling()
            await running


@asynccontextmanager
async def opened(kind: type[Ptb] | type[Aiogram], token: str, url: str) -> AsyncIterator[Client]:
    """A client that is closed at the end."""
    async with AsyncExitStack() as stack:
        client = kind(token, url)
        stack.push_async_callback(client.close)
        await client.open()
        yield client
