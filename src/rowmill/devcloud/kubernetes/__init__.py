"""A small Kubernetes on this machine's loopback: an API server in memory, whose pods are local processes."""
