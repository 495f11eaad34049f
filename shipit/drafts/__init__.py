"""Shared by `shipit init` and the draft of each kind: facts from a project's files, readers of these files, YAML as text.

Each kind has a `draft.py` with its part of a first deploy.yml. May import config.
"""
