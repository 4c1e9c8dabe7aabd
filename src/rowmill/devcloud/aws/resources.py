"""Resource types that MiniStack's CloudFormation lacks, and those whose part of this machine it does not know."""

import json
import shutil
from collections.abc import Callable
from typing import Any

import valkey
from ministack.core.responses import get_region
from ministack.services import efs, eks, elasticache, lambda_svc, s3
from ministack.services.cloudformation import provisioners

from rowmill.devcloud.aws import manifests, places, securing
from rowmill.devcloud.aws.types import NOT_DONE, NOTHING_MADE

REFUSED = 400
ROOT_MODE = 0o777
Props = dict[str, Any]
Made = tuple[str, Props]
_forget = elasticache.reset
HANDLERS: dict[str, dict[str, Any]] = provisioners._RESOURCE_HANDLERS  # noqa: SLF001 - there is no other way in


def install() -> None:
    """Teach MiniStack's CloudFormation the types of `types.py`."""
    for name in NOTHING_MADE:
        HANDLERS[name] = {"create": _nothing, "update": _still_nothing, "delete": _no_more}
    for name in NOT_DONE:
        HANDLERS[name] = {"create": _not_done, "delete": _no_more}
    _teach("AWS::EKS::AccessEntry", _access_entry, _no_access_entry)
    _teach("AWS::EKS::PodIdentityAssociation", _pod_identity, _no_pod_identity)
    HANDLERS["AWS::ElastiCache::ServerlessCache"] = {"create": _cache, "update": _same_cache, "delete": _no_more}
    HANDLERS["Custom::AWSCDK-EKS-KubernetesResource"] = {
        "create": manifests.create,
        "update": manifests.update,
        "delete": manifests.delete,
    }
    HANDLERS["Custom::S3AutoDeleteObjects"] = {"create": _nothing, "update": _still_nothing, "delete": _emptied}
    _complete("AWS::EKS::Cluster", _led_to_kubernetes)
    _complete("AWS::EFS::FileSystem", _with_folder, _without_folder)
    _complete("AWS::EFS::AccessPoint", _with_entrance, _without_entrance)
    _complete("AWS::ElastiCache::User", _let_in, _shut_out)
    _complete("AWS::Lambda::Function", _with_mounts)
    elasticache.reset = _reset


def _teach(name: str, create: Callable[[str, Props, str], Made], delete: Callable[[str, Props], None]) -> None:
    """Have a type made and deleted; to update one is to make it anew."""

    def update(physical_id: str, old: Props, new: Props, stack: str) -> Made:
        delete(physical_id, old)
        return create("", new, stack)

    HANDLERS[name] = {"create": create, "update": update, "delete": delete}


def _no_more(_physical_id: str, _props: Props) -> None:
    """There is nothing to delete."""


def _complete(name: str, then: Callable[[Made, Props], Made], last: Callable[[str, Props], None] = _no_more) -> None:
    """Have something done after MiniStack has created or updated a resource of a type, and after it has deleted it."""
    create, update, delete = (HANDLERS[name][verb] for verb in ("create", "update", "delete"))

    def created(logical_id: str, props: Props, stack: str) -> Made:
        made = create(logical_id, props, stack)
        try:
            return then(made, props)
        except ValueError:
            delete(made[0], props)  # CloudFormation never hears of it
            raise

    def updated(physical_id: str, old: Props, new: Props, stack: str, logical_id: str | None = None) -> Made:
        return then(update(physical_id, old, new, stack, logical_id), new)

    def deleted(physical_id: str, props: Props) -> None:
        delete(physical_id, props)
        last(physical_id, props)

    HANDLERS[name] |= {"create": created, "update": updated, "update_with_logical_id": True, "delete": deleted}


def _nothing(logical_id: str, _props: Props, stack: str) -> Made:
    name = f"{stack}-{logical_id}"
    return name, {"Id": name, "Arn": f"arn:aws:local:::{name}", "AllocationId": name, "NatGatewayId": name}


def _not_done(_logical_id: str, _props: Props, _stack: str) -> Made:
    raise ValueError("the local AWS does not do this part of CDK's kubectl provider: only manifests")


def _still_nothing(physical_id: str, _old: Props, _new: Props, _stack: str) -> Made:
    return physical_id, {}


def _result(answer: tuple[int, Any, bytes], what: str) -> Props:
    """Return what one of MiniStack's operations answered.

    Raises:
        ValueError: It refused.
    """
    body: Props = json.loads(answer[2] or b"{}")
    if answer[0] >= REFUSED:
        raise ValueError(f"{what}: {body.get('message', body)}")
    return body


def _access_entry(_logical_id: str, props: Props, _stack: str) -> Made:
    cluster, principal = props["ClusterName"], props["PrincipalArn"]
    wanted = {"principalArn": principal, "kubernetesGroups": props.get("KubernetesGroups", [])}
    wanted |= {"username": props.get("Username", ""), "type": props.get("Type", "STANDARD")}
    entry = _result(eks._create_access_entry(cluster, wanted), "access entry")["accessEntry"]  # noqa: SLF001
    for policy in props.get("AccessPolicies", ()):
        scope = {"type": policy["AccessScope"]["Type"], "namespaces": policy["AccessScope"].get("Namespaces", [])}
        asked = {"policyArn": policy["PolicyArn"], "accessScope": scope}
        _result(eks._associate_access_policy(cluster, principal, asked), "access policy")  # noqa: SLF001
    return principal, {"AccessEntryArn": entry["accessEntryArn"]}


