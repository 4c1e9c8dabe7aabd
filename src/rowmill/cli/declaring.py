"""How commands are declared: help that starts with an example, and the options that several of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rowmill.settings import RUNNERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

F = TypeVar("F", bound="Callable[..., Any]")


@dataclass
class Manner:
    """How much is said on standard error.

    Attributes:
        quiet: Errors only.
        verbose: A traceback with an unexpected error.
    """

    quiet: bool = False
    verbose: bool = False


def with_example(example: str, about: str) -> str:
    """Return a help text that starts with an example."""
    return "\b\n" + "\n".join(f"$ {line}" for line in example.splitlines()) + f"\n\n{about}"


def command(example: str, about: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command by an example and what it does; its first sentence stands in the list of commands."""

    def declare(function: Callable[..., Any]) -> click.Command:
        short = about.partition(".")[0]
        return click.command(help=with_example(example, about), short_help=short)(manner_options(function))

    return declare


def manner_options(function: F) -> F:
    """Add `-q` and `-v`, which are kept in the context and not handed to the command."""

    def quiet(ctx: click.Context, _option: click.Parameter, given: bool) -> None:
        ctx.ensure_object(Manner).quiet |= given

    def verbose(ctx: click.Context, _option: click.Parameter, given: bool) -> None:
        ctx.ensure_object(Manner).verbose |= given

    for names, callback, about in (
        (("-v", "--verbose"), verbose, "Show a traceback with an unexpected error."),
        (("-q", "--quiet"), quiet, "Say nothing but the answer, and errors."),
    ):
        function = click.option(*names, is_flag=True, expose_value=False, callback=callback, help=about)(function)
    return function


def _params(_ctx: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    params: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE")
        if name in params:
            raise click.BadParameter(f"{name} is given twice")
        params[name] = value
    return params


as_json = click.option("--json", "as_json", is_flag=True, help="Answer with one JSON object.")
workspace = click.option("--workspace", metavar="URL", help="Where runs keep their objects.  [default: .rowmill]")
output = click.option("--output", metavar="URL", help="Where results go.  [default: INPUT_Output]")
table = click.option(
    "--table", metavar="URL", help="Database of the job's table, or none.  [default: sqlite:///rowmill.db]"
)
workers = click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Partitions at once; here, below 50,000 rows, only with --on processes.  [default: one per core]",
)
rows_per_partition = click.option(
    "--rows-per-partition",
    metavar="N|auto",
    help="Rows that one worker takes at a time.  [default: the job's, or auto]",
)
params = click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_params,
    help="A value for ctx.params; repeatable.",
)
rejects = click.option(
    "--rejects",
    metavar="stop|N|P%|hold",
    help="How many refused rows the run bears; hold: the output waits for their repair.  [default: the job's, or stop]",
)
create_table = click.option(
    "--create-table", is_flag=True, default=None, help="Make a DynamoDB table that is not there, with the job's key."
)
write_rate = click.option(
    "--write-rate",
    type=click.IntRange(min=1),
    metavar="N",
    help="Write units a second into DynamoDB, over all workers.  [default: as fast as the table takes them]",
)
tracker = click.option("--tracker", metavar="URL", help="redis:// or rediss:// address that shows progress to others.")
keep_code = click.option(
    "--continue", "keep_code", is_flag=True, help="Keep finished partitions although the code changed."
)
fresh = click.option("--fresh", is_flag=True, help="Do everything anew.")
overwrite = click.option("--overwrite", is_flag=True, help="Replace an output that another run wrote.")
REQUEST = (
    output, table, workspace, workers, rows_per_partition, params, rejects, create_table, write_rate, tracker,
    keep_code, fresh, overwrite,
)  # fmt: skip
on = click.option("--on", type=click.Choice(RUNNERS), help="Where rows run.  [default: here, by their number]")
state_machine = click.option(
    "--state-machine", metavar="NAME|ARN", help="Of --on stepfunctions.  [default: the only one that fits]"
)
namespace = click.option("--namespace", metavar="NAME", help="Where pods run.  [default: the kubeconfig's]")
kube_context = click.option(
    "--kube-context", metavar="NAME", help="Context of the kubeconfig.  [default: the current one]"
)
KUBERNETES = (
    click.option("--image", metavar="IMAGE", help="What pods run: our image, or one built on it."),
    namespace,
    kube_context,
    click.option("--service-account", metavar="NAME", help="Service account of pods, by which the cloud knows them."),
    click.option("--claim", metavar="NAME:/PATH", help="Volume claim that pods share, and where they see it."),
    click.option("--pod-template", metavar="FILE", help="YAML or JSON that is merged into every pod."),
    click.option("--cpu", metavar="N", help="CPU that a pod requests.  [default: 1]"),
    click.option("--memory", metavar="SIZE", help="Memory that a pod requests, and its limit.  [default: 1Gi]"),
    click.option(
        "--fan-out",
        type=click.Choice(["indexed", "per-partition"]),
        help="One KubernetesJob for all partitions, or one for each.  [default: indexed]",
    ),
    click.option("--pod-deadline", metavar="TIME", help="Longest life of a KubernetesJob.  [default: 24h]"),
    click.option("--queue", metavar="NAME", help="Queue of Kueue, which lets KubernetesJobs start."),
)


def request_options(function: F) -> F:
    """Add the options that say what a run is asked to do; whoever begins one, tries one or writes one down has them."""
    return _with(REQUEST, function)


def kubernetes_options(function: F) -> F:
    """Add the options that say what pods are made of; each is a setting too."""
    return _with(KUBERNETES, function)


def _with(options: tuple[Callable[[F], F], ...], function: F) -> F:
    for option in reversed(options):
        function = option(function)
    return function


def refuse_keep_and_fresh(chosen: Mapping[str, Any]) -> None:
    """Refuse what contradicts itself."""
    if chosen["keep_code"] and chosen["fresh"]:
        raise click.UsageError("--continue keeps finished partitions, --fresh does them anew: give one of them")


execution = click.option(
    "--execution",
    default="",
    metavar="ARN",
    help="Execution of a state machine that asks; if another has the run, this one is told to be its duplicate.",
)
notify = click.option(
    "--notify",
    default="",
    metavar="URL",
    help="Webhook that is told the report when the run is done, held or failed: https, or http on this machine.",
)
job_option = click.option(
    "--job", default="", metavar="JOB", help="Where the job's code is, if not where the run was started."
)
by = click.option("--by", default="", metavar="NAME", help="Who answers for it.  [default: the account]")
job = click.argument("job")
input_ = click.argument("input", metavar="INPUT")
run_id = click.argument("run_id", metavar="RUN")
run_or_name = click.argument("run_id", metavar="RUN|NAME")
optional_run_id = click.argument("run_id", metavar="[RUN]", required=False)
