"""What a job needs of the cluster that it runs on, whoever made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from aws_cdk.aws_ec2 import ISecurityGroup, IVpc
    from aws_cdk.aws_efs import IFileSystem
    from aws_cdk.aws_eks_v2 import ICluster

# What trackers, the rate and the split-file Lambda send, on their own keys, and nothing that sees another's.
ACCESS = (
    "on ~rowmill:* resetchannels -@all +sadd +srem +smembers +hset +hgetall +hmget +hincrby +hdel +del +exists +expire "
    "+set +evalsha +script|load +multi +exec +ping +hello +time +client|setinfo"
)


class Cache(NamedTuple):
    """ElastiCache for Valkey, and the user by whose name it is spoken to.

    Attributes:
        name: Of the cache.
        host: Of its endpoint.
        port: Of its endpoint.
        user: Id and name of the IAM user.
        arn: Of the cache.
        user_arn: Of the user.
    """

    name: str
    host: str
    port: str
    user: str
    arn: str
    user_arn: str

    @property
    def url(self) -> str:
        """The tracker's address; the password is a token that each connection makes anew."""
        return f"rediss://{self.user}@{self.host}:{self.port}/0?cache={self.name}&serverless=true"


class Platform(NamedTuple):
    """A cluster and what is beside it: of `RowmillCluster`, or your own.

    Attributes:
        cluster: Of aws_eks_v2; one that is there by `Cluster.from_cluster_attributes`, with endpoint, certificate, and
            a kubectl provider where objects are to be applied.
        vpc: The cluster's.
        clients: Security group that cache and file system let in; it is given to the Lambda.
        file_system: For `workspace="efs"`: its security group lets the nodes in, and the cluster has EFS's CSI driver.
        cache: The tracker, or None.
    """

    cluster: ICluster
    vpc: IVpc | None = None
    clients: ISecurityGroup | None = None
    file_system: IFileSystem | None = None
    cache: Cache | None = None
