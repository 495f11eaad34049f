"""`--output github`: what becomes an annotation."""

from __future__ import annotations

import io
from typing import Literal

import pytest

from shipit.events import TargetFinished
from shipit.report.github import GithubReporter
from shipit.report.plain import PlainReporter
from tests.report.samples import DEPLOY, finished, told


def annotated(event: TargetFinished) -> list[str]:
    out = io.StringIO()
    GithubReporter(out, io.StringIO())(told(event))
    return [line for line in out.getvalue().splitlines() if line.startswith("::")]


def test_a_failed_target_is_one_annotation_with_its_last_lines_and_the_hint() -> None:
    failed = finished("heroku", "failed", "web.1 crashed at v5", 0.3, ("100%", "no URL"), "heroku logs", "it is DOWN")
    assert annotated(failed) == [
        "::error::heroku: web.1 crashed at v5%0A100%25%0Ano URL%0Ait is DOWN%0Ahint: heroku logs"
    ]


@pytest.mark.parametrize("line", ["x\n::stop-commands::y", "x\r::error::y", "\x1b[2J::warning::y"])
def test_a_line_of_a_log_begins_no_command_of_its_own(line: str) -> None:
    (only,) = annotated(finished("k8s", "failed", "crashed", 0.3, (line,)))
    assert only.startswith("::error::k8s: crashed%0A") and "\x1b" not in only


@pytest.mark.parametrize("state", ["healthy", "unchanged", "skipped"])
def test_other_verdicts_are_no_annotation(state: Literal["healthy", "unchanged", "skipped"]) -> None:
    assert annotated(finished("k8s", state, "Deployment/web: 2 of 2", 1.0)) == []


def test_a_deploy_is_its_plain_lines_and_an_annotation_below_the_verdict_that_failed() -> None:
    streams = io.StringIO(), io.StringIO()
    plain = io.StringIO(), io.StringIO()
    for reporter in (GithubReporter(*streams), PlainReporter(*plain)):
        for event in DEPLOY:
            reporter(told(event))
        reporter.close()
    (out, err), (plain_out, plain_err) = ([stream.getvalue() for stream in pair] for pair in (streams, plain))
    assert err == plain_err
    annotation = (
        "::error::heroku: the release command ended with 1%0Amigrate: no such table%0Ashop still runs v6"
        "%0Ahint: heroku releases:output v7 --app shop\n"
    )
    before, _, after = plain_out.partition("failed: 1 of 2")
    assert out == f"{before}{annotation}failed: 1 of 2{after}"
