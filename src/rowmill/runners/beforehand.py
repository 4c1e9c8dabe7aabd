"""What is done before there is a run: a first job, some rows tried, all rows looked at, a plan, a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill import settings
from rowmill.errors import ConfigurationError, RowmillError
from rowmill.runners.clustered import in_cluster
from rowmill.runners.deployed import checked as machine_checked
from rowmill.runners.starting import NO_TABLE, Asked, absolute, job_of, start
from rowmill.steps import split as splitting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rowmill.job import Job
    from rowmill.model.capacity import Writing
    from rowmill.model.expected import Expected
    from rowmill.model.manifest import Manifest
    from rowmill.runners.checking import Place
    from rowmill.runners.first_job import FirstJob
    from rowmill.runners.trying import Trial
    from rowmill.steps.scan import Scan


def init(input: str, job_file: str = "job.py", *, overwrite: bool = False) -> FirstJob:  # noqa: A002 - the user's word
    """Look at a file and write a job that runs on it; return what was guessed.

    Args:
        input: The file's path or URL.
        job_file: Where the job goes.
        overwrite: Replace a file that is there.

    Raises:
        InputError: There is no such input, or nothing in it.
        StateError: There is such a file, and it is not to be replaced.
    """
    from rowmill.runners.first_job import first_job

    return first_job(input, job_file, overwrite=overwrite)


def try_rows(
    job: Job | str,
    input: str,  # noqa: A002
    *,
    rows: int = 10,
    from_line: int = 1,
    params: Mapping[str, str] | None = None,
) -> Trial:
    """Try some rows: the function is called twice for each, and nothing is written.

    Args:
        job: As for `run`.
        input: The file's path or URL.
        rows: How many.
        from_line: The line of the file on which the first of them begins, or the next one that does.
        params: As for `run`.

    Raises:
        InputError: There is no such row, or the input breaks the declared rules.
    """
    from rowmill.runners.trying import trial

    return trial(job, input, rows=rows, from_line=from_line, params=params)


def plan(
    job: Job | str,
    input: str,  # noqa: A002
    *,
    workers: int | None = None,
    rows_per_partition: int | str | None = None,
) -> Manifest:
    """Return how an input would be shared out; nothing is written.

    Args:
        job: As for `run`.
        input: The file's path or URL.
        workers: As for `run`; the size of partitions may depend on it.
        rows_per_partition: As for `run`.
    """
    if input == "-":
        raise ConfigurationError("standard input cannot be planned", hint="save it to a file first")
    from rowmill.runners.unwritten import unwritten

    with unwritten(job, input, workers=workers, rows_per_partition=rows_per_partition) as (made, source):
        return splitting.survey(made, source)


def expected(
    job: Job | str,
    input: str,  # noqa: A002
    manifest: Manifest,
    *,
    split_s: float,
    table: str | None = None,
    workers: int | None = None,
    params: Mapping[str, str] | None = None,
) -> Expected:
    """Run the first rows for about a second; return what a whole run is expected to take on this machine.

    Args:
        job: As for `run`.
        input: As for `plan`.
        manifest: What `plan` returned.
        split_s: Seconds that it took.
        table: As for `run`; what another table than SQLite takes is not in it.
        workers: As for `run`.
        params: As for `run`.

    Raises:
        RowmillError: As the run would end on these rows.
    """
    from rowmill.model import expected as expecting
    from rowmill.runners.sampling import sampled

    made, _ = job_of(job)
    chosen = settings.resolve({"table": table, "workers": workers})
    here = chosen["table"].value.startswith("sqlite:")
    return expecting.expected(
        sampled(made, input, params, saved=here),
        rows=manifest.rows,
        split_s=split_s,
        workers=chosen["workers"].value,
        partitions=len(manifest.partitions),
        spooled_bytes=manifest.input.bytes if manifest.input.spooled else 0,
        table_elsewhere=made.table is not None and not here and chosen["table"].value != NO_TABLE,
    )


def writing(
    job: Job | str,
    manifest: Manifest,
    *,
    table: str | None = None,
    workers: int | None = None,
    write_rate: int | None = None,
) -> Writing | None:
    """Return what a planned run would write into its DynamoDB table; None for another table, or none.

    Args:
        job: As for `run`.
        manifest: What `plan` returned.
        table: As for `run`.
        workers: As for `run`.
        write_rate: As for `run`; by default what the live table takes, or a new one if that cannot be asked.
    """
    from rowmill.model import capacity

    made, _ = job_of(job)
    chosen = settings.resolve({"table": table, "workers": workers, "write_rate": write_rate})
    if made.table is None or not chosen["table"].value.startswith("dynamodb://"):
        return None
    from rowmill.tables.dynamodb.connecting import named
    from rowmill.tables.dynamodb.describing import takes

    where = named(chosen["table"].value)
    try:
        live = takes(*where)
    except RowmillError as error:  # a plan may be made where AWS is not
        live = capacity.unasked(error.message)
    return capacity.writing(
        rows=manifest.rows,
        input_bytes=manifest.input.bytes,
        columns=manifest.columns,
        workers=chosen["workers"].value,
        rate=chosen["write_rate"].value,
        table=live,
    )


def policy(
    job: Job | str,
    input: str,  # noqa: A002
    *,
    output: str | None = None,
    table: str | None = None,
    workspace: str | None = None,
    create_table: bool | None = None,
    account: str = "*",
) -> dict[str, Any]:
    """Return the least-privilege IAM policy that a run needs; nothing is asked of AWS.

    Args:
        job: As for `run`.
        input: As for `run`.
        output: As for `run`.
        table: As for `run`.
        workspace: As for `run`.
        create_table: As for `run`.
        account: The table's AWS account.
    """
    from rowmill.model import permissions

    made, _ = job_of(job)
    chosen = settings.resolve({"table": table, "workspace": workspace, "create_table": create_table})
    url = absolute(input)
    return permissions.policy(
        permissions.Places(
            input=url,
            output=absolute(output) if output is not None else f"{url}_Output",
            workspace=chosen["workspace"].value,
            table="" if made.table is None else chosen["table"].value,
            account=account,
            create_table=chosen["create_table"].value,
            kms_key=chosen["s3_kms_key"].value or "",
        )
    )


def check(
    job: Job | str,
    input: str,  # noqa: A002
    *,
    output: str | None = None,
    params: Mapping[str, str] | None = None,
    keep_code: bool = False,
    fresh: bool = False,
    overwrite: bool = False,
    tell: Callable[[str], None] | None = None,
    **chosen: Any,
) -> list[Place]:
    """Try what a run needs, here or in a cluster, and leave nothing behind; return what was found.

    Args:
        job: As for `run`.
        input: As for `run`.
        output: As for `run`.
        params: As for `run`.
        keep_code: As for `run`.
        fresh: As for `run`.
        overwrite: As for `run`.
        tell: As for `run`.
        chosen: Other settings of `run`, by name.

    Raises:
        RowmillError: As the run would end.
    """
    from rowmill.runners.checking import checked

    if input == "-":
        raise ConfigurationError("standard input cannot be checked", hint="save it to a file first")
    asked = Asked(job, input, output, params, chosen, fresh)
    on = settings.resolve(chosen)["on"].value
    if on == "stepfunctions":
        return machine_checked(asked, keep_code=keep_code, overwrite=overwrite)
    if on == "kubernetes":
        from rowmill.runners.kubernetes.checking import check as check_in_cluster

        with in_cluster(asked, keep_code=keep_code, overwrite=overwrite) as (ready, cluster):
            return check_in_cluster(ready, cluster, tell or (lambda _: None))
    made, _ = start(asked)
    try:
        return checked(made, overwrite=overwrite or fresh)
    finally:
        if made.table is not None:
            made.table.close()


def scan(job: Job | str, input: str, *, on: str | None = None) -> Scan | None:  # noqa: A002
    """Look at every row without calling the function; None where the rows are to be seen in a cluster only.

    Args:
        job: As for `run`.
        input: The file's path or URL.
        on: As for `run`.

    Raises:
        InputError: The text breaks the declared rules.
    """
    from rowmill.runners.unwritten import unwritten
    from rowmill.steps.scan import scan as scanned

    if settings.resolve({"on": on})["on"].value not in (None, "inline", "processes"):
        return None
    with unwritten(job, input) as (made, source):
        return scanned(made.job, source, splitting.survey(made, source))
