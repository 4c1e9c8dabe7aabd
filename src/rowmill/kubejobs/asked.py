"""What pods are made from: where they run, what they may have, and what they are asked to do."""

from __future__ import annotations

import msgspec


class Claim(msgspec.Struct, frozen=True):
    """A volume claim that pods mount: its name, and the path where they see it."""

    name: str
    mount: str


class SecretKey(msgspec.Struct, frozen=True):
    """Where a secret's value is: the Secret's name, and the key in it."""

    secret: str
    key: str


class Pods(msgspec.Struct, frozen=True, kw_only=True):
    """What all pods of a run have in common.

    Attributes:
        image: What they run; its entry point is the command line.
        job: The job's reference as pods see it.
        workspace: URL or path of the workspace as pods see it.
        namespace: Where they run; empty = whatever the client's context says.
        service_account: By which the cloud knows them; empty = the namespace's own.
        claim: The volume that they mount, None when all places are URLs.
        code: Name of the ConfigMap with the user's file, mounted at `/job`; empty = the code is in the image.
        env: Settings that are no secrets, by variable.
        secrets: Variables whose values are in a Secret.
        cpu: Requested by each pod.
        memory: Requested by each pod, and its limit.
        deadline_s: The longest life of each step's KubernetesJob; a coordinator's is four times as long.
        ttl_s: How long an ended KubernetesJob is kept.
        pull_policy: `Always`, `IfNotPresent` or `Never`; empty = as the cluster does it.
        labels: More labels, on every object.
        template: Digest of the user's pod template, empty if there is none.
        queue: Kueue's queue: KubernetesJobs are created suspended, and Kueue lets them start.
    """

    image: str
    job: str
    workspace: str
    namespace: str = ""
    service_account: str = ""
    claim: Claim | None = None
    code: str = ""
    env: dict[str, str] = {}
    secrets: dict[str, SecretKey] = {}
    cpu: str = "1"
    memory: str = "1Gi"
    deadline_s: int = 86_400
    ttl_s: int = 86_400
    pull_policy: str = ""
    labels: dict[str, str] = {}
    queue: str = ""
    template: str = ""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is asked to do, as `split` and `run` take it on the command line.

    Attributes:
        input: The file's path or URL as pods see it.
        output: Where results go; empty = the input's name with `_Output`.
        options: Settings that are given as options, by setting: `{"table": "none", "write_rate": "500"}`.
        params: What `ctx.params` gives.
        flags: Options without a value, by name: `fresh`, `continue`, `overwrite`, `create-table`.
    """

    input: str
    output: str = ""
    options: dict[str, str] = {}
    params: dict[str, str] = {}
    flags: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """Options as they stand on a command line: each in one word, so that no value is taken for an option."""
        named = {"output": self.output} if self.output else {}
        named |= {name.replace("_", "-"): self.options[name] for name in sorted(self.options)}
        return [
            *(f"--{name}={value}" for name, value in named.items()),
            *(f"--param={name}={self.params[name]}" for name in sorted(self.params)),
            *(f"--{flag}" for flag in sorted(self.flags)),
        ]
