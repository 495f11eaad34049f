"""The Kubernetes objects of a workload, one module for each part. Pure.

May import the models of `concise` and the names of the parent's `render`.
"""
