"""Methods that send files, albums, places, contacts and polls, and hand out what was sent."""

from __future__ import annotations

import re
from typing import NoReturn

from bot.playground.emulator import entities as text_rules
from bot.playground.emulator.calls import (
    ApiError,
    Call,
    Json,
    Result,
    bad,
    method,
)
from bot.playground.emulator.files import (
    DOWNLOAD_LIMIT,
    PHOTO_LIMIT,
    PHOTO_RATIO_MOST,
    PHOTO_SIDES_MOST,
    UPLOAD_LIMIT,
    File,
    media_content,
    picture_size,
)
from bot.playground.emulator.forms import Upload
from bot.playground.emulator.sending import (
    caption_content,
    find_chat,
    find_message,
    find_reply,
    find_topic,
    may_write,
    send,
)

_TYPE_NAMES = {
    "photo": "Photo",
    "photo_document": "Photo",
    "video": "Video",
    "animation": "Animation",
    "audio": "Audio",
    "voice": "VoiceNote",
    "video_note": "VideoNote",
    "sticker": "Sticker",
}


def _no_file(kind: str) -> NoReturn:
    raise bad(f"there is no {kind.replace('_', ' ')} in the request")


def _input_file(call: Call, kind: str, value: str, upload: Upload | None) -> File:
    """The file a parameter means: an upload, ``attach://name``, or a file id."""
    if upload is None and value.startswith("attach://"):
        upload = call.form.files.get(value.removeprefix("attach://"))
    if upload is not None:
        if not upload.data:
            raise bad("file must be non-empty")
        limit = PHOTO_LIMIT if kind == "photo" else UPLOAD_LIMIT
        if len(upload.data) > limit:
            # The server itself cuts off requests over 50 MB with 413; photos are refused later.
            if kind == "photo":
                raise bad(
                    "file of size "
                    + f"{len(upload.data)} bytes is too big for a photo; the maximum size is {limit} bytes"
                )
            raise ApiError(413, "Request Entity Too Large")
        if kind == "photo":
            width, height = picture_size(upload.data)
            if width + height > PHOTO_SIDES_MOST or max(width, height) > PHOTO_RATIO_MOST * min(width, height):
                raise bad("PHOTO_INVALID_DIMENSIONS")
        return call.world.files.store(upload.data, file_name=upload.name, mime_type=upload.mime_type, kind=kind)
    if not value:
        _no_file(kind)
    if re.match(r"https?://", value, re.IGNORECASE):
        # The emulator has no network; the words are those for an address that cannot be read.
        raise bad("failed to get HTTP URL content")
    file = call.world.files.get(value)
    if file is None:
        raise bad("wrong remote file identifier specified: Wrong character in the string")
    # Photos are kept apart; all others are documents inside (td/telegram/files/FileType.cpp, get_file_type_class).
    if (kind == "photo") != (file.kind in ("photo", "photo_document")):
        was, wanted = (_TYPE_NAMES.get(name, "Document") for name in (file.kind, kind))
        raise bad(f"can't use file of type {was} as {wanted}")
    return file


def _media_method(name: str, kind: str) -> None:
    @method(name)
    async def send_it(call: Call) -> Result:
        file = _input_file(call, kind, call.text(kind), call.form.files.get(kind))
        shown_as = kind
        content = media_content(shown_as, file, call.form.fields)
        if kind not in ("sticker", "video_note"):
            content |= caption_content(call)
        if call.flag("has_spoiler") and kind in ("photo", "video", "animation"):
            content["has_media_spoiler"] = True
        if call.flag("show_caption_above_media") and kind in ("photo", "video", "animation"):
            content["show_caption_above_media"] = True
        return send(call, content).to_json()


for _name, _kind in (
    ("sendPhoto", "photo"),
    ("sendDocument", "document"),
    ("sendVideo", "video"),
    ("sendAudio", "audio"),
    ("sendVoice", "voice"),
    ("sendSticker", "sticker"),
    ("sendAnimation", "animation"),
    ("sendVideoNote", "video_note"),
):
    _media_method(_name, _kind)


def album_item(call: Call, item: object) -> Json:
    if not isinstance(item, dict):
        raise bad("Can't parse InputMedia: expected an Object")
    kind = item.get("type")
    if kind not in ("photo", "video", "audio", "document", "animation"):
        raise bad("Can't parse InputMedia: type must be one of photo, video, audio, document")
    value = item.get("media")
    if not isinstance(value, str) or not value:
        raise bad("Can't parse InputMedia: media not found")
    if value.startswith("attach://") and value.removeprefix("attach://") not in call.form.files:
        raise bad("Can't parse InputMedia: media not found")
    given = {name: str(part) for name, part in item.items() if isinstance(part, str | int)}
    content = media_content(kind, _input_file(call, kind, value, None), given)
    return content | caption_content(call, item)


