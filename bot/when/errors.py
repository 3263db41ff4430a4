"""Why WHEN is refused or asked back (pure): one clear sentence, with one valid example."""

from __future__ import annotations

from collections.abc import Sequence

EXAMPLE = "tomorrow 9:00"
EVERY_EXAMPLE = "every mon,thu at 9:30"


class WhenError(ValueError):
    """WHEN that cannot be kept; says what was wrong and gives one valid example."""


class Ambiguous(WhenError):
    """WHEN that may mean several things: a question, with all that it may mean."""

    def __init__(self, question: str, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__(question)
        self.choices = tuple(choices)
        """What a button says, and the whole WHEN to be put in the place of what was written; at least one."""


class Unlikely(WhenError):
    """WHEN that cannot be kept, where something near it can: asked by itself, left out among other choices."""

    def __init__(self, text: str, question: Question) -> None:
        super().__init__(text)
        self.question = question


class Question(Exception):
    """Inside the parser: something to be asked, before it is known which of the choices can be kept."""

    def __init__(self, text: str, choices: Sequence[tuple[str, str]], *, note: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.note = note
        """What is told of it where another question comes first; empty: the labels tell it."""
        self.choices = tuple(choices)
        """Label, and the whole line with the choice in it."""
