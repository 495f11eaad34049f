"""Lines of a log as text: safe, with colours where the terminal has them."""

from __future__ import annotations

import io

import pytest

from shipit.envelope import Envelope
from shipit.events import LogLine
from shipit.report.log_text import COLORS, render_log_line
from shipit.report.plain import PlainReporter

AT = "2026-01-31T12:00:00.123456789Z"


def line(text: str, *, instance: str = "web-1/web", at: str = AT, cut_bytes: int = 0) -> LogLine:
    return LogLine("k8s", "web", instance, at, text, cut_bytes)


def test_a_line_has_its_time_to_the_millisecond_and_its_name() -> None:
    assert render_log_line(line("hello")) == "2026-01-31T12:00:00.123Z k8s/web-1/web | hello"
    assert render_log_line(line("", at="")) == "k8s/web-1/web | "
    assert render_log_line(line("x", cut_bytes=1)) == "2026-01-31T12:00:00.123Z k8s/web-1/web | x ... (1 more byte)"


@pytest.mark.parametrize(
    ("text", "plain", "colored"),
    [
        ("a\tb\rc", "a b\\rc", "a b\\rc"),
        ("\x1b[31mred\x1b[0m", "red", "\x1b[31mred\x1b[0m\x1b[0m"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("\u202eevil", "\\u202eevil", "\\u202eevil"),
        ("\x9b31m", "\\x9b31m", "\\x9b31m"),
        ("bad \ufffd utf-8", "bad \ufffd utf-8", "bad \ufffd utf-8"),
    ],
)
def test_control_characters_are_escaped_and_colours_kept_at_a_terminal(text: str, plain: str, colored: str) -> None:
    assert render_log_line(line(text)).partition(" | ")[2] == plain
    assert render_log_line(line(text), 36).partition(" | ")[2] == colored


def test_lines_go_to_stdout_each_instance_in_its_own_colour() -> None:
    out, err = io.StringIO(), io.StringIO()
    reporter = PlainReporter(out, err, out_color=True)
    for instance in ("a", "b", "a"):
        reporter(Envelope(1, "run", 1, "now", line("hello", instance=instance)))
    names = [shown.split(" ")[1] for shown in out.getvalue().splitlines()]
    assert names == [f"\x1b[{COLORS[index]}mk8s/{name}\x1b[0m" for index, name in ((0, "a"), (1, "b"), (0, "a"))]
    assert err.getvalue() == ""


def test_no_line_is_a_command_of_a_ci_system() -> None:
    out = io.StringIO()
    reporter = PlainReporter(out, io.StringIO())
    reporter(Envelope(1, "run", 1, "now", line("##[error]x", at="")))
    reporter(Envelope(1, "run", 1, "now", line("::error::x", at="", instance="")))
    assert "##[" not in out.getvalue() and not out.getvalue().startswith("::")