def _no_access_entry(_physical_id: str, props: Props) -> None:
    eks._delete_access_entry(props["ClusterName"], props["PrincipalArn"])  # noqa: SLF001


def _pod_identity(_logical_id: str, props: Props, _stack: str) -> Made:
    """Give the pods of a ServiceAccount what they meet this AWS by, as the agent of EKS Pod Identity does."""
    wanted = {"namespace": props["Namespace"], "serviceAccount": props["ServiceAccount"], "roleArn": props["RoleArn"]}
    answer = eks._create_pod_identity_association(props["ClusterName"], wanted)  # noqa: SLF001
    found = _result(answer, "pod identity")["association"]
    region = get_region()
    env = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_ENDPOINT_URL": places.endpoint()}
    env |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    _identified(props, env)
    made = {"AssociationArn": found["associationArn"], "AssociationId": found["associationId"]}
    return found["associationId"], made


def _no_pod_identity(physical_id: str, props: Props) -> None:
    eks._delete_pod_identity_association(props["ClusterName"], physical_id)  # noqa: SLF001
    _identified(props, {})


def _identified(props: Props, env: dict[str, str]) -> None:
    """Leave an environment where the node finds it; an empty one takes it away."""
    file = places.kubernetes_folder() / "identities.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    known[f"{props['Namespace']}/{props['ServiceAccount']}"] = env
    part = file.with_suffix(".part")
    part.write_text(json.dumps({name: value for name, value in known.items() if value}), encoding="utf-8")
    part.replace(file)


def _cache(logical_id: str, props: Props, stack: str) -> Made:
    name = props.get("ServerlessCacheName") or f"{stack}-{logical_id}".lower()
    where = {"Address": places.HOST, "Port": str(securing.port())}
    ends = {f"{end}.{part}": value for end in ("Endpoint", "ReaderEndpoint") for part, value in where.items()}
    return name, {"ARN": elasticache._arn_cluster(name).replace(":cluster:", ":serverlesscache:"), **ends}  # noqa: SLF001


def _same_cache(physical_id: str, _old: Props, new: Props, _stack: str) -> Made:
    return _cache("", {**new, "ServerlessCacheName": physical_id}, "")


def _let_in(made: Made, props: Props) -> Made:
    """Let a user into Valkey with the rights of its access string; any password is taken, as no IAM is here."""
    with valkey.Valkey(port=places.valkey_port()) as server:
        try:
            words = props["AccessString"].split()
            server.execute_command("ACL", "SETUSER", props["UserName"], "reset", "nopass", *words)
        except valkey.ResponseError as error:
            raise ValueError(f"access string: {error}") from None
    return made


def _reset() -> None:
    """Empty MiniStack's ElastiCache; its users are not let into Valkey any more."""
    with valkey.Valkey(port=places.valkey_port(), decode_responses=True) as server:
        for name in set(server.acl_users()) - {"default"}:
            server.acl_deluser(name)
    _forget()


def _shut_out(_physical_id: str, props: Props) -> None:
    with valkey.Valkey(port=places.valkey_port()) as server:
        server.execute_command("ACL", "DELUSER", props["UserName"])


def _led_to_kubernetes(made: Made, _props: Props) -> Made:
    cluster = eks._clusters[made[0]]  # noqa: SLF001
    cluster["endpoint"] = places.kubernetes_url()
    return made[0], provisioners._eks_cluster_attrs(cluster)  # noqa: SLF001


def _with_folder(made: Made, _props: Props) -> Made:
    (places.efs() / made[0]).mkdir(parents=True, exist_ok=True)
    (places.efs() / made[0]).chmod(ROOT_MODE)
    return made


def _without_folder(physical_id: str, _props: Props) -> None:
    shutil.rmtree(places.efs() / physical_id, ignore_errors=True)


def _with_entrance(made: Made, _props: Props) -> Made:
    """Make the folder of an access point, and let its id lead there."""
    point = efs._access_points[made[0]]  # noqa: SLF001
    folder = places.efs() / point["FileSystemId"] / point.get("RootDirectory", {}).get("Path", "/").strip("/")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(ROOT_MODE)  # whoever the pods run as
    entrance = places.efs() / made[0]
    if not entrance.is_symlink():
        entrance.symlink_to(folder)
    return made


def _without_entrance(physical_id: str, _props: Props) -> None:
    (places.efs() / physical_id).unlink(missing_ok=True)


def _with_mounts(made: Made, props: Props) -> Made:
    config = lambda_svc._functions[made[0]]["config"]  # noqa: SLF001
    config["FileSystemConfigs"] = props.get("FileSystemConfigs", [])
    return made


def _emptied(_physical_id: str, props: Props) -> None:
    name = props["BucketName"]
    if name in s3._buckets:  # noqa: SLF001
        s3._buckets[name]["objects"].clear()  # noqa: SLF001
    for key in [key for key in s3._object_versions if key[0] == name]:  # noqa: SLF001
        s3._object_versions.pop(key)  # noqa: SLF001
