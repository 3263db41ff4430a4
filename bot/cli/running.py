"""``run`` and ``playground``."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from bot.cli.common import Problem, settings_of


@click.command()
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@click.pass_context
def run(context: click.Context, log_level: str) -> None:
    """Run the bot until it is told to stop (SIGTERM, Ctrl-C)."""
    settings = settings_of(context)
    gc.disable()  # as in bot/__main__.py
    from bot import faultpoints
    from bot.app import App, CannotListen, addresses_of
    from bot.logs import configure
    from bot.settings import secrets
    from bot.store import StoreError

    gc.freeze()  # what is loaded now stays: the collector need not look at it again
    gc.enable()
    configure(level=log_level, secrets=secrets(settings), stream=sys.stderr, json=None)
    if spec := os.environ.get(faultpoints.VARIABLE):
        try:
            faultpoints.arm(spec, urls=addresses_of(settings))
        except faultpoints.CannotArm as error:
            raise Problem(str(error)) from error
    try:
        run_loop(App(settings).run())
    except (StoreError, OSError) as error:
        raise Problem(f"store.path: {error}") from error
    except CannotListen as error:
        raise Problem(str(error)) from error


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on uvloop where there is one."""
    import asyncio

    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)


@click.command()
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="The page's port")
@click.option("--reset", is_flag=True, help="Forget what happened before")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where it keeps its data")
def playground(port: int, reset: bool, folder: Path | None) -> None:
    """The whole product against sandboxes on this machine, with a page to play every side."""
    gc.disable()
    from bot.playground.main import PortTaken, run_playground

    gc.enable()
    place = folder or Path(os.environ.get("PATCHBAY_PLAYGROUND", "data/playground"))
    try:
        run_loop(run_playground(port=port, folder=place, reset=reset))
    except (PortTaken, OSError) as error:
        raise Problem(str(error)) from error
