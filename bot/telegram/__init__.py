"""Everything that knows Telegram: the only importer of python-telegram-bot."""

import os

# Its times become what they will be in its next major version (python-telegram-bot 22.2, changes of 2025-06).
os.environ.setdefault("PTB_TIMEDELTA", "1")
