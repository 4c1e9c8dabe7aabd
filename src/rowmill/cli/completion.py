"""`rowmill completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

import click

from rowmill.cli import declaring as declared
from rowmill.cli import telling

SHELLS = ("bash", "zsh", "fish")


@declared.command(
    'eval "$(rowmill completion bash)"',
    "Print the script with which a shell completes commands and options. Put the line into the shell's start file.",
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the shell's script."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has all three
    telling.answer(kind(ctx.find_root().command, {}, "rowmill", "_ROWMILL_COMPLETE").source())
