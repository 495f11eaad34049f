"""What a kubelet writes in place of a log that it does not have.

Source: kubelet's kuberuntime, GetContainerLogs: it answers 200 with one line of its own, which has no time also where times are asked for.
"""

from __future__ import annotations

import re
from functools import cache


def is_missing_log(line: str) -> bool:
    """Whether a line that came without a time is the kubelet's note that it has no log of that run of the container."""
    return _note().fullmatch(line.rstrip("\r\n")) is not None


@cache
def _note() -> re.Pattern[str]:
    return re.compile(
        r"unable to retrieve container logs for [a-z0-9.+-]{1,40}://[0-9a-f]{1,128}"
        # Before the container wrote its first line.
        r'|failed to try resolving symlinks in path "/[^"\n]{1,1000}": lstat /[^\n]{1,1000}: no such file or directory'
    )
