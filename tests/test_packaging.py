"""The wheel and the source distribution: built as pip would, holding what runs and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.shipit import ROOT


@pytest.mark.program
def test_wheel_and_sdist_build_and_the_program_runs_from_the_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"shipit/cli/main.py", "shipit/cli/guide.md", "shipit/py.typed"} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "examples/", "benchmarks/"))]
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as sdist:
        assert any(name.endswith("/deploy.example.yml") for name in sdist.getnames())
    target = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from shipit.cli.main import main; main()"
    shown = subprocess.run(
        [sys.executable, "-c", code, str(target), "--version"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert shown.stdout.startswith("shipit ")


@pytest.mark.program
@pytest.mark.parametrize("installer", ["pipx", "uv"])
def test_the_installers_of_the_readme(installer: str, tmp_path: Path) -> None:
    """`pipx install .` and `uv tool install .` in a home of their own; the program runs, and is gone after uninstalling."""
    bin_folder = tmp_path / "bin"
    variables = {
        **os.environ,
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(bin_folder),
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "UV_TOOL_DIR": str(tmp_path / "uv"),
        "UV_TOOL_BIN_DIR": str(bin_folder),
        "UV_PYTHON": sys.executable,
    }
    program = str(Path(sys.executable).with_name(installer))
    words = [program] if installer == "pipx" else [program, "tool"]
    for arguments in (["install", str(ROOT)], ["uninstall", "shipit"]):
        done = subprocess.run([*words, *arguments], env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        installed = bin_folder / "shipit"
        assert installed.exists() == (arguments[0] == "install")
        if installed.exists():
            shown = subprocess.run([installed, "--version"], capture_output=True, text=True, check=True, cwd=tmp_path)
            assert shown.stdout.startswith("shipit ")
