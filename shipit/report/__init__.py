"""Events in; a terminal, plain lines or JSON lines out. Results go to stdout, progress to stderr.

May import events, release, errors. Only this room and cli print.
"""
