"""Who may do what: a token that is printed at the start, as Jupyter does; pure.

Whoever has it may see refused rows and control runs. A browser that comes with it is given a cookie in its place; a
form must carry another value made from it, so that no other site can send one. A script sends it as
`Authorization: Bearer`.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets


def new_token() -> str:
    """Return a token that nobody guesses."""
    return secrets.token_urlsafe(24)


def same(given: str, expected: str) -> bool:
    """Whether two secrets are the same; how long it takes does not tell where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())


def cookie_of(token: str) -> str:
    """Return what a browser keeps: it does not tell the token."""
    return _made(token, b"cookie")


def form_key_of(token: str) -> str:
    """Return what a form carries."""
    return _made(token, b"form")


def _made(token: str, purpose: bytes) -> str:
    return hmac.new(token.encode(), b"rowmill ui: " + purpose, hashlib.sha256).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
