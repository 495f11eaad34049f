"""`--output json`: every event is one line of JSON on stdout, with its name and its fields."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from shipit.events import (
    Event,
    Log,
    Retried,
    RunFailed,
    RunFinished,
    RunStarted,
    Serving,
    StepDone,
    StepFailed,
    StepId,
    StepProgress,
    StepStarted,
    Transferred,
    Waiting,
    Warned,
)
from shipit.report.json_lines import JsonReporter
from tests.report.samples import DEPLOY, finished, told

HEAD = {"v": 1, "run": "0123456789ab", "seq": 1, "at": "2025-11-26T00:00:00.000Z"}
STEP = StepId("apply", "Deployment/web", "k8s")
STEP_DATA = {"action": "apply", "subject": "Deployment/web", "target": "k8s", "platform": ""}


def lines(*events: Event) -> list[str]:
    out = io.StringIO()
    reporter = JsonReporter(out)
    for event in events:
        reporter(told(event))
    reporter.close()
    assert out.getvalue().endswith("\n")
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (
            RunStarted("deploy", "shop", "production", ("k8s",), "c0ffee" * 6, "main"),
            {
                "event": "run_started",
                "command": "deploy",
                "app": "shop",
                "environment": "production",
                "targets": ["k8s"],
                "commit": "c0ffee" * 6,
                "branch": "main",
                "promoted_from": "",
                "override": "",
                "by": "",
            },
        ),
        (
            StepStarted(STEP, "apply"),
            {"event": "step_started", "step": STEP_DATA, "summary": "apply"},
        ),
        (StepProgress(STEP, 1, 2), {"event": "step_progress", "step": STEP_DATA, "done_bytes": 1, "total_bytes": 2}),
        (
            StepDone(STEP, "applied", 0.5),
            {"event": "step_done", "step": STEP_DATA, "summary": "applied", "elapsed_s": 0.5},
        ),
        (
            StepFailed(STEP, "apply", "forbidden", 0.5),
            {
                "event": "step_failed",
                "step": STEP_DATA,
                "reason": "forbidden",
                "elapsed_s": 0.5,
                "summary": "apply",
            },
        ),
        (
            Waiting("k8s", "a; b", ("a", "b")),
            {"event": "waiting", "target": "k8s", "reason": "a; b", "parts": ["a", "b"]},
        ),
        (Log("k8s", "web-1", "hello"), {"event": "log", "target": "k8s", "source": "web-1", "line": "hello"}),
        (Warned("k8s", "one replica"), {"event": "warned", "target": "k8s", "message": "one replica"}),
        (Retried("GET x", "503", 2.0), {"event": "retried", "where": "GET x", "reason": "503", "pause_s": 2.0}),
        (
            Transferred("r/shop", 10, 1, 2, 3),
            {
                "event": "transferred",
                "repository": "r/shop",
                "sent_bytes": 10,
                "sent": 1,
                "mounted": 2,
                "there": 3,
            },
        ),
        (
            finished("k8s", "failed", "crashed", 3.0, ("boom",), "look", "it is down"),
            {
                "event": "target_finished",
                "target": "k8s",
                "state": "failed",
                "elapsed_s": 3.0,
                "verdict": {
                    "state": "failed",
                    "reason": "crashed",
                    "progress": "",
                    "detail": ["boom"],
                    "hint": "look",
                    "subject": "",
                    "superseded_by": "",
                    "warnings": [],
                    "down": "it is down",
                    "parts": [],
                },
                "images": [],
                "is_rolled_back": False,
                "rolled_back_to": "",
                "version": "",
                "release_state": "",
            },
        ),
        (RunFailed(2, "no file"), {"event": "run_failed", "exit_code": 2, "message": "no file", "problems": []}),
        (
            RunFinished(0, "1 of 1", 1.0, (Serving("k8s", "http://x/"),)),
            {
                "event": "run_finished",
                "exit_code": 0,
                "summary": "1 of 1",
                "elapsed_s": 1.0,
                "urls": [{"target": "k8s", "url": "http://x/"}],
                "ends": [],
                "next": "",
            },
        ),
    ],
    ids=lambda value: value["event"] if isinstance(value, dict) else "",
)
def test_an_event_has_its_name_and_all_of_its_fields(event: Event, data: dict[str, Any]) -> None:
    (line,) = lines(event)
    assert json.loads(line) == {**HEAD, **data}


def test_a_deploy_is_as_many_lines_as_events_in_their_order() -> None:
    names = [json.loads(line)["event"] for line in lines(*DEPLOY)]
    assert len(names) == len(DEPLOY)
    assert names[0] == "run_started" and names[-1] == "run_finished"
    assert [name for name in names if name == "target_finished"] == ["target_finished"] * 2


def test_a_line_break_in_a_field_breaks_no_line() -> None:
    (line,) = lines(Warned("k8s", "one\ntwo\u2028three"))
    assert line.startswith('{"v": 1, "run": "0123456789ab", "seq": 1, ')
    assert line.endswith('"event": "warned", "target": "k8s", "message": "one\\ntwo\\u2028three"}')
