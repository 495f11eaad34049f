"""What a project's files say about how it is built and run, and a first deploy.yml from it.

A module reads the files of one tool and gives `FileFacts`; `join` and `found` combine them; `draft` renders the file.
Nothing here writes a file or names a kind of target. May import config, drafts and image.
"""
