"""`rowmill devcloud up|down|status|reset|env|deploy`: the local AWS."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling

if TYPE_CHECKING:
    from rowmill.devcloud import Devcloud


def folder() -> str:
    """Return where it is kept if nobody says so."""
    return str(Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "rowmill" / "devcloud")


data_option = click.option("--data", default=folder, metavar="DIR", help="Its folder.  [default: in the user's state]")


def text_of(cloud: Devcloud) -> str:
    """Return where it is, in words."""
    pairs = [
        ("AWS", cloud.endpoint),
        ("Valkey", cloud.tracker_url),
        ("Kubernetes", cloud.kubernetes_url),
        ("EFS", cloud.efs),
        ("logs", cloud.data),
    ]
    return layout.fields(pairs)


@declared.command(
    "rowmill devcloud up",
    "Start a local AWS: S3, DynamoDB, EventBridge, Lambda, Step Functions by MiniStack, a real Valkey, and a small "
    "Kubernetes whose pods are processes of this machine. "
    "The first time it is installed into an environment of its own.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=14566, show_default=True, help="Of AWS; 0 = a free one.")
@click.option(
    "--valkey-port", type=click.IntRange(0, 65535), default=16379, show_default=True, help="Of Valkey; 0 = a free one."
)
@click.option(
    "--kubernetes-port",
    type=click.IntRange(0, 65535),
    help="Of Kubernetes; 0 = a free one.  [default: 16444, a free one with --port 0]",
)
@data_option
def up(port: int, valkey_port: int, kubernetes_port: int | None, data: str) -> None:
    """Start it."""
    from rowmill import devcloud as clouds

    cloud = clouds.up(data, port=port, valkey_port=valkey_port, kubernetes_port=kubernetes_port)
    where = "" if data == folder() else f" --data {shlex.quote(data)}"
    telling.answer(f'the local AWS is up\n{text_of(cloud)}\nnext: eval "$(rowmill devcloud env{where})"')


@declared.command("rowmill devcloud down", "Stop the local AWS; what was in it is gone.")
@data_option
def down(data: str) -> None:
    """Stop it."""
    from rowmill import devcloud as clouds

    telling.answer("the local AWS is down" if clouds.down(data) else "the local AWS did not run")


@declared.command("rowmill devcloud status", "Show whether the local AWS runs, and where.")
@data_option
@declared.as_json
def status(data: str, *, as_json: bool) -> None:
    """Show it."""
    from rowmill import devcloud as clouds

    cloud = clouds.read(data)
    alive = cloud is not None and cloud.alive
    if as_json:
        facts = _facts(cloud) if cloud else {}
        telling.answer_json({"schema": "rowmill.devcloud/1", "up": alive, **facts})
    elif cloud is None:
        telling.answer("the local AWS does not run")
    else:
        telling.answer(f"the local AWS {'runs' if alive else 'has died'}\n{text_of(cloud)}")


def _facts(cloud: Devcloud) -> dict[str, str]:
    return {
        "endpoint": cloud.endpoint,
        "tracker": cloud.tracker_url,
        "kubernetes": cloud.kubernetes_url,
        "kubeconfig": cloud.kubeconfig,
        "efs": cloud.efs,
    }


@declared.command("rowmill devcloud reset", "Empty all stores of the local AWS.")
@data_option
def reset(data: str) -> None:
    """Empty it."""
    from rowmill import devcloud as clouds

    telling.answer(f"the local AWS is empty\n{text_of(clouds.reset(data))}")


@declared.command(
    'rowmill devcloud env\neval "$(rowmill devcloud env)"',
    "Print the environment by which programs meet the local AWS.",
)
@data_option
def env(data: str) -> None:
    """Print it."""
    from rowmill import devcloud as clouds
    from rowmill.errors import StateError

    cloud = clouds.read(data)
    if cloud is None:
        raise StateError("the local AWS does not run", hint="rowmill devcloud up")
    telling.answer(clouds.exports(cloud.env))


@declared.command(
    "rowmill devcloud deploy cdk.out",
    "Deploy what `cdk synth` made onto the local AWS, as it is: assets, then the template. Images are not built: they "
    "are this environment, with the folder that the Dockerfile copies to /job.",
)
@click.argument("folder", metavar="CDK_OUT", type=click.Path())
@click.argument("stack", default="")
@click.option("--region", default="", help="Of the stack.  [default: the stack's own, or us-east-1]")
@data_option
@declared.as_json
def deploy(folder: str, stack: str, region: str, data: str, *, as_json: bool) -> None:
    """Deploy it."""
    from rowmill import devcloud as clouds

    made = clouds.running(data).deploy(folder, stack, region=region)
    if as_json:
        telling.answer_json({"schema": "rowmill.deployed/1", **msgspec.to_builtins(made)})
    else:
        head = f"the stack {made.name} is there, in {made.region}"
        telling.answer("\n".join([head, *([layout.fields(list(made.outputs.items()))] if made.outputs else [])]))


@click.group(
    help=declared.with_example("rowmill devcloud up", "A local AWS to try and to test with."),
    short_help="A local AWS to try and to test with",
)
@declared.manner_options
def devcloud() -> None:
    """Take a command."""


for command in (up, down, status, reset, env, deploy):
    devcloud.add_command(command)
