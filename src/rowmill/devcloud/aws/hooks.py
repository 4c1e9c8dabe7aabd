"""All that MiniStack is taught, put in place before it starts."""

from rowmill.devcloud.aws import executions, functions, integrations, resources, states


def install() -> None:
    """Complete MiniStack."""
    executions.install()
    states.install()
    integrations.install()
    functions.install()
    resources.install()
