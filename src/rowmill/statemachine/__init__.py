"""The state machine as plain dicts, from frozen values: what it waits for, fans out and retries."""

from rowmill.statemachine import events, permissions, rights
from rowmill.statemachine.asked import Cluster, Machine
from rowmill.statemachine.definition import definition

__all__ = ["Cluster", "Machine", "definition", "events", "permissions", "rights"]
