"""A delivery that waits for a person gets other words before it is sent again."""

from __future__ import annotations

from collections.abc import Sequence

from bot import behind
from bot.addresses import Address
from bot.changes import BY_ROUTE, digest_of
from bot.decisions import REDIRECTED, DecisionError
from bot.relay import Relay
from bot.routes_line import Long
from bot.shaping import DEFAULT_TEMPLATE, after_line
from bot.store import Tx
from bot.store.messages import Origin
from bot.store.outbox import Delivery
from bot.text import measure
from bridges.model import AccountName, ConversationId, Message


def reword(tx: Tx, relay: Relay, row: Delivery, words: Message, *, now: float) -> Sequence[int]:
    """Give it the text and the formatting of ``words``; its files stay, and so does the sender before the text. Returns
    the deliveries that are to be sent now.

    A message of which no part left becomes as many parts as the words need; of one that left in part the words have to
    fit this part. What was written in the chat stays as it is. Raises ``DecisionError``.
    """
    if row.op not in ("send", "note"):
        raise DecisionError(f"delivery {row.id} changes a message and has no words of its own; /retry {row.id} alone")
    if row.state not in behind.UNSENT:
        raise DecisionError(f"delivery {row.id} is {row.state}; only dead and held ones can be sent with other words")
    if not row.intact:
        raise DecisionError(f"the content of delivery {row.id} is damaged; /discard {row.id} lets it go")
    address = Address(AccountName(row.account), ConversationId(row.conversation))
    if relay.account(row.account) is None:
        raise DecisionError(relay.unknown_account(row.account))
    origin = None if row.message is None else tx.messages.get(row.message)
    if behind.is_taken_back(row) or (origin is not None and origin.gone_at is not None):
        raise DecisionError(f"the message of delivery {row.id} was taken back; /discard {row.id} lets it go")
    parts = _all_waiting(tx, row)
    if parts is None:
        _reword_one(tx, relay, row, words, address=address, now=now)
        return [row.id]
    template, long = _shown_by(tx, relay, row, origin)
    sender = origin.author if origin is not None and template is not None else None
    made = _parts(tx, relay, parts, words.model_copy(update={"sender": sender}), address, template, long, now=now)
    behind.refill(tx, parts, [part.model_dump_json(exclude_defaults=True) for part in made], now=now)
    if origin is not None and template is None and _only_place(tx, origin, row):
        # What is said of it later is said of these words.
        files = origin.digest.partition(".")[2]
        tx.messages.rewrite(
            origin.id, text=words.text, digest=".".join((digest_of(words).partition(".")[0], files)), now=now
        )
    return [each.id for each in _sends(tx, row) if each.state in behind.UNSENT and not behind.is_taken_back(each)]


def _all_waiting(tx: Tx, row: Delivery) -> list[Delivery] | None:
    """All parts of the message there, in order, if all of them wait for a person; a part that left makes it None."""
    if row.message is None or row.op != "send":
        return None
    parts = [each for each in _sends(tx, row) if each.state not in ("cancelled", "discarded")]
    if row.id not in [each.id for each in parts]:
        return None  # it went there once more since
    if any(each.state not in behind.UNSENT or not each.intact for each in parts):
        return None
    return parts


def _sends(tx: Tx, row: Delivery) -> list[Delivery]:
    """The deliveries that make the message's copy there, the latest of each part."""
    assert row.message is not None
    rows = [each for each in tx.outbox.of_message(row.message) if each.op == "send" and each.address == row.address]
    latest = {each.part: each for each in rows}
    return [latest[part] for part in sorted(latest)]


def _reword_one(tx: Tx, relay: Relay, row: Delivery, words: Message, *, address: Address, now: float) -> None:
    """These are the words of one part by themselves."""
    old = Message.model_validate_json(row.payload)
    new = old.model_copy(update={"text": words.text, "spans": words.spans})
    fitting = relay.parts_for(tx, address, new, template=None, now=now)
    if len(fitting) > 1:
        part = f"part {row.part} of {row.parts}" if row.parts > 1 else "one message"
        raise DecisionError(f"these words need {len(fitting)} messages, and delivery {row.id} is {part}; shorten them")
    tx.outbox.rewrite(row.id, fitting[0].model_dump_json(exclude_defaults=True))


def _parts(
    tx: Tx,
    relay: Relay,
    rows: list[Delivery],
    words: Message,
    address: Address,
    template: str | None,
    long: Long | None,
    *,
    now: float,
) -> list[Message]:
    """The words as they go there, with the files and the quotation that stand in the rows."""
    stands = [Message.model_validate_json(row.payload) for row in rows]
    files = tuple(each for part in stands for each in part.attachments)
    location = next((part.location for part in stands if part.location is not None), None)
    contact = next((part.contact for part in stands if part.contact is not None), None)
    links = words.links or next((part.links for part in stands if part.links), ())
    more = {"links": links, "silent": any(part.silent for part in stands)}
    whole = words.model_copy(update={"attachments": files, "location": location, "contact": contact, **more})
    line, account = stands[0].quote, relay.account(address.account)
    room = 0 if not line or account is None else measure(line, unit=account.capabilities.text_unit)
    first, *others = relay.parts_for(tx, address, whole, template=template, now=now, room=room, long=long)
    return [after_line(first, line), *others]


def _shown_by(tx: Tx, relay: Relay, row: Delivery, origin: Origin | None) -> tuple[str | None, Long | None]:
    """How the rule that took it shows who wrote; None: somebody sent it by hand, and it is the bare text."""
    if origin is None or not row.why.startswith(BY_ROUTE):
        return None, None
    rule = relay.router(tx).rule_named(row.why.removeprefix(BY_ROUTE).partition(REDIRECTED)[0])
    if rule is None:
        return DEFAULT_TEMPLATE, None
    template = rule.options.template
    return DEFAULT_TEMPLATE if template is None else template, rule.options.long


def _only_place(tx: Tx, origin: Origin, row: Delivery) -> bool:
    """Whether the message goes nowhere else."""
    return {each.address for each in tx.outbox.of_message(origin.id) if each.op == "send"} == {row.address}
