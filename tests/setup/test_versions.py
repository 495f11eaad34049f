"""The version of a language for an image tag, from what the files of a project ask for."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import pytest

from shipit.drafts.files import Runtime
from shipit.setup.dockerfiles import dockerfile_for
from shipit.setup.project import runtime_of
from shipit.setup.versions import version_for

PYTHON = {
    "<3.13,>=3.9": "3.12", ">=3.9": "3.12", "==3.11.*": "3.11", "~=3.10": "3.12", "3.13.1": "3.13", ">=3.9,<3.12": "3.11",
    "<=3.11": "3.11", ">=3.13": "3.13", "!=3.12.*,>=3.11,<3.13": "3.11", "3": "3.12", ">3.12": "3.13", "<3.12.5": "3.11",
    "==3.11.4": "3.11", ">=3.9, !=3.9.7": "3.12", "3.13.0rc1": "3.13",
    ">=3.12,<3.9": "", "pypy3.9": "", "": "", ">=": "", "99999999.1": "",
}  # fmt: skip
NODE = {
    ">=0.10": "22", ">=20": "22", "^18 || ^20": "20", "18.x": "18", "v18.17.0": "18", "18 - 20": "20", ">=18 <21": "20",
    "*": "22", "~16.1": "16", "^18.12.0": "18", "20.x || 22.x": "22", ">=23": "23", "18.17.0 || >=20.5.0": "22",
    "22 || " * 40 + "22": "", "lts/*": "", "node": "", "^0.10": "",
}  # fmt: skip
RUBY = {"3.3.0": "3.3", "~> 3.2": "3.4", "~> 3.2.1": "3.2", ">= 2.7,< 3.4": "3.3", "~> 2.7": "2.7", "jruby-9.4": ""}
CASES = [("3.12", PYTHON), ("22", NODE), ("3.4", RUBY)]


@pytest.mark.parametrize(
    ("usual", "asked", "version"), [(usual, asked, found) for usual, cases in CASES for asked, found in cases.items()]
)
def test_the_usual_version_or_the_highest_within_the_bounds(usual: str, asked: str, version: str) -> None:
    assert version_for(asked, usual) == version


@pytest.mark.parametrize(
    ("files", "runtime"),
    [
        ({"pyproject.toml": '[project]\nrequires-python = "<3.12,>=3.9"\n'}, Runtime("python", "3.11")),
        ({"setup.py": "", ".python-version": "# ours\n3.13.1\n3.12\n"}, Runtime("python", "3.13")),
        ({"setup.py": "", ".python-version": "pypy3.9-7.3\n"}, Runtime("python", "", "", ".python-version")),
        ({"package.json": '{"main": "a", "engines": {"node": ">=0.10"}}'}, Runtime("node", "22")),
        ({"package.json": '{"main": "a"}', ".nvmrc": "lts/*\n"}, Runtime("node", "", "", ".nvmrc")),
        ({"Gemfile": "ruby '~> 3.2.1', '>= 3.2.2', engine: 'ruby'\n"}, Runtime("ruby", "3.2")),
        ({"Gemfile": "ruby '2.7'\n", ".ruby-version": "ruby-3.3.0\n"}, Runtime("ruby", "3.3")),
        ({"Gemfile": f"ruby '3.3' # {'a' * 300}\n"}, Runtime("ruby", "3.3")),
        ({"Gemfile": "gem 'x'\n"}, Runtime("ruby")),
        ({"go.mod": "module x\n\ngo 1.22.3\n"}, Runtime("go", "1.22")),
    ],
)
def test_a_version_is_read_from_the_files_of_its_language(
    tmp_path: Path, files: dict[str, str], runtime: Runtime
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert runtime_of(tmp_path) == runtime


@pytest.mark.parametrize("text", ["1" * 8000, "1." * 8000, ">=3.1," * 4000, "22 " * 67])
def test_a_long_text_is_not_clear(text: str) -> None:
    start = monotonic()
    assert version_for(text, "22") == ""
    assert monotonic() - start < 2


def test_a_long_line_of_a_gemfile_is_cut(tmp_path: Path) -> None:
    (tmp_path / "Gemfile").write_text("ruby " + "a" * 500_000)
    start = monotonic()
    assert runtime_of(tmp_path) == Runtime("ruby")
    assert monotonic() - start < 2


def test_a_version_that_is_not_clear_is_marked_as_a_guess() -> None:
    lines = dockerfile_for(Runtime("node", "", "", ".nvmrc"), app="x", web="", static_folder=".").splitlines()
    assert lines[:2] == [
        "# TODO: the version below is a guess (.nvmrc is not clear); name the one that the app needs.",
        "FROM node:22-alpine",
    ]


@pytest.mark.parametrize(
    ("web", "line"),
    [
        ("node a", "CMD node a"),
        ("node a\nRUN curl evil", 'CMD ["/bin/sh", "-c", "node a\\nRUN curl evil"]'),
        ("node a \\", 'CMD ["/bin/sh", "-c", "node a \\\\"]'),
        ('["a", "b"]', 'CMD ["/bin/sh", "-c", "[\\"a\\", \\"b\\"]"]'),
        ("node a\rRUN b", 'CMD ["/bin/sh", "-c", "node a\\rRUN b"]'),
    ],
)
@pytest.mark.parametrize("language", ["node", "python", "ruby"])
def test_a_command_is_one_instruction(language: str, web: str, line: str) -> None:
    lines = dockerfile_for(Runtime(language), app="x", web=web, static_folder=".").split("\n")
    assert lines[-2:] == [line, ""]
