"""Events in; a terminal, plain lines or JSON lines out. Results go to stdout, progress to stderr.

May import the nouns. Only this room and cli print; every line is escaped by text.py, and streams are those of stream.py.
"""
