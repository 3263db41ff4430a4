"""Words with instants in them, which every reader's app shows in their own zone where it can."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from bot.zones import local
from bridges.model import Message, Span, SpanKind


class Words:
    """A text that is put together."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self._spans: list[Span] = []

    def add(self, text: str) -> Words:
        """Go on with these words."""
        self.text += text
        return self

    def code(self, text: str) -> Words:
        """Go on with something that can be copied with a touch."""
        if text:
            self._spans.append(Span(kind=SpanKind.CODE, start=len(self.text), length=len(text)))
        return self.add(text)

    def at(self, at: float, zone: ZoneInfo) -> Words:
        """Go on with an instant, such as ``Thu 2026-12-24 18:00 Europe/Paris``."""
        text = local(at, zone)
        if 0 <= at < 1e10:
            self._spans.append(Span(kind=SpanKind.TIME, start=len(self.text), length=len(text), value=str(int(at))))
        return self.add(text)

    def say(self, message: Message) -> Words:
        """Go on with somebody's words, formatting and all."""
        shift = len(self.text)
        self._spans += [span.model_copy(update={"start": span.start + shift}) for span in message.spans]
        return self.add(message.text)

    def join(self, other: Words) -> Words:
        """Go on with those words, instants and all."""
        return self.say(other.message())

    @property
    def spans(self) -> tuple[Span, ...]:
        """Its formatting."""
        return tuple(self._spans)

    def message(self) -> Message:
        """As a message of the bot's own."""
        return Message(text=self.text, spans=self.spans)
