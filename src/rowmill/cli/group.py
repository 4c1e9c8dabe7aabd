"""The group of all commands; a command's file is imported when its name is given, or for the list of `--help`."""

from __future__ import annotations

import importlib
import keyword

import click

from rowmill.cli.declaring import manner_options, with_example
from rowmill.wire import VERSION

NAMES = (
    "init",
    "try",
    "run",
    "watch",
    "plan",
    "check",
    "render",
    "policy",
    "split",
    "process",
    "merge",
    "status",
    "show",
    "logs",
    "follow",
    "report",
    "ui",
    "cancel",
    "pause",
    "resume",
    "scale",
    "tracker",
    "runs",
    "rejects",
    "repair",
    "waive",
    "verify",
    "evidence",
    "clean",
    "generate",
    "devcloud",
    "config",
    "completion",
)


class Commands(click.Group):
    """Finds commands by the names of their files."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of use."""
        del ctx
        return list(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        if cmd_name not in NAMES:
            return None
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command: click.Command = getattr(importlib.import_module(f"rowmill.cli.{name}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is given; suggest one where there is none."""
        name = args[0]
        if name not in NAMES and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"there is no command {name!r}. {_suggestion(name)}")
        return super().resolve_command(ctx, args)


def _suggestion(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, NAMES, n=1)
    return f"Did you mean {near[0]}?" if near else f"There are {', '.join(NAMES)}."


ABOUT = """Your function on every row of a large file, in parallel: every row, once, in order, proved."""


@click.command(
    cls=Commands,
    help=with_example("rowmill run orders.py sales.csv", ABOUT),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(VERSION, message="rowmill %(version)s")
@manner_options
def rowmill() -> None:
    """Take a command."""
