"""Mistakes as data and as annotations."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shipit import Shipit

BAD = "app: hello\nimage: user/hello\ntargets:\n  k8s: {port: many}\n  herku: {}\n"


@pytest.mark.parametrize("command", ["validate", "plan", "deploy", "build", "push", "status"])
def test_json_gives_mistakes_as_data(shipit: Shipit, command: str) -> None:
    shipit.write(deploy__yml=BAD)
    done = shipit.run(command, "--output", "json")
    assert done.returncode == 2
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert (told["event"], told["exit_code"]) == ("run_failed", 2)
    assert told["problems"] == [
        {
            "severity": "error", "file": "deploy.yml", "line": 4, "column": 15, "path": "targets.k8s.port",
            "where": "deploy.yml:4:15", "what": "should be a whole number", "hint": "",
            "detail": told["problems"][0]["detail"], "retryable": False,
        },
        {
            "severity": "error", "file": "deploy.yml", "line": 5, "column": 3, "path": "targets.herku",
            "where": "deploy.yml:5:3", "what": "is not a kind of target, so it needs kind:", "hint": "did you mean heroku?",
            "detail": told["problems"][1]["detail"], "retryable": False,
        },
    ]  # fmt: skip


def test_json_of_a_good_file_has_its_warnings(shipit: Shipit) -> None:
    shipit.write(
        deploy__yml="app: hello\nimage: {repository: user/hello, build: {target: prod}}\n",
        Dockerfile="FROM scratch AS prod\n",
    )
    done = shipit.run("validate", "--output", "json")
    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr, told["event"], told["valid"]) == (0, "", "validated", True)
    assert [(row["severity"], row["line"], row["column"]) for row in told["problems"]] == [("warning", 2, 41)]


@pytest.mark.parametrize("option", ["--resolved", "--origin"])
def test_what_prints_the_file_tells_mistakes_as_text(shipit: Shipit, option: str) -> None:
    """Its result is YAML whatever the output."""
    shipit.write(deploy__yml=BAD)
    done = shipit.run("validate", option, "--output", "json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("deploy.yml:4:15: targets.k8s.port: should be a whole number\n")


@pytest.mark.parametrize("command", ["validate", "plan", "deploy"])
def test_github_gets_annotations(shipit: Shipit, command: str) -> None:
    shipit.write(deploy__yml=BAD)
    done = shipit.run(command, "--output", "github")
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        "::error file=deploy.yml,line=4,col=15::targets.k8s.port: should be a whole number",
        "::error file=deploy.yml,line=5,col=3::targets.herku: is not a kind of target, so it needs kind:%0Ahint: did you mean heroku?",
    ]
    assert "deploy.yml:4:15: targets.k8s.port: should be a whole number" in done.stderr, "people read the log, too"


def test_github_gets_the_line_of_a_dockerfile_and_of_an_included_file(shipit: Shipit) -> None:
    shipit.write(
        Dockerfile="FROM scratch\nCOPPY . /\n",
        deploy__yml="app: hello\nimage: user/hello\ntargets: {hub: }\n",
    )
    done = shipit.run("build", "--output", "github")
    assert done.returncode == 1
    assert done.stdout.startswith("::error file=Dockerfile,line=2::"), done.stdout
    shipit.write(deploy__yml="include: a,b:c.yml\napp: hello\n", **{"a,b:c__yml": "env: {1: x}\n"})
    done = shipit.run("validate", "--output", "github")
    assert done.stdout.startswith("::error file=a%2Cb%3Ac.yml,line=1,col=7::env.1: "), done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_an_output_that_takes_nothing(shipit: Shipit) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "shipit", "schema"],
            cwd=shipit.folder,
            env=shipit.measured(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr) == (
        1,
        "standard output: no space left on device\nhint: make room where it is written to\n",
    )


def test_a_cache_that_can_not_be_written(shipit: Shipit) -> None:
    shipit.write(
        Dockerfile="FROM scratch\nCOPY Dockerfile /\n", deploy__yml="app: a\nimage: {build: .}\n", blocked="a file"
    )
    shipit.env["SHIPIT_CACHE_DIR"] = str(shipit.folder / "blocked")
    done = shipit.run("build")
    assert done.returncode == 1 and "internal error" not in done.stderr, done.stderr
    assert "blocked" in done.stderr and "hint: " in done.stderr
