"""Which machine, which execution, under which name: by what they say of themselves, and by nothing else. Pure."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rowmill.errors import ConfigurationError, StateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PREFIX, DIGEST_LENGTH = "rowmill", 10
JOB, BUCKET, WORKSPACE, TABLE, NAMESPACE = (
    f"rowmill:{it}" for it in ("job", "input-bucket", "workspace", "table", "namespace")
)
CHECKED = {"--workspace": WORKSPACE, "--table": TABLE}
AT_ONCE = 5  # machines that a message lists


class Machine(NamedTuple):
    """A state machine that is deployed.

    Attributes:
        arn: Its ARN.
        tags: What it says of itself.
    """

    arn: str
    tags: Mapping[str, str]

    @property
    def region(self) -> str:
        """Where it is."""
        return self.arn.split(":")[3]

    @property
    def name(self) -> str:
        """Its name."""
        return self.arn.split(":")[6]


class Wanted(NamedTuple):
    """What a user asks a machine to do.

    Attributes:
        job: The job's reference.
        bucket, key: The input.
        words: What goes to split's command line.
        places: By option, what the user said of places that the machine has its own of.
    """

    job: str
    bucket: str
    key: str
    words: tuple[str, ...] = ()
    places: Mapping[str, str] = {}

    @property
    def input(self) -> str:
        """The input's URL."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def begins(self) -> str:
        """What the names of all executions for this input begin with, whoever asks for what."""
        return f"{PREFIX}-{_digest(self.input)}-"

    @property
    def begins_same(self) -> str:
        """What the names of executions for the same request begin with."""
        return f"{self.begins}{_digest(*self.words)}-"


def _digest(*words: str) -> str:
    return hashlib.sha256(msgspec.json.encode(words)).hexdigest()[:DIGEST_LENGTH]


def check_fit(machine: Machine, wanted: Wanted) -> None:
    """Make sure that a machine does what is asked for.

    Raises:
        ConfigurationError: It has another job, another input bucket or other places.
    """
    tags = machine.tags
    if JOB not in tags:
        raise ConfigurationError(
            f"the state machine {machine.name} has no tag {JOB}, or is not there",
            hint="give the name or ARN of one that Rowmill's construct made",
        )
    if not same_job(wanted.job, tags[JOB]):
        raise ConfigurationError(
            f"the state machine {machine.name} runs the job {tags[JOB]}, and {wanted.job} is asked for",
            hint=f"give {tags[JOB]}, or another --state-machine",
        )
    if tags.get(BUCKET, wanted.bucket) != wanted.bucket:
        raise ConfigurationError(
            f"the state machine {machine.name} reads the bucket {tags[BUCKET]}, and the input is {wanted.input}",
            hint=f"put the file into s3://{tags[BUCKET]}/, or give another --state-machine",
        )
    for option, given in wanted.places.items():
        deployed = tags.get(CHECKED[option], given)
        if deployed.rstrip("/") != given.rstrip("/"):
            raise ConfigurationError(
                f"the state machine {machine.name} has {option} {deployed}, and {option} {given} is given",
                hint=f"leave {option} out, or deploy the machine with it",
            )


def fits(machine: Machine, wanted: Wanted) -> bool:
    """Whether a machine does what is asked for."""
    try:
        check_fit(machine, wanted)
    except ConfigurationError:
        return False
    return True


def same_job(given: str, deployed: str) -> bool:
    """Whether two references name the same job: of a file its name counts, since it lies elsewhere in the image."""
    return _short(given) == _short(deployed)


def _short(reference: str) -> tuple[str, str]:
    where, _, name = reference.partition(":")
    return PurePosixPath(where).name if where.endswith(".py") else where, name or "job"


def only_one(machines: Sequence[Machine], wanted: Wanted) -> Machine:
    """Return the machine that is meant where none is named.

    Raises:
        ConfigurationError: There is none, or there are several.
    """
    tagged = [machine for machine in machines if JOB in machine.tags]
    fitting = [machine for machine in tagged if fits(machine, wanted)]
    if len(fitting) == 1 or len(tagged) == 1:
        return (fitting or tagged)[0]
    if not tagged:
        raise ConfigurationError(
            f"there is no state machine with the tag {JOB}", hint="check AWS_REGION and account, or deploy one first"
        )
    names = ", ".join(machine.name for machine in (fitting or tagged)[:AT_ONCE])
    raise ConfigurationError(
        f"{len(fitting or tagged)} state machines could be meant: {names}", hint="name one with --state-machine"
    )


def asked_of(given: str) -> tuple[str, tuple[str, ...]] | None:
    """Return input and words that an execution was started with: by us, by S3's event, or by CloudTrail's."""
    try:
        event: Any = msgspec.json.decode(given)
        if "input" in event:
            return str(event["input"]), tuple(event.get("words", ()))
        detail = event["detail"]
        if "requestParameters" in detail:
            asked = detail["requestParameters"]
            return f"s3://{asked['bucketName']}/{asked['key']}", ()
        return f"s3://{detail['bucket']['name']}/{detail['object']['key']}", ()
    except (msgspec.DecodeError, KeyError, TypeError):
        return None


def refuse_other(wanted: Wanted, words: tuple[str, ...] | None, execution: str) -> None:
    """Leave alone what is under way for the same input with other options: its results would be taken for ours.

    Raises:
        StateError: It is that.
    """
    if words == wanted.words:
        return
    raise StateError(
        f"{wanted.input} is under way with other options: {execution}",
        hint=f"wait for it, or stop it: rowmill cancel {execution}",
    )


def latest(executions: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the execution that was started last."""
    return max(executions, key=lambda one: one["startDate"], default=None)
