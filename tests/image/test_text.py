"""Dockerfiles, their words, and .dockerignore: text in, values out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.errors import BuildError, ShipitError
from shipit.image.dockerfile import parse_dockerfile
from shipit.image.ignore import is_ignored, literal_pattern, parse_ignore
from shipit.reference import parse_reference


def test_a_dockerfile_with_everything() -> None:
    text = (
        "# syntax=docker/dockerfile:1\n# escape=\\\n\n# a comment\nFROM a AS b\n"
        'env A=1 \\\n  # in between\n\n  B="two words"\nCOPY --from=b --chown=1:2 x /y\n'
        "COPY <<EOF /file\nline $A\n  EOF not yet\nEOF\nCMD [\"a\", \"b\"]\n"
    )  # fmt: skip
    parsed = parse_dockerfile(text).instructions
    assert [(item.keyword, item.line) for item in parsed] == [
        ("FROM", 5),
        ("ENV", 6),
        ("COPY", 10),
        ("COPY", 11),
        ("CMD", 15),
    ]
    assert parsed[1].text == 'A=1   B="two words"'
    assert (parsed[2].flag("from"), parsed[2].flag("chown"), parsed[2].text) == ("b", "1:2", "x /y")
    assert parsed[3].heredocs[0].text == "line $A\n  EOF not yet\n"
    assert parsed[4].json_words == ("a", "b")


def test_a_lone_escape_is_no_instruction() -> None:
    assert [item.keyword for item in parse_dockerfile("FROM a\n\\\n\nCMD b\n\\").instructions] == ["FROM", "CMD"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Dockerfile: has no instructions"),
        ("FORM x\n", "Dockerfile:1: 'FORM' is not an instruction"),
        ("FROM a\nCOPY\n", "Dockerfile:2: COPY needs an argument"),
        ("FROM a\nCOPY <<EOF /x\nnever\n", "Dockerfile:2: the here-document <<EOF is never closed"),
    ],
)
def test_dockerfile_errors(text: str, message: str) -> None:
    with pytest.raises(BuildError) as caught:
        parse_dockerfile(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("rules", "ignored", "kept"),
    [
        ("*.pyc", ["a.pyc"], ["b/a.pyc", "a.py"]),
        ("**/*.pyc", ["a.pyc", "b/c/a.pyc"], ["a.py"]),
        ("node_modules", ["node_modules", "node_modules/x/y"], ["src/node_modules"]),
        ("/dist/", ["dist", "dist/a"], ["src/dist"]),
        ("*\n!keep.txt", ["a", "b/c"], ["keep.txt"]),
        ("docs\n!docs/README.md", ["docs/a"], ["docs/README.md"]),
        ("a?c", ["abc"], ["a/c", "abbc"]),
        ("[a-c].txt", ["b.txt"], ["d.txt"]),
        ("# comment\n\n!x", [], ["x", "# comment"]),
        ("**", ["a", "a/b"], []),
        ("a/**/z", ["a/z", "a/b/c/z"], ["z"]),
        ("./x", ["x"], ["y/x"]),
    ],
)
def test_dockerignore(rules: str, ignored: list[str], kept: list[str]) -> None:
    parsed = parse_ignore(rules.encode())
    assert [path for path in ignored if not is_ignored(path, parsed)] == []
    assert [path for path in kept if is_ignored(path, parsed)] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis", "docker.io/library/redis"), ("redis:8", "docker.io/library/redis:8"), ("user/app", "docker.io/user/app"),
        ("ghcr.io/a/b:v1", "ghcr.io/a/b:v1"), ("localhost/a", "localhost/a"), ("localhost:5000/a", "localhost:5000/a"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b"), ("index.docker.io/user/app", "docker.io/user/app"),
        (f"a/b@sha256:{'0' * 64}", f"docker.io/a/b@sha256:{'0' * 64}"), ("[::1]:5000/a", "[::1]:5000/a"),
    ],
)  # fmt: skip
def test_references(text: str, shown: str) -> None:
    assert str(parse_reference(text)) == shown


@pytest.mark.parametrize(
    "text", ["", ":", "Upper", "a b", "a@sha256:1", "a:", "a/", "/a", "a//b", "-a", "a:b:c", "http://a/b", "a@"]
)
def test_references_that_are_none(text: str) -> None:
    with pytest.raises(ShipitError):
        parse_reference(text)


@given(st.text(max_size=60))
def test_no_reference_breaks_the_parser(text: str) -> None:
    try:
        assert str(parse_reference(str(parse_reference(text)))) == str(parse_reference(text))
    except ShipitError:
        return


@given(st.text(max_size=120))
def test_no_dockerfile_breaks_the_parser(text: str) -> None:
    try:
        parse_dockerfile(f"FROM scratch\n{text}")
    except BuildError as error:
        assert error.where.startswith("Dockerfile")


@given(st.text("abz *?[]{}()\\!#.-^$+'ü", min_size=1, max_size=12).filter(lambda name: name not in (".", "..")))
def test_the_pattern_of_a_path_leaves_out_that_path(name: str) -> None:
    path = f"top/{name}/cache"
    for shown in (path, name):
        rules = parse_ignore(f"\n{literal_pattern(shown)}\n".encode())
        assert is_ignored(shown, rules) and is_ignored(f"{shown}/below", rules)
        assert not is_ignored(f"{shown}x", rules) and not is_ignored("kept", rules)


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_ignore_file_breaks_the_parser(text: str, path: str) -> None:
    try:
        rules = parse_ignore(text.encode())
    except ValueError:
        return
    assert is_ignored(path, rules) in (True, False)
