"""Bad files and exactly what is said of each, in `bad/`: NAME.yml, or a folder with a deploy.yml and what it names.

`python -m tests.config.bad_files` writes what is said now; read the difference before it is kept.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from typer.testing import CliRunner

from shipit.cli.app import app

BAD = Path(__file__).with_name("bad")
CASES = sorted(path for path in BAD.iterdir() if path.is_dir() or path.suffix == ".yml")


def expected_file(case: Path) -> Path:
    return case / "expected.txt" if case.is_dir() else case.with_suffix(".txt")


def deploy_file(case: Path) -> Path:
    return case / "deploy.yml" if case.is_dir() else case


def validate(case: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `shipit validate` for a case, in a folder that holds a Dockerfile and nothing else.

    What is called `missing-...` has to bring its own.
    """
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        if case.is_dir():
            shutil.copytree(case, folder, dirs_exist_ok=True)
        else:
            shutil.copy(case, Path(folder) / "deploy.yml")
        if not case.stem.startswith("missing-"):
            (Path(folder) / "Dockerfile").touch()
        os.chdir(folder)
        try:
            done = CliRunner().invoke(app, ["validate"])
            return done.exit_code, done.stdout, done.stderr
        finally:
            os.chdir(before)


if __name__ == "__main__":
    for each in CASES:
        expected_file(each).write_text(validate(each)[2], encoding="utf-8")
