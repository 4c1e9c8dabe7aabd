"""A process that has all imported, and gives commands in forks of itself: each begins in a few milliseconds.

On standard input: a run's words as JSON, then an empty line when it may begin. On standard output: its pid, then how it
ended, a signal as a negative number.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import msgspec

import rowmill
from rowmill.runners.loading import load_job
from rowmill.storage import open_storage
from rowmill.tables.dynamodb import table  # noqa: F401 - forks have it


def main() -> None:
    for line in sys.stdin:
        words = json.loads(line)
        begins, let_begin = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(let_begin)
            os.read(begins, 1)
            run(words)
        print(pid, flush=True)  # noqa: T201
        sys.stdin.readline()
        os.close(let_begin)
        os.close(begins)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)  # noqa: T201


def run(words: dict[str, str]) -> None:
    code, answer = 1, Path(words.pop("answer"))
    try:
        answer.write_bytes(msgspec.json.encode(rowmill.run(**words, on="inline", rows_per_partition=200)))
        code = 0
    except rowmill.RowmillError as error:
        answer.write_text(str(error))
        code = error.exit_code
    finally:
        os._exit(code)


if __name__ == "__main__":
    load_job(sys.argv[1])
    open_storage("s3://any/thing")
    main()
