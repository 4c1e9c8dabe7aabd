"""One step alone, as pods take it, and people who do a run step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill.errors import ConfigurationError
from rowmill.runners import coordinator, sharing
from rowmill.runners.coordinator import How
from rowmill.runners.opening import open_run, workspace_at
from rowmill.runners.starting import Asked, start
from rowmill.steps.source import check_not_replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rowmill.job import Job
    from rowmill.model.receipt import Receipt
    from rowmill.model.report import Report
    from rowmill.runners.sharing import Begun, Duplicate


def split(
    job: Job | str,
    input: str,  # noqa: A002
    *,
    output: str | None = None,
    params: Mapping[str, str] | None = None,
    keep_code: bool = False,
    fresh: bool = False,
    overwrite: bool = False,
    execution: str = "",
    tell: Callable[[str], None] = lambda _: None,
    **chosen: Any,
) -> Begun | Duplicate:
    """Take the first step alone: publish the manifest, or use the one that is there; return what is left to do.

    Args:
        job: As for `run`.
        input: As for `run`.
        output: As for `run`.
        params: As for `run`.
        keep_code: As for `run`.
        fresh: As for `run`.
        overwrite: As for `run`.
        execution: ARN of the state machine's execution that asks: another that has the run makes this one a duplicate.
        tell: Called with what was changed since the run had ended well.
        chosen: Other settings of `run`, by name.
    """
    made, where = start(Asked(job, input, output, params, chosen, fresh))
    how = How(where, made.record.workers, keep_code, fresh, overwrite, execution=execution, tell=tell)
    return sharing.begin(made, how)


def process(
    run_id: str,
    partitions: list[int] | None = None,
    *,
    workspace: str | None = None,
    job: str = "",
    attempt: int = 0,
    log: Callable[[], str] = str,
) -> list[Receipt]:
    """Take the second step alone, for some partitions or for all; what has a receipt is not done again.

    Args:
        run_id: Which run.
        partitions: By index; None = all.
        workspace: As for `run`.
        job: Where the code is, if not where the run was started.
        attempt: Number of the try, if somebody counts.
        log: Gives what this process has written lately, to be kept with a partition that fails.
    """
    made = open_run(workspace_at(workspace), run_id, job_ref=job)
    manifest = sharing.manifest_of(made)
    wanted = list(range(len(manifest.partitions))) if partitions is None else partitions
    for index in wanted:
        if not 0 <= index < len(manifest.partitions):
            raise ConfigurationError(
                f"there is no partition {index}", hint=f"the run has partitions 0 to {len(manifest.partitions) - 1}"
            )
    return sharing.do_some(made, manifest, wanted, attempt=attempt, log=log)


def process_share(
    run_id: str,
    index: int,
    of: int,
    attempt: int,
    *,
    workspace: str | None = None,
    job: str = "",
    log: Callable[[], str] = str,
) -> list[Receipt]:
    """Do one pod's share of what an attempt has to do.

    Args:
        run_id: Which run.
        index: The pod's, from 0.
        of: How many pods there are.
        attempt: Number of the try; its first pod publishes the list of unfinished partitions.
        workspace: As for `process`.
        job: As for `process`.
        log: As for `process`.
    """
    if not 0 <= index < of:
        raise ConfigurationError(f"there is no pod {index} of {of}", hint="--index goes from 0 to --of less one")
    made = open_run(workspace_at(workspace), run_id, job_ref=job)
    return sharing.do_share(made, sharing.Share(index, of, attempt), log)


def merge(run_id: str, *, workspace: str | None = None, job: str = "") -> Report:
    """Take the last step alone.

    Raises:
        StateError: Partitions lack their receipt.
        InputError: The input was replaced since.
    """
    made = open_run(workspace_at(workspace), run_id, job_ref=job)
    manifest = sharing.manifest_of(made)
    with sharing.claimed(made) as claim:
        if (done := coordinator.finished(made)) is not None:
            return done
        check_not_replaced(made)
        return coordinator.merge_alone(made._replace(check_claim=claim.check), manifest)
