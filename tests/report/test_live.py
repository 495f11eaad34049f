"""The live view as a person sees it: the lines on the screen while a run goes on, and those that stay."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from shipit.events import Event, RunFinished, Serving, StepDone, StepId, StepProgress, StepStarted, Waiting
from shipit.report.terminal import TerminalReporter
from tests.report.samples import BUILD, DEPLOY, PLAN_LINES, PUSH, REFUSED, finished, told
from tests.report.screen import Screen

# How long the thread that draws may take on a busy machine.
PATIENCE_S = 20.0


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A terminal of 60 columns, which the variables of this one do not change."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"COLUMNS": "60", "LINES": "30", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    return Screen()


@pytest.fixture
def reporter(screen: Screen) -> Iterator[TerminalReporter]:
    """A reporter whose results and progress go to the one screen."""
    reporter = TerminalReporter(color=True, out=screen, err=screen)
    yield reporter
    reporter.close()


def steady(lines: list[str]) -> list[str]:
    """Lines with one spinner and one elapsed time, whatever they are."""
    return [re.sub(r"^[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] ", "* ", re.sub(r"  [0-9.]+s$", "  1.0s", line)) for line in lines]


def shown(screen: Screen, expected: list[str]) -> None:
    """Wait until the screen has these lines; the live part is drawn ten times a second."""
    deadline_s = time.monotonic() + PATIENCE_S
    while steady(screen.lines()) != expected and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert steady(screen.lines()) == expected


def test_a_step_is_shown_while_it_runs_and_becomes_a_line_when_it_is_done(
    screen: Screen, reporter: TerminalReporter
) -> None:
    reporter(told(StepStarted(BUILD, "build web")))
    shown(screen, ["* build web  1.0s"])
    reporter(told(StepStarted(StepId("apply", "push", "hub"), "push to hub")))
    shown(screen, ["* build web  1.0s", "* hub: push to hub  1.0s"])
    reporter(told(StepDone(BUILD, "built web", 4.0)))
    shown(screen, ["✓ built web  1.0s", "* hub: push to hub  1.0s"])


def test_a_transfer_shows_its_share_and_its_sizes(screen: Screen, reporter: TerminalReporter) -> None:
    reporter(told(StepStarted(PUSH, "push shop")))
    reporter(told(StepProgress(PUSH, 1024 * 1024, 4 * 1024 * 1024)))
    deadline_s = time.monotonic() + PATIENCE_S
    pattern = r"\S push shop  25%  1\.0 MiB of 4\.0 MiB  [0-9.]+ (KiB|MiB)/s  [0-9.]+s"
    while not re.fullmatch(pattern, "\n".join(screen.lines())) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert re.fullmatch(pattern, "\n".join(screen.lines())), screen.lines()


def test_a_target_that_is_waited_for_is_shown_until_its_verdict(screen: Screen, reporter: TerminalReporter) -> None:
    reporter(told(Waiting("k8s", "web 0 of 2; worker 1 of 1", ("web 0 of 2", "worker 1 of 1"))))
    shown(screen, ["* k8s: web 0 of 2  1.0s", "       worker 1 of 1"])
    reporter(told(Waiting("k8s", "web 1 of 2")))
    shown(screen, ["* k8s: web 1 of 2  1.0s"])
    reporter(told(finished("k8s", "healthy", "web 2 of 2", 3.0)))
    shown(screen, ["ok      k8s  web 2 of 2  1.0s"])


def test_the_live_part_is_gone_while_a_question_is_asked(screen: Screen, reporter: TerminalReporter) -> None:
    reporter(told(StepStarted(BUILD, "build web")))
    shown(screen, ["* build web  1.0s"])
    with reporter.paused():
        assert screen.lines() == []
    shown(screen, ["* build web  1.0s"])


def test_lines_that_stay_after_a_deploy(screen: Screen, reporter: TerminalReporter) -> None:
    feed(reporter, DEPLOY)
    reporter.close()
    assert screen.lines() == [
        "  deploy shop (production) to k8s, heroku",
        "  k8s: warning: replicas: 1 is not available while a node",
        "    restarts",
        *PLAN_LINES,
        "  build web | #5 RUN npm ci",
        "✓ built web 4.0 MiB  1m33s",
        "  PUT registry.example.com/v2/shop/blobs: 503 Service",
        "    Unavailable; again in 2 s",
        "✓ pushed registry.example.com/shop@0123456789ab  2.2s",
        "✗ heroku: release web failed",
        "✓ k8s: applied Deployment/web  0.5s",
        "  heroku: release | migrate: no such table",
        "ok      k8s  Deployment/web: 3 of 3 ready  12.0s",
        "FAILED  heroku  the release command ended with 1  3.0s",
        "        | migrate: no such table",
        "        shop still runs v6",
        "        hint: heroku releases:output v7 --app shop",
        "failed: 1 of 2 targets failed in 1m40s",
        "        k8s  https://shop.example.com/",
    ]


def test_lines_that_stay_after_a_run_that_is_refused(screen: Screen, reporter: TerminalReporter) -> None:
    feed(reporter, REFUSED)
    reporter.close()
    assert screen.lines() == ["  plan shop (production) to k8s"]


@pytest.mark.parametrize(
    ("event", "style"),
    [
        (finished("k8s", "healthy", "ready", 1.0), "\x1b[1;32m"),
        (finished("k8s", "failed", "crashed", 1.0), "\x1b[1;31m"),
        (finished("k8s", "skipped", "needs hub", 1.0), "\x1b[33m"),
    ],
    ids=["healthy", "failed", "skipped"],
)
def test_a_verdict_has_the_color_of_its_state(
    screen: Screen, reporter: TerminalReporter, event: Event, style: str
) -> None:
    reporter(told(event))
    assert style in screen.getvalue()


@pytest.mark.parametrize(("code", "end"), [(0, "\x1b[1;32m"), (1, "\x1b[1;31m")])
def test_the_urls_of_a_run_are_green_whether_or_not_another_target_failed(
    screen: Screen, reporter: TerminalReporter, code: int, end: str
) -> None:
    serving = (Serving("k8s", "https://a.example.com/"), Serving("hub", "https://b.example.com/"))
    reporter(told(RunFinished(code, "deployed", 1.0, serving, next="" if code == 0 else "shipit deploy heroku")))
    reporter.close()
    written = screen.getvalue()
    for host in ("a", "b"):
        assert written.partition(f"  https://{host}.example.com/")[0].rpartition("\x1b[")[2].startswith("1;32m")
    assert written.partition(": deployed")[0].rpartition("\x1b[")[2].startswith(end[2:])
    assert code == 0 or written.partition("next: ")[0].rpartition("\x1b[")[2].startswith(end[2:])


def test_without_color_nothing_is_colored(screen: Screen) -> None:
    reporter = TerminalReporter(color=False, out=screen, err=screen)
    feed(reporter, DEPLOY)
    reporter.close()
    colors = {code for found in re.findall(r"\x1b\[([0-9;]*)m", screen.getvalue()) for code in found.split(";")}
    assert not colors & {str(code) for code in (*range(30, 38), *range(40, 48), *range(90, 98))}


def feed(reporter: TerminalReporter, events: tuple[Event, ...]) -> None:
    for event in events:
        reporter(told(event))
