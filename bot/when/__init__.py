"""The grammar of WHEN: when a schedule fires, as people write it (pure).

``words`` are its small things, ``days`` its dates, ``patterns`` what comes first, ``cron`` its five fields, ``meaning``
tails, zone and what all that is at a moment; ``showing`` writes it.
"""

from bot.when.errors import Ambiguous, WhenError
from bot.when.meaning import LONGEST, MOST_TIMES, parse_when, read_rule
from bot.when.showing import ahead, instant, instants, show_rule, show_time
from bot.when.words import parse_duration, show_duration

__all__ = [
    "LONGEST",
    "MOST_TIMES",
    "Ambiguous",
    "WhenError",
    "ahead",
    "instant",
    "instants",
    "parse_duration",
    "parse_when",
    "read_rule",
    "show_duration",
    "show_rule",
    "show_time",
]
