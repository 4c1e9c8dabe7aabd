"""The data's way: split -> process -> merge; and verify. Each step is safe to repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from rowmill import wire
from rowmill.model import codec

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowmill.job import Job
    from rowmill.model.run import RunRecord
    from rowmill.storage import Storage
    from rowmill.tables import OpenTable

T = TypeVar("T")


class Run(NamedTuple):
    """A run with its places open, in one process.

    Attributes:
        job: What the user declares.
        code_digest: Digest of the user's code as it is now.
        record: What the run is asked to do.
        workspace: Where its objects are.
        open_storage: Opens the storage of any other URL: input, output.
        table: Where results are saved as well.
        check_claim: Raises StateError when another coordinator has taken the run over.
        border: Called between two chunks: waits while the run is paused, and raises StateError when it is cancelled.
    """

    job: Job
    code_digest: str
    record: RunRecord
    workspace: Storage
    open_storage: Callable[[str], Storage]
    table: OpenTable | None
    check_claim: Callable[[], None] = lambda: None
    border: Callable[[], object] = lambda: None

    @property
    def id(self) -> str:
        """The run's id."""
        return self.record.run_id

    def name(self, *parts: str) -> str:
        """Return the name of one of its objects in the workspace."""
        return "/".join((wire.run_dir(self.id), *parts))

    def load(self, name: str, kind: type[T]) -> T | None:
        """Read one of its objects, None if there is none."""
        data = self.workspace.get(name)
        return None if data is None else codec.decode(data, kind, name=name)
