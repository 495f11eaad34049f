""".dockerignore files exclude the same paths as moby's own code, in linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.image.context.ignore import is_ignored, parse_ignore
from tests.servers.moby import Moby, Refused

PATHS = (
    ["a", "b", "ab", "abc", "a/b", "a/b/c", "dir", "dir/file", "dir/sub/file.md", "docs/a.md", "docs/x/b.md", "foo.md"]
    + ["x.log", "a/x.log", "alog", "a.log/b", "[x]", "a]b", "a-b", "a^b", "^a", "-", "!x", "#x", "a b", " a", "a ", "*"]
    + [
        "a*b",
        "\\",
        "a\\b",
        "d",
        "5",
        "é",
        "é/ü",
        ".a",
        "..a",
        "a..",
        "\n",
        "a\nb",
        "file1",
        "a\udcff",
        "/",
        "a:b",
        "()",
    ]
)
PARTS = [*"ab*?[]^-!\\/. #d1x\n", "**", "[^", "[a-", "/**", "**/", ":]", "[[:alpha:]", "é", "\udcff", "\ufeff", "\\x41"]
# moby passes escapes on to Go's regular expressions, where \\b is a word boundary; shipit refuses them.
RULES = st.lists(st.sampled_from(PARTS), max_size=8).map("".join).filter(lambda text: "\\b" not in text)
FILES = st.lists(RULES, max_size=5).map("\n".join)


def ours(rules: bytes, paths: list[str]) -> list[bool]:
    parsed = parse_ignore(rules)
    return [is_ignored(path, parsed) for path in paths]


def agree(moby: Moby, text: str, paths: list[str]) -> None:
    rules = text.encode("utf-8", "surrogateescape")
    try:
        expected = moby.ignored(rules, paths)
    except Refused:
        with pytest.raises(ValueError, match="the pattern"):
            ours(rules, paths)
        return
    found = ours(rules, paths)
    assert found == expected, [
        path for path, is_out, should in zip(paths, found, expected, strict=True) if is_out != should
    ]


@pytest.mark.parametrize("rules", ["\\bword", "\\B", "\\pL"])
def test_escapes_of_regular_expressions_are_refused(rules: str) -> None:
    with pytest.raises(ValueError, match="unknown escape"):
        parse_ignore(rules.encode())


@given(FILES)
def test_random_rules_exclude_what_moby_excludes(moby: Moby, text: str) -> None:
    agree(moby, text, PATHS)


@given(FILES, st.lists(st.text(alphabet="ab/.*é[]-\n\\", min_size=1, max_size=9), min_size=1, max_size=4))
def test_random_paths_are_excluded_as_in_moby(moby: Moby, text: str, paths: list[str]) -> None:
    agree(moby, text, [path for path in paths if all(part not in ("", ".", "..") for part in path.split("/"))])


# From moby's patternmatcher_test.go: patterns, path, whether it is excluded.
CASES = [
    ("**", "file", True), ("**", "file/", True), ("**/", "file", True), ("**/", "file/dir", True), ("**", "/", True),
    ("dir/**", "dir/file", True), ("dir/**", "otherfile", False), ("**/dir", "dir/file", True), ("**/**", "dir/file", True),
    ("dir/**", "dir/dir2/file/", True), ("**/**/", "dir/file", True), ("**/file", "dir/dir/file", True),
    ("**/dir/two/*", "dir/two/three", True), ("**/dir2/*", "dir/dir2/file", True), ("**/dir2/**", "dir/dir2/dir2/file", True),
    ("**file", "dir/dir2/file", True), ("**/file*txt", "dir/dir/file.txt", True), ("**/**/*.txt", "file.txt", True),
    ("**/**/*.txt2", "file.txt", False), ("**/*.txt", "file.txt", True), ("a**/*.txt", "abc/def/file.txt", True),
    ("a[b-d]e", "ae", False), ("a[b-d]e", "ace", True), ("a[^b-d]e", "aze", True), (".*", ".foo", True), (".*", "foo", False),
    ("abc.def", "abcdef", False), ("abc?def", "abcZdef", True), ("a\\\\", "a\\", True), ("**/foo/bar", "in/foo/bar", True),
    ("abc/**", "abc/def/ghi", True), ("**/.foo", ".foo", True), ("**/.foo", "bar.foo", False), ("./bar.*", "bar.baz", True),
    ("a(b)c/def", "a(b)c/def", True), ("a.|)$(}+{bc", "a.|)$(}+{bc", True), ("dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", True),
    ("**\n!util/docker/web", "util/docker/web/foo", False), ("**\n!util/docker/web\nutil/docker/web/foo", "util/docker/web/foo", True),
    ("**\n!dist/proxy.whl", "dist/proxy.whl", False), ("docs/**.md", "docs/a.md", False), ("**.log", "a/b.log", True),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "path", "is_out"), CASES)
def test_cases_of_mobys_own_tests(rules: str, path: str, is_out: bool) -> None:
    assert is_ignored(path.rstrip("/") or "x", parse_ignore(rules.encode())) == is_out


SLOW_FOR_BACKTRACKING = [
    ("*a" * 25 + "b", "a" * 30),
    ("*a" * 3000 + "b", "a" * 10_000),
    ("**/a" * 2500, "a/" * 5000 + "b"),
    ("**a" * 3000 + "b", "a/" * 5000 + "a"),
    ("*" * 10_000 + "b", "a" * 10_000),
    ("[a-z]*?" * 1400 + "!", "abc" * 3300),
    ("?" * 9000 + "*b", "a" * 10_000),
    ("(.*/)?" * 1500 + "*x", "a/" * 5000 + "a"),
    ("\n".join("*a" * 20 + str(number) for number in range(200)), "a" * 10_000),
    ("\n".join("!" * (number % 2) + "*a" * 20 for number in range(200)), "a/" * 5000 + "a"),
    ("*" * 40 + "\n" + "!" + "*a" * 4000, "a" * 5000 + "/b" * 2500),
    ("".join(f"[{chr(number)}]*" for number in range(0x4E00, 0x4E00 + 2000)), "".join(map(chr, range(0x4E00, 0x5A00)))),
]


@pytest.mark.large
@pytest.mark.parametrize(("rules", "path"), SLOW_FOR_BACKTRACKING, ids=range(len(SLOW_FOR_BACKTRACKING)))
def test_patterns_match_in_linear_time(rules: str, path: str) -> None:
    began = time.process_time()
    is_ignored(path, parse_ignore(rules.encode()))
    assert time.process_time() - began < 2


def test_many_rules_and_paths_are_matched_in_bounded_memory() -> None:
    rules = parse_ignore("\n".join(f"*{number}*x{number}" for number in range(2000)).encode())
    began = time.process_time()
    assert not any(is_ignored(f"folder{number % 50}/name{number}", rules) for number in range(5000))
    assert time.process_time() - began < 20
