"""What an import of past messages takes: peak of memory and time for ever more of them, each in a process of its own.

``make bench-import``. The provider answers at once and in the same process, so what is measured is ours.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

COUNTS = (1_000, 10_000, 100_000)
MEASURE = "import sys; from tests.bot.test_imports import measure; measure(*sys.argv[1:])"


def main() -> None:
    """Measure and print, a line as soon as it is known."""
    print(f"{'messages':>10} {'peak, MB':>10} {'seconds':>10} {'a second':>10}")
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "-c", MEASURE, folder, str(count)], capture_output=True, text=True, check=True
            )
        peak_kb, seconds = map(float, done.stdout.split())
        print(f"{count:>10,} {peak_kb / 1000:>10.1f} {seconds:>10.1f} {count / seconds:>10,.0f}", flush=True)


if __name__ == "__main__":
    main()
