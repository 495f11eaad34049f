"""Entries that a command keeps for the next time it is given: used only while nothing that it depends on has changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

import shipit.shortcut.inputs as inputs_module
from shipit.cli.exec_again import keep_for_again
from shipit.cli.options import CommandOptions
from shipit.config.process_environment import ProcessEnvironment
from shipit.shortcut.entries import MOST, Entry, read_entry, write_entry
from shipit.shortcut.project_inputs import entry_of
from shipit.targets.base import Target
from tests import runs

WORDS = ("exec", "k8s/web")
TEXT = """\
app: shop
image: registry.example.com/shop
env: {MODE: "${MODE}"}
secrets: {TOKEN: {env: TOKEN}}
include: more.yml
targets: {k8s: {namespace: "shop-${REGION:-eu}", port: 3000}}
"""
VALUES = {"MODE": "fast", "REGION": "us", "TOKEN": "a-secret-token"}


def surroundings(folder: Path, **more: str) -> ProcessEnvironment:
    return runs.environment(folder, **VALUES, **more)


def kept(folder: Path, text: str = TEXT, environment: ProcessEnvironment | None = None) -> Entry | None:
    """The entry of a project, written if there is one."""
    environment = environment or surroundings(folder)
    folder.mkdir(exist_ok=True)
    (folder / "more.yml").write_text("x-more: 1\n")
    project = runs.project(folder, text, environment)
    entry = entry_of(WORDS, project, environment, "kubernetes", {"namespace": "shop-us"}, {})
    if entry is not None:
        write_entry(WORDS, entry, environment)
    return entry


def test_an_entry_is_found_while_nothing_has_changed(tmp_path: Path) -> None:
    entry = kept(tmp_path)
    assert entry is not None
    found = read_entry(WORDS, surroundings(tmp_path, UNUSED="1"))
    assert found is not None
    assert (found.kind, found.pinned, found.held) == ("kubernetes", {"namespace": "shop-us"}, ["TOKEN"])
    assert found.inputs.files == [str(tmp_path / "deploy.yml"), str(tmp_path / "more.yml")]
    assert found.inputs.variables == ["MODE", "REGION"]


def _change(name: str, text: str) -> Callable[[Path], ProcessEnvironment]:
    def changed(folder: Path) -> ProcessEnvironment:
        (folder / name).write_text(text)
        return surroundings(folder)

    return changed


def _remove(name: str) -> Callable[[Path], ProcessEnvironment]:
    def changed(folder: Path) -> ProcessEnvironment:
        (folder / name).unlink()
        return surroundings(folder)

    return changed


def _same_time(folder: Path) -> ProcessEnvironment:
    """The content counts: an equal time and size say nothing."""
    file = folder / "deploy.yml"
    info = file.stat()
    file.write_text(file.read_text().replace("shop-$", "stop-$"))
    os.utime(file, ns=(info.st_atime_ns, info.st_mtime_ns))
    return surroundings(folder)


@pytest.mark.parametrize(
    "change",
    [
        _change("deploy.yml", TEXT + "# more\n"),
        _change("more.yml", "x-more: 2\n"),
        _remove("deploy.yml"),
        _remove("more.yml"),
        _same_time,
        lambda folder: runs.environment(folder, **{**VALUES, "REGION": "eu"}),
        lambda folder: runs.environment(folder, MODE="fast"),
        lambda folder: surroundings(folder, HOME="/elsewhere"),
        lambda folder: surroundings(folder, SHIPIT_UNTRUSTED="1"),
        lambda folder: surroundings(folder)._replace(cwd=folder / "below"),
    ],
)
def test_an_entry_is_not_used_after_a_change(tmp_path: Path, change: Callable[[Path], ProcessEnvironment]) -> None:
    assert kept(tmp_path) is not None
    assert read_entry(WORDS, surroundings(tmp_path)) is not None
    assert read_entry(WORDS, change(tmp_path)) is None


def test_an_entry_is_not_used_for_other_words_or_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(tmp_path)
    assert read_entry((*WORDS, "-e", "staging"), surroundings(tmp_path)) is None
    monkeypatch.setattr(inputs_module, "__version__", "0.0.1")
    assert read_entry(WORDS, surroundings(tmp_path)) is None


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("${REGION:-eu}", "${git.short:-none}"),
        TEXT + "dotenv: .env\n",
        # A warning is told every time.
        TEXT.replace("port: 3000", "port: 3000, replicas: 5000"),
    ],
)
def test_nothing_is_kept_of_a_file_that_depends_on_more(tmp_path: Path, text: str) -> None:
    (tmp_path / ".env").write_text("OTHER=1\n")
    project = runs.project(tmp_path, text.replace("include: more.yml\n", ""), surroundings(tmp_path))
    if "replicas" in text and not project.warnings:
        pytest.fail("the case needs a warning")
    assert entry_of(WORDS, project, surroundings(tmp_path), "kubernetes", {}, {}) is None


def test_nothing_is_kept_for_a_file_of_another_folder(tmp_path: Path) -> None:
    below = surroundings(tmp_path)._replace(cwd=tmp_path / "below")
    assert kept(tmp_path, TEXT, below) is None


def test_an_entry_is_private_and_holds_no_value_but_what_the_command_needs(tmp_path: Path) -> None:
    kept(tmp_path)
    [file] = (tmp_path / ".cache/shortcuts").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    for value in ("fast", "a-secret-token"):
        assert value not in file.read_text()


def test_nothing_is_kept_of_a_file_that_uses_a_variable_named_like_a_secret(tmp_path: Path) -> None:
    text = TEXT.replace("${MODE}", "${API_TOKEN}")
    assert kept(tmp_path, text, surroundings(tmp_path, API_TOKEN="1234")) is None


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_an_entry_that_others_may_read_or_write_is_not_used(tmp_path: Path, mode: int) -> None:
    kept(tmp_path)
    [file] = (tmp_path / ".cache/shortcuts").iterdir()
    file.chmod(mode)
    assert read_entry(WORDS, surroundings(tmp_path)) is None


def test_a_link_is_not_used(tmp_path: Path) -> None:
    kept(tmp_path)
    [file] = (tmp_path / ".cache/shortcuts").iterdir()
    file.rename(tmp_path / "moved.json")
    file.symlink_to(tmp_path / "moved.json")
    assert read_entry(WORDS, surroundings(tmp_path)) is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "{}", '[[["a"], []], "", "kubernetes", {}, [], {}]', '[[[1], []], "d", "k", {}, [], {}]',
     '[[[], []], "d", "k", [], [], {}]', '[[[], []], 1, "k", {}, [], {}]', '[[[], []], "d", "k", {}, [], 7]', "[" * 5000],
)  # fmt: skip
def test_what_is_no_entry_is_not_used(tmp_path: Path, text: str) -> None:
    kept(tmp_path)
    [file] = (tmp_path / ".cache/shortcuts").iterdir()
    file.write_text(text)
    assert read_entry(WORDS, surroundings(tmp_path)) is None


def test_the_newest_entries_are_kept(tmp_path: Path) -> None:
    entry = kept(tmp_path)
    assert entry is not None
    folder = tmp_path / ".cache/shortcuts"
    for number in range(MOST + 5):
        (folder / f"{number}.json").write_text("[]")
        os.utime(folder / f"{number}.json", (number, number))
    write_entry(WORDS, entry, surroundings(tmp_path))
    left = {file.stem for file in folder.iterdir()}
    assert len(left) == MOST
    assert {"0", "5"}.isdisjoint(left)
    assert json.loads(next(file for file in folder.iterdir() if len(file.stem) == 32).read_text())[2] == "kubernetes"


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o755])
def test_nothing_is_read_or_kept_in_a_folder_of_more_users(tmp_path: Path, mode: int) -> None:
    entry = kept(tmp_path)
    folder = tmp_path / ".cache/shortcuts"
    folder.chmod(mode)
    assert entry is not None and read_entry(WORDS, surroundings(tmp_path)) is None
    write_entry((*WORDS, "-e", "other"), entry, surroundings(tmp_path))
    assert len(list(folder.iterdir())) == 1


def test_a_folder_behind_a_link_is_left_alone(tmp_path: Path) -> None:
    entry = kept(tmp_path)
    other = tmp_path / "other"
    other.mkdir(mode=0o755)
    for number in range(MOST + 5):
        (other / f"{number}.json").write_text("{}")
    folder = tmp_path / ".cache/shortcuts"
    folder.rename(tmp_path / "moved")
    folder.symlink_to(other)
    assert entry is not None
    write_entry(WORDS, entry, surroundings(tmp_path))
    assert len(list(other.iterdir())) == MOST + 5 and other.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("reference", ["\\x24{REGION}", "$\\u007bREGION}", "${\\\n  REGION}"])
def test_nothing_is_kept_where_an_escape_hides_the_name_of_a_variable(tmp_path: Path, reference: str) -> None:
    assert kept(tmp_path, TEXT.replace("${REGION:-eu}", reference)) is None


@pytest.mark.parametrize(
    ("line", "command", "is_kept"),
    [
        ("exec k8s/web -- ls -l", ["ls", "-l"], True),
        # The same words before `--` would begin another command, or the command in another workload.
        ("exec k8s/web ls -- -l", ["ls", "-l"], False),
        ("exec -- k8s/web ls", ["ls"], False),
    ],
)
def test_an_entry_is_kept_where_the_command_is_all_behind_the_separator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, command: list[str], is_kept: bool
) -> None:
    environment = surroundings(tmp_path)
    (tmp_path / "more.yml").write_text("x-more: 1\n")
    project = runs.project(tmp_path, TEXT, environment)
    target = SimpleNamespace(
        kind=SimpleNamespace(name="kubernetes", capabilities=("pins",)), pinned=lambda workload: {"name": workload}
    )
    monkeypatch.setattr("sys.argv", ["shipit", *line.split()])
    options = CommandOptions(workload="k8s/web", command=command)
    keep_for_again(options, project, environment, cast(Target, target), "web")
    assert (tmp_path / ".cache/shortcuts").exists() == is_kept
