"""Facts from a project's files about its build and its processes, and a first deploy.yml from them.

A module reads the files of one tool and gives `FileFacts`; `join` and `found` combine them; `draft` renders the file.
Nothing here writes a file or names a kind of target. May import config, drafts and image.
"""
