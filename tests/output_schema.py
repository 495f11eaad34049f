"""Holds what commands print with --output json to its schema, in which unknown fields are errors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import jsonschema  # type: ignore[import-untyped]

# The kind in memory is a plugin: its steps are known where they are imported.
import shipit.rehearsal.memory.steps  # noqa: F401
from shipit.envelope import EVENTS
from shipit.report.schema import render_output_schema
from shipit.targets.kinds import load_steps


def check_output(arguments: Sequence[str], stdout: str) -> None:
    """Check each line that a command printed, if it was called with --output json."""
    words = list(arguments)
    is_json = "--output=json" in words or ("--output" in words and words[words.index("--output") + 1 :][:1] == ["json"])
    # These print a file or a help text, whatever the output is.
    if not is_json or {"--resolved", "--origin", "-h", "--help"} & set(words):
        return
    for line in stdout.splitlines():
        check_line(json.loads(line))


def check_line(data: dict[str, Any]) -> None:
    """Raises: jsonschema.ValidationError."""
    _validator(str(data.get("event"))).validate(data)


@cache
def _schema() -> dict[str, Any]:
    load_steps()
    return render_output_schema(is_closed=True)


@cache
def _validator(event: str) -> Any:
    """The validator of one event: its errors say more than those of a choice among all."""
    known = {"oneOf": [{"$ref": f"#/$defs/{event}"}]} if event in EVENTS else {}
    return jsonschema.Draft202012Validator({**_schema(), **known})
