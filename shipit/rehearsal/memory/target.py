"""A target in memory: one step sets every image and variable that differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from shipit.config.model import TargetConfig
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import DeployFailed, RemoteError, UsageError
from shipit.events import Event, Log, LogLine
from shipit.past_release import PastRelease
from shipit.rehearsal.memory import KIND, records
from shipit.rehearsal.memory.config import MemoryConfig
from shipit.rehearsal.memory.lock import read_row, row_in, swap_row
from shipit.rehearsal.memory.one_off import MemoryCommand
from shipit.rehearsal.memory.place import InMemoryPlace, MemoryObserved, kept_in
from shipit.rehearsal.memory.steps import Restart, ReturnTo, SetImages, SetQuantities
from shipit.release import (
    Destruction,
    Facts,
    ImageUse,
    Leftover,
    Place,
    Release,
    Rendered,
    RenderedPart,
    Seen,
    State,
    Status,
    Step,
    Unit,
    Verdict,
)
from shipit.targets.kind import Kind
from shipit.targets.locks import Holder, LockState
from shipit.targets.log_query import LogQuery
from shipit.targets.log_times import log_time
from shipit.targets.orders import RestartOrder, ScaleOrder
from shipit.targets.remote import Command, Remote, Started
from shipit.targets.session import Session

AUTHOR = "shipit"
# How often a log that is followed is read.
_LOOK_S = 0.1


def create(name: str, config: MemoryConfig, project: Project, environment: ProcessEnvironment) -> FileTarget:
    """A target that keeps the only image of a project in a file."""
    image = project.image_name(None)
    found = project.images[image]
    use = ImageUse(image, found.repository or "", "oci", found.platform, None, project.tags(image))
    return FileTarget(name, project.root / config.file, [use], config)


class MemoryTarget:
    """Runs the images of some uses at a place in memory."""

    kind: Kind = KIND

    def __init__(
        self, name: str, in_memory: InMemoryPlace, uses: Sequence[ImageUse] = (), config: TargetConfig | None = None
    ) -> None:
        self.name = name
        self.in_memory = in_memory
        self.uses = tuple(uses)
        self.config = config or MemoryConfig(settle="0s")
        self.place = Place("memory", f"place of {name}")

    def images(self) -> Sequence[ImageUse]:
        return self.uses

    def observe(self, session: Session) -> MemoryObserved:
        if self.in_memory.fails == "observe":
            raise RemoteError("is out of reach", where=self.place.identity)
        starting = self.in_memory.starting
        self.in_memory.starting = max(0, starting - 1)
        marks = {name: session.mark(value) for name, value in self.in_memory.marks.items()}
        return MemoryObserved(
            dict(self.in_memory.images),
            marks,
            starting,
            self.in_memory.fails == "judge",
            self.in_memory.author,
            quantities=dict(self.in_memory.quantities),
            restarts=dict(self.in_memory.restarts),
        )

    def lock_name(self) -> str:
        return f"lock of {self.place.identity}"

    def read_lock(self, session: Session) -> LockState:
        return read_row(self.in_memory.lock, session.clock.wall_s())

    def swap_lock(self, before: LockState, holder: Holder | None, session: Session) -> LockState | None:
        return swap_row(self.in_memory.lock, before, holder, session.clock.wall_s())

    def urls(self, observed: MemoryObserved) -> Sequence[str]:
        return (self.in_memory.url,) if self.in_memory.url else ()

    def probe(self, observed: MemoryObserved, session: Session, *, has_changed: bool) -> MemoryObserved:
        return replace(observed, serves=self.in_memory.serves)

    def plan(self, release: Release, observed: MemoryObserved) -> tuple[Step, ...]:
        wanted = self._wanted(release)
        stale = sorted(name for name, digest in wanted.items() if observed.images.get(name) != digest)
        changed = sorted(name for name, mark in release.marks.items() if observed.marks.get(name) != mark)
        gone = sorted(set(observed.marks) - set(release.marks))
        if not stale and not changed and not gone:
            return ()
        detail = tuple(
            f"{name}  {_short(observed.images.get(name, '')) or 'none'} -> {_short(wanted[name])}" for name in stale
        )
        parts = (("set", [*stale, *changed]), ("remove", gone))
        step = SetImages(
            "set",
            "; ".join(f"{verb} {', '.join(names)}" for verb, names in parts if names),
            detail,
            undo="set what was there",
            images={name: wanted[name] for name in stale},
            variables=tuple(changed),
            removed_variables=tuple(gone),
        )
        return (step,)

    def render(self, release: Release, observed: MemoryObserved) -> Rendered:
        body = {"images": self._wanted(release), "variables": sorted(release.marks)}
        return Rendered(self.name, self.place, "requests", (RenderedPart("set", body, tuple(sorted(release.marks))),))

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        if self.in_memory.fails == "apply":
            raise DeployFailed("broke while it was set", where=self.place.identity)
        self.in_memory.author = AUTHOR
        match step:
            case SetQuantities():
                self.in_memory.quantities.update(step.quantities)
            case Restart():
                self.in_memory.restarts.update(dict.fromkeys(step.names, step.at))
            case SetImages():
                self._set(step, session)
            case ReturnTo():
                records.return_to(self.in_memory, step.version)
            case _:
                raise DeployFailed(f"the step {step.id!r} is of the type {step.type}", where=self.place.identity)
        self.in_memory.writes.append(step.id)
        yield Log(self.name, "memory", "set")

    def _set(self, step: SetImages, session: Session) -> None:
        self.in_memory.images.update(step.images)
        known = {**session.env, **session.secrets}
        self.in_memory.marks.update({name: known[name] for name in step.variables})
        for name in step.removed:
            self.in_memory.images.pop(name, None)
        for name in step.removed_variables:
            self.in_memory.marks.pop(name, None)
        for name in self.workloads():
            self.in_memory.write(
                name, f"started with {', '.join([*step.images, *step.variables]) or 'less'}", session.clock.wall_s()
            )

    def declared_scale(self) -> Mapping[str, int | None]:
        return dict.fromkeys(self.workloads())

    def plan_scale(self, order: ScaleOrder, observed: MemoryObserved) -> tuple[Step, ...]:
        changed = {name: count for name, count in order.quantities.items() if observed.quantities.get(name, 1) != count}
        detail = tuple(f"{name}  {observed.quantities.get(name, 1)} -> {count}" for name, count in changed.items())
        return (SetQuantities("scale", f"scale {', '.join(changed)}", detail, quantities=changed),) if changed else ()

    def judge_scale(self, order: ScaleOrder, observed: MemoryObserved, seen: Seen) -> Verdict:
        for name, count in order.quantities.items():
            if observed.quantities.get(name, 1) != count:
                return _superseded(f"{name} has {observed.quantities.get(name, 1)} instances, not {count}", observed)
        return _judge_running(observed)

    def plan_restart(self, order: RestartOrder, observed: MemoryObserved) -> tuple[Step, ...]:
        return (Restart("restart", f"restart {', '.join(order.workloads)}", names=order.workloads, at=order.at),)

    def judge_restart(self, order: RestartOrder, observed: MemoryObserved, seen: Seen) -> Verdict:
        for name in order.workloads:
            if observed.restarts.get(name) != order.at:
                return _superseded(f"{name} was restarted at {observed.restarts.get(name, 'no time')}", observed)
        return _judge_running(observed)

    def plan_rollback(
        self, release: Release, before: MemoryObserved, now: MemoryObserved, applied: Mapping[str, Facts]
    ) -> tuple[Step, ...]:
        lost = {name: digest for name, digest in before.images.items() if now.images.get(name) != digest}
        gone = sorted(set(now.images) - set(before.images))
        summary = f"set {', '.join([*lost, *gone])} back"
        return (SetImages("set back", summary, images=lost, removed=tuple(gone)),) if lost or gone else ()

    def judge_rollback(self, release: Release, before: MemoryObserved, observed: MemoryObserved, seen: Seen) -> Verdict:
        if observed.images != before.images:
            return Verdict(State.FAILED, f"it runs what {observed.author or 'someone'} set")
        if observed.marks != before.marks:
            return Verdict(State.FAILED, "its variables are not those of before")
        return Verdict(State.HEALTHY, "runs what it ran")

    def past_releases(self, most: int, session: Session, *, tells_current: bool = True) -> Sequence[PastRelease]:
        return records.past_releases(self.in_memory, most)

    def record_release(self, past: PastRelease, release: Release, observed: MemoryObserved, session: Session) -> None:
        if self.in_memory.fails == "record":
            raise RemoteError("is out of reach", where=self.place.identity)
        records.record_release(self.in_memory, past, release, {**session.env, **session.secrets})

    def recall(self, past: PastRelease, session: Session) -> records.Recalled:
        images, values, quantities = records.contents_of(self.in_memory, past.version)
        marks = {name: session.mark(value) for name, value in values.items()}
        return records.Recalled(past.version, images, marks, quantities)

    def plan_return(self, recalled: records.Recalled, observed: MemoryObserved) -> tuple[Step, ...]:
        return records.plan_return(recalled, observed)

    def return_notes(self, recalled: records.Recalled, observed: MemoryObserved) -> Sequence[str]:
        return ()

    def judge_return(self, recalled: records.Recalled, observed: MemoryObserved, seen: Seen) -> Verdict:
        return records.judge_return(recalled, observed, _judge_running(observed))

    def judge(self, release: Release, observed: MemoryObserved, seen: Seen) -> Verdict:
        if observed.is_broken:
            return _judge_running(observed)
        if other := [name for name, digest in self._wanted(release).items() if observed.images.get(name) != digest]:
            return _superseded(f"{other[0]} runs {_short(observed.images.get(other[0], 'nothing'))}", observed)
        if changed := [name for name, mark in release.marks.items() if observed.marks.get(name) != mark]:
            return _superseded(f"{changed[0]} has another value", observed)
        return _judge_running(observed)

    def inventory(self, session: Session) -> MemoryObserved:
        return self.observe(session)

    def plan_destroy(self, inventory: MemoryObserved, wanted: Destruction) -> tuple[Step, ...]:
        names = [*sorted(inventory.images), *sorted(inventory.marks)]
        if not names:
            return ()
        step = SetImages(
            "remove", f"remove {', '.join(names)}", (), "delete", undo="deploy again",
            images={}, removed=tuple(sorted(inventory.images)), removed_variables=tuple(sorted(inventory.marks)),
        )  # fmt: skip
        return (step,)

    def leftovers(self, inventory: MemoryObserved, wanted: Destruction) -> Sequence[Leftover]:
        return ()

    def workloads(self) -> Sequence[str]:
        return tuple(use.image for use in self.uses)

    def run_once(self, workload: str, command: Command, session: Session, size: str) -> Remote:
        self._check_released(workload)
        return MemoryCommand(f"{workload}.run", command)

    def start_once(self, workload: str, command: Command, session: Session, size: str) -> Started:
        self._check_released(workload)
        self._note(workload, " ".join(command.words), session.clock.wall_s())
        return Started(f"{workload}.run", f"shipit logs {self.name}/{workload}")

    def _check_released(self, workload: str) -> None:
        if workload not in self._released():
            raise RemoteError(f"{workload} is not released", where=self.place.identity, hint="shipit deploy")

    def _released(self) -> Mapping[str, str]:
        return self.in_memory.images

    def _note(self, workload: str, line: str, at_s: float) -> None:
        self.in_memory.write(workload, line, at_s)

    def logs(self, workload: str, wanted: LogQuery, session: Session) -> Iterator[LogLine]:
        if wanted.previous:
            raise UsageError(f"{self.name} keeps no log of an earlier run", hint="leave out --previous")
        rows = self._log(workload)
        since = log_time(session.clock.wall_s() - wanted.since_s) if wanted.since_s is not None else ""
        first = len(rows) - len(rows[-wanted.tail :]) if wanted.tail else 0 if wanted.tail is None else len(rows)
        yield from (line for line in rows[first:] if line.written_at >= since)
        given = len(rows)
        while wanted.follow:
            session.clock.sleep(_LOOK_S)
            rows = self._log(workload)
            yield from rows[given:]
            given = len(rows)

    def _log(self, workload: str) -> list[LogLine]:
        """All lines of a workload."""
        return [LogLine(self.name, name, name, at, line) for name, at, line in self.in_memory.log if name == workload]

    def describe(self, observed: MemoryObserved) -> Status:
        units = tuple(Unit(name, "", digest) for name, digest in sorted(observed.images.items()))
        return Status(self.name, self.place, "", units, tuple(self.urls(observed)))

    def diagnose(self, verdict: Verdict, session: Session) -> Verdict:
        return verdict._replace(detail=("last words",))

    def _wanted(self, release: Release) -> dict[str, Any]:
        return {use.image: release.image(use).config_digest for use in self.uses}


class FileTarget(MemoryTarget):
    """The same at a place in a file, which is read and written in each call: another process finds it there."""

    def __init__(self, name: str, file: Path, uses: Sequence[ImageUse], config: TargetConfig) -> None:
        super().__init__(name, InMemoryPlace(), uses, config)
        self.file = file
        self.place = Place("memory", f"file {file.name}")

    def observe(self, session: Session) -> MemoryObserved:
        with kept_in(self.file) as place:
            return self._at(place).observe(session)

    def read_lock(self, session: Session) -> LockState:
        with row_in(self._lock_file) as row:
            return read_row(row, session.clock.wall_s())

    def swap_lock(self, before: LockState, holder: Holder | None, session: Session) -> LockState | None:
        with row_in(self._lock_file) as row:
            return swap_row(row, before, holder, session.clock.wall_s())

    @property
    def _lock_file(self) -> Path:
        return self.file.with_name(f".{self.file.name}.lock")

    def probe(self, observed: MemoryObserved, session: Session, *, has_changed: bool) -> MemoryObserved:
        with kept_in(self.file) as place:
            return self._at(place).probe(observed, session, has_changed=has_changed)

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        with kept_in(self.file) as place:
            yield from self._at(place).apply(step, session)

    def past_releases(self, most: int, session: Session, *, tells_current: bool = True) -> Sequence[PastRelease]:
        with kept_in(self.file) as place:
            return self._at(place).past_releases(most, session)

    def record_release(self, past: PastRelease, release: Release, observed: MemoryObserved, session: Session) -> None:
        with kept_in(self.file) as place:
            self._at(place).record_release(past, release, observed, session)

    def recall(self, past: PastRelease, session: Session) -> records.Recalled:
        with kept_in(self.file) as place:
            return self._at(place).recall(past, session)

    def _log(self, workload: str) -> list[LogLine]:
        with kept_in(self.file) as place:
            return self._at(place)._log(workload)

    def _released(self) -> Mapping[str, str]:
        with kept_in(self.file) as place:
            return place.images

    def _note(self, workload: str, line: str, at_s: float) -> None:
        with kept_in(self.file) as place:
            place.write(workload, line, at_s)

    def _at(self, place: InMemoryPlace) -> MemoryTarget:
        return MemoryTarget(self.name, place, self.uses, self.config)


def _judge_running(observed: MemoryObserved) -> Verdict:
    """The health of what runs, whatever it is."""
    if observed.is_broken:
        return Verdict(State.FAILED, "it broke", subject="memory")
    if observed.starting:
        return Verdict(State.WAITING, f"{observed.starting} looks to go", str(observed.starting))
    if observed.serves is False:
        return Verdict(State.WAITING, "it does not answer", "silent")
    return Verdict(State.HEALTHY, "runs")


def _superseded(what: str, observed: MemoryObserved) -> Verdict:
    by = observed.author if observed.author not in ("", AUTHOR) else "someone else"
    return Verdict(State.FAILED, f"superseded by {by}: {what}", hint="deploy again", superseded_by=by)


def _short(digest: str) -> str:
    """The first twelve digits of what is kept as text, and any other text of at most twelve characters."""
    return digest.rpartition(":")[2][:12]
