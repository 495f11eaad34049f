"""The journal: what is written and when, what is refused, and what is kept."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.envelope import Envelope, Reporters, Sealer
from shipit.errors import UsageError
from shipit.events import Event, Log, RunFinished, RunStarted, StepId, StepProgress, StepStarted
from shipit.history import journal as module
from shipit.history.journal import Journal
from shipit.history.past import read_run, read_runs
from shipit.pipeline.flow import deploy
from shipit.rehearsal.memory.config import MemoryConfig
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import ImageUse, Step
from shipit.targets.session import Session
from tests import runs

STARTED = RunStarted("deploy", "shop", "production", ("k8s",))
STEP = StepId("apply", "deployment/web", "k8s")


class Writer:
    """A journal in a folder, fed with events."""

    def __init__(self, root: Path, at_s: float = 0.0) -> None:
        self.journal, self._seal, self._at_s = Journal(root), Sealer(), at_s

    @property
    def run(self) -> str:
        return self._seal.run

    def tell(self, *events: Event) -> None:
        for event in events:
            self._at_s += 1
            self.journal(self.sealed(event))

    def sealed(self, event: Event) -> Envelope:
        return self._seal(event, self._at_s)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = Writer(tmp_path)
    yield made
    made.journal.close()


def lines(root: Path) -> list[str]:
    [file] = (root / ".shipit/runs").iterdir()
    return [json.loads(line)["event"] for line in file.read_text().splitlines()]


def test_nothing_is_written_before_the_first_change(writer: Writer, tmp_path: Path) -> None:
    writer.tell(STARTED)
    assert list(tmp_path.iterdir()) == []
    writer.journal.begin()
    assert lines(tmp_path) == ["run_started"]
    writer.tell(StepStarted(STEP, "create"), StepProgress(STEP, 1, 2))
    # Without closing it: what comes next may be a SIGKILL.
    assert lines(tmp_path) == ["run_started", "step_started"]


def test_only_the_owner_reads_it_and_git_does_not_see_it(writer: Writer, tmp_path: Path) -> None:
    writer.tell(STARTED)
    writer.journal.begin()
    for path in (tmp_path / ".shipit").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert (tmp_path / ".shipit/.gitignore").read_text() == "*\n"


def test_a_step_is_on_the_disk_as_begun_before_it_is_sent_and_as_done_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, flushed = os.fsync, [""]

    def record(handle: int) -> None:
        fsync(handle)
        [file] = (tmp_path / ".shipit/runs").iterdir()
        flushed[0] = file.read_text()

    def steps() -> list[str]:
        events = map(json.loads, flushed[0].splitlines())
        return [row["event"] for row in events if row.get("step", {}).get("action") == "apply"]

    class Watched(MemoryTarget):
        def apply(self, step: Step, session: Session) -> Iterator[Event]:
            sent.append(steps())
            yield from super().apply(step, session)

    monkeypatch.setattr(os, "fsync", record)
    sent, environment, text = list[list[str]](), runs.environment(tmp_path), "app: app\nimage: {repository: HOST/app}\n"
    with EmbeddedRegistry() as registry:
        loaded = runs.project(tmp_path, text.replace("HOST", registry.host), environment)
        use = ImageUse("app", f"{registry.host}/app", "oci", "linux/amd64", None, ("latest",))
        places = {"one": {}, "two": {"needs": ["one"]}}
        made = [
            Watched(name, InMemoryPlace(), [use], MemoryConfig.model_validate({"settle": "0s", **more}))
            for name, more in places.items()
        ]
        run = runs.run(loaded, environment, [], targets=lambda _: made)
        run.journal = Journal(tmp_path)
        run.tell = Reporters(run.journal)
        assert deploy(run) == 0
        run.journal.close()
    assert sent == [["step_started"], ["step_started", "step_done", "step_started"]]


@pytest.mark.parametrize("name", [".shipit", ".shipit/runs"])
def test_no_link_is_followed(writer: Writer, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).symlink_to(elsewhere, target_is_directory=True)
    writer.tell(STARTED)
    with pytest.raises(UsageError, match="the journal can't be written: it is no folder, or a symbolic link") as caught:
        writer.journal.begin()
    assert caught.value.hint == "make the folder writable, or write `state: none` in deploy.yml to keep no journal"
    assert list(elsewhere.iterdir()) == []


def test_a_write_that_fails_later_ends_the_journal_and_not_the_run(writer: Writer, tmp_path: Path) -> None:
    writer.tell(STARTED)
    writer.journal.begin()
    # Another descriptor under the same number, which takes no byte: a disk that is full.
    full = os.open("/dev/full", os.O_WRONLY) if Path("/dev/full").exists() else os.open("/dev/null", os.O_RDONLY)
    os.dup2(full, writer.journal._handle)
    os.close(full)
    writer.tell(StepStarted(STEP, "create"), RunFinished(0, "healthy", 1.0))
    assert writer.journal.failure in ("No space left on device", "Bad file descriptor")
    assert lines(tmp_path) == ["run_started"]


def test_past_its_limit_only_what_a_later_run_needs_is_written(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 2000)
    writer.tell(STARTED)
    writer.journal.begin()
    writer.tell(*(Log("k8s", "web", f"line {number}") for number in range(100)))
    writer.tell(StepStarted(STEP, "create"), RunFinished(0, "healthy", 1.0))
    found = lines(tmp_path)
    assert found[-2:] == ["step_started", "run_finished"] and found.count("log") < 30


def test_old_runs_are_removed_and_none_that_is_still_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RUNS", 3)
    writers = [Writer(tmp_path) for _ in range(6)]
    for number, writer in enumerate(writers):
        writer._at_s = number * 10
        writer.tell(STARTED)
        writer.journal.begin()
        if number:
            writer.journal.close()
    runs, is_more = read_runs(tmp_path, 10)
    assert not is_more
    assert [run.run for run in runs] == [writer.run for writer in (*writers[:2:-1], writers[0])]
    assert [run.state for run in runs] == ["lost"] * 3 + ["running"]
    writers[0].journal.close()


HOSTILE = [
    b"",
    b"\n\n",
    b"{",
    b"[]",
    b'null\n17\n"text"',
    b'{"v": 1, "event": "plan_made", "plan": 3}',
    b'{"v": 1, "event": "plan_made", "plan": {"targets": [1]}}',
    b'{"v": 9, "run": "x", "seq": 1, "at": "", "event": "run_started"}',
    b"[" * 100_000,
    b"\xff\xfe\x00",
    b'{"v": 1e999, "run": {}, "seq": [], "at": 1, "event": ["run_started"]}',
]


@pytest.mark.parametrize("data", HOSTILE)
def test_what_is_no_journal_is_left_out(writer: Writer, tmp_path: Path, data: bytes) -> None:
    writer.tell(STARTED)
    writer.journal.begin()
    writer.tell(RunFinished(0, "healthy", 1.0))
    folder = tmp_path / ".shipit/runs"
    (folder / "20990101T000000Z-abc.jsonl").write_bytes(data)
    [file] = [path for path in folder.iterdir() if not path.name.startswith("2099")]
    file.write_bytes(data + b"\n" + file.read_bytes() + data)
    (folder / "20990102T000000Z-def.jsonl").mkdir()
    os.mkfifo(folder / "20990103T000000Z-fed.jsonl")
    (folder / "20990104T000000Z-fade.jsonl").symlink_to("/dev/zero")
    runs, _ = read_runs(tmp_path, 10)
    assert [(run.run, run.summary) for run in runs] in ([(writer.run, "healthy")], [(writer.run, "")])


def test_runs_of_the_same_second_are_listed_in_their_order(tmp_path: Path) -> None:
    for at_s, own in ((100.1, "ff"), (100.2, "aa"), (100.9, "cc"), (101.0, "bb")):
        writer = Writer(tmp_path)
        writer._seal.run, writer._at_s = own, at_s - 1
        writer.tell(STARTED)
        writer.journal.begin()
        writer.journal.close()
    assert [run.run for run in read_runs(tmp_path, 10)[0]] == ["bb", "cc", "aa", "ff"]


def test_a_run_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    writers = [Writer(tmp_path) for _ in range(2)]
    for writer, own in zip(writers, ("ab12", "ab34"), strict=True):
        writer._seal.run = own
        writer.tell(STARTED)
        writer.journal.begin()
        writer.journal.close()
    run, events = read_run(tmp_path, "ab1")
    assert (run.run, [envelope.event for envelope in events]) == ("ab12", [STARTED])
    for name, what in [("ab", "'ab' is the beginning of 2 runs"), ("", "no run ''"), ("x", "no run 'x'")]:
        with pytest.raises(UsageError, match=what):
            read_run(tmp_path, name)
    with pytest.raises(UsageError, match="this machine has no run 'x' of this project"):
        read_run(tmp_path / "nowhere", "x")
