"""What MiniStack's interpreter leaves out of JSONata: what a Succeed state answers, and a distributed Map's fields."""

from typing import Any

from ministack.services import stepfunctions

State = dict[str, Any]
_output = stepfunctions._apply_output_path  # noqa: SLF001 - what is completed here
_resolved = stepfunctions._resolve_params_obj  # noqa: SLF001
_distributed = stepfunctions._run_distributed_map  # noqa: SLF001


def install() -> None:
    """Complete MiniStack's interpreter."""
    stepfunctions._apply_output_path = _answered  # noqa: SLF001
    stepfunctions._resolve_params_obj = _evaluated  # noqa: SLF001
    stepfunctions._run_distributed_map = _mapped  # noqa: SLF001


def _is_jsonata(ctx: Any) -> bool:
    return ctx is not None and ctx.get("QueryLanguage") == "JSONata"


def _answered(state: State, data: Any, ctx: Any = None) -> Any:
    if state.get("Type") == "Succeed" and _is_jsonata(ctx):
        return stepfunctions._apply_jsonata_output(state, data, ctx, default=data)  # noqa: SLF001
    return _output(state, data, ctx)


def _evaluated(template: Any, data: Any, ctx: Any = None) -> Any:
    """Return the arguments of an ItemReader, or an ItemSelector's item."""
    if _is_jsonata(ctx):
        return stepfunctions._apply_jsonata_template(template, data, ctx)  # noqa: SLF001
    return _resolved(template, data, ctx)


def _mapped(state: State, raw_input: Any, effective: Any, iterator: State, execution: State, ctx: Any) -> Any:
    """Run a distributed Map; its children see no variables of their parent, and the parent its results."""
    bare = {**ctx, "variables": {}} if _is_jsonata(ctx) else ctx
    result, following = _distributed(state, raw_input, effective, iterator, execution, bare)
    if _is_jsonata(ctx):
        default = result
        result = stepfunctions._apply_jsonata_output(state, raw_input, ctx, result=default, default=default)  # noqa: SLF001
        stepfunctions._apply_state_assign(state, raw_input, ctx, result=default)  # noqa: SLF001
    return result, following
