"""What a project's files already say about how it is built and run, and a first deploy.yml from it.

One module reads one kind of file and gives a `Said`; `found` joins them; `draft` renders the file. Nothing here writes.
May import config and image.
"""
