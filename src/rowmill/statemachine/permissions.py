"""What the machine's and the pods' roles must be allowed in AWS: actions, and on what. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rowmill import wire
from rowmill.statemachine.asked import DISTRIBUTED_MAP, INDEXED, SEQUENTIAL

if TYPE_CHECKING:
    from rowmill.statemachine.asked import Machine


class Allowed(msgspec.Struct, frozen=True):
    """Actions on resources, by ARN."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]

    def statement(self) -> dict[str, Any]:
        """Return the statement of a policy."""
        return {"Effect": "Allow", "Action": list(self.actions), "Resource": list(self.resources)}


def of_machine(machine: Machine, arn: str, execution_arn: str, partition: str = "aws") -> list[Allowed]:
    """Return what the machine's own role needs; Kubernetes is not among it, whose own rights count (`rights`).

    Args:
        machine: The machine.
        arn: Its ARN.
        execution_arn: What the ARNs of its executions begin with: `arn:aws:states:REGION:ACCOUNT:execution:NAME`.
        partition: Of AWS.
    """
    if machine.mode == SEQUENTIAL or machine.fan_out == INDEXED:
        return []
    invoke = Allowed(("lambda:InvokeFunction",), (machine.split_file, f"{machine.split_file}:*"))
    if machine.fan_out != DISTRIBUTED_MAP:
        return [invoke]
    runs = f"arn:{partition}:s3:::{machine.workspace_bucket}/{machine.runs}"
    return [
        invoke,
        Allowed(("s3:GetObject",), (f"{runs}/*/{wire.ATTEMPTS}/*.{wire.ITEMS}",)),
        Allowed(
            ("s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"),
            (f"{runs}/*/{wire.MAP_RESULTS}/*",),
        ),
        Allowed(("states:StartExecution",), (arn,)),
        Allowed(
            ("states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"),
            (f"{execution_arn}:*", f"{execution_arn}/*"),
        ),
    ]


def of_pods(execution_arn: str) -> Allowed:
    """Return what pods need beside their places: to ask how another execution stands.

    Args:
        execution_arn: As for `of_machine`.
    """
    return Allowed(("states:DescribeExecution",), (f"{execution_arn}:*",))


def of_split_file(machine: Machine, partition: str = "aws") -> list[Allowed]:
    """Return what the Lambda needs where the workspace is on S3: to read runs, and to write the items of a Map.

    Args:
        machine: The machine.
        partition: Of AWS.
    """
    bucket = f"arn:{partition}:s3:::{machine.workspace_bucket}"
    runs = f"{bucket}/{machine.runs}"
    return [
        Allowed(("s3:GetObject",), (f"{runs}/*/{wire.MANIFEST}", f"{runs}/*/{wire.FAILURES}/*")),
        Allowed(("s3:PutObject",), (f"{runs}/*/{wire.ATTEMPTS}/*.{wire.ITEMS}",)),
        Allowed(("s3:ListBucket",), (bucket,)),
    ]
