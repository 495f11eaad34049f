"""Errors as data and as annotations of GitHub Actions: one for each mistake, at its place."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.errors import BuildError, ConfigError, ConfigErrors, RemoteError, ShipitError
from shipit.events import Problem
from shipit.record import to_json
from shipit.report.problems import annotation_lines, each_of, failure_of, problem_of

PORT = ConfigError(
    "must be a number", where="deploy.yml:7:9", path="targets.k8s.port", position=(7, 9), hint="port: 80"
)
APP = ConfigError("is missing", where="deploy.yml:1:1", path="app", position=(1, 1))
REMOTE = RemoteError("403 Forbidden", where="GET registry.example.com/v2/", hint="shipit login", detail=["denied"])


@pytest.mark.parametrize(
    ("error", "data"),
    [
        (
            PORT,
            {
                "file": "deploy.yml",
                "line": 7,
                "column": 9,
                "path": "targets.k8s.port",
                "where": "deploy.yml:7:9",
                "what": "must be a number",
                "hint": "port: 80",
            },
        ),
        (
            BuildError("unknown instruction", where="api/Dockerfile:3"),
            {
                "file": "api/Dockerfile",
                "line": 3,
                "column": None,
                "path": "",
                "where": "api/Dockerfile:3",
                "what": "unknown instruction",
                "hint": "",
            },
        ),
        (
            BuildError("unknown instruction", where="Dockerfile:3:5"),
            {
                "file": "Dockerfile",
                "line": 3,
                "column": 5,
                "path": "",
                "where": "Dockerfile:3:5",
                "what": "unknown instruction",
                "hint": "",
            },
        ),
        (
            REMOTE,
            {
                "file": None,
                "line": None,
                "column": None,
                "path": "",
                "where": "GET registry.example.com/v2/",
                "what": "403 Forbidden",
                "hint": "shipit login",
            },
        ),
        (
            ShipitError("refused", where="localhost:5000"),
            {
                "file": None,
                "line": None,
                "column": None,
                "path": "",
                "where": "localhost:5000",
                "what": "refused",
                "hint": "",
            },
        ),
    ],
    ids=lambda value: value.where if isinstance(value, ShipitError) else "",
)
def test_an_error_as_data_has_the_place_that_its_text_names(error: ShipitError, data: dict[str, Any]) -> None:
    detail, retryable = list(error.detail), error.retryable
    assert to_json(problem_of(error, "error")) == {
        "severity": "error", **data, "detail": detail, "retryable": retryable
    }  # fmt: skip
    assert problem_of(error, "warning").severity == "warning"


@pytest.mark.parametrize("place", ["Dockerfile:{}", "Dockerfile:3:{}"])
@pytest.mark.parametrize("digits", [10, 5000])
def test_a_place_with_too_many_digits_is_text(place: str, digits: int) -> None:
    problem = problem_of(BuildError("odd", where=place.format("9" * digits)), "error")
    assert (problem.file, problem.line, problem.column) == (None, None, None)


def test_several_mistakes_are_one_problem_each_in_the_order_of_the_file() -> None:
    both = ConfigErrors([PORT, APP])
    assert each_of(both) == (APP, PORT)
    assert each_of(REMOTE) == (REMOTE,)
    failed = failure_of(both)
    assert failed.exit_code == 2
    assert [problem.path for problem in failed.problems] == ["app", "targets.k8s.port"]


def test_a_failure_has_the_text_that_the_command_line_prints() -> None:
    failed = failure_of(REMOTE)
    assert failed.message == "GET registry.example.com/v2/: 403 Forbidden\n  denied\nhint: shipit login"
    assert failed.exit_code == 1
    assert failed.problems == (
        Problem("error", "403 Forbidden", REMOTE.where, hint="shipit login", detail=("denied",)),
    )


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (
            ConfigErrors([PORT, APP]),
            [
                "::error file=deploy.yml,line=1,col=1::app: is missing",
                "::error file=deploy.yml,line=7,col=9::targets.k8s.port: must be a number%0Ahint: port: 80",
            ],
        ),
        (
            BuildError("unknown instruction", where="api/Dockerfile:3"),
            ["::error file=api/Dockerfile,line=3::unknown instruction"],
        ),
        (REMOTE, ["::error::GET registry.example.com/v2/: 403 Forbidden%0Ahint: shipit login"]),
        (ShipitError("100% of a,b:c"), ["::error::100%25 of a,b:c"]),
    ],
    ids=["two mistakes of deploy.yml", "a Dockerfile", "a server", "characters that are escaped"],
)
def test_an_annotation_stands_at_the_line_of_its_mistake(error: ShipitError, lines: list[str]) -> None:
    assert annotation_lines(error, "error") == lines


def test_a_file_name_with_a_comma_and_a_colon_is_escaped_in_the_properties() -> None:
    error = ConfigError("is missing", where="a,b%.yml:1:2", path="app", position=(1, 2))
    assert annotation_lines(error, "warning") == ["::warning file=a%2Cb%25.yml,line=1,col=2::app: is missing"]
