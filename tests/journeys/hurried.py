"""``python -m bot`` with other paces than it has, for a story that would wait for them and is not about them.

Run with a JSON object of constants and their values, such as ``{"bot.broadcaster.PROBE_S": 3}``, and the arguments.
"""

from __future__ import annotations

import importlib
import json
import sys


def main(paces: str, *arguments: str) -> None:
    """Set the constants before anything else is imported that may take them over; then become the bot."""
    for name, value in json.loads(paces).items():
        module, _, constant = name.rpartition(".")
        place = importlib.import_module(module)
        if not hasattr(place, constant):
            raise SystemExit(f"there is no {name}")
        setattr(place, constant, value)
    from bot.cli import main as patchbay

    sys.argv = ["patchbay", *arguments]
    patchbay()


if __name__ == "__main__":
    main(*sys.argv[1:])
