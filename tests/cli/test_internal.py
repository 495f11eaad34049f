"""An error that nobody expected says what to report, and where its traceback is; no secret is in either."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shipit import Shipit

CODE = """
import sys
sys.argv = ["shipit", "deploy", "--yes", "canary-4711"]
from shipit.cli.standard_streams import secure_streams
secure_streams()
from shipit.cli.exits import exit_on_error
from shipit.cli.printing import REDACTOR
REDACTOR.learn("canary-4711")
with exit_on_error({verbose}, "{output}"):
    raise KeyError("canary-4711\\n\\x1b[31m")
"""


def run(shipit: Shipit, output: str = "auto", *, verbose: bool = False) -> subprocess.CompletedProcess[str]:
    code = CODE.format(verbose=verbose, output=output)
    env = {**shipit.measured(), "TMPDIR": str(shipit.folder)}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("verbose", [False, True])
def test_what_to_report_is_said(shipit: Shipit, verbose: bool) -> None:
    done = run(shipit, verbose=verbose)
    assert done.returncode == 1
    said = done.stderr
    lines = said[said.index("internal error") :].splitlines()
    how = "with the stack above" if verbose else "with the output of -v"
    assert lines[0] == f"internal error; please report it {how}"
    assert lines[1].startswith("  error: KeyError: '[redacted]")
    assert re.fullmatch(r"  version: shipit \S+, Python [\d.]+\S*, \S+ \S+ \S+", lines[2])
    assert (
        lines[3] == "  command: shipit deploy --yes '[redacted]'"
        or lines[3] == "  command: shipit deploy --yes [redacted]"
    )
    file = Path(lines[4].removeprefix("  traceback: "))
    text = file.read_text()
    assert text.startswith("Traceback (most recent call last)") and "canary" not in text
    assert file.stat().st_mode & 0o777 == 0o600
    assert ("Traceback" in said) == verbose
    assert "canary" not in said and "\x1b" not in said and "this is a mistake" not in said


def test_other_outputs_get_it_as_data(shipit: Shipit) -> None:
    told = json.loads(run(shipit, "json").stdout)
    assert (told["event"], told["exit_code"]) == ("run_failed", 1)
    assert "internal error; please report it" in told["message"] and "canary" not in told["message"]
    assert run(shipit, "github").stdout.startswith("::error::internal error; please report it")


@pytest.mark.parametrize("word", ["\x1b[31mred", "a\nb", "\u202eevil", "::stop-commands::x"])
def test_what_is_typed_is_shown_escaped(shipit: Shipit, word: str) -> None:
    for words in (
        [word],
        ["deploy", f"--{word}"],
        ["deploy", "-f", word],
        ["deploy", word],
        ["help", word],
        ["login", word],
    ):
        done = shipit.run(*words)
        assert done.returncode in (1, 2) and "Traceback" not in done.stderr, words
        assert not set(done.stdout + done.stderr) & set("\x1b\u202e"), words
