"""``python -m bot``: the same as the command ``patchbay``."""

import gc

gc.disable()  # loading makes many objects and next to no garbage; looking for it would take a fifth of the time
from bot.cli import main  # noqa: E402

gc.enable()

if __name__ == "__main__":
    main()
