"""The process of a `Guard`. It imports what it needs when it has something to do."""

import sys


def main() -> None:
    """The first line of the input says what is to be removed, and the input ends with the process that wrote it."""
    line = sys.stdin.buffer.readline()
    sys.stdin.buffer.read()
    if line.endswith(b"\n"):
        from shipit.targets.engine.guard import remove_guarded

        remove_guarded(line)
