"""The lexer: quotes, escapes and variables expand as in BuildKit's own code, in linear time."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.image.dockerfile.pairs import parse_pairs
from shipit.image.dockerfile.shell_lex import Lexer
from tests.servers.moby import Moby, Refused

VARIABLES = {
    "A": "one",
    "B": "two words  ",
    "E": "",
    "P": "a/b/*.c/b",
    "N": "a\nbxx\nb",
    "S": "$A \\* 'q'",
    "é": "e",
    "0": "zero",
}
PARTS = [
    *"ab*?\\\"'` }{/#%:-+$<_0!@éx\n",
    "$A",
    "${A",
    "${B",
    "${E",
    "${N",
    "${P",
    "${U",
    "${é",
    "$S",
    "#*",
    "%%",
    "//",
    "/*/",
    ":-",
    ":+",
    ":?",
]
PARTS += ["${P#*/}", "${P%%/*}", "${P/b/$A}", "${P//[*]/x}", "\\}", "\\/", "\\$", "\ufeff", "<<", "$0", "\\*"]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=9).map("".join)


def agree(ask: Callable[[], object], ours: Callable[[], object]) -> None:
    try:
        expected = ask()
    except Refused:
        with pytest.raises(ValueError):
            ours()
        return
    assert ours() == expected


@given(TEXTS, st.sampled_from("\\`"))
def test_random_text_expands_as_in_buildkit(moby: Moby, text: str, escape: str) -> None:
    agree(lambda: moby.word(text, VARIABLES, escape), lambda: Lexer(escape).word(text, VARIABLES))


@given(TEXTS, st.sampled_from("\\`"))
def test_random_text_splits_into_words_as_in_buildkit(moby: Moby, text: str, escape: str) -> None:
    agree(lambda: moby.words(text, VARIABLES, escape), lambda: Lexer(escape).lex(text, VARIABLES).words)


FORMS = st.builds(
    "${{V{}{}{}}}".format,
    st.sampled_from(["#", "##", "%", "%%", "/", "//"]),
    st.lists(st.sampled_from([*"ab*?x", "\\*", "\n"]), max_size=6).map("".join),
    st.sampled_from(["", "/", "/w", "/$0-\\$0-\\$\\$", "/\\${0}\\$x"]),
)


@given(FORMS, st.text("abx*\n", max_size=12))
def test_random_patterns_match_as_in_buildkit(moby: Moby, text: str, value: str) -> None:
    agree(lambda: moby.word(text, {"V": value}), lambda: Lexer().word(text, {"V": value}))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$A", "one"), ("${A}b", "oneb"), ("$AB", ""), ("\\$A", "$A"), ("'$A'", "$A"), ('"$A b"', "one b"), ("${A:-x}", "one"),
        ("${E:-x}", "x"), ("${E-x}", ""), ("${N-x}", "x"), ("${A:+x}", "x"), ("${N:+x}", ""), ("${N:-${A}}", "one"), ("a$", "a$"),
    ],
)  # fmt: skip
def test_expansion(text: str, result: str) -> None:
    assert Lexer().word(text, {"A": "one", "E": ""}) == result


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("A=1 B=2", [("A", "1"), ("B", "2")]),
        ('A="a b" C=x\\ y', [("A", "a b"), ("C", "x y")]),
        ("A the rest of it", [("A", "the rest of it")]),
        ("PATH=/x:$PATH", [("PATH", "/x:/bin")]),
        ("A='$PATH'", [("A", "$PATH")]),
    ],
)
def test_pairs(text: str, pairs: list[tuple[str, str]]) -> None:
    assert parse_pairs(text, {"PATH": "/bin"}, Lexer()) == pairs


@pytest.mark.large
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${V##*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b}", "a" * 10_000),
        ("${V%%" + "*a" * 3000 + "b}", "a" * 10_000),
        ("${V#" + "*a" * 3000 + "b}", "a" * 10_000),
        ("${V//" + "*a" * 1000 + "b/x}", "a" * 10_000),
        ("${V//a*b/x}", "a" * 10_000),
        ("${V//a*b/x}", "ab" * 5000 + "a" * 10_000),
        ("${V//a*b/x}", ("a" * 100 + "\n") * 100),
        ("${V//?/x}", "a" * 10_000),
        ("${V/" + "?" * 5000 + "b/x}", "a" * 10_000),
        ("${V##" + "*" * 10_000 + "b}", "a" * 10_000),
    ],
    ids=range(10),
)
def test_patterns_expand_in_linear_time(text: str, value: str) -> None:
    began = time.process_time()
    Lexer().word(text, {"V": value})
    assert time.process_time() - began < 2


def test_variables_that_double_with_each_line_are_refused() -> None:
    lexer, variables = Lexer(), {"A": "x" * 100}
    with pytest.raises(ValueError, match="at most 1,000,000 characters"):
        for _ in range(30):
            variables["A"] = lexer.word("$A$A$A", variables)


@pytest.mark.large
def test_the_work_of_all_lines_is_limited() -> None:
    lexer = Lexer()
    with pytest.raises(ValueError, match="too much work"):
        for _ in range(100):
            lexer.word("${A##*}" * 50, {"A": "a" * 10_000})


@pytest.mark.parametrize("depth", [200, 20_000])
def test_deeply_nested_variables_are_refused(depth: int) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        Lexer().word("${U:-" * depth + "}" * depth, {})
