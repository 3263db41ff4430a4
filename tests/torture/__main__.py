"""``python -m tests.torture``: the long form, against ``python -m bot run``; with ``schedules``, that of schedules.

Prints what came of it, for people and as a line of JSON for each policy; ends with 1 if a promise broke."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.torture import schedules
from tests.torture.processes import Fresh
from tests.torture.torture import Figures, Plan, torture
from tests.torture.world import PATHS, PROVIDERS


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    add = parser.add_argument
    add("--kills", type=int, default=50)
    add("--messages", type=int, default=5000)
    add("--policy", choices=("hold", "resend", "both"), default="both", help="default: one after the other")
    add("--provider", choices=sorted(PROVIDERS), default="cinnox")
    add("--path", choices=tuple(PATHS), default="both")
    add("--seed", type=int, default=1)
    add("--gap", type=float, nargs=2, default=(0.05, 1.5), metavar="SECONDS", help="shortest and longest life")
    add("--term", action="store_true", help="SIGTERM in place of SIGKILL")
    add("--quiet", type=float, default=180.0, metavar="SECONDS", help="most time to come to rest")
    return parser.parse_args()


def _progress(line: str) -> None:
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"{line:<100}", end=end, file=sys.stderr, flush=True)


def _run(plan: Plan) -> Figures:
    with tempfile.TemporaryDirectory(prefix="patchbay-torture-") as name:
        return asyncio.run(torture(plan, starter=Fresh(), folder=Path(name), progress=_progress))


def main() -> int:
    """Run it for each policy asked for."""
    if sys.argv[1:2] == ["schedules"]:
        return schedules.main(sys.argv[2:])
    given = _arguments()
    broken = False
    for policy in ("hold", "resend") if given.policy == "both" else (given.policy,):
        plan = Plan(
            kills=given.kills,
            messages=given.messages,
            policy=policy,
            provider=given.provider,
            path=given.path,
            seed=given.seed,
            gap_s=tuple(given.gap),
            gently=given.term,
            quiet_s=given.quiet,
        )
        figures = _run(plan)
        print(
            f"\n{policy}: {figures.messages} messages, {figures.kills} {'stops' if plan.gently else 'kills'}: "
            f"{figures.accepted} arrived, {figures.lost} lost, {figures.duplicates} duplicates, {figures.held} held "
            f"({figures.held_and_arrived} of them had arrived), {figures.inversions} out of order, "
            f"{figures.stuck} stuck; {figures.in_flight} under way at kills ({figures.in_flight_most} at most); "
            f"{figures.seconds} s",
            *(f"  BROKEN: {violation}" for violation in figures.violations),
            sep="\n",
        )
        keys = ("provider", "policy", "path", "seed")
        print(json.dumps({key: getattr(plan, key) for key in keys} | figures.to_json(), ensure_ascii=False), flush=True)
        broken |= bool(figures.violations)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
