"""A Telegram Bot API server on loopback, with the people who use it: see README.md beside this file."""

from bot.playground.emulator.emulator import ApiCall, Emulator
from bot.playground.emulator.flood import FloodLimits
from bot.playground.emulator.methods import ApiError
from bot.playground.emulator.updates import retry_delay
from bot.playground.emulator.world import Callback, Subscription, WorldError

__all__ = ["ApiCall", "ApiError", "Callback", "Emulator", "FloodLimits", "Subscription", "WorldError", "retry_delay"]
