"""The server's addresses: pages, what has changed meanwhile, controls, metrics."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from rowmill.errors import RowmillError, StateError, TransientError
from rowmill.runners.seeing import refused
from rowmill.web import metrics, pages, parts
from rowmill.web.access import form_key_of, same
from rowmill.web.guard import Entry, guarded, may, with_headers
from rowmill.web.parts import Viewer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.requests import Request

    from rowmill.runners.seeing import Look
    from rowmill.web.markup import Markup
    from rowmill.web.watching import Watching

STILL_THERE = ":\n\n"  # what stands between may take a connection that says nothing for dead
RUN_ID = re.compile(r"[0-9a-f]{16}")
PROBLEMS: dict[type[RowmillError], tuple[int, str]] = {
    StateError: (404, "Not found"),
    TransientError: (503, "The workspace does not answer"),
}
OTHER_PROBLEM = (500, "This cannot be shown")
CONTROLS = ("pause", "resume", "scale", "cancel")
MOST_WORKERS = 10_000
REJECTS_OF_PARTITION = 100


class Site(NamedTuple):
    """What is served.

    Attributes:
        entry: Who may come in.
        control: Called with what is to be done, the run's id, and how many workers; returns what was changed.
        told: By run, what the last control was answered.
    """

    watching: Watching
    entry: Entry
    control: Callable[[str, str, int | None], list[str]]
    told: dict[str, str]


def app(site: Site) -> Starlette:
    """Return the application."""
    routes = [
        Route("/", _with(site, _index)),
        Route("/live", _with(site, _index_live)),
        Route("/metrics", _with(site, _metrics)),
        Route("/runs/{run_id}", _with(site, _run)),
        Route("/runs/{run_id}/live", _with(site, _run_live)),
        Route("/runs/{run_id}/partitions", _with(site, _chosen)),
        Route("/runs/{run_id}/partitions/{number:int}", _with(site, _partition)),
        Route("/runs/{run_id}/partitions/{number:int}/line", _with(site, _line)),
        Route("/runs/{run_id}/{what}", partial(_control, site), methods=["POST"]),
        Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
    ]
    around = [Middleware(with_headers), Middleware(guarded, entry=site.entry)]
    return Starlette(routes=routes, middleware=around, exception_handlers={404: _not_found, RowmillError: _failed})


def _with(site: Site, answer: Callable[[Site, Request], Response]) -> Callable[[Request], Response]:
    """Return an endpoint that knows the site; it is called in a thread, since a workspace takes its time."""
    return lambda request: answer(site, request)


def _not_found(_request: Request, _error: Exception) -> Response:
    return HTMLResponse(pages.problem_page("There is no such page.", "begin at the list of runs", "Not found"), 404)


def _failed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RowmillError)  # noqa: S101 - it is registered for these
    status, title = next((told for kind, told in PROBLEMS.items() if isinstance(error, kind)), OTHER_PROBLEM)
    return HTMLResponse(pages.problem_page(error.message, error.hint, title), status)


def _viewer(site: Site, request: Request) -> Viewer:
    return Viewer(linked=True, key=form_key_of(site.entry.token) if may(request, site.entry) else "")


def _seen(site: Site, request: Request) -> Look:
    run_id = request.path_params["run_id"]
    if not RUN_ID.fullmatch(run_id):  # a name that is no run's is not looked up: it becomes part of a path
        raise StateError("there is no such run", hint="begin at the list of runs")
    return site.watching.run(run_id)


def _index(site: Site, _request: Request) -> Response:
    return HTMLResponse(pages.index(site.watching.runs(), site.watching.place.url))


def _run(site: Site, request: Request) -> Response:
    seen = _seen(site, request)
    return HTMLResponse(pages.run_page(seen, _parts(site, seen, _viewer(site, request))))


def _parts(site: Site, seen: Look, viewer: Viewer) -> dict[str, Markup]:
    return parts.parts(seen, site.watching.rejects(seen), viewer, site.told.get(seen.record.run_id, ""))


def _chosen(site: Site, request: Request) -> Response:
    seen, given = _seen(site, request), request.query_params.get("partition", "")
    at = f"/runs/{seen.record.run_id}"
    return RedirectResponse(f"{at}/partitions/{int(given)}" if given.isdecimal() else at, 303)


def _known(seen: Look, request: Request) -> int:
    number = int(request.path_params["number"])
    if seen.manifest is None or number >= len(seen.manifest.partitions):
        raise StateError(f"the run has no partition {number}", hint="choose one on the run's page")
    return number


def _partition(site: Site, request: Request) -> Response:
    seen = _seen(site, request)
    number = _known(seen, request)
    rejects = refused(site.watching.place, seen, [number], most=REJECTS_OF_PARTITION)
    return HTMLResponse(pages.partition_page(seen, number, rejects, _viewer(site, request)))


def _line(site: Site, request: Request) -> Response:
    seen = _seen(site, request)
    return PlainTextResponse(pages.partition_line(seen, _known(seen, request)))


def _metrics(site: Site, _request: Request) -> Response:
    return Response(metrics.of_runs(site.watching.runs(), most=metrics.ONE_BY_ONE), media_type=metrics.KIND)


def _index_live(site: Site, _request: Request) -> Response:
    def now() -> tuple[dict[str, Markup], bool, float]:
        return {"runs": pages.runs_table(site.watching.runs())}, True, site.watching.rest_s("all")

    return _stream(now)


def _run_live(site: Site, request: Request) -> Response:
    run_id, viewer = _seen(site, request).record.run_id, _viewer(site, request)

    def now() -> tuple[dict[str, Markup], bool, float]:
        seen = site.watching.run(run_id)
        return _parts(site, seen, viewer), pages.is_live(seen), site.watching.rest_s(run_id)

    return _stream(now)


def _stream(now: Callable[[], tuple[dict[str, Markup], bool, float]]) -> Response:
    """Send the parts of a page that have changed, again and again, until nothing changes any more."""

    async def events() -> AsyncIterator[str]:
        sent: dict[str, Markup] = {}
        while True:
            try:
                drawn, live, rest_s = await anyio.to_thread.run_sync(now)
            except RowmillError:  # a store that is away comes back
                drawn, live, rest_s = {}, True, 5.0
            if changed := {name: part for name, part in drawn.items() if sent.get(name) != part}:
                yield _event("parts", changed)
            else:
                yield STILL_THERE
                sent = {**sent, **changed}
            if not live:
                yield _event("end", {})
                return
            await anyio.sleep(rest_s)

    return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _event(name: str, data: Mapping[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


async def _control(site: Site, request: Request) -> Response:
    """Do what a form, or a script, asks for; tell the answer."""
    what, run_id = request.path_params["what"], request.path_params["run_id"]
    if what not in CONTROLS or not RUN_ID.fullmatch(run_id):
        return _not_found(request, LookupError())
    form = parse_qs((await request.body()).decode("utf-8", "replace"))
    script = request.headers.get("authorization", "").startswith("Bearer ")
    key = form.get("key", [""])[0]
    if not may(request, site.entry) or not (script or same(key, form_key_of(site.entry.token))):
        return HTMLResponse(
            pages.problem_page("Controls need the token.", "open the address that `rowmill ui` printed", "Not allowed"),
            403,
        )
    done, answer = await run_in_threadpool(_do, site, what, run_id, form.get("workers", [""])[0])
    if script:
        return PlainTextResponse(answer + "\n", 200 if done else 409)
    site.told[run_id] = answer
    return RedirectResponse(f"/runs/{run_id}", 303)


def _do(site: Site, what: str, run_id: str, workers: str) -> tuple[bool, str]:
    """Control a run; return whether it was done, and what to tell."""
    if what == "scale" and not (workers.isdecimal() and 1 <= int(workers) <= MOST_WORKERS):
        return False, f"Workers must be a number from 1 to {MOST_WORKERS:,}"
    try:
        changed = site.control(what, run_id, int(workers) if what == "scale" else None)
    except RowmillError as error:
        return False, f"Not done: {error.message}" + (f"\nNext: {error.hint}" if error.hint else "")
    return True, f"{what.capitalize()}: {', '.join(changed) or 'done'}"
