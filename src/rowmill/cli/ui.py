"""`rowmill ui`: the workspace's runs as pages in a browser."""

from __future__ import annotations

import click

from rowmill.cli import declaring as declared
from rowmill.cli import telling
from rowmill.wire import UI_TOKEN_VARIABLE


@declared.command(
    "rowmill ui",
    "Show the workspace's runs in a browser, while they are live and afterwards, until Ctrl-C. "
    "It reads the workspace alone, from a folder or an object store, and writes into it only what the controls ask. "
    "Refused rows and the controls are for whoever opens the address with the token. "
    "It listens on this machine only; for --host with another address give a --token, which all pages then need.",
)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where it listens.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, metavar="N", help="0 is any that is free."
)
@click.option(
    "--token",
    default="",
    envvar=UI_TOKEN_VARIABLE,
    metavar="SECRET",
    help=f"The token; better by {UI_TOKEN_VARIABLE}, which others do not see.  [default: a new one]",
)
@click.option("--metrics-file", default="", metavar="FILE", help="Keep metrics in a file, for node_exporter.")
@declared.workspace
@declared.namespace
@declared.kube_context
def ui(
    *,
    host: str,
    port: int,
    token: str,
    metrics_file: str,
    workspace: str | None,
    namespace: str | None,
    kube_context: str | None,
) -> None:
    """Serve, and tell where."""
    from rowmill import api
    from rowmill.runners.opening import workspace_at
    from rowmill.web import serving

    asked = serving.Asked(host, port, token, metrics_file)
    place, bound = workspace_at(workspace), serving.bind(asked)

    def control(what: str, run_id: str, workers: int | None) -> list[str]:
        where = {"workspace": workspace, "namespace": namespace, "kube_context": kube_context}
        return api.control(what, run_id, workers=workers, **where)

    telling.answer(f"Rowmill shows {place.url} at {bound.url}")
    shown = "YOUR-TOKEN" if token else bound.token
    telling.answer(f"with controls and refused rows: {bound.url}?token={shown}")
    telling.answer("Ctrl-C ends it; runs go on")
    serving.serve(place, bound, asked, control)
