"""Partitions in the pods of a cluster: KubernetesJobs that are started, attached to, watched, and told of."""
