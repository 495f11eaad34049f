"""The warning about the newest run that has no end."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipit.digest import Digest
from shipit.events import RunFailed, RunFinished, RunStarted, StepDone, StepStarted, TargetEnd, TargetFinished
from shipit.history.lost import ended_before, lost_run
from shipit.history.past import NewestEnd
from shipit.release import PublishedImage, State, Verdict
from tests.history.test_journal import STARTED, STEP, Writer

OTHER = RunStarted("deploy", "shop", "staging", ("k8s",))


def kept(root: Path, *events: RunStarted | StepStarted | StepDone | RunFinished | RunFailed | TargetFinished) -> Writer:
    folder = root / ".shipit/runs"
    # Each is newer than those before it.
    writer = Writer(root, 100.0 * len(list(folder.iterdir()) if folder.is_dir() else ()))
    writer.tell(events[0])
    writer.journal.begin()
    writer.tell(*events[1:])
    writer.journal.close()
    return writer


def test_a_run_that_ended_gives_no_warning(tmp_path: Path) -> None:
    kept(tmp_path, STARTED, StepStarted(STEP, "create web"), RunFinished(0, "done", 1.0))
    assert lost_run(tmp_path, "shop", "production") == ""


def test_a_run_without_an_end_is_named_with_what_it_had_begun(tmp_path: Path) -> None:
    done = (
        StepStarted(STEP._replace(subject="one"), "create one"),
        StepDone(STEP._replace(subject="one"), "create one", 1),
    )
    writer = kept(tmp_path, STARTED, *done, StepStarted(STEP, "create web"))
    found = lost_run(tmp_path, "shop", "production")
    assert f"deploy {writer.run} " in found
    assert ", after this was done: k8s: create one, while this was under way: k8s: create web." in found


def test_of_many_steps_the_last_ones_are_named(tmp_path: Path) -> None:
    steps = [STEP._replace(subject=str(number)) for number in range(14)]
    events = [
        event for step in steps for event in (StepStarted(step, "begin"), StepDone(step, f"set {step.subject}", 1))
    ]
    kept(tmp_path, STARTED, *events)
    found = lost_run(tmp_path, "shop", "production")
    assert (
        "after this was done: 4 steps, and then k8s: set 4; k8s: set 5; " in found and "; k8s: set 13. Every" in found
    )


@pytest.mark.parametrize("end", [b'{"v": 1, "run": "ha', b"\xff\n", b"[]\n"])
def test_a_last_line_that_can_not_be_read_is_no_end(tmp_path: Path, end: bytes) -> None:
    kept(tmp_path, STARTED, StepStarted(STEP, "create web"))
    [file] = (tmp_path / ".shipit/runs").iterdir()
    file.write_bytes(file.read_bytes() + end)
    assert "create web" in lost_run(tmp_path, "shop", "production")


def test_a_run_of_another_environment_is_passed_over(tmp_path: Path) -> None:
    kept(tmp_path, STARTED, StepStarted(STEP, "create web"))
    kept(tmp_path, OTHER, RunFinished(0, "done", 1.0))
    assert lost_run(tmp_path, "shop", "staging") == ""
    assert "create web" in lost_run(tmp_path, "shop", "production")


def ended(*ends: TargetEnd) -> RunFinished:
    return RunFinished(0, "done", 1.0, ends=ends)


def before(root: Path, run: str = "") -> dict[str, bool]:
    found = ended_before(root, "shop", "production", ("k8s", "heroku", "hub"), run)
    return {name: end.is_well for name, end in found.items()}


def test_the_newest_run_says_how_a_target_ended(tmp_path: Path) -> None:
    kept(tmp_path, STARTED, ended(TargetEnd("k8s", "released"), TargetEnd("heroku", "released")))
    assert before(tmp_path) == {"k8s": True, "heroku": True}
    failed = kept(tmp_path, STARTED, ended(TargetEnd("k8s", "failed"), TargetEnd("heroku", "not_reached")))
    assert before(tmp_path) == {"k8s": False, "heroku": True}
    assert before(tmp_path, failed.run) == {"k8s": True, "heroku": True}, "a run itself is none before it"
    kept(tmp_path, STARTED, ended(TargetEnd("hub", "unchanged"), TargetEnd("k8s", "left")))
    assert before(tmp_path) == {"k8s": False, "heroku": True, "hub": True}


def test_the_end_has_the_commit_and_the_images(tmp_path: Path) -> None:
    image = PublishedImage("web", "linux/amd64", "user/web@sha256:" + "1" * 64, Digest("sha256:" + "2" * 64))
    finished = TargetFinished("k8s", "healthy", 1.0, Verdict(State.HEALTHY, "up"), (image,))
    kept(tmp_path, STARTED._replace(commit="c0ffee"), finished, ended(TargetEnd("k8s", "released")))
    found = ended_before(tmp_path, "shop", "production", ("k8s",), "")
    assert found == {"k8s": NewestEnd(True, "c0ffee", (str(image.config_digest),))}


@pytest.mark.parametrize("end", [(), (RunFailed(1, "it broke"),), (StepStarted(STEP, "create web"),)])
def test_no_target_of_a_run_without_results_ended_well(
    tmp_path: Path, end: tuple[RunFailed | StepStarted, ...]
) -> None:
    kept(tmp_path, STARTED, ended(*(TargetEnd(name, "released") for name in STARTED.targets)))
    kept(tmp_path, STARTED, *end)
    assert before(tmp_path) == {"k8s": False}


def test_other_environments_and_commands_say_nothing_of_a_target(tmp_path: Path) -> None:
    end = ended(*(TargetEnd(name, "released") for name in STARTED.targets))
    kept(tmp_path, OTHER, end)
    kept(tmp_path, STARTED._replace(command="scale"), end)
    assert before(tmp_path) == before(tmp_path / "missing") == {}
