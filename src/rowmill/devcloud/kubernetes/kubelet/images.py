"""What images this node has: each is an environment on this machine.

`images.json` in the node's folder says of further images which environment they are, `{"orders": "/srv/orders/.venv"}`
or, for one that has nothing but what the machine has, `{"tools": ""}`; one with folders of its own is
`{"orders": {"environment": "/srv/orders/.venv", "folders": {"/job": "/srv/orders/job"}}}`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

REGISTRY = "images.json"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OWN = ("rowmill", "python")
PLAIN = ("busybox", "alpine", "debian", "ubuntu")
NAME = re.compile(r"[a-z0-9]+(?:[._:/@-]+[A-Za-z0-9_]+)*")
HOSTS = ("docker.io/library/", "docker.io/", "localhost/")


class Image(NamedTuple):
    """An environment on this machine.

    Attributes:
        path: Where its programs are, as `PATH` has it.
        keep: Folders that a container of it must see, whatever is mounted over them.
        entry: What runs if a container names no command.
        folders: Its own folders, by where they are in a container: folders of this machine.
    """

    path: str
    keep: tuple[str, ...] = ()
    entry: tuple[str, ...] = ("sh",)
    folders: tuple[tuple[str, str], ...] = ()


def is_name(name: str) -> bool:
    """Whether an image can be called so."""
    return NAME.fullmatch(name) is not None


def repository(name: str) -> str:
    """Return an image's name without tag, digest and the hosts that are meant when none is named."""
    plain = name.partition("@")[0]
    folder, slash, last = plain.rpartition("/")
    plain = folder + slash + last.partition(":")[0]
    for host in HOSTS:
        plain = plain.removeprefix(host)
    return plain


def found(name: str, folder: Path) -> Image | None:
    """Return the image of a name; None if this node has none."""
    file, short = folder / REGISTRY, repository(name)
    told = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    prefixes = dict.fromkeys(PLAIN, "") | dict.fromkeys(OWN, sys.prefix) | told
    told_of = prefixes.get(name, prefixes.get(short))
    if told_of is None:
        return None
    prefix, folders = (told_of, {}) if isinstance(told_of, str) else (told_of["environment"], told_of["folders"])
    image = (environment(Path(prefix)) if prefix else Image(SYSTEM_PATH))._replace(folders=tuple(folders.items()))
    return image._replace(entry=("python3",)) if short == "python" else image


def environment(prefix: Path) -> Image:
    """Return the image that a Python environment makes: it, the one it is based on, and what it links to."""
    keep = {str(prefix)}
    config = prefix / "pyvenv.cfg"
    if config.exists():
        lines = (line.partition("=") for line in config.read_text(encoding="utf-8").splitlines())
        keep |= {str(Path(value.strip()).resolve().parent) for key, _, value in lines if key.strip() == "home"}
    for links in prefix.glob("lib/python*/site-packages/*.pth"):
        keep |= {line for line in links.read_text(encoding="utf-8").splitlines() if line.startswith("/")}
    there = tuple(sorted(path for path in keep if Path(path).is_dir()))
    entry = ("rowmill",) if (prefix / "bin" / "rowmill").exists() else ("python3",)
    return Image(f"{prefix / 'bin'}:{SYSTEM_PATH}", there, entry)
