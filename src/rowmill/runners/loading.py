"""A job reference to a Job: `path/to/file.py[:name]` or `package.module[:name]`."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rowmill.errors import ConfigurationError, ProcessingError, RowmillError
from rowmill.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

importing = False  # a script is read for its jobs: a `run()` in it must not start


class ImportOnly(BaseException):
    """Raised by `run()` in a script that is only read for its jobs: what follows is not executed."""


def load_job(reference: str) -> Job:
    """Import the job that a reference names.

    Raises:
        ConfigurationError: There is no such file, module or name, or it is no Job.
        ProcessingError: The code fails on import; with the user's own line.
    """
    where, name = split_reference(reference)
    module = _from_file(Path(where)) if _is_path(where) else _from_module(where)
    found = getattr(module, name, None)
    if isinstance(found, Job):
        return found
    jobs = [key for key, value in vars(module).items() if isinstance(value, Job)]
    raise ConfigurationError(
        f"{where} has no job called {name!r}",
        hint=f"it has {', '.join(jobs)}: write {where}:{jobs[0]}" if jobs else "define one: job = Job(…)",
    )


def split_reference(reference: str) -> tuple[str, str]:
    """Part a reference into where the code is and the job's name there."""
    where, colon, name = reference.rpartition(":")
    if not colon or not name.isidentifier():
        where, name = reference, "job"
    return where, name


def _is_path(where: str) -> bool:
    return where.endswith(".py") or "/" in where


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigurationError(f"there is no job file {path}", hint="check the path")
    path = path.resolve()
    name = "rowmill_job_" + re.sub(r"\W", "_", path.stem)
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} cannot be imported", hint="give a Python file")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        _read(partial(spec.loader.exec_module, module), str(path))
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _from_module(name: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        if importlib.util.find_spec(name) is None:
            raise ConfigurationError(f"there is no module {name}", hint="give path/to/file.py or package.module")
    except (ModuleNotFoundError, ValueError):
        raise ConfigurationError(f"there is no module {name}", hint="give path/to/file.py or package.module") from None
    _read(partial(importlib.import_module, name), name)
    return sys.modules[name]


def _read(load: Callable[[], object], where: str) -> None:
    """Execute a module; stop at a `run()` in it; tell the user's own line if it fails."""
    global importing  # noqa: PLW0603 - the state of this process's import
    before, importing = importing, True
    try:
        load()
    except ImportOnly:
        pass
    except RowmillError as error:
        raise error.at(url=f"{where}, line {_own_line(error, where)}") from None
    except SyntaxError as error:
        raise ProcessingError(
            f"{error.filename}, line {error.lineno}: {error.msg}", hint="correct the job's code"
        ) from error
    except Exception as error:
        raise ProcessingError(
            f"{where} fails on import, line {_own_line(error, where)}: {type(error).__name__}: {error}",
            hint="correct the job's code",
        ) from error
    finally:
        importing = before


def _own_line(error: BaseException, where: str) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == where] or [f for f in frames if "importlib" not in f.filename]
    return (own[-1].lineno or 0) if own else 0


def reference_of(job: Job) -> str | None:
    """Return the reference by which another process finds a job that was made in this one; None if none can."""
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if not path or name.startswith("rowmill."):
            continue
        for attribute, value in list(vars(module).items()):
            if value is job:
                known = name != "__main__" and not name.startswith("rowmill_job_")
                return f"{name if known else path}:{attribute}"
    return None


def code_digest(job: Job, reference: str) -> str:
    """Return a digest of the job's code: its file, and the modules beside it that it imported."""
    path = _file_of(reference)
    if path is None:
        code = getattr(job.function, "__code__", None)
        return hashlib.sha256(code.co_code if code else repr(job.function).encode()).hexdigest()
    digest = hashlib.sha256(path.read_bytes())
    for other in beside(path):
        digest.update(other.name.encode() + other.read_bytes())
    return digest.hexdigest()


def beside(path: Path) -> list[Path]:
    """Return the imported modules that lie beside a job's file, sorted: they are the job's code too."""
    path = path.resolve()
    imported = {Path(f) for module in list(sys.modules.values()) if (f := getattr(module, "__file__", None))}
    near = sorted(p for p in imported if p.parent == path.parent and p != path and p.suffix == ".py")
    return [other for other in near if other.is_file()]


def code_times(reference: str) -> dict[str, int]:
    """Return when each Python file in the folder of a job's code was changed; nothing is imported."""
    where, _ = split_reference(reference)
    spec = None if _is_path(where) else importlib.util.find_spec(where)
    folder = Path(where if spec is None or spec.origin is None else spec.origin).absolute().parent
    return {file.name: file.stat().st_mtime_ns for file in sorted(folder.glob("*.py"))}


def _file_of(reference: str) -> Path | None:
    where, _ = split_reference(reference) if reference else ("", "")
    if not where:
        return None
    if _is_path(where):
        return Path(where).resolve()
    file = getattr(sys.modules.get(where), "__file__", None)
    return Path(file).resolve() if file else None
