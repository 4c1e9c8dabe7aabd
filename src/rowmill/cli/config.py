"""`rowmill config show`: each setting's value, and where it came from."""

from __future__ import annotations

import click

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling


@declared.command(
    "rowmill config show",
    "Show each setting's value and where it came from: option, ROWMILL_* in the environment, rowmill.toml here, "
    "the user's file, the job, the default.",
)
@declared.as_json
def show(*, as_json: bool) -> None:
    """Show the settings as they are for a job that says nothing."""
    from rowmill import settings

    found = settings.resolve({})
    if as_json:
        telling.answer_json({"schema": "rowmill.config/1", "settings": found})
        return
    rows = (
        (name, "-" if value.value is None else str(value.value), value.origin, settings.SETTINGS[name].about)
        for name, value in found.items()
    )
    telling.answer(layout.columns(("setting", "value", "origin", "what it is"), rows))


@click.group(help=declared.with_example("rowmill config show", "Show the settings."), short_help="Show the settings")
@declared.manner_options
def config() -> None:
    """Take a command."""


config.add_command(show)
