"""What stands before every page: who may come in, and what browsers are told of all answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from rowmill.web import pages
from rowmill.web.access import cookie_of, is_loopback, same

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Entry(NamedTuple):
    """Who may come in.

    Attributes:
        token: Whoever has it may do everything.
        loopback: The server is reached from this machine only: pages without rows may be seen without the token.
        cookie: Name of the cookie; servers on other ports of a machine have others.
    """

    token: str
    loopback: bool
    cookie: str


def may(request: Request, entry: Entry) -> bool:
    """Whether a request comes with the token, or with what stands for it."""
    words = request.headers.get("authorization", "")
    if words.startswith("Bearer "):
        return same(words.removeprefix("Bearer "), entry.token)
    return same(request.cookies.get(entry.cookie, ""), cookie_of(entry.token))


def guarded(inner: ASGIApp, entry: Entry) -> ASGIApp:
    """Let in whoever may; take a token that comes in the address out of it, into a cookie."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await inner(scope, receive, send)
            return
        answer = _at_the_door(Request(scope), entry)
        await (inner if answer is None else answer)(scope, receive, send)

    return app


def _at_the_door(request: Request, entry: Entry) -> Response | None:
    """Return what is answered in place of a page; None for whoever may go on."""
    if entry.loopback and not is_loopback(_host_of(request)):  # another site's name that was made to lead here
        return _refusal("This server is reached as 127.0.0.1 or localhost.", "open it under one of these names", 421)
    given = request.query_params.get("token")
    if given is not None and request.method == "GET":
        return _let_in(request, entry) if same(given, entry.token) else _refusal(*WRONG, 403)
    if entry.loopback or request.url.path.startswith("/static/") or may(request, entry):
        return None
    return _refusal(*MISSING, 401)


def _host_of(request: Request) -> str:
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:  # it is none
        return ""


WRONG = ("The token is not the one of this server.", "open the address that `rowmill ui` printed last")
MISSING = ("These pages need the token.", "open the address that `rowmill ui` printed")


def _let_in(request: Request, entry: Entry) -> Response:
    rest = [(name, value) for name, value in request.query_params.multi_items() if name != "token"]
    path = "/" + request.url.path.lstrip("/")  # not //elsewhere
    answer = RedirectResponse(path + (f"?{urlencode(rest)}" if rest else ""), 303)
    answer.set_cookie(entry.cookie, cookie_of(entry.token), httponly=True, samesite="strict")
    return answer


def _refusal(message: str, hint: str, status: int) -> Response:
    return HTMLResponse(pages.problem_page(message, hint, "Not allowed"), status)


def with_headers(inner: ASGIApp) -> ASGIApp:
    """Add what all answers tell browsers: nothing is loaded from elsewhere, or run that is not a file of ours."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await inner(scope, receive, sent)

    return app
