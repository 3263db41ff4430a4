"""Wizards: dialogs with buttons for those who do not want to write a command's arguments. One file for each."""

from bot.telegram.wizards import link, route
from bot.telegram.wizards.engine import begin, leave

__all__ = ["begin", "leave", "link", "route"]
