"""The summary of a step of GitHub Actions: exact Markdown of a run, and what hostile text can't do to it."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.digest import Digest
from shipit.events import RunFailed, RunFinished, RunStarted, TargetFinished
from shipit.release import PublishedImage, State, Verdict
from shipit.report.github import GithubReporter
from shipit.report.markdown_code import code_block
from shipit.report.step_summary import LIMIT_BYTES, escaped, render_summary
from tests.report.samples import DEPLOY, PLAN_LINES, REFUSED, finished, told

SUMMARY = [
    "## shipit deploy: shop (production)",
    "",
    "**failed**: 1 of 2 targets failed in 1m40s",
    "",
    "- k8s: <https://shop.example.com/>",
    "",
    "| target | verdict | reason | time |",
    "| --- | --- | --- | --- |",
    r"| k8s | ok | Deployment/web\: 3 of 3 ready | 12.0s |",
    "| heroku | FAILED | the release command ended with 1 | 3.0s |",
    "",
    "### heroku",
    "",
    "shop still runs v6",
    "",
    r"hint\: heroku releases\:output v7 \-\-app shop",
    "",
    "```text",
    "migrate: no such table",
    "```",
    "",
    "<details><summary>Plan</summary>",
    "",
    "```text",
    *PLAN_LINES,
    "```",
    "",
    "</details>",
    "",
]


def written(file: Path, *events: object) -> str:
    reporter = GithubReporter(io.StringIO(), io.StringIO(), summary=file)
    for event in events:
        reporter(told(event))  # type: ignore[arg-type]
    reporter.close()
    return file.read_text() if file.exists() else ""


def test_a_deploy_gives_its_verdicts_its_urls_the_last_lines_of_a_crash_and_the_plan(tmp_path: Path) -> None:
    assert written(tmp_path / "summary", *DEPLOY).splitlines() == SUMMARY


def test_a_run_that_is_refused_gives_its_error(tmp_path: Path) -> None:
    assert written(tmp_path / "summary", *REFUSED).splitlines() == [
        "## shipit plan: shop (production)",
        "",
        "**failed**",
        "",
        "```text",
        "GET 10.0.0.1:6443/version: connection refused",
        "hint: is the cluster running?",
        "```",
        "",
    ]


def test_images_are_named_by_their_whole_digest() -> None:
    image = PublishedImage("web", "linux/amd64", f"r.example/shop@{Digest.of(b'x')}", Digest.of(b"c"))
    event = TargetFinished("k8s", "healthy", 1.0, Verdict(State.HEALTHY, "ready"), (image,))
    assert f"```text\n{image.reference}\n```\n" in render_summary([event])


def test_a_second_command_of_the_step_is_added_below(tmp_path: Path) -> None:
    file = tmp_path / "summary"
    first = written(file, RunStarted("plan", "a", "production", ()))
    assert written(file, RunStarted("deploy", "a", "production", ())) == f"{first}## shipit deploy: a (production)\n\n"


def test_a_file_that_can_not_be_written_is_left_out(tmp_path: Path) -> None:
    assert written(tmp_path / "no" / "summary", *DEPLOY) == ""


def test_a_pipe_a_device_and_a_folder_are_left_alone_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for file in (tmp_path / "pipe", tmp_path, Path("/dev/full")):
        reporter = GithubReporter(io.StringIO(), io.StringIO(), summary=file)
        for event in DEPLOY:
            reporter(told(event))
        reporter.close()
    assert list(tmp_path.iterdir()) == [tmp_path / "pipe"]


def test_a_file_that_is_full_gets_nothing_more(tmp_path: Path) -> None:
    file = tmp_path / "summary"
    file.write_bytes(b"x" * (LIMIT_BYTES + 1))
    written(file, *DEPLOY)
    assert file.stat().st_size == LIMIT_BYTES + 1


def test_what_a_link_leads_to_is_added_to(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("before\n")
    (tmp_path / "summary").symlink_to("own")
    assert written(tmp_path / "summary", *DEPLOY).startswith("before\n## shipit deploy")


@pytest.mark.parametrize("room", [0, 10, 100, 300, 1_000, LIMIT_BYTES])
def test_what_does_not_fit_is_left_out_with_a_line_that_says_so(room: int) -> None:
    text = render_summary([RunStarted("deploy", "a", "p", ()), *(finished("k8s", "failed", "x" * 90, 1.0),) * 9], room)
    assert len(text.encode()) <= room
    assert room == LIMIT_BYTES or not text or text.endswith("(cut: a summary takes 1 MiB)\n")


def test_a_crash_of_many_lines_keeps_its_last_ones() -> None:
    lines = tuple(f"line {number} " + "語" * 1_000 for number in range(2_000))
    text = render_summary([finished("k8s", "failed", "crashed", 1.0, lines)] * 12)
    assert len(text.encode()) <= LIMIT_BYTES
    assert "line 1999 " in text and "line 0 " not in text


@given(st.text(max_size=60))
def test_escaped_text_is_one_line_without_markup(text: str) -> None:
    shown = escaped(text)
    assert "\n" not in shown and "<" not in shown
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]|]", shown)


@pytest.mark.parametrize("line", ["```", "````\n# x", "</details>", "x\r\n```"])
def test_a_line_ends_no_block_of_code(line: str) -> None:
    block = code_block([line, "end"])
    fence = block.split("text\n")[0]
    assert [at for at in block.splitlines() if at == fence] == [fence]
    assert block.endswith(f"end\n{fence}\n")


def test_a_url_that_could_end_its_link_is_text() -> None:
    from shipit.events import Serving

    run = RunFinished(0, "done", 1.0, (Serving("a", "https://x/><script>"), Serving("b", "javascript:x")))
    text = render_summary([run])
    assert "<script>" not in text and "<javascript" not in text and "<https" not in text


def test_a_failure_before_any_target_is_cut_to_its_last_lines() -> None:
    assert "end" in render_summary([RunFailed(1, "x\n" * 100_000 + "end")])
