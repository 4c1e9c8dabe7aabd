"""The fields of the objects, by type: what may stand in a body, of which sort it is, and how lists are merged.

A type is a line of `field:sort`. Sorts: `string`, `int32`, `int64`, `bool`, `time`, `quantity`; `*string` keeps its
empty value; `map` has strings, `quantities` quantities; `any` is not looked into; `lacking` is a field that Kubernetes
has and this one has not: it is refused. `[]Sort` is a list; `[]Sort/key` is merged by that key, `[]string+` as a set.
"""

from __future__ import annotations

OBJECT = "apiVersion:string kind:string metadata:ObjectMeta "
CONTAINER = (
    "name:string args:[]string command:[]string env:[]EnvVar/name envFrom:[]EnvFromSource image:string "
    "imagePullPolicy:string lifecycle:lacking livenessProbe:lacking ports:[]ContainerPort/containerPort "
    "readinessProbe:lacking resizePolicy:lacking resources:ResourceRequirements restartPolicy:string "
    "restartPolicyRules:lacking securityContext:SecurityContext startupProbe:lacking stdin:off stdinOnce:off "
    "terminationMessagePath:string terminationMessagePolicy:string tty:off volumeDevices:lacking "
    "volumeMounts:[]VolumeMount/mountPath workingDir:string"
)
TYPES = {
    "ConfigMap": OBJECT + "binaryData:map data:map immutable:bool",
    "Event": OBJECT
    + "involvedObject:any action:string count:int32 eventTime:time firstTimestamp:time lastTimestamp:time "
    "message:string reason:string related:any reportingComponent:string reportingInstance:string series:any "
    "source:any type:string",
    "Job": OBJECT + "spec:JobSpec status:JobStatus",
    "Namespace": OBJECT + "spec:any status:any",
    "PersistentVolume": OBJECT + "spec:PersistentVolumeSpec status:any",
    "PersistentVolumeClaim": OBJECT + "spec:PersistentVolumeClaimSpec status:any",
    "Pod": OBJECT + "spec:PodSpec status:PodStatus",
    "PodDisruptionBudget": OBJECT + "spec:PodDisruptionBudgetSpec status:any",
    "ResourceQuota": OBJECT + "spec:ResourceQuotaSpec status:any",
    "Role": OBJECT + "rules:[]PolicyRule",
    "RoleBinding": OBJECT + "roleRef:RoleRef subjects:[]Subject",
    "Secret": OBJECT + "data:map immutable:bool stringData:map type:string",
    "SelfSubjectAccessReview": OBJECT + "spec:any status:any",
    "ServiceAccount": OBJECT + "automountServiceAccountToken:bool imagePullSecrets:[]any/name secrets:[]any/name",
    "ObjectMeta": "annotations:map creationTimestamp:time deletionGracePeriodSeconds:int64 deletionTimestamp:time "
    "finalizers:[]string+ generateName:string generation:int64 labels:map managedFields:[]any name:string "
    "namespace:string ownerReferences:[]OwnerReference/uid resourceVersion:string selfLink:string uid:string",
    "OwnerReference": "apiVersion:string kind:string name:string uid:string blockOwnerDeletion:bool controller:bool",
    "JobSpec": "template:PodTemplateSpec activeDeadlineSeconds:int64 backoffLimit:int32 backoffLimitPerIndex:int32 "
    "completionMode:string completions:int32 managedBy:string manualSelector:bool maxFailedIndexes:int32 "
    "parallelism:int32 podFailurePolicy:PodFailurePolicy podReplacementPolicy:string selector:LabelSelector "
    "successPolicy:SuccessPolicy suspend:bool ttlSecondsAfterFinished:int32",
    "JobStatus": "active:int32 completedIndexes:string completionTime:time conditions:[]any failed:int32 "
    "failedIndexes:*string ready:int32 startTime:time succeeded:int32 terminating:int32 uncountedTerminatedPods:any",
    "PodFailurePolicy": "rules:[]PodFailurePolicyRule",
    "PodFailurePolicyRule": "action:string onExitCodes:PodFailurePolicyOnExitCodesRequirement "
    "onPodConditions:[]PodFailurePolicyOnPodConditionsPattern",
    "PodFailurePolicyOnExitCodesRequirement": "operator:string values:[]int32 containerName:string",
    "PodFailurePolicyOnPodConditionsPattern": "type:string status:string",
    "SuccessPolicy": "rules:[]SuccessPolicyRule",
    "SuccessPolicyRule": "succeededCount:int32 succeededIndexes:string",
    "LabelSelector": "matchExpressions:[]LabelSelectorRequirement matchLabels:map",
    "LabelSelectorRequirement": "key:string operator:string values:[]string",
    "PodTemplateSpec": "metadata:ObjectMeta spec:PodSpec",
    "PodSpec": "containers:[]Container/name activeDeadlineSeconds:int64 affinity:lacking "
    "automountServiceAccountToken:bool dnsConfig:lacking dnsPolicy:string enableServiceLinks:bool "
    "ephemeralContainers:lacking hostAliases:lacking hostIPC:off hostNetwork:off hostPID:off hostUsers:lacking "
    "hostname:string hostnameOverride:lacking imagePullSecrets:[]any/name initContainers:[]Container/name "
    "nodeName:string nodeSelector:map os:any overhead:lacking preemptionPolicy:string priority:int32 "
    "priorityClassName:lacking readinessGates:lacking resourceClaims:lacking resources:lacking restartPolicy:string "
    "runtimeClassName:lacking schedulerName:string schedulingGates:lacking securityContext:PodSecurityContext "
    "serviceAccount:string serviceAccountName:string setHostnameAsFQDN:lacking shareProcessNamespace:off "
    "subdomain:string terminationGracePeriodSeconds:int64 tolerations:[]Toleration "
    "topologySpreadConstraints:[]any volumes:[]Volume/name workloadRef:lacking",
    "PodStatus": "allocatedResources:any conditions:[]any/type containerStatuses:[]any "
    "ephemeralContainerStatuses:[]any hostIP:string hostIPs:[]any initContainerStatuses:[]any message:string "
    "nominatedNodeName:string observedGeneration:int64 phase:string podIP:string podIPs:[]any qosClass:string "
    "reason:string resize:string resources:any startTime:time",
    "Container": CONTAINER,
    "ContainerPort": "containerPort:int32 hostIP:string hostPort:lacking name:string protocol:string",
    "EnvVar": "name:string value:string valueFrom:EnvVarSource",
    "EnvVarSource": "configMapKeyRef:KeySelector fieldRef:ObjectFieldSelector fileKeyRef:lacking "
    "resourceFieldRef:ResourceFieldSelector secretKeyRef:KeySelector",
    "KeySelector": "key:string name:string optional:bool",
    "ObjectFieldSelector": "fieldPath:string apiVersion:string",
    "ResourceFieldSelector": "resource:string containerName:string divisor:quantity",
    "EnvFromSource": "configMapRef:NameSelector prefix:string secretRef:NameSelector",
    "NameSelector": "name:string optional:bool",
    "ResourceRequirements": "claims:lacking limits:quantities requests:quantities",
    "SecurityContext": "allowPrivilegeEscalation:bool appArmorProfile:any capabilities:Capabilities privileged:off "
    "procMount:lacking readOnlyRootFilesystem:bool runAsGroup:int64 runAsNonRoot:bool runAsUser:int64 "
    "seLinuxOptions:any seccompProfile:SeccompProfile windowsOptions:lacking",
    "Capabilities": "add:[]string drop:[]string",
    "SeccompProfile": "type:string localhostProfile:string",
    "PodSecurityContext": "appArmorProfile:any fsGroup:int64 fsGroupChangePolicy:string runAsGroup:int64 "
    "runAsNonRoot:bool runAsUser:int64 seLinuxChangePolicy:string seLinuxOptions:any seccompProfile:SeccompProfile "
    "supplementalGroups:[]int64 supplementalGroupsPolicy:string sysctls:lacking windowsOptions:lacking",
    "Toleration": "effect:string key:string operator:string tolerationSeconds:int64 value:string",
    "VolumeMount": "mountPath:string name:string mountPropagation:lacking readOnly:bool recursiveReadOnly:string "
    "subPath:string subPathExpr:string",
    "Volume": "name:string configMap:ConfigMapVolumeSource downwardAPI:DownwardAPIVolumeSource "
    "emptyDir:EmptyDirVolumeSource hostPath:HostPathVolumeSource "
    "persistentVolumeClaim:PersistentVolumeClaimVolumeSource projected:ProjectedVolumeSource secret:SecretVolumeSource "
    + " ".join(
        f"{name}:lacking"
        for name in [
            "awsElasticBlockStore",
            "azureDisk",
            "azureFile",
            "cephfs",
            "cinder",
            "csi",
            "ephemeral",
            "fc",
            "flexVolume",
            "flocker",
            "gcePersistentDisk",
            "gitRepo",
            "glusterfs",
            "image",
            "iscsi",
            "nfs",
            "photonPersistentDisk",
            "portworxVolume",
            "quobyte",
            "rbd",
            "scaleIO",
            "storageos",
            "vsphereVolume",
        ]
    ),
    "ConfigMapVolumeSource": "defaultMode:int32 items:[]KeyToPath name:string optional:bool",
    "HostPathVolumeSource": "path:string type:*string",
    "KeyToPath": "key:string path:string mode:int32",
    "DownwardAPIVolumeSource": "defaultMode:int32 items:[]DownwardAPIVolumeFile",
    "DownwardAPIVolumeFile": "path:string fieldRef:ObjectFieldSelector mode:int32 "
    "resourceFieldRef:ResourceFieldSelector",
    "EmptyDirVolumeSource": "medium:string sizeLimit:quantity",
    "PersistentVolumeClaimVolumeSource": "claimName:string readOnly:bool",
    "ProjectedVolumeSource": "defaultMode:int32 sources:[]VolumeProjection",
    "VolumeProjection": "clusterTrustBundle:lacking configMap:ConfigMapVolumeSource "
    "downwardAPI:DownwardAPIVolumeSource podCertificate:lacking secret:ConfigMapVolumeSource "
    "serviceAccountToken:any",
    "SecretVolumeSource": "defaultMode:int32 items:[]KeyToPath optional:bool secretName:string",
    "PersistentVolumeClaimSpec": "accessModes:[]string dataSource:lacking dataSourceRef:lacking "
    "resources:ResourceRequirements selector:lacking storageClassName:*string volumeAttributesClassName:lacking "
    "volumeMode:string volumeName:string",
    "PersistentVolumeSpec": "accessModes:[]string capacity:quantities claimRef:any csi:CSIPersistentVolumeSource "
    "mountOptions:[]string nodeAffinity:lacking persistentVolumeReclaimPolicy:string storageClassName:string "
    "volumeAttributesClassName:lacking volumeMode:string hostPath:lacking local:lacking nfs:lacking",
    "CSIPersistentVolumeSource": "driver:string fsType:string readOnly:bool volumeAttributes:map volumeHandle:string",
    "ResourceQuotaSpec": "hard:quantities scopeSelector:lacking scopes:lacking",
    "PodDisruptionBudgetSpec": "maxUnavailable:any minAvailable:any selector:LabelSelector "
    "unhealthyPodEvictionPolicy:string",
    "PolicyRule": "verbs:[]string apiGroups:[]string nonResourceURLs:[]string resourceNames:[]string "
    "resources:[]string",
    "RoleRef": "kind:string name:string apiGroup:string",
    "Subject": "kind:string name:string apiGroup:string namespace:string",
}
FIELDS = {name: dict(pair.split(":", 1) for pair in line.split()) for name, line in TYPES.items()}


def element(sort: str) -> tuple[str, str]:
    """Return what a list's elements are, and by which key they are merged: empty = not, `+` = as a set."""
    inside, _, key = sort[2:].partition("/")
    return (inside[:-1], "+") if inside.endswith("+") else (inside, key)
