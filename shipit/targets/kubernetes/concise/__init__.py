"""A workload of deploy.yml: the models of its keys, and in `render/` the Kubernetes objects that it becomes.

The models are read by every command and import nothing to render with. May import the names of the parent's `render`, `quantity` and `host`; nothing of the parent's configuration and plan.
"""
