"""Ignore files and references: text to values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.errors import ShipitError
from shipit.image.context.ignore import is_ignored, literal_pattern, parse_ignore
from shipit.reference import parse_reference


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
def test_dockerignore_rules(rules: str, ignored: list[str], kept: list[str]) -> None:
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
def test_invalid_references_are_refused(text: str) -> None:
    with pytest.raises(ShipitError):
        parse_reference(text)


@given(st.text(max_size=60))
def test_random_references_parse_or_are_refused(text: str) -> None:
    try:
        assert str(parse_reference(str(parse_reference(text)))) == str(parse_reference(text))
    except ShipitError:
        return


@given(st.text("abz *?[]{}()\\!#.-^$+'ü", min_size=1, max_size=12).filter(lambda name: name not in (".", "..")))
def test_the_literal_pattern_of_a_path_excludes_it(name: str) -> None:
    path = f"top/{name}/cache"
    for shown in (path, name):
        rules = parse_ignore(f"\n{literal_pattern(shown)}\n".encode())
        assert is_ignored(shown, rules) and is_ignored(f"{shown}/below", rules)
        assert not is_ignored(f"{shown}x", rules) and not is_ignored("kept", rules)


@given(st.text(max_size=40), st.text(max_size=40))
def test_random_ignore_files_parse_or_are_refused(text: str, path: str) -> None:
    try:
        rules = parse_ignore(text.encode())
    except ValueError:
        return
    assert is_ignored(path, rules) in (True, False)
