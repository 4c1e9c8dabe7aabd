"""AWS constructs: the cluster, the job on it, and both; imported with the extra `cdk`."""
