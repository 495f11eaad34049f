"""A `stage:` that a Dockerfile does not have is a mistake in deploy.yml, as far as the Dockerfile can be read."""

from __future__ import annotations

import pytest

from tests.shipit import Shipit

STAGES = "FROM scratch AS Build\nFROM scratch AS run\n"


@pytest.mark.parametrize(
    ("dockerfile", "build"),
    [
        (STAGES, "stage: BUILD"),
        (STAGES, "stage: '1'"),
        (f"# syntax=docker/dockerfile:1\n{STAGES}", "stage: run"),
        (f"# syntax=example.com/dockerfile-x\n{STAGES}INCLUDE other\n", "stage: prod"),
        (STAGES, "stage: prod, args: {BUILDKIT_SYNTAX: example.com/dockerfile-x}"),
        ("ARG BASE\nFROM ${BASE} AS run\n", "stage: prod"),
    ],
    ids=[
        "another case",
        "a number",
        "the own frontend",
        "another frontend",
        "a frontend by argument",
        "a base by argument",
    ],
)
def test_a_stage_that_an_engine_may_know_is_valid(in_process: Shipit, dockerfile: str, build: str) -> None:
    in_process.write(
        deploy__yml=f"app: a\nimage: {{repository: user/a, build: {{{build}}}}}\ntargets: {{hub: {{}}}}\n",
        Dockerfile=dockerfile,
    )
    done = in_process.run("validate")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "head", ["", "# syntax=docker/dockerfile:1.7\n", "# fa\xe7ade\n"], ids=["", "syntax", "Latin-1"]
)
def test_a_stage_that_is_not_there_is_a_mistake(in_process: Shipit, head: str) -> None:
    text = "app: a\nimage: {repository: user/a, build: {stage: prod}}\ntargets: {hub: {}}\n"
    in_process.write(deploy__yml=text)
    (in_process.folder / "Dockerfile").write_bytes(
        f"{head}{STAGES}RUN <<E\nFROM scratch AS prod\nE\n".encode("latin-1")
    )
    done = in_process.run("validate")
    assert done.returncode == 2 and "there is no stage 'prod' in Dockerfile" in done.stderr, done.stderr
    assert "stages here: build, run" in done.stderr
