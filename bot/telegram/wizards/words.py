"""What people write while a wizard waits for words, and the chats that they pick in Telegram's own list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telegram import Message as TelegramMessage

from bot.addresses import parse_address
from bot.cards import digest
from bot.store import Tx
from bot.store.dialogs import Dialog
from bot.store.marks import Card
from bot.telegram.access import person_of
from bot.telegram.inbound import ChatPicked, Talk, here
from bot.telegram.replies import Reply
from bot.telegram.turns import RoleIn, audit
from bot.telegram.wizards.engine import answer, command_of, page_of, put_away_chats, show, state_of, wizards
from bot.telegram.wizards.pages import Shared, State, Wizard, Wrote
from bot.telegram.wizards.scene import Scene

if TYPE_CHECKING:
    # Commands begin wizards, so this is no more than a name here.
    from bot.telegram.commands.registry import Services


@dataclass(frozen=True, slots=True)
class Dialogs:
    """Takes what people write while a wizard waits for words."""

    services: Callable[[], Services]
    role: RoleIn

    def said(self, tx: Tx, talk: Talk, *, now: float) -> str | None:
        """Take a message as an answer; returns its outcome, or None if it is meant for somebody else."""
        found = self._found(tx, talk.message)
        if found is None:
            return None
        wizard, dialog = found
        answered = _answers_page(tx, talk.message, dialog)
        if talk.message.chat.type == "private":
            if talk.message.reply_to_message is not None and not answered:
                return None
        elif not answered:
            return None
        scene = self._scene(tx, talk.message, wizard, dialog, now=now)
        state = state_of(dialog, wizard)
        allowed = _allowed(scene, wizard)
        page, state, _ = page_of(scene, wizard, state) if allowed else (None, state, "")
        if page is not None and not page.asks and not answered:
            return None
        id = scene.relay.keep(tx, here(talk.message), talk.event, why="an answer in a wizard")
        message = talk.event.message.model_copy(update={"reply_to": None, "quote": "", "sender": None})
        if page is None:
            reply, outcome = _ended(scene, dialog), "refused"
        else:
            outcome = f"step {state.step}"
            if not page.asks:
                reply = show(scene, wizard, state, note="⚠ This page is answered with its buttons.")
            elif talk.message.forward_origin is not None:
                reply = show(scene, wizard, state, note="⚠ A forwarded message is no answer: write it yourself.")
            elif not page.files and (not message.text.strip() or message.attachments):
                reply = show(scene, wizard, state, note=f"⚠ Only words are taken here: write {page.asks}.")
            else:
                reply = answer(scene, wizard, dialog, Wrote(message, id))
        scene.relay.say(tx, here(talk.message), reply.message, now=now, reply_to=id)
        _note(scene, wizard, outcome)
        return "commands"

    def picked(self, tx: Tx, picked: ChatPicked, *, now: float) -> str | None:
        """Take a chat that was picked in Telegram's own list; returns the outcome, or None if nobody asked for one."""
        found = self._found(tx, picked.message)
        if found is None:
            return None
        wizard, dialog = found
        if not State.from_data(dialog.state).offers_chats:
            return None
        scene = self._scene(tx, picked.message, wizard, dialog, now=now)
        if _allowed(scene, wizard):
            reply, outcome = answer(scene, wizard, dialog, Shared(picked.chat, picked.title)), f"step {dialog.step}"
        else:
            reply, outcome = _ended(scene, dialog), "refused"
        scene.relay.say(tx, here(picked.message), reply.message, now=now)
        _note(scene, wizard, outcome)
        return "commands"

    def _found(self, tx: Tx, message: TelegramMessage) -> tuple[Wizard, Dialog] | None:
        person = person_of(message)
        dialog = None if person is None else tx.dialogs.get(str(message.chat_id), str(person))
        wizard = None if dialog is None else wizards.get(dialog.kind)
        return None if dialog is None or wizard is None else (wizard, dialog)

    def _scene(self, tx: Tx, message: TelegramMessage, wizard: Wizard, dialog: Dialog, *, now: float) -> Scene:
        person, state = int(dialog.person), state_of(dialog, wizard)
        return Scene(
            tx=tx,
            services=self.services(),
            here=parse_address(state.here),
            person=person,
            person_name=message.from_user.full_name if message.from_user else "",
            role=self.role(tx, person, chat=message.chat_id),
            everywhere=self.role(tx, person, chat=None),
            needed=wizard.role,
            now=now,
            values=state.values,
        )


def _allowed(scene: Scene, wizard: Wizard) -> bool:
    return scene.role >= wizard.role and (not wizard.everywhere or scene.everywhere >= wizard.role)


def _ended(scene: Scene, dialog: Dialog) -> Reply:
    """The role was taken away in the middle."""
    put_away_chats(scene, dialog)
    scene.tx.dialogs.end(dialog.chat, dialog.person)
    return Reply(
        f"The wizard of {command_of(dialog)} is left: it needs the role {scene.needed.word}, and yours is"
        f" {scene.role.word}. An owner of this bot can give it to you."
    )


def _note(scene: Scene, wizard: Wizard, outcome: str) -> None:
    command = f"wizard {wizard.name}"
    audit(scene.tx, scene.person, place=str(scene.here), command=command, outcome=outcome, now=scene.now)


def _answers_page(tx: Tx, message: TelegramMessage, dialog: Dialog) -> bool:
    """Whether a message answers a page of this dialog: by its buttons, else by its words."""
    parent = message.reply_to_message
    if parent is None or parent.from_user is None or not parent.from_user.is_bot:
        return False
    for data in _data_of(parent):
        kind, _, rest = data.partition(":")
        card = tx.cards.get(rest.rpartition(":")[2], kind=dialog.kind) if kind == dialog.kind else None
        return card is not None and _is_of(card, dialog)
    latest = tx.cards.get(dialog.asked, kind=dialog.kind)
    return latest is not None and latest.shown == digest(parent.text or "")


def _data_of(message: TelegramMessage) -> list[str]:
    rows = message.reply_markup.inline_keyboard if message.reply_markup is not None else ()
    return [str(button.callback_data) for row in rows for button in row if button.callback_data]


def _is_of(card: Card, dialog: Dialog) -> bool:
    return card.person == dialog.person and card.chat.partition("/")[0] == dialog.chat
