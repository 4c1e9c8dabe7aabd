"""From the user's words to what a machine is asked: what goes along, and what the machine has decided for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill.errors import ConfigurationError
from rowmill.kubejobs import Request
from rowmill.kubejobs.places import refuse_password
from rowmill.runners.stepfunctions.choosing import CHECKED, Wanted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowmill.runners.starting import Asked
    from rowmill.settings import Value

S3 = "s3://"
HANDED_ON = ("rows_per_partition", "rejects")  # of split's command line; the rest of it is the machine's
OWN = ("on", "state_machine", "event_id")  # of this command


def wanted(asked: Asked, chosen: Mapping[str, Value], *, keep_code: bool, overwrite: bool) -> Wanted:
    """Return what a machine is asked for.

    Args:
        asked: The user's words; the job by its reference.
        chosen: All settings, with their origin.
        keep_code: Finished partitions stay although the code changed.
        overwrite: An output of another run may be replaced.

    Raises:
        ConfigurationError: The machine could not do it, or has decided otherwise.
    """
    if not isinstance(asked.job, str):
        raise ConfigurationError("a state machine knows a job by its reference", hint="give 'job.py', or a module")
    bucket, _, key = asked.input.removeprefix(S3).partition("/")
    if not asked.input.startswith(S3) or not bucket or not key:
        raise ConfigurationError(f"a state machine reads s3://bucket/key, and not {asked.input}", hint="put it there")
    if asked.output is not None:
        raise _decided("--output")
    for name, value in chosen.items():
        if value.origin == "option" and name not in (*HANDED_ON, *OWN) and f"--{name}" not in CHECKED:
            raise _decided(f"--{name.replace('_', '-')}")
    return Wanted(asked.job, bucket, key, words_of(asked, chosen, keep_code, overwrite), places_of(chosen))


def _decided(option: str) -> ConfigurationError:
    return ConfigurationError(
        f"{option} is decided when the state machine is deployed", hint="leave it out, or deploy the machine with it"
    )


def words_of(asked: Asked, chosen: Mapping[str, Value], keep_code: bool, overwrite: bool) -> tuple[str, ...]:
    """Return what goes to split's command line; a setting that the user did not make is the machine's."""
    flags = {"fresh": asked.fresh, "continue": keep_code, "overwrite": overwrite}
    request = Request(
        input=asked.input,
        options={name: str(chosen[name].value) for name in HANDED_ON if chosen[name].origin not in ("default", "job")},
        params=dict(asked.params or {}),
        flags=tuple(flag for flag, given in flags.items() if given),
    )
    for name, value in request.params.items():  # they stand in the execution's history
        refuse_password(value, name)
    return tuple(request.words)


def places_of(chosen: Mapping[str, Value]) -> dict[str, str]:
    """Return, by option, the places that the user named: the machine must have the same."""
    return {
        option: str(chosen[option.removeprefix("--")].value)
        for option in CHECKED
        if chosen[option.removeprefix("--")].origin == "option"
    }
