"""The command line. Whatever a person can cause ends in one clear line for each problem, never in a traceback."""

from __future__ import annotations

import sys

import click

from bot.cli.account import account
from bot.cli.accounts import check, subscribe, subscriptions, unsubscribe
from bot.cli.audit import audit
from bot.cli.common import Problem, is_text
from bot.cli.forget import forget
from bot.cli.history import import_history
from bot.cli.outbox import outbox, stats
from bot.cli.replay import replay
from bot.cli.routes import routes
from bot.cli.running import playground, run
from bot.cli.said import history_of
from bot.cli.schedules import schedules


class _Line(click.Group):
    """The line as it was typed, before any command reads it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse bytes that are no text: neither the database nor the terminal could take them."""
        for number, word in enumerate(args, start=1):
            if not is_text(word):
                raise Problem(f"argument {number}, {word[:40]!a}, is not UTF-8: write it as text in UTF-8")
        return super().parse_args(ctx, args)


@click.group(cls=_Line, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config", "config", metavar="FILE", help="The configuration; else $PATCHBAY_CONFIG or config/patchbay.toml"
)
@click.version_option(package_name="patchbay", prog_name="patchbay")
@click.pass_context
def cli(context: click.Context, config: str | None) -> None:
    """Patchbay joins Telegram chats with business-messaging and community providers."""
    context.obj = config


for command in (
    run,
    playground,
    check,
    account,
    routes,
    schedules,
    outbox,
    stats,
    audit,
    subscribe,
    unsubscribe,
    subscriptions,
    replay,
    import_history,
    history_of,
    forget,
):
    cli.add_command(command)


def _take_config(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.find_root().obj = value


def _accept_config_everywhere(group: click.Group) -> None:
    """``--config`` may stand before the command and after it."""
    for command in group.commands.values():
        if isinstance(command, click.Group):
            _accept_config_everywhere(command)
        if command.name != "playground":
            option = click.Option(
                ["--config"], metavar="FILE", expose_value=False, callback=_take_config, help="The configuration"
            )
            command.params.append(option)


_accept_config_everywhere(cli)


def main() -> None:
    """The entry point: exit code 0, 1 (a check failed) or 2 (something a person has to change)."""
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.ClickException as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except Problem as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)