@method("sendMediaGroup")
async def send_media_group(call: Call) -> Result:
    value = call.parsed("media", "media")
    if not isinstance(value, list):
        raise bad("expected an Array of InputMedia")
    if not 2 <= len(value) <= 10:
        if not value:
            raise bad("too few media to send as an album")
        raise (
            bad("too many messages to send as an album")
            if len(value) > 10
            else bad("media group must include 2-10 items")
        )
    kinds = {item.get("type") for item in value if isinstance(item, dict)}
    if "animation" in kinds or (len(kinds) > 1 and kinds & {"audio", "document"}):
        raise bad("Can't use the media of the specified type in the album")
    contents = [album_item(call, item) for item in value]
    chat = find_chat(call, call.text("chat_id"), write=True)
    thread_id = find_topic(call, chat)
    reply = find_reply(call, chat)
    album = call.world.new_album()
    call.used |= {"disable_notification", "message_effect_id"}
    for content in contents:
        may_write(call, chat, thread_id, content)
    return [
        call.world.post(
            chat,
            content,
            author=call.bot.user,
            thread_id=thread_id or None,
            reply_to=reply.message,
            media_group_id=album,
            protected=call.flag("protect_content"),
        ).to_json()
        for content in contents
    ]


def _location(call: Call) -> Json:
    for name in ("latitude", "longitude"):
        if not call.text(name).strip():
            raise bad(f"{name} is empty")
    latitude, longitude = call.number("latitude"), call.number("longitude")
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise bad("wrong location specified")
    return {"latitude": latitude, "longitude": longitude}


@method("sendLocation")
async def send_location(call: Call) -> Result:
    location = _location(call)
    if call.integer("live_period"):
        location["live_period"] = call.integer("live_period")
    return send(call, {"location": location}).to_json()


@method("sendVenue")
async def send_venue(call: Call) -> Result:
    location = _location(call)
    for name in ("title", "address"):
        if not call.text(name):
            raise bad(f'parameter "{name}" is required')
    venue = {"location": location, "title": call.text("title"), "address": call.text("address")}
    return send(call, {"venue": venue, "location": location}).to_json()


@method("sendContact")
async def send_contact(call: Call) -> Result:
    contact: Json = {}
    for name in ("phone_number", "first_name"):
        contact[name] = call.text(name)
        if not contact[name]:
            raise bad(f'parameter "{name}" is required')
    for name in ("last_name", "vcard"):
        if call.text(name):
            contact[name] = call.text(name)
    return send(call, {"contact": contact}).to_json()


@method("sendDice")
async def send_dice(call: Call) -> Result:
    emoji = call.text("emoji", "🎲")
    return send(call, {"dice": {"emoji": emoji, "value": 1 + call.world.now() % 6}}).to_json()


@method("sendPoll")
async def send_poll(call: Call) -> Result:
    question, question_entities = text_rules.formatted(
        call.text("question"), call.text("question_parse_mode"), call.entities("question_entities")
    )
    if not question:
        raise bad("poll question must be non-empty")
    if text_rules.utf16_length(question) > 300:
        raise bad("poll question length must not exceed 300")
    value = call.parsed("options", "options")
    if not isinstance(value, list):
        raise bad("expected an Array of String as options")
    options = list[Json]()
    for index, item in enumerate(value):
        given = item if isinstance(item, dict) else {"text": item}
        if not isinstance(given.get("text"), str):
            raise bad("expected an option to be of type String")
        text, entities = text_rules.formatted(
            given["text"], str(given.get("text_parse_mode") or ""), given.get("text_entities")
        )
        if not text:
            raise bad("poll option must be non-empty")
        if text_rules.utf16_length(text) > 100:
            raise bad("poll options length must not exceed 100")
        option: Json = {"persistent_id": str(index), "text": text, "voter_count": 0}
        if entities:
            option["text_entities"] = entities
        options.append(option)
    if not options:
        raise bad("poll must have at least 1 option")
    if len(options) > 12:
        raise bad("poll can't have more than 12 options")
    kind = call.text("type") or "regular"
    if kind not in ("regular", "quiz"):
        raise bad("unsupported poll type specified")
    poll: Json = {
        "id": str(call.world.now()) + str(call.bot.updates.pending),
        "question": question,
        "options": options,
        "total_voter_count": 0,
        "is_closed": call.flag("is_closed"),
        "is_anonymous": call.text("is_anonymous", "true").lower() != "false",
        "type": kind,
        "allows_multiple_answers": call.flag("allows_multiple_answers"),
        "allows_revoting": call.flag("allows_revoting"),
        "members_only": call.flag("members_only"),
    }
    if question_entities:
        poll["question_entities"] = question_entities
    if kind == "quiz":
        correct = call.parsed("correct_option_ids", "correct option identifiers")
        if correct is None and call.given("correct_option_id"):
            correct = [call.integer("correct_option_id")]
        if not isinstance(correct, list) or not all(isinstance(i, int) and 0 <= i < len(options) for i in correct):
            raise bad("wrong correct option ID specified")
        poll["correct_option_ids"] = correct
    return send(call, {"poll": poll}).to_json()


@method("stopPoll")
async def stop_poll(call: Call) -> Result:
    chat = find_chat(call, call.text("chat_id"), write=True)
    message = find_message(call, chat, call.message_id(), "message with poll to stop")
    poll = message.content.get("poll")
    if poll is None or message.author != call.bot.id:
        raise bad("message is not a poll")
    if poll["is_closed"]:
        raise bad("poll has already been closed")
    call.world.change(message, {"poll": {**poll, "is_closed": True}}, tell_bots=False)
    return message.content["poll"]


@method("getFile")
async def get_file(call: Call) -> Result:
    if not call.text("file_id"):
        raise bad("file_id not specified")
    file = call.world.files.get(call.text("file_id"))
    if file is None:
        raise bad("invalid file_id")
    if len(file.data) > DOWNLOAD_LIMIT:
        raise bad("file is too big")
    return file.to_json()
