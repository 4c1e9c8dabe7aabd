"""The one node of the small Kubernetes: its containers are processes of this machine, in namespaces of their own."""
