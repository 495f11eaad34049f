"""Logs of several workloads side by side: in order of time, or as they arrive; redacted line by line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.clock import Clock
from shipit.errors import Interrupted, RemoteError, UsageError
from shipit.events import Event, LogLine
from shipit.pipeline.logs import show_logs
from shipit.pipeline.run import Run
from shipit.pipeline.telling import LONGEST_LINE, Teller
from shipit.redact import Redactor
from shipit.rehearsal.memory import KIND
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.release import ImageUse
from shipit.targets.log_query import LogQuery
from shipit.targets.session import Session
from tests import runs

SECRET = "canary-secret-4711"


def memory(name: str, *rows: tuple[str, int, str]) -> MemoryTarget:
    """A target whose log has rows of a workload, a second and a line."""
    place = InMemoryPlace()
    for workload, second, line in rows:
        place.write(workload, line, 1_769_860_800 + second)
    uses = [ImageUse(workload, f"registry.example/{workload}", "oci", "linux/amd64") for workload in ("web", "worker")]
    return MemoryTarget(name, place, uses)


def logs_of(tmp_path: Path, *targets: MemoryTarget, clock: Clock | None = None) -> tuple[Run, list[Event]]:
    environment = runs.environment(tmp_path)
    project = runs.project(tmp_path, "app: shop\nimage: registry.example/shop\ntargets: {hub: }\n", environment)
    events: list[Event] = []
    return runs.run(project, environment, events, targets=lambda _: targets, clock=clock or Clock()), events


EVERY = {"one": ("web", "worker"), "two": ("web", "worker")}


def test_without_follow_the_lines_of_all_come_in_the_order_of_their_times(tmp_path: Path) -> None:
    one = memory("one", ("web", 1, "first"), ("worker", 3, "third"), ("web", 5, "fifth"))
    two = memory("two", ("web", 2, "second"), ("web", 4, "fourth"))
    run, events = logs_of(tmp_path, one, two)
    checked: list[int] = []
    show_logs(run, EVERY, LogQuery(), lambda: checked.append(len(events)))
    lines = [event for event in events if isinstance(event, LogLine)]
    assert [line.line for line in lines] == ["first", "second", "third", "fourth", "fifth"]
    assert [(line.target, line.workload) for line in lines[:3]] == [("one", "web"), ("two", "web"), ("one", "worker")]
    assert checked == [1, 2, 3, 4, 5]


def test_only_the_chosen_workloads_are_shown(tmp_path: Path) -> None:
    one, two = memory("one", ("web", 1, "a"), ("worker", 2, "b")), memory("two", ("web", 3, "c"))
    run, events = logs_of(tmp_path, one, two)
    show_logs(run, {"one": ("worker",)}, LogQuery(), lambda: None)
    assert [event.line for event in events if isinstance(event, LogLine)] == ["b"]


def test_following_goes_on_with_new_lines_until_it_is_ended(tmp_path: Path) -> None:
    one, clock = memory("one", ("web", 1, "there")), Clock()
    run, events = logs_of(tmp_path, one, clock=clock)

    def look() -> None:
        found = [event.line for event in events if isinstance(event, LogLine)]
        if found == ["there"]:
            one.in_memory.write("worker", "new", 1_769_860_900)
        elif len(found) == 2:
            clock.cancel.set()

    with pytest.raises(Interrupted):
        show_logs(run, EVERY, LogQuery(follow=True, tail=10), look)
    assert [event.line for event in events if isinstance(event, LogLine)] == ["there", "new"]


class Broken(MemoryTarget):
    def logs(self, workload: str, wanted: LogQuery, session: Session) -> Iterator[LogLine]:
        raise RemoteError("is out of reach", where="GET place")
        yield


@pytest.mark.parametrize("follow", [True, False])
def test_an_error_of_one_of_them_ends_it(tmp_path: Path, follow: bool) -> None:
    run, _ = logs_of(tmp_path, memory("one"), Broken("two", InMemoryPlace()))
    with pytest.raises(RemoteError, match="is out of reach"):
        show_logs(run, EVERY, LogQuery(follow), lambda: None)


def test_the_reader_that_is_gone_ends_following(tmp_path: Path) -> None:
    run, _ = logs_of(tmp_path, memory("one"))

    def check() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        show_logs(run, EVERY, LogQuery(follow=True), check)


def test_a_kind_without_logs_says_so(tmp_path: Path) -> None:
    class Silent(MemoryTarget):
        kind = KIND._replace(names=("silent",), capabilities=frozenset(["has_workloads"]))

    run, _ = logs_of(tmp_path, Silent("one", InMemoryPlace()))
    with pytest.raises(UsageError, match="one has no logs: its kind, silent, keeps none"):
        show_logs(run, EVERY, LogQuery(), lambda: None)


def told(lines: list[LogLine], *, is_flushed: bool = False) -> list[LogLine]:
    """What a reporter gets of these lines."""
    found: list[LogLine] = []
    teller = Teller(lambda envelope: found.append(envelope.event), Redactor([SECRET]), Clock())  # type: ignore[arg-type]
    for line in lines:
        teller(line)
    if is_flushed:
        teller.flush()
    return found


def line(text: str, instance: str = "web.1", at: str = "t") -> LogLine:
    return LogLine("heroku", "web", instance, at, text)


def test_a_secret_is_masked_also_across_lines_of_one_instance_between_lines_of_another() -> None:
    whole = [line(f"token={SECRET}", at="1")]
    assert told(whole) == [line("token=[redacted]", at="1")]
    split = [line(SECRET[:9], at="1"), line("other", "web.2", at="2"), line(f"{SECRET[9:]} and more", at="3")]
    assert told(split) == [
        line("other", "web.2", at="2"),
        line("[redacted]", at="1"),
        line("[redacted] and more", at="3"),
    ]


def test_a_line_that_is_held_back_comes_with_its_own_time_when_nothing_follows() -> None:
    held = [line(f"it begins with {SECRET[:9]}", at="1")]
    assert told(held) == []
    [shown] = told(held, is_flushed=True)
    assert shown.written_at == "1" and shown.line.startswith("it begins with ")


def test_a_long_line_is_shown_to_64_kib_and_then_cut() -> None:
    [shown] = told([line("x" * 20_000)])
    assert shown.line == "x" * 20_000
    [shown] = told([line("x" * (LONGEST_LINE + 5))])
    assert shown.line == "x" * LONGEST_LINE + " ... (5 more characters)"


@pytest.mark.parametrize("length", [8, 12, len(SECRET) - 1])
def test_a_line_that_was_cut_within_a_secret_ends_before_it(length: int) -> None:
    cut = line(f"{'x' * 100}{SECRET[:length]}", at="1")._replace(cut_bytes=5)
    assert told([cut, line("next", at="2")]) == [
        line("x" * 100, at="1")._replace(cut_bytes=5 + length),
        line("next", at="2"),
    ]


def test_threads_of_logs_end_with_the_run(tmp_path: Path) -> None:
    run, _ = logs_of(tmp_path, memory("one"))
    with pytest.raises(ZeroDivisionError):
        show_logs(run, EVERY, LogQuery(follow=True), lambda: 1 // 0)  # type: ignore[arg-type]
    run.close()
    for thread in threading.enumerate():
        if thread.name == "logs":
            thread.join(60)
            assert not thread.is_alive()


def test_nothing_is_told_after_the_end() -> None:
    """A thread of the run may end later than the run, and its event would follow the error."""
    found: list[object] = []
    teller = Teller(lambda envelope: found.append(envelope.event), Redactor([SECRET]), Clock())
    held = line(f"it begins with {SECRET[:9]}")
    teller(held)
    teller.close()
    assert len(found) == 1, "what was held back comes first"
    teller(line("late"))
    teller.flush()
    teller.close()
    assert len(found) == 1
