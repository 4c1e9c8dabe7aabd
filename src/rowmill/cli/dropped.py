"""One file of a watched folder, run in a process of its own: it has the code as it is now, and harms no other file.

Started as `python -m rowmill.cli.dropped` by whoever watches. Standard input gives a line of JSON, which says what is
run; when it closes, by order or by death, the process ends at once. Standard output gives the answer.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import msgspec

from rowmill import api
from rowmill.cli import telling
from rowmill.errors import RowmillError
from rowmill.model import codec
from rowmill.runners.starting import job_of


def main() -> None:
    """Read what is asked for, do it, and answer."""
    words = msgspec.json.decode(_line())
    threading.Thread(target=_end_with_the_watcher, daemon=True).start()
    sys.stdout.buffer.write(codec.encode(_answer(words)))
    sys.stdout.flush()


def _answer(words: dict[str, Any]) -> dict[str, Any]:
    try:
        with telling.users_code():
            if "input" not in words:  # only whether there is such a job
                job_of(words["job"])
                return {"report": None}
            return {"report": api.run(**words, tell=telling.note)}
    except RowmillError as error:
        return {"error": error.as_dict()}
    except Exception as error:  # noqa: BLE001 - it is told in plain words
        return {"error": RowmillError(telling.bug_text(error), hint="this is a bug: report it").as_dict()}


def _line() -> bytes:
    data = b""
    while not data.endswith(b"\n") and (more := os.read(0, 65536)):
        data += more
    return data


def _end_with_the_watcher() -> None:
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
