"""Kubernetes: workloads in few words, manifests as they are, applied by the server and judged until healthy."""
