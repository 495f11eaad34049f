"""`--output plain`: the exact lines of every event, and on which stream each is."""

from __future__ import annotations

import io

import pytest

from shipit.events import (
    Event,
    Log,
    Retried,
    RunFinished,
    RunStarted,
    Serving,
    StepDone,
    StepFailed,
    StepId,
    StepProgress,
    StepStarted,
    TargetEnd,
    TargetFinished,
    Transferred,
    Waiting,
    Warned,
)
from shipit.report.plain import PlainReporter
from tests.report.samples import DEPLOY, PLAN_LINES, REFUSED, finished, told

HUB = StepId("apply", "tag", "hub")
ENDS = (
    TargetEnd("hub", "released"),
    TargetEnd("k8s", "rolled_back", "3f9c2ab41d77"),
    TargetEnd("heroku", "down", "v3"),
    TargetEnd("api", "unchanged", "v7"),
    TargetEnd("top", "not_reached"),
)


def written(*events: Event, color: bool = False) -> tuple[str, str]:
    """What the events become on stdout and on stderr."""
    out, err = io.StringIO(), io.StringIO()
    reporter = PlainReporter(out, err, color=color)
    for event in events:
        reporter(told(event))
    reporter.close()
    return out.getvalue(), err.getvalue()


def test_a_deploy_shows_its_progress_on_stderr_and_its_results_on_stdout() -> None:
    out, err = written(*DEPLOY)
    assert err.splitlines() == [
        "deploy shop (production) to k8s, heroku",
        "k8s: warning: replicas: 1 is not available while a node restarts",
        *PLAN_LINES,
        "build web ...",
        "build web | #5 RUN npm ci",
        "built web 4.0 MiB  1m33s",
        "push registry.example.com/shop ...",
        "PUT registry.example.com/v2/shop/blobs: 503 Service Unavailable; again in 2 s",
        "pushed registry.example.com/shop@0123456789ab  2.2s",
        "heroku: release web ...",
        "heroku: release web failed",
        "k8s: apply Deployment/web ...",
        "k8s: applied Deployment/web  0.5s",
        "k8s: waiting: Deployment/web 1 of 3 ready",
        "heroku: release | migrate: no such table",
    ]
    assert out.splitlines() == [
        "ok      k8s  Deployment/web: 3 of 3 ready  12.0s",
        "FAILED  heroku  the release command ended with 1  3.0s",
        "        | migrate: no such table",
        "        shop still runs v6",
        "        hint: heroku releases:output v7 --app shop",
        "failed: 1 of 2 targets failed in 1m40s",
        "        k8s  https://shop.example.com/",
    ]


def test_a_run_that_is_refused_shows_no_result_since_the_command_line_prints_the_error() -> None:
    assert written(*REFUSED) == ("", "plan shop (production) to k8s\n")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (RunStarted("build", "shop", "staging", ()), "build shop (staging)"),
        (StepStarted(StepId("build", "web"), "build web"), "build web ..."),
        (StepStarted(HUB, "set the tag latest"), "hub: set the tag latest ..."),
        (StepDone(HUB, "tagged latest", 0.04), "hub: tagged latest  0.0s"),
        (StepDone(HUB, "tagged latest", 89.96), "hub: tagged latest  90.0s"),
        (StepDone(HUB, "tagged latest", 3600.0), "hub: tagged latest  60m00s"),
        (StepFailed(HUB, "tag latest", "403 Forbidden", 1.0), "hub: tag latest failed"),
        (Waiting("k8s", "0 of 2; 1 of 3", ("0 of 2", "1 of 3")), "k8s: waiting: 0 of 2; 1 of 3"),
        (Log("k8s", "pod web-1", "listening"), "k8s: pod web-1 | listening"),
        (Log("", "build", ""), "build | "),
        (Warned("", "no .dockerignore"), "warning: no .dockerignore"),
        (Retried("GET host/x", "429", 1.0), "GET host/x: 429; again in 1 s"),
        (Retried("GET host/x", "429", 62.5), "GET host/x: 429; again in 62.5 s"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_event_of_progress_is_one_line_on_stderr(event: Event, line: str) -> None:
    assert written(event) == ("", f"{line}\n")


@pytest.mark.parametrize(
    "event",
    [
        StepProgress(HUB, 1, 2),
        Transferred("registry.example.com/shop", 1, 1, 0, 0),
        Retried("GET host/x", "connection reset", 0.99),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_event_of_detail_is_no_line(event: Event) -> None:
    assert written(event) == ("", "")


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (finished("k8s", "healthy", "2 of 2", 1.0), ["ok      k8s  2 of 2  1.0s"]),
        (finished("k8s", "unchanged", "up to date", 0.0), ["ok      k8s  up to date  0.0s"]),
        (finished("k8s", "skipped", "needs hub", 0.0), ["skipped k8s  needs hub  0.0s"]),
        (finished("k8s", "failed", "crashed", 9.0), ["FAILED  k8s  crashed  9.0s"]),
        (RunFinished(0, "2 of 2 targets healthy", 4.5), ["done: 2 of 2 targets healthy in 4.5s"]),
        (
            RunFinished(1, "3 of 5 targets failed", 4.5, (), ENDS, "shipit rollback heroku"),
            [
                "failed: 3 of 5 targets failed in 4.5s",
                "        hub     released",
                "        k8s     rolled back to 3f9c2ab41d77",
                "        heroku  down at v3",
                "        api     unchanged at v7",
                "        top     not reached",
                "        next: shipit rollback heroku",
            ],
        ),
        (RunFinished(130, "interrupted", 4.5), ["failed: interrupted in 4.5s"]),
        (
            RunFinished(0, "done", 1.0, (Serving("a", "http://a/"), Serving("heroku", "http://h/"))),
            ["done: done in 1.0s", "        a       http://a/", "        heroku  http://h/"],
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, TargetFinished | RunFinished) else "",
)
def test_an_event_of_outcome_is_on_stdout(event: Event, lines: list[str]) -> None:
    assert written(event) == ("".join(f"{line}\n" for line in lines), "")


def test_colors_of_a_log_are_kept_only_where_they_are_wanted() -> None:
    log = Log("", "build", "\x1b[32mok\x1b[0m")
    assert written(log) == ("", "build | ok\n")
    assert written(log, color=True) == ("", "build | \x1b[32mok\x1b[0m\x1b[0m\n")


def test_many_targets_are_grouped_by_result_and_cause_those_that_failed_first() -> None:
    ends = [TargetEnd(f"t{number}", "released", f"v{number}") for number in range(40)]
    ends[3] = TargetEnd("t3", "failed", "", "api.example.com/t3: 503 Service Unavailable")
    ends[7] = TargetEnd("t7", "failed", "", "api.example.com/t7: 503 Service Unavailable")
    ends[8] = TargetEnd("t8", "down", "v1", "no answer")
    out, _ = written(RunFinished(1, "3 of 40 targets failed", 2.0, ends=tuple(ends), next="shipit deploy t3 t7 t8"))
    assert out.splitlines() == [
        "failed: 3 of 40 targets failed in 2.0s",
        "        2 failed: 503 Service Unavailable",
        "          t3, t7",
        "        1 down: no answer",
        "          t8",
        "        37 released",
        "          t0, t1, t2, t4, t5, t6, t9, t10, t11, t12, t13, t14, t15, t16, t17, t18, t19, t20, t21, t22, ... and 17 more",
        "        next: shipit deploy t3 t7 t8",
    ]
