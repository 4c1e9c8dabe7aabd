"""All that MiniStack is taught, put in place before it starts."""

from rowmill.devcloud.aws import executions, functions, integrations, resources


def install() -> None:
    """Complete MiniStack."""
    executions.install()
    integrations.install()
    functions.install()
    resources.install()
