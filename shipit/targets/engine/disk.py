"""The free space in the output of `df -Pk`. Pure.

Source: POSIX.1-2017, df, "Output": a head, then a line for each file system, whose fourth column is the free kilobytes.
"""

from __future__ import annotations


def parse_free(output: str) -> int | None:
    """Bytes that are free; None for other output."""
    lines = output.strip().splitlines()
    row = lines[-1].split() if len(lines) > 1 else []
    return int(row[3]) * 1024 if len(row) > 5 and row[3].isascii() and row[3].isdigit() and len(row[3]) < 16 else None
