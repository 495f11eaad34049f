"""The live view: what it shows at 80 columns, and that it comes back after a question."""

from __future__ import annotations

import io
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from shipit.events import (
    Event,
    RunFinished,
    Serving,
    StepDone,
    StepId,
    StepProgress,
    StepStarted,
    Waiting,
)
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.report.terminal import TerminalReporter
from shipit.report.text import hung
from tests.report.samples import finished, told
from tests.shipit import Shipit

ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


def live_lines(*events: Event, width: int = 80) -> list[str]:
    """The lines of the live part after some events."""
    reporter = TerminalReporter(color=False, out=io.StringIO(), err=io.StringIO())
    reporter.close()
    for event in events:
        reporter(told(event))
    reporter._err = Console(file=io.StringIO(), width=width, color_system=None)
    reporter._err.print(reporter._render())
    file = reporter._err.file
    assert isinstance(file, io.StringIO)
    return [line.rstrip() for line in file.getvalue().splitlines()]


PARTS = (
    "Deployment/storefront 1 of 3 ready: Readiness probe failed: HTTP probe failed with statuscode: 503",
    "Deployment/worker-of-the-storefront 0 of 2 ready (ContainerCreating)",
)


def test_each_workload_has_a_line_and_the_time_is_never_cut() -> None:
    lines = live_lines(Waiting("k8s", "; ".join(PARTS), PARTS))
    text = "\n".join(lines)
    assert all(len(line) <= 80 for line in lines)
    assert re.search(r"  0\.\ds$", lines[0]), lines
    assert lines[0][1:].startswith(" k8s: Deployment/storefront 1 of 3 ready")
    assert "503" in text and "Deployment/worker-of-the-storefront 0 of 2 ready (ContainerCreating)" in text
    assert all(line.startswith(" " * 7) for line in lines[1:]), "what goes on hangs below its beginning"


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_live_lines_fit_any_terminal(width: int) -> None:
    lines = live_lines(
        StepStarted(StepId("apply", "release", "heroku"), "release web, worker " + "x" * 300),
        StepStarted(StepId("push", "b"), "push registry.example.com/team/shop"),
        StepProgress(StepId("push", "b"), 1_000_000, 3_000_000),
        Waiting("日本", "語" * 100),
        width=width,
    )
    assert len(lines) > 4
    assert sum("s" in line for line in lines) >= 1
    if width >= 80:
        assert all(len(line) <= width for line in lines)
        assert any("33%" in line and line.endswith("s") for line in lines)


def printed(*events: Event) -> str:
    out = io.StringIO()
    reporter = TerminalReporter(color=False, out=out, err=out)
    for event in events:
        reporter(told(event))
    reporter.close()
    return out.getvalue()


def test_lines_that_are_too_long_hang_and_words_stay_whole() -> None:
    url = f"registry.example.com/{'team/' * 20}shop@0123456789ab"
    lines = printed(StepDone(StepId("push", "b"), f"pushed {url}  2 sent (1.3 KiB), 3 there", 1.0)).splitlines()
    assert lines[0] == "✓ pushed" and lines[1] == f"    {url}"
    assert lines[2] == "    2 sent (1.3 KiB), 3 there  1.0s"


def test_results_that_go_to_a_file_are_not_broken() -> None:
    out, err = io.StringIO(), io.StringIO()
    reporter = TerminalReporter(color=False, out=out, err=err)
    reporter(told(finished("web", "healthy", "word " * 100, 2.0)))
    reporter.close()
    assert out.getvalue().count("\n") == 1 and "word" not in err.getvalue()


def test_a_deploy_ends_with_its_urls() -> None:
    lines = printed(
        finished("web", "healthy", "v2: web 1 up", 2.0),
        RunFinished(
            0, "1 of 1 targets healthy", 3.0, (Serving("web", "https://shop.example.com/"), Serving("k8s", "http://b/"))
        ),
    ).splitlines()
    assert lines == [
        "ok      web  v2: web 1 up  2.0s",
        "done: 1 of 1 targets healthy in 3.0s",
        "        web  https://shop.example.com/",
        "        k8s  http://b/",
    ]


def test_a_failure_says_that_the_app_is_down_and_how_to_return() -> None:
    down = "shop is DOWN at v3; to return to v2: heroku rollback v2 --app shop"
    lines = printed(finished("web", "failed", "web.1 crashed at v3", 2.0, ("boom",), "heroku logs", down)).splitlines()
    assert lines == [
        "FAILED  web  web.1 crashed at v3  2.0s",
        "        | boom",
        f"        {down}",
        "        hint: heroku logs",
    ]


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" "), max_size=200),
    st.integers(20, 100),
)
def test_a_hung_line_keeps_every_word(line: str, width: int) -> None:
    lines = hung(line, width)
    assert " ".join(lines).split() == line.split()
    assert all(len(part) <= width or len(part.split()) == 1 for part in lines)


def test_the_live_view_comes_back_after_a_question(shipit: Shipit, heroku: HerokuStandIn) -> None:
    with EmbeddedRegistry() as registry:
        shipit.write(
            Dockerfile='FROM scratch\nCOPY Dockerfile /\nCMD ["sh", "-c", "exec python3 -m http.server $PORT"]\n',
            deploy__yml=f"app: shop\nimage: {registry.host}/shop\n"
            "targets:\n  hub: {settle: 0s}\n  heroku: {app: shop-prod, settle: 3s, protected: true}\n",
        )
        code, shown = shipit.converse(["deploy"], [("[y/N]", "y")])
        assert code == 0, shown
        before, after = shown.split("[y/N]", 1)
        question = " ".join(ANSI.sub("", before).split("heroku is protected.")[-1].split())
        assert f"Deploy to hub ({registry.host}/shop), heroku (app shop-prod at" in question
        frames = [part for part in re.split(r"[\r\n]", ANSI.sub("", after)) if part[:1] and part[0] in FRAMES]
        assert any("heroku" in part for part in frames), shown
        # Frames of the live part stand between the lines, and are taken back.
        lines = [line.strip() for line in re.split(r"[\r\n]+", ANSI.sub("", after))]
        last = [line for line in lines if line and line[0] not in FRAMES]
        assert last[-2].startswith("done: 2 of 2 targets healthy"), last[-4:]
        assert last[-1].startswith("heroku  http://")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_printing_and_the_live_views_thread_never_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    reporter = TerminalReporter(color=False, out=io.StringIO(), err=Terminal())
    assert reporter._err.is_terminal and not reporter._err.is_dumb_terminal
    is_over = threading.Event()

    def refresh() -> None:
        while not is_over.is_set():
            reporter._live.refresh()

    def tell() -> None:
        for number in range(300):
            reporter(told(StepStarted(StepId("build", str(number)), f"build {number}")))
            reporter(told(StepDone(StepId("build", str(number)), f"built {number}", 0.1)))

    threads = [threading.Thread(target=work, daemon=True) for work in (refresh, tell)]
    for thread in threads:
        thread.start()
    threads[1].join(120)
    is_stuck = threads[1].is_alive()
    is_over.set()
    assert not is_stuck
    threads[0].join()
    reporter.close()
