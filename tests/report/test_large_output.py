"""Sixty megabytes of output, in lines or in one line, take little memory and little time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sampled import only_deep

ROOT = Path(__file__).parent.parent.parent
CODE = """
import io, resource, sys
from shipit.clock import Clock
from shipit.events import Log
from shipit.pipeline.telling import Teller
from shipit.redact import Redactor
from shipit.report.{module} import {reporter}
from shipit.targets.heroku.lines import Lines

class Nothing(io.StringIO):
    def write(self, text):
        assert len(text) < 40_000, "long lines are cut"
        return len(text)

teller = Teller({reporter}({streams}), Redactor(["canary-4711-" + "x" * 30]), Clock())
lines = Lines()
piece = {piece}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(60_000_000 // len(piece)):
    for line in lines.feed(piece):
        teller(Log("heroku", "release", line))
for line in lines.end():
    teller(Log("heroku", "release", line))
teller.flush()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


ONE, MANY, LONG = "b'x' * 65536", "(b'a line of a migration that goes on' * 2 + b'\\n') * 800", "b'y' * 60_000 + b'\\n'"


@pytest.mark.large
@pytest.mark.parametrize(
    ("piece", "reporter"),
    [
        pytest.param(ONE, "PlainReporter", id="one line"),
        pytest.param(MANY, "PlainReporter", id="many lines", marks=[pytest.mark.sampled, only_deep]),
        pytest.param(LONG, "PlainReporter", id="long lines", marks=[pytest.mark.sampled, only_deep]),
        pytest.param(LONG, "JsonReporter", id="long lines as JSON"),
    ],
)
def test_memory_is_bounded(piece: str, reporter: str) -> None:
    module = {"PlainReporter": "plain", "JsonReporter": "json_lines"}[reporter]
    streams = "Nothing(), Nothing()" if reporter == "PlainReporter" else "Nothing()"
    code = CODE.format(module=module, reporter=reporter, streams=streams, piece=piece)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 20, "MiB more than before"
