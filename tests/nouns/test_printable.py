"""What is printed holds no control characters, whatever it was made from."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.printable import printable_colored, printable_line, printable_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 日本 🚀", "plain ünïcode 日本 🚀"),
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("a\rb", "a\\rb"),
        ("one\ntwo", "one\\ntwo"),
        ("a\tb", "a b"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\u2028::stop-commands::x", "\\u2028::stop-commands::x"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_control_characters_are_escaped_in_a_line(text: str, shown: str) -> None:
    assert printable_line(text) == shown


def test_newlines_and_tabs_stay_in_a_text() -> None:
    assert printable_text("one\n\ttwo\r\n\x1b[2J") == "one\n\ttwo\\r\n\\x1b[2J"


def test_colours_stay_and_end_with_their_line() -> None:
    assert printable_colored("\x1b[1;31mred\x1b[0m") == "\x1b[1;31mred\x1b[0m\x1b[0m"
    assert printable_colored("\x1b[31mred") == "\x1b[31mred\x1b[0m"
    assert printable_colored("\x1b[2J\x1b[31;Hx\x1b]0;title\x07") == "\\x1b[2J\\x1b[31;Hx\\x1b]0;title\\x07"


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    for shown in (printable_line(text), printable_text(text)):
        shown.encode()
        assert all(
            unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp")
            for char in shown.replace("\n", "").replace("\t", "")
        )
        assert not any(
            unicodedata.bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
            for char in shown
        )
    assert "\n" not in printable_line(text)
