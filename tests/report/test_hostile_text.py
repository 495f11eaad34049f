"""What servers, logs and files say reaches no terminal and no CI system as anything but text."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from collections.abc import Callable

import pytest
import yaml

from shipit.config.yaml_text import quoted
from shipit.digest import Digest
from shipit.errors import BuildError, ConfigError, ConfigErrors, RemoteError, ShipitError
from shipit.events import (
    Event,
    Log,
    PlanMade,
    Retried,
    RunFailed,
    RunFinished,
    RunStarted,
    Serving,
    StepDone,
    StepFailed,
    StepId,
    StepStarted,
    Transferred,
    Waiting,
    Warned,
)
from shipit.release import Place, Plan, PlannedImage, Step, TagMove, TargetPlan, Upload
from shipit.report.json_lines import JsonReporter, to_json
from shipit.report.plain import PlainReporter
from shipit.report.problems import annotation_lines, failure_of
from shipit.report.terminal import TerminalReporter
from shipit.report.text import error_lines, plan_lines
from tests.report.samples import finished, told

HOSTILE = [
    "\x1b]52;c;aGFja2Vk\x07",
    "\x1b[2J\x1b[H\x1b]0;title\x07",
    "\x9b2J\x9d52;c;aGk=\x9c",
    "fine\rFAILED",
    "one\ntwo\r\nthree",
    "\n::stop-commands::x",
    "::stop-commands::x",
    "  ::add-mask::x",
    "##[add-path]/evil",
    "##vso[task.setvariable variable=x]y",
    "##teamcity[buildStatus status='FAILURE']",
    "%0A::error::x",
    "\u202eevil\u2066\u200b",
    "line\u2028separator\u2029\x85next\x0b\x0c",
    "surrogate \udcff\ud800",
    "\x7f\x00\x08",
    "[bold red]markup[/]",
]


DIGEST = Digest("sha256:" + "a" * 64)


def events(text: str) -> list[Event]:
    """Every event that holds text, with the same one wherever it can stand."""
    step = Step("set", text, (text,))
    upload = Upload(text, text, DIGEST, 1, 1, (text,))
    plan = Plan(
        "app",
        "production",
        (PlannedImage(text, text, DIGEST, text, text, text),),
        (TargetPlan("web", Place("k", text), (upload,), (step,), (text,)),),
        (TagMove(text, text, DIGEST, DIGEST),),
    )
    return [
        RunStarted("deploy", text, text, (text,)),
        StepStarted(StepId("apply", text, text), text),
        Waiting(text, text, (text, text)),
        Log(text, text, text),
        Warned(text, text),
        Retried(text, text, 9.0),
        Transferred(text, 1, 1, 0, 0),
        StepDone(StepId("apply", text, text), text, 1.0),
        StepFailed(StepId("push", text), text, text, 1.0),
        PlanMade(plan, 3),
        finished(text, "failed", text, 1.0, (text, text), text, text),
        RunFailed(1, text),
        RunFinished(1, text, 2.0, (Serving(text, text),)),
    ]


def shown_by_plain(given: list[Event], color: bool = False) -> str:
    out, err = io.StringIO(), io.StringIO()
    reporter = PlainReporter(out, err, color=color)
    for event in given:
        reporter(told(event))
    reporter.close()
    return out.getvalue() + err.getvalue()


def shown_by_terminal(given: list[Event]) -> str:
    out, err = io.StringIO(), io.StringIO()
    reporter = TerminalReporter(color=False, out=out, err=err)
    # So wide that no line has to be broken.
    reporter._err.width = reporter._out.width = 10_000
    for event in given:
        reporter(told(event))
    reporter.close()
    return out.getvalue() + err.getvalue()


def controls(text: str) -> set[str]:
    """Characters that a terminal would obey or that hide."""
    return {
        char
        for char in text
        if char != "\n" and (unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") or char == "\x7f")
    }


def commands(text: str) -> list[str]:
    """Lines that a CI system would take for a command."""
    return [
        line for line in text.split("\n") if re.match(r"\s*::", line) or re.search(r"##(\[|vso\[|teamcity\[)", line)
    ]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("show", [shown_by_plain, shown_by_terminal])
def test_nothing_is_printed_raw(show: Callable[[list[Event]], str], text: str) -> None:
    shown = show(events(text))
    assert controls(shown) == set()
    assert shown.count("\n") == show(events("harmless")).count("\n"), "one line stays one line"
    if show is shown_by_plain:
        assert commands(shown) == []


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_json_lines_hold_no_control_characters_and_say_the_same(text: str) -> None:
    out = io.StringIO()
    reporter = JsonReporter(out)
    for event in events(text):
        reporter(told(event))
    lines = out.getvalue().split("\n")
    assert lines.pop() == "" and len(lines) == len(events(text))
    assert out.getvalue().isascii() and controls(out.getvalue()) == set()
    said = [json.loads(line) for line in lines]
    expected = re.sub("[\ud800-\udfff]", "\ufffd", text)
    assert {name: said[3][name] for name in ("event", "target", "source", "line")} == {
        "event": "log", "target": expected, "source": expected, "line": expected,
    }  # fmt: skip
    assert said[-1]["urls"] == [{"target": expected, "url": expected}]
    assert "".join(lines).encode("ascii").decode("utf-8")


@pytest.mark.parametrize(
    "text", ["##[error]x", "a ###[add-mask]x", "##vso[task.setvariable]x", "##teamcity[x]", "# ##"]
)
def test_json_and_quoted_text_hold_no_command_and_mean_the_same(text: str) -> None:
    for shown in (to_json({text: [text]}), to_json([text], indent=2), quoted(text)):
        assert not re.search(r"##(\[|vso\[|teamcity\[)", shown), shown
    assert json.loads(to_json({text: [text]})) == {text: [text]}
    assert yaml.safe_load(quoted(text)) == text


def test_json_keeps_characters_beyond_the_first_plane() -> None:
    assert json.loads(to_json("\U0001f511 \ud83d")) == "\U0001f511 \ufffd"


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_annotations_are_one_line_each_and_name_one_command(text: str) -> None:
    errors: list[ShipitError] = [
        ShipitError(text, where=text, hint=text),
        RemoteError(text, where=text, detail=[text]),
        BuildError(text, where=f"{text}/Dockerfile:3"),
        ConfigErrors([ConfigError(text, where=f"{text}:3:4", path=text, position=(3, 4), hint=text)]),
    ]
    for error in errors:
        (line,) = annotation_lines(error, "error")
        assert controls(line) == set() and "\n" not in line
        assert line.startswith(("::error::", "::error file="))
        properties = line.removeprefix("::error").split("::")[0]
        assert ":" not in properties and properties.count(",") <= 2
        assert "%" not in re.sub("%(25|0A|0D|3A|2C)", "", line), "what is escaped can be read back"


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_errors_are_printed_line_by_line(text: str) -> None:
    error = RemoteError(text, where=text, hint=text, detail=[text, text])
    lines = error_lines(error)
    assert len(lines) == 4
    assert controls("".join(lines)) == set() and all("\n" not in line for line in lines)
    assert failure_of(error).message == "\n".join(lines)


def test_a_plan_can_not_be_given_lines_by_what_stands_in_it() -> None:
    step = Step("set", "set A\n  = up to date", ("A=1\n\nup to date: nothing to change",))
    plan = Plan("app", "production", (), (TargetPlan("web", Place("k", "p"), (), (step,)),))
    assert plan_lines(plan) == [
        "app -> production",
        "",
        "web  p",
        "  ~ set A\\n  = up to date",
        "      A=1\\n\\nup to date: nothing to change",
        "",
        "1 change",
    ]


COLORED = "\x1b[31mred\x1b[0m \x1b[1;38;5;12mblue\x1b]52;c;eA==\x07\x1b[2K"


def test_a_build_log_keeps_its_colours_and_nothing_else() -> None:
    shown = shown_by_plain([Log("", "build web", COLORED)], color=True)
    assert shown == ("build web | \x1b[31mred\x1b[0m \x1b[1;38;5;12mblue\\x1b]52;c;eA==\\x07\\x1b[2K\x1b[0m\n")
    assert shown_by_plain([Log("", "build web", COLORED)]) == "build web | red blue\\x1b]52;c;eA==\\x07\\x1b[2K\n"


def test_colours_outside_of_a_log_are_escaped() -> None:
    shown = shown_by_plain([Warned("web", COLORED)], color=True)
    assert "\x1b" not in shown and "\\x1b[31mred" in shown
