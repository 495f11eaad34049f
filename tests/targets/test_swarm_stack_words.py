"""Commands of stack files, split into words as docker splits them."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.targets.swarm.stack_words import split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  run\t--a\r\n--b ", ["run", "--a", "--b"]),
        ("run '' \"\" x''y", ["run", "", "", "xy"]),
        ("""sh -c "echo \\$HOME \\n" """, ["sh", "-c", "echo $HOME n"]),
        ("""sh -c 'echo \\$HOME'""", ["sh", "-c", "echo \\$HOME"]),
        ("a\\ b c", ["a b", "c"]),
        ("run a#b '#c' \\#d", ["run", "a#b", "#c", "#d"]),
        ("# first\nrun --a\n  # a 'note\n--b\n# last", ["run", "--a", "--b"]),
        ("'a\nb' c", ["a\nb", "c"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize("text", ["'a", '"a', "a\\", '"a\\', "a 'b\n"])
def test_a_quote_or_a_backslash_without_an_end(text: str) -> None:
    with pytest.raises(ValueError, match=r"never closed|end with a backslash"):
        split_words(text)


@pytest.mark.parametrize("text", ["run # note --b\n", "run\n--a #x\n--b", "'a\nb' #"])
def test_a_comment_behind_a_word_would_drop_what_follows(text: str) -> None:
    with pytest.raises(ValueError, match="docker drops the rest of the line"):
        split_words(text)


@given(st.lists(st.text(alphabet="ab '\"\\\\#$\n\t", max_size=6), max_size=5))
def test_quoted_words_come_back(words: list[str]) -> None:
    assert split_words(shlex.join(words)) == words
