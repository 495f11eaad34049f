"""Runs over places in memory."""

from __future__ import annotations

from pathlib import Path

from shipit.config.model import TargetConfig
from shipit.events import Event, TargetFinished
from shipit.pipeline.run import Run
from shipit.rehearsal.memory.config import MemoryConfig
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import ImageUse
from tests import runs


class Bench:
    """A run over memory targets, made anew for each deploy."""

    def __init__(self, folder: Path, registry: EmbeddedRegistry) -> None:
        self.folder, self.registry = folder, registry
        self.worlds: dict[str, InMemoryPlace] = {}
        self.configs: dict[str, TargetConfig] = {}
        self.events: list[Event] = []
        self.clock = runs.FakeClock()
        self.text = f"app: app\nimage: {registry.host}/app\n"

    def add(self, name: str, **config: object) -> InMemoryPlace:
        self.configs[name] = MemoryConfig.model_validate({"settle": "0s", **config})
        return self.worlds.setdefault(name, InMemoryPlace())

    def run(self, **variables: str) -> Run:
        self.events.clear()
        process_environment = runs.environment(self.folder, **variables)
        loaded = runs.project(self.folder, self.text, process_environment)
        use = ImageUse("app", f"{self.registry.host}/app", "oci", "linux/amd64", None, ("latest",))
        made = [MemoryTarget(name, in_memory, [use], self.configs[name]) for name, in_memory in self.worlds.items()]
        return runs.run(loaded, process_environment, self.events, targets=lambda _: made, clock=self.clock)

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def verdicts(self) -> dict[str, str]:
        return {event.target: event.state for event in self.events if isinstance(event, TargetFinished)}
