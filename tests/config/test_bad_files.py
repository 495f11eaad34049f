"""Bad files and exactly what is said of each, in `bad/`: NAME.yml, or a folder with a deploy.yml and what it names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shipit.cli.app import app

BAD = Path(__file__).with_name("bad")
FILES = sorted(BAD.glob("*.yml"))
FOLDERS = sorted(path for path in BAD.iterdir() if path.is_dir())


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_bad_file(file: Path) -> None:
    shutil.copy(file, "deploy.yml")
    check_refused(file.with_suffix(".txt"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_bad_file_with_others(folder: Path) -> None:
    shutil.copytree(folder, Path.cwd(), dirs_exist_ok=True)
    check_refused(folder / "expected.txt")


def check_refused(expected: Path) -> None:
    done = CliRunner().invoke(app, ["validate"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == expected.read_text(encoding="utf-8")


def test_there_are_many() -> None:
    assert len(FILES) + len(FOLDERS) >= 150
