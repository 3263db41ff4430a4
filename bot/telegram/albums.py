"""Albums: several messages of Telegram's that are one of ours, with an id for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import TypeAdapter

from bot.addresses import TELEGRAM
from bot.store import Tx
from bot.store.messages import Picture as Kept
from bot.telegram.inbound import Picture
from bridges.model import Attachment, Edited, Message, MessageId, Received

_ATTACHMENTS: TypeAdapter[tuple[Attachment, ...]] = TypeAdapter(tuple[Attachment, ...])


def keep_pictures(tx: Tx, event: Received, pictures: Sequence[Picture]) -> None:
    """Let the album, which is kept under its first message's id, be found by the id of each."""
    kept = None if event.id is None or len(pictures) < 2 else tx.messages.find(TELEGRAM, event.id)
    if kept is None:
        return
    for number, picture in enumerate(pictures):
        if picture.id != event.id:
            tx.messages.add_alias(kept.id, account=TELEGRAM, conversation=event.conversation.id, remote_id=picture.id)
        files = _ATTACHMENTS.dump_json(picture.attachments, exclude_defaults=True).decode()
        tx.messages.put_picture(kept.id, Kept(number, picture.id, picture.captioned, files))


def album_edited(tx: Tx, event: Edited, picture: Picture) -> Edited | None:
    """The edit of one of an album's messages as an edit of the album; None if nothing in it changed.

    What is kept of the others are their files: the words, without their formatting, are the album's.
    """
    found = tx.messages.locate(TELEGRAM, event.id)
    kept = [] if found is None else tx.messages.pictures(found.origin.id)
    if found is not None and not kept and _is_album(tx, found.origin.id):
        return None  # too old: its other files are forgotten, and this one alone is not the album
    before = next((each for each in kept if each.remote_id == picture.id), None)
    if found is None or before is None:
        return event
    files = _ATTACHMENTS.dump_json(picture.attachments, exclude_defaults=True).decode()
    other_file = _shape(picture.attachments) != _shape(_ATTACHMENTS.validate_json(before.attachments))
    says = picture.captioned or before.captioned
    if not says and not other_file:
        return None
    after = replace(before, captioned=picture.captioned, attachments=files)
    tx.messages.put_picture(found.origin.id, after)
    all_files = [
        file
        for each in kept
        for file in _ATTACHMENTS.validate_json(after.attachments if each is before else each.attachments)
    ]
    changed: dict[str, object] = {"attachments": tuple(all_files)}
    if not says:
        changed |= {"text": found.origin.text, "spans": ()}
    message = event.message.model_copy(update=changed)
    return event.model_copy(update={"id": MessageId(found.origin.remote_id or event.id), "message": message})


def whole_album(tx: Tx, id: MessageId, message: Message) -> Message:
    """A message that has this id in its chat, with all of the album that it is part of; otherwise as it is."""
    found = tx.messages.locate(TELEGRAM, id)
    kept = [] if found is None else tx.messages.pictures(found.origin.id)
    if found is None or not kept:
        return message
    files = tuple(file for each in kept for file in _ATTACHMENTS.validate_json(each.attachments))
    words = {} if message.text else {"text": found.origin.text}
    return message.model_copy(update={"attachments": files, **words})


def _is_album(tx: Tx, message: int) -> bool:
    return any(copy.account == TELEGRAM and copy.part == 0 and copy.outbox == 0 for copy in tx.messages.copies(message))


def _shape(files: Sequence[Attachment]) -> list[tuple[object, ...]]:
    """What is the same of the same file, whose id changes."""
    return [(file.kind, file.name, file.size, file.width, file.height) for file in files]
