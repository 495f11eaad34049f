"""`shipit logs` as its users run it, at places in a file and at registries."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from shipit.rehearsal.memory.place import kept_in
from tests.shipit import INTERRUPTED, ROOT, Shipit
from tests.waits import SOON_S

AT_S = 1_769_860_800


@pytest.fixture
def place(shipit: Shipit) -> Path:
    """A place with three lines, and a registry beside it."""
    shipit.env["PYTHONPATH"] += os.pathsep + str(ROOT / "tests/plugin")
    shipit.write(
        deploy__yml="app: shop\nimage: 127.0.0.1:1/shop\nsecrets: {TOKEN: {env: TOKEN}, OTHER: {command: touch started}}\n"
        "targets: {memory: {file: place.json}, hub: }\n"
    )
    file = shipit.folder / "place.json"
    with kept_in(file) as there:
        for second, line in enumerate(("one", "two \x1b[2J", "three canary-4711")):
            there.write("shop", line, AT_S + second)
    return file


def test_lines_are_results_on_stdout_and_targets_without_a_log_are_left_out(shipit: Shipit, place: Path) -> None:
    shipit.env["TOKEN"] = "canary-4711"
    done = shipit.run("logs")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "2026-01-31T12:00:00.000Z memory/shop | one",
        "2026-01-31T12:00:01.000Z memory/shop | two \\x1b[2J",
        "2026-01-31T12:00:02.000Z memory/shop | three [redacted]",
    ]
    assert done.stderr == ""
    assert not (shipit.folder / "started").exists(), "no program of a secret is started for a log"


def test_secrets_that_are_not_there_are_not_needed(shipit: Shipit, place: Path) -> None:
    code, lines = shipit.events("logs", "memory/shop", "--tail", "1")
    assert code == 0
    assert [(line["event"], line["line"], line["written_at"]) for line in lines] == [
        ("log_line", "three canary-4711", "2026-01-31T12:00:02.000000000Z")
    ]


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (["hub"], "hub is a target of the kind registry, which has no logs", "name a target that does; shipit images"),
        (["memory/web"], "memory has no workload 'web'", "workloads there: memory/shop"),
        (["--since", "soon"], "--since should be", ""),
        (["-f", "--previous"], "--previous shows a run that has ended: it can't be followed", "leave out -f"),
        (["--previous"], "memory keeps no log of an earlier run", "leave out --previous"),
    ],
)
def test_what_can_not_be_shown(shipit: Shipit, place: Path, words: list[str], what: str, hint: str) -> None:
    done = shipit.run("logs", *words)
    assert done.returncode == 2
    assert done.stdout == "" and what in done.stderr and hint in done.stderr


def test_where_nothing_runs_there_are_no_logs(shipit: Shipit) -> None:
    shipit.write(deploy__yml="app: shop\nimage: 127.0.0.1:1/shop\ntargets: {hub: }\n")
    done = shipit.run("logs")
    assert done.returncode == 2
    assert "no target here runs anything" in done.stderr


@pytest.mark.parametrize("output", ["plain", "json"])
def test_following_ends_with_130_and_without_a_word_when_it_is_interrupted(
    shipit: Shipit, place: Path, output: str
) -> None:
    with shipit.start("logs", "-f", "--tail", "1", "--output", output) as process:
        assert process.stdout is not None and process.stderr is not None
        first = process.stdout.readline()
        with kept_in(place) as there:
            there.write("shop", "four", AT_S + 9)
        second = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert process.wait(60) == 130
        assert time.monotonic() - began < SOON_S
        assert process.stdout.read() == "" and process.stderr.read() in ("", INTERRUPTED)
    assert "three" in first and "four" in second
    if output == "json":
        assert [json.loads(row)["seq"] for row in (first, second)] == [1, 2]


def test_following_ends_when_the_reader_is_gone_also_in_silence(shipit: Shipit, place: Path) -> None:
    with shipit.start("logs", "-f") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 1
        assert process.stderr.read() == ""


def test_dash_f_follows_and_file_names_another_deploy_yml(shipit: Shipit, place: Path) -> None:
    (shipit.folder / "deploy.yml").rename(shipit.folder / "other.yml")
    done = shipit.run("logs", "--file", "other.yml", "--tail", "1")
    assert done.returncode == 0 and "three" in done.stdout
    assert "--follow" in shipit.run("logs", "-h").stdout


@pytest.mark.parametrize("word", ["log", "tail"])
def test_other_words_lead_here(shipit: Shipit, word: str) -> None:
    assert "hint: use shipit logs" in shipit.run(word).stderr
