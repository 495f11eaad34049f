"""`--output json` of every command: lines of JSON and nothing else, of the schema, also for mistakes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shipit.cli.commands import SUMMARIES
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.targets import kinds
from tests.contract.test_memory import PLUGIN
from tests.shipit import Shipit

# Commands without deploy.yml.
ALONE = {"init", "login", "logout", "help", "schema"}
BAD = "app: hello\nimage: user/hello\ntargets:\n  k8s: {port: many}\n"
# Command -> the words after it that it needs.
NEEDS = {
    "promote": ("--from", "a", "--to", "b"), "show": ("v1",), "diff": ("v1", "v2"), "exec": ("memory", "--", "true"), "run": ("memory", "--", "true"),
    "forward": ("memory", "80"), "scale": ("memory=2",), "destroy": ("-e", "production", "--yes"), "prune": ("--keep", "3", "--yes"), "render": ("memory",),
}  # fmt: skip


@pytest.fixture
def app(in_process: Shipit, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shipit]:
    """A project whose target is in memory: another package brings the kind."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    kinds._installed.cache_clear()
    with EmbeddedRegistry() as registry:
        in_process.write(
            Dockerfile="FROM scratch\nCOPY Dockerfile /\n",
            deploy__yml=f"app: shop\nimage: {registry.host}/shop\ntargets: {{memory: {{file: place.json, settle: 0s}}}}\n"
            "environments: {staging: {targets: {memory: {file: staging.json}}}}\n",
        )
        yield in_process
    kinds._installed.cache_clear()


def told(app: Shipit, name: str, *words: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and events; the schema is checked with each run."""
    done = app.run(name, "--output", "json", *words)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", sorted(SUMMARIES.keys() - ALONE - {"doctor", "promote"}))
def test_a_mistake_in_the_file_is_one_line_of_each_command(in_process: Shipit, name: str) -> None:
    in_process.write(deploy__yml=BAD)
    code, [event] = told(in_process, name, *NEEDS.get(name, ()))
    assert code == 2 and event["event"] == "run_failed"
    assert [(row["line"], row["what"]) for row in event["problems"]] == [(4, "should be a whole number")], event


# The commands in an order in which each has something to tell: its words, its exit code, and its last event. What the
# kind in memory lacks is tested on real engines, and of `unlock` where there is a lock.
STORY: tuple[tuple[str, tuple[str, ...], int, str], ...] = (
    ("validate", (), 0, "validated"),
    ("doctor", (), 0, "examined"),
    ("plan", (), 0, "plan_made"),
    ("render", ("memory",), 0, "release_rendered"),
    ("build", (), 0, "images_built"),
    ("push", (), 0, "run_finished"),
    ("deploy", ("-e", "staging"), 0, "run_finished"),
    ("promote", ("--from", "staging", "--to", "production"), 0, "run_finished"),
    ("status", (), 0, "status_read"),
    ("images", (), 0, "images_listed"),
    ("open", (), 1, "run_failed"),
    ("logs", (), 0, "log_line"),
    ("run", ("memory", "--", "true"), 0, "command_ended"),
    ("exec", ("memory", "--", "true"), 2, "run_failed"),
    ("forward", ("memory", "80"), 2, "run_failed"),
    ("stop", (), 2, "run_failed"),
    ("start", (), 2, "run_failed"),
    ("scale", ("memory=2",), 0, "run_finished"),
    ("restart", (), 0, "run_finished"),
    ("unlock", (), 0, ""),
    ("deploy", (), 0, "run_finished"),
    ("rollback", (), 0, "run_finished"),
    ("history", (), 0, "runs_listed"),
    ("show", ("RUN",), 0, "run_finished"),
    ("diff", ("RUN", "RUN"), 0, "releases_compared"),
    ("prune", ("--keep", "3", "--yes"), 0, "run_finished"),
    ("destroy", ("-e", "production", "--yes"), 0, "run_finished"),
)


def test_each_command_tells_what_it_did(app: Shipit) -> None:
    assert {name for name, *_ in STORY} == SUMMARIES.keys() - ALONE
    run = ""
    for number, (name, words, code, last) in enumerate(STORY):
        if STORY[number - 1][0] == "unlock":
            app.write(Dockerfile="FROM scratch\nCOPY Dockerfile /second\n")
        ended, events = told(app, name, *(run if word == "RUN" else word for word in words))
        names = [event["event"] for event in events]
        assert (ended, names[-1] if names else "") == (code, last), (name, events)
        if name == "history":
            run = next(row["run"] for row in events[-1]["runs"] if row["command"] == "promote")
