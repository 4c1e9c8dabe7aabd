"""A PostgreSQL server of a test's own: on a free port of loopback, in a folder that goes with it, to be killed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self

from rowmill.errors import ConfigurationError

READY_S = 60.0
HOMES = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin")


def program(name: str) -> str:
    """Return where a program of PostgreSQL is.

    Raises:
        ConfigurationError: It is not installed.
    """
    found = [str(path / name) for home in HOMES for path in sorted(Path("/").glob(home[1:]), reverse=True)]
    for path in [*found, shutil.which(name)]:
        if path is not None and os.access(path, os.X_OK):
            return path
    raise ConfigurationError(f"there is no {name} here", hint="install PostgreSQL: apt-get install postgresql")


class PostgreSqlServer:
    """A server with the database `postgres`, which the user `tester` owns; whoever is on this machine is trusted.

    Args:
        method: How the server asks for a password: `trust`, or `scram-sha-256` with the one that is given.
        password: That of `tester`.
    """

    def __init__(self, *, method: str = "trust", password: str = "") -> None:
        self._home = Path(mkdtemp(prefix="rowmill-postgresql-"))
        self._account = _account()
        self.port = _free_port()
        self._give(self._home)
        secret = self._home / "password"
        secret.touch(mode=0o600)
        self._give(secret)
        secret.write_text(password or "unused", encoding="utf-8")
        try:
            self._initialise(method, secret)
            self.start()
        except BaseException:
            shutil.rmtree(self._home, ignore_errors=True)
            raise

    def _initialise(self, method: str, secret: Path) -> None:
        words = ["-D", str(self._home / "data"), "-U", "tester", "--auth", method, "--pwfile", str(secret)]
        done = subprocess.run(
            [program("initdb"), *words, "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **self._as_account(),
        )
        secret.unlink()
        if done.returncode:
            raise ConfigurationError(f"PostgreSQL cannot be set up: {done.stderr.strip()[-300:]}")

    def _give(self, path: Path) -> None:
        if self._account is not None:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _as_account(self) -> dict[str, Any]:
        known = self._account
        return {} if known is None else {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": []}

    @property
    def url(self) -> str:
        """The address of its database."""
        return f"postgresql://tester@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [program("postgres"), "-D", str(self._home / "data"), "-p", str(self.port), *words],
                stdout=log,
                stderr=log,
                cwd="/",
                **self._as_account(),
            )
        end = time.monotonic() + READY_S
        asking = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(asking, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > end:
                told = (self._home / "log").read_text(encoding="utf-8", errors="replace").strip()[-300:]
                self._end(signal.SIGKILL)
                raise ConfigurationError(f"PostgreSQL does not start: {told}", hint="is another one in the way?")
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill all its processes at once (-9); its data stay, as far as the operating system has them."""
        children = _children(self._process.pid)
        self._end(signal.SIGKILL)
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + READY_S
        while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < end:
            time.sleep(0.005)
        (self._home / "data" / "postmaster.pid").unlink(missing_ok=True)

    def restart(self) -> None:
        """Kill it, and start it again on the same port."""
        self.kill()
        self.start()

    def _end(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait()

    def stop(self) -> None:
        """End it, and remove its folder."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Execute a statement from outside, and return its rows."""
        import psycopg  # noqa: PLC0415 - an extra

        place = f"postgresql://tester@127.0.0.1:{self.port}/{database}"
        with psycopg.connect(place, autocommit=True, client_encoding="utf8") as db:
            done = db.execute(statement.encode())
            return done.fetchall() if done.description else []

    def fresh(self, name: str) -> str:
        """Make an empty database; return its address."""
        self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.sql(f'CREATE DATABASE "{name}"')
        return f"postgresql://tester@127.0.0.1:{self.port}/{name}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _children(parent: int) -> list[int]:
    """Return a process's children, from the kernel's own list: not every machine has `ps`."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


def _account() -> pwd.struct_passwd | None:
    """Return who runs the server where we are root, which PostgreSQL refuses."""
    if os.getuid():
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]
