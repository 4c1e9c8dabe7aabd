"""KubernetesJobs as plain dicts, from frozen values: shared by the runner, `render` and whatever else starts pods.

What a pod runs is the command line; what it tells is its exit code and its termination message.
"""

from rowmill.kubejobs.asked import Claim, Pods, Request, SecretKey
from rowmill.kubejobs.failing import pod_failure_policy
from rowmill.kubejobs.jobs import (
    canary_job,
    code_config_map,
    coordinator_job,
    merge_job,
    partition_job,
    process_job,
    split_job,
    whole_job,
)
from rowmill.kubejobs.naming import code_name, job_name, request_digest
from rowmill.kubejobs.places import code_reference, workspace_in_pods
from rowmill.kubejobs.sharing import ROWS_PER_S, Shared, completions, shared
from rowmill.kubejobs.template import with_template

__all__ = [
    "ROWS_PER_S",
    "Claim",
    "Pods",
    "Request",
    "SecretKey",
    "Shared",
    "canary_job",
    "code_config_map",
    "code_name",
    "code_reference",
    "completions",
    "coordinator_job",
    "job_name",
    "merge_job",
    "partition_job",
    "pod_failure_policy",
    "process_job",
    "request_digest",
    "shared",
    "split_job",
    "whole_job",
    "with_template",
    "workspace_in_pods",
]
