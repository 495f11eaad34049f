"""What is suspicious in a file, and possible all the same, is a warning at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipit.config.load import load_project
from shipit.targets.kinds import KindModels
from tests.runs import environment

HEAD = "app: shop\nimage: user/shop\n"


def warnings(folder: Path, text: str) -> list[str]:
    (folder / "deploy.yml").write_text(text)
    project = load_project(folder / "deploy.yml", environment(folder), KindModels())
    return [
        f"{warning.where.removeprefix('deploy.yml:')} {warning.path}: {warning.what}" for warning in project.warnings
    ]


@pytest.mark.parametrize(
    ("process", "said"),
    [
        ("{quantity: 101}", ["3:48 targets.heroku.processes.web.quantity: is 101 dynos: is that meant?"]),
        ("{quantity: 2, size: Eco}", ["3:48 targets.heroku.processes.web.quantity: is 2, and Heroku runs one eco dyno of each process type"]),
        ("{size: standard-3x}", ["3:44 targets.heroku.processes.web.size: is no size of a dyno that is known here"]),
        ("{quantity: 100, size: Standard-1X}", []),
        ("{quantity: 0, size: basic}", []),
    ],
)  # fmt: skip
def test_processes_of_heroku(tmp_path: Path, process: str, said: list[str]) -> None:
    assert warnings(tmp_path, f"{HEAD}targets: {{heroku: {{processes: {{web: {process}}}}}}}\n") == said
