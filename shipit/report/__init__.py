"""Reporters: events in; a live terminal view, plain lines, JSON lines or annotations of GitHub out. Results go to stdout, progress to stderr.

May import the nouns. Only this room and cli print; every line is escaped by text.py, and streams are those of stream.py.
"""
