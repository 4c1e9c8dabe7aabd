"""Names that are shared by everything that meets a run: objects of the workspace, environment variables."""

from __future__ import annotations

VERSION = "0.1.0"

RUNS = "runs"
RUN, MANIFEST, REPORT, PROGRESS = "run.json", "manifest.json", "report.json", "progress.json"
RECEIPTS, DATA, REJECTS, ATTEMPTS, ASIDE, REPORTS = "receipts", "data", "rejects", "attempts", "aside", "reports"
ITEMS = "items.json"
FILTERED, FAILURES, REPAIRS = "filtered", "failures", "repairs"
CORRECTIONS, DELTA = "rows.jsonl", "delta"  # what an attempt at a repair keeps: what was given, and what it came to
HELD = "held.json"  # the latest report of a run whose output is withheld
SPOOL = "input"  # the decoded copy of an input that cannot be sought
CLAIM = "claim"
INTENTS, ANSWER = "intents", ".answer.json"  # what people ask of a run under way, and what its coordinator says
EXECUTIONS = "executions"  # of a state machine, that have taken the run over, one after the other
MAP_RESULTS = "map"  # what Step Functions writes of a distributed Map
PUBLISHING = "publishing.json"  # written before the output appears: whose it is

WORKSPACE = ".rowmill"  # where runs are kept when nothing else is said
WORKSPACE_VARIABLE = "ROWMILL_WORKSPACE"
TERMINATION_VARIABLE = "ROWMILL_TERMINATION_LOG"  # where a pod writes how its step ended
TEST_IMAGE_VARIABLE = "ROWMILL_TEST_IMAGE"  # what the tests run on a real cluster
NOTIFY_SECRET_VARIABLE = "ROWMILL_NOTIFY_SECRET"  # noqa: S105 - a name; a webhook knows by it what is ours
UI_TOKEN_VARIABLE = "ROWMILL_UI_TOKEN"  # noqa: S105 - a variable's name
NO_SETTINGS = (TERMINATION_VARIABLE, TEST_IMAGE_VARIABLE, NOTIFY_SECRET_VARIABLE, UI_TOKEN_VARIABLE)
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"  # Kubernetes' own

TRACKER_LIFE_S = 7 * 24 * 3600  # how long a tracker keeps what it was told last

MAX_LINES_PER_BATCH = "MAX_LINES_PER_BATCH"  # the public sample's name for rows per partition


def run_dir(run_id: str) -> str:
    """Return the run's folder in the workspace."""
    return f"{RUNS}/{run_id}"


def receipt_name(run_id: str, partition: int) -> str:
    """Return the name of a partition's receipt."""
    return f"{run_dir(run_id)}/{RECEIPTS}/{partition:05d}.json"


def items_name(run_id: str, attempt: int) -> str:
    """Return the name of the list of unfinished partitions that a distributed Map takes its items from."""
    return f"{run_dir(run_id)}/{ATTEMPTS}/{attempt:05d}.{ITEMS}"


def data_name(run_id: str, partition: int, attempt: str) -> str:
    """Return the name of a partition's written rows by one attempt."""
    return f"{run_dir(run_id)}/{DATA}/{partition:05d}-{attempt}"


def rejects_name(run_id: str, partition: int, attempt: str) -> str:
    """Return the name of a partition's rejects by one attempt."""
    return f"{run_dir(run_id)}/{REJECTS}/{partition:05d}-{attempt}.jsonl"


def filtered_name(run_id: str, partition: int, attempt: str) -> str:
    """Return the name of the list of a partition's rows that one attempt left out."""
    return f"{run_dir(run_id)}/{FILTERED}/{partition:05d}-{attempt}.json"


def repair_name(run_id: str, number: int) -> str:
    """Return the name of what commits a repair."""
    return f"{run_dir(run_id)}/{REPAIRS}/{number:05d}.json"


def repair_part(run_id: str, number: int, attempt: str, part: str) -> str:
    """Return the name of what one attempt at a repair keeps: the corrected rows, or the output's."""
    return f"{run_dir(run_id)}/{REPAIRS}/{number:05d}-{attempt}.{part}"


def failure_name(run_id: str, partition: int | None, attempt: str) -> str:
    """Return the name of what is kept of a failed try of a partition, or of the run where no partition is to blame."""
    return f"{run_dir(run_id)}/{FAILURES}/{'run' if partition is None else f'{partition:05d}'}-{attempt}.json"


def todo_key(run_id: str) -> str:
    """Return the tracker's key of the set of partitions still to do.

    All keys of a run are in one slot, by what is in braces: a server in cluster mode takes no transaction over several.
    """
    return f"rowmill:{{{run_id}}}"


def location(input_url: str, partition: int, start: int, end: int) -> str:
    """Return how a tracker names a partition: its index, and where its bytes are."""
    return f"{partition:05d} {input_url}#bytes={start}-{end}"
