"""A page of the documents as something that runs: its blocks, in order, in a folder of their own.

- A block whose first line is `# name.py` or `# name.sh`, or that follows a line which ends in "`name`:", is that file.
- `console`: lines with `$` are given to a shell, `>` goes on with a command; what follows is what it must show. `...`
  stands for anything. A command that fails must be followed by `$ echo $?`.
- `python` without a name is run with all that `from rowmill import *` gives.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
HANG_S = 120
BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
NAME_INSIDE = re.compile(r"\A# ([\w.-]+\.(?:py|sh|yaml))\n")
NAME_BEFORE = re.compile(r"`([\w.-]+)`:\s*\Z")
ANYTHING = re.compile(r"^\.\.\.\n|\.\.\.", re.MULTILINE)  # on a line of its own: any number of lines
OURS = ("ROWMILL_", "_ROWMILL", "MAX_LINES")


class Block(NamedTuple):
    kind: str
    text: str
    name: str
    line: int


class Command(NamedTuple):
    text: str
    shown: str


class Ended(NamedTuple):
    code: int
    shown: str


def blocks(page: str) -> Iterator[Block]:
    for found in BLOCK.finditer(page):
        inside = NAME_INSIDE.match(found["text"])
        before = NAME_BEFORE.search(page[: found.start()])
        name = inside[1] if inside else before[1] if before and found["kind"] not in {"console", "diff"} else ""
        yield Block(found["kind"], found["text"], name, page.count("\n", 0, found.start()) + 1)


def commands(text: str) -> list[Command]:
    found: list[Command] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], ""))
        elif line.startswith("> "):
            found[-1] = found[-1]._replace(text=f"{found[-1].text}\n{line[2:]}")
        else:
            found[-1] = found[-1]._replace(shown=f"{found[-1].shown}{line}\n")
    return found


class Desk(NamedTuple):
    folder: Path

    def shell(self, command: str, last_code: int = 0) -> Ended:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", f"(exit {last_code})\n{command}"],
            cwd=self.folder,
            env={**kept, "PATH": path, "HOME": str(self.folder), "NO_COLOR": "1", "CI": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=HANG_S,
            check=False,
        )
        lines = done.stdout.decode().splitlines(keepends=True)
        code = 128 - done.returncode if done.returncode < 0 else done.returncode  # as a shell tells a signal
        return Ended(code, "".join(line for line in lines if "rowmill.progress/1" not in line))

    def play(self, block: Block) -> None:
        if block.name:
            (self.folder / block.name).write_text(block.text, encoding="utf-8")
        elif block.kind == "console":
            self._console(block)
        elif block.kind == "python":
            exec(compile(f"from rowmill import *\n{block.text}", f"line {block.line}", "exec"), {})  # noqa: S102

    def _console(self, block: Block) -> None:
        code, ended = 0, Ended(0, "")
        for command in commands(block.text):
            if command.text.startswith("make "):  # the Makefile has its own test
                continue
            assert not code or command.text == "echo $?", f"exit {code} before {command.text}:\n{ended.shown}"
            ended = self.shell(command.text, code)
            code = ended.code
            if command.shown:
                assert agrees(command.shown, ended.shown), f"$ {command.text}\n{ended.shown}"
        assert code == 0, f"exit {code}: {ended.shown}"


def agrees(wanted: str, shown: str) -> bool:
    pattern = ".*?".join(map(re.escape, ANYTHING.split(wanted)))
    return re.fullmatch(pattern, shown, re.DOTALL) is not None
