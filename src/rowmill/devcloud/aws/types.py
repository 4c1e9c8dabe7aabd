"""Resource types and kinds of objects that a template may have here without anything being made. Pure."""

NOTHING_MADE = (
    "AWS::CloudTrail::Trail",
    "AWS::EC2::EIP",
    "AWS::EC2::FlowLog",
    "AWS::EC2::NatGateway",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EKS::Addon",
    "Custom::VpcRestrictDefaultSG",
)
MADE_HERE = (
    "AWS::EKS::AccessEntry",
    "AWS::EKS::PodIdentityAssociation",
    "AWS::ElastiCache::ServerlessCache",
    "Custom::AWSCDK-EKS-KubernetesResource",
    "Custom::S3AutoDeleteObjects",
)
COMPLETED = (
    "AWS::EFS::AccessPoint",
    "AWS::EFS::FileSystem",
    "AWS::EKS::Cluster",
    "AWS::ElastiCache::User",
    "AWS::Lambda::Function",
)
OBJECTS_NOT_MADE = (
    "ClusterRole",
    "ClusterRoleBinding",
    "Deployment",
    "NodeClass",
    "NodePool",
    "StorageClass",
)
