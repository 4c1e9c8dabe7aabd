"""How resource types of a template, and kinds of objects in its manifests, are met here. Pure."""

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
NOT_DONE = (
    "Custom::AWSCDK-EKS-HelmChart",
    "Custom::AWSCDK-EKS-KubernetesObjectValue",
    "Custom::AWSCDK-EKS-KubernetesPatch",
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
