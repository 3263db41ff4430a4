"""What goes wrong in the world, apart from what the Bot API refuses."""

from __future__ import annotations


class WorldError(ValueError):
    """A person tried something Telegram does not let them do; the text says what."""
