"""Failed builds as errors: the instruction's line in the Dockerfile, its exit code, and its last output."""

from __future__ import annotations

import pytest

from shipit.image.dockerfile.parse import parse_dockerfile
from shipit.image.engine.failure import explain_failure, find_instruction
from shipit.image.engine.progress import Progress, read_plain, read_row
from shipit.report.problems import problem_of

DOCKERFILE = parse_dockerfile(
    b"""FROM alpine AS build
WORKDIR /app
COPY package.json .
RUN npm install \\
    --quiet

FROM nginx
COPY --from=build /app /srv
RUN test -f /srv/index.html
"""
)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("[build 1/4] FROM docker.io/library/alpine", None),
        ("[build 1/4] FROM alpine", 1),
        ("[build 2/4] WORKDIR /app", 2),
        ("[linux/amd64 build 3/4] COPY package.json .", 3),
        ("[build 4/4] RUN npm install     --quiet", 4),
        ("[stage-1 2/3] COPY --from=build /app /srv", 8),
        ("[stage-1 3/3] RUN test -f /srv/index.html", 9),
        # ONBUILD COPY of the base comes first, so the steps count from the end.
        ("[stage-1 4/4] RUN test -f /srv/index.html", 9),
        ("[stage-1 2/4] COPY . /triggered", None),
        ("[stage-9 3/3] RUN test -f /srv/index.html", 9),
        ("[internal] load build context", None),
        ("Step 4/7 : RUN npm install     --quiet", 4),
        ("Step 99/99 : RUN x", None),
        ("", None),
    ],
)
def test_the_instruction_of_a_vertex(name: str, line: int | None) -> None:
    found = find_instruction(name, DOCKERFILE)
    assert (found.line if found else None) == line


def failed(*lines: str) -> Progress:
    progress = Progress(lambda line: None)
    for line in lines:
        read_plain(line, progress)
    progress.flush()
    return progress


def test_a_command_that_fails_is_shown_with_its_exit_code_and_last_output() -> None:
    progress = failed(
        "#7 [build 4/4] RUN npm install     --quiet",
        *(f"#7 0.{number} line {number}" for number in range(10, 30)),
        '#7 ERROR: process "/bin/sh -c npm install --quiet" did not complete successfully: exit code: 3',
    )
    error = explain_failure(progress, DOCKERFILE)
    assert (error.where, error.what) == ("Dockerfile:4", "RUN ended with 3: npm install     --quiet")
    assert list(error.detail) == [f"line {number}" for number in range(15, 30)]


def test_a_command_without_output_has_another_hint() -> None:
    progress = failed(
        "#9 [stage-1 3/3] RUN test -f /srv/index.html",
        "#9 ERROR: process did not complete successfully: exit code: 1",
    )
    error = explain_failure(progress, DOCKERFILE)
    assert (error.where, error.hint) == (
        "Dockerfile:9",
        "it has no output; run it by hand in a container of its base",
    )


def test_a_missing_file_names_its_copy() -> None:
    progress = failed(
        "#5 [build 3/4] COPY package.json .",
        '#5 ERROR: failed to calculate checksum of ref x: "/package.json": not found',
    )
    error = explain_failure(progress, DOCKERFILE)
    assert (error.where, error.what) == ("Dockerfile:3", "COPY: 'package.json' does not exist")


def test_a_base_that_cannot_be_pulled_names_its_from() -> None:
    progress = failed(
        "#3 [internal] load metadata for docker.io/library/nginx:latest",
        "#3 ERROR: pull access denied for nginx",
    )
    assert explain_failure(progress, DOCKERFILE).where == "Dockerfile:7"


def test_an_error_with_a_line_number_is_at_that_line() -> None:
    progress = failed("ERROR: failed to solve: dockerfile parse error on line 2: unknown instruction: WORKDRI")
    error = explain_failure(progress, DOCKERFILE)
    assert (error.where, error.what) == (
        "Dockerfile:2",
        "dockerfile parse error on line 2: unknown instruction: WORKDRI",
    )


def test_the_classic_builder_fails_at_its_last_step() -> None:
    progress = Progress(lambda line: None)
    for row in (
        {"stream": "Step 2/7 : WORKDIR /app\n"},
        {"stream": "Step 4/7 : RUN npm install     --quiet\n"},
        {"stream": "npm: not found\n"},
        {"errorDetail": {"message": "The command '/bin/sh -c npm' returned a non-zero code: 127"}, "error": "x"},
    ):
        read_row(row, progress)
    progress.flush()
    error = explain_failure(progress, DOCKERFILE)
    assert (error.where, error.what) == ("Dockerfile:4", "RUN ended with 127: npm install     --quiet")
    assert list(error.detail) == ["npm: not found"]


def test_a_build_without_a_message_fails_in_the_dockerfile() -> None:
    error = explain_failure(failed(), DOCKERFILE)
    assert (error.where, error.what) == ("Dockerfile", "the engine ended without an image")


@pytest.mark.parametrize("digits", [10, 5000])
def test_a_line_or_exit_code_of_too_many_digits_is_text(digits: int) -> None:
    number = "9" * digits
    error = explain_failure(failed(f"ERROR: failed to solve: parse error on line {number}: odd"), DOCKERFILE)
    assert (error.where, error.what) == ("Dockerfile", f"parse error on line {number}: odd")
    assert problem_of(error, "error").line is None
    progress = failed("#9 [stage-1 3/3] RUN test -f /srv/index.html", f"#9 ERROR: no success: exit code: {number}")
    error = explain_failure(progress, DOCKERFILE)
    assert (error.where, error.what) == ("Dockerfile:9", f"no success: exit code: {number}")
    assert problem_of(error, "error").line == 9
