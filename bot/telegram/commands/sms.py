"""Text messages to phones."""

from __future__ import annotations

import re
import unicodedata

from bot.addresses import Address
from bot.store import Tx
from bot.telegram.access import Role
from bot.telegram.commands.registry import Answer, Call, Effect, Reply, UsageError, registry
from bot.telegram.commands.send import send_to
from bot.telegram.commands.usage import QUOTES, first_word, shown
from bridges.model import ConversationId

SHORTEST, LONGEST = 7, 15
"""Digits with the country code; the most is that of ITU-T E.164 (2026-11)."""

_BETWEEN = re.compile(r"[\s().\-/‐-―−]*")
"""What people write between the digits of a number."""
_NUMBER = re.compile(r"\(?\+?[0-9][0-9().\-/‐-―−]*|[0-9().\-‐-―−]+")
_NORTH_AMERICAN = 11


@registry.add(
    "sms",
    role=Role.OPERATOR,
    usage="NUMBER [text]",
    effect=Effect.SENDS,
    summary="Send an SMS; as a reply to a message, sends that one",
    example="/sms +85255501234 hello",
    details=(
        "The number has its country code; with blanks in it, it stands in quotes."
        " The mark on your message shows what became of it."
    ),
)
def sms(call: Call, tx: Tx) -> Answer:
    """Through the account that has numbers; the mark on the command is the answer."""
    number, text = read_number(call.arguments)
    conversation = ConversationId(f"sms/{number}")
    able = sorted(name for name, account in call.relay.accounts.items() if account.capabilities.begins_sms)
    known = [name for name in able or sorted(call.relay.accounts) if tx.conversations.is_known(name, conversation)]
    if not able:
        hint = f" In a conversation that is there already: /send {known[0]}:{conversation} text" if known else ""
        return Reply(f"No account here can begin an SMS.{hint}")
    chosen = able if len(able) == 1 else known
    if len(chosen) != 1:
        examples = "\n".join(f"/send {name}:{conversation} {text}".rstrip() for name in able)
        return Reply(f"Nothing was sent: {len(able)} accounts can send an SMS. Which one?\n{examples}")
    account = call.relay.accounts[chosen[0]]
    account.check(conversation)
    send_to(call, tx, Address(account.name, conversation), text)
    return None


def read_number(arguments: str) -> tuple[str, str]:
    """A phone number in digits, and the rest; raises ``UsageError``.

    A number with blanks stands in quotes, else nobody could tell where the text begins. One is understood without:
    North America's, whose length is known.
    """
    if arguments[:1] in QUOTES:
        written, rest = first_word(arguments)
    else:
        # What stands in the next line is no longer the number.
        words, end = _run(arguments.partition("\n")[0])
        written, rest = " ".join(words), arguments[end:].lstrip()
        if len(words) > 1 and not _is_whole(words):
            digits = _digits(written)
            number = f"+{digits}" if SHORTEST <= len(digits) <= LONGEST else "+85255501234"
            raise UsageError(
                f"it is not clear where the number {shown(written)} ends: write it without blanks, as in"
                f" /sms {number} hello, or in quotes"
            )
    written = _plain(written)
    digits = _digits(written)
    left = _BETWEEN.sub("", written.strip().removeprefix("(").removeprefix("+"))
    if not left.isascii() or not left.isdigit():
        raise UsageError(f"{shown(written)} is not a phone number")
    if not SHORTEST <= len(digits) <= LONGEST:
        much = "few" if len(digits) < SHORTEST else "many"
        raise UsageError(
            f"{shown(written)} has too {much} digits for a phone number: with the country code it has {SHORTEST} to"
            f" {LONGEST}"
        )
    return digits, rest


def _run(line: str) -> tuple[list[str], int]:
    """The words at the beginning that may be a number, at least one, and where they end."""
    words: list[str] = []
    end = 0
    for found in re.finditer(r"\S+", line):
        word = _plain(found[0])
        if words and (_is_whole(words) or not _NUMBER.fullmatch(words[0]) or not _NUMBER.fullmatch(word)):
            break
        words.append(word)
        end = found.end()
    return words, end


def _plain(written: str) -> str:
    """Without the marks for the direction of writing that numbers have when they are copied from a contact."""
    return "".join(char for char in written if unicodedata.category(char) != "Cf")


def _digits(written: str) -> str:
    digits = "".join(re.findall("[0-9]", written))
    # 00 is how many countries dial what is written as +.
    return digits.removeprefix("00")


def _is_whole(words: list[str]) -> bool:
    """Whether the words are a number to its end."""
    if len(words) == 1 and len(_digits(words[0])) >= 10 and words[0].removeprefix("+").isdigit():
        return True
    return words[0].startswith("+1") and len(_digits("".join(words))) == _NORTH_AMERICAN
