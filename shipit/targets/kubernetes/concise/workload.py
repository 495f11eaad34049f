"""The keys of one workload."""

from collections.abc import Iterator
from typing import Any, Self

from pydantic import model_validator

from shipit.config.part import forbid, need
from shipit.config.position import Keys
from shipit.targets.kubernetes.concise.checks import NEEDS_PORT, check_workload
from shipit.targets.kubernetes.concise.keys import WorkloadKeys
from shipit.targets.kubernetes.concise.kinds import ONLY_FOR, RUNNERS, not_for
from shipit.targets.kubernetes.quantity import doubt_cpu, doubt_memory

_MANY_PODS = 500
PORT_RULES = (
    need("port", f"health: {NEEDS_PORT}: add port:, which makes a Service", beside="health", type="string"),
    need("port", f"host: {NEEDS_PORT}: add port:, which makes a Service", beside="host"),
)


class WorkloadConfig(WorkloadKeys):
    """What runs as pods, and what leads to it: a Deployment, or what `kind` says."""

    shorthand = ({"type": "null"},)
    rules = (
        *PORT_RULES,
        *(
            forbid(key, not_for(key, kind), beside="kind", value=kind)
            for key, kinds in ONLY_FOR.items()
            for kind in RUNNERS
            if kind not in kinds
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if wrong := next(check_workload(self), None):
            raise wrong
        return self

    def doubts(self) -> Iterator[tuple[Keys, str, str]]:
        """Path, warning and hint for values that are possible but unlikely."""
        counts = {("replicas",): self.replicas, ("scale", "max"): self.scale.max if self.scale else None}
        for keys, count in counts.items():
            if count is not None and count > _MANY_PODS:
                yield keys, f"is {count} pods: is this intended?", ""
        for key, what in (("cpu", doubt_cpu(self.cpu)), ("memory", doubt_memory(self.memory))):
            if what:
                yield (key,), what, ""
        if self.scale and self.cpu is None:
            yield (
                ("scale",),
                "needs the CPU that a pod asks for, which its use is measured against",
                "add cpu:, such as 250m",
            )
        if self.pdb and self.pdb.keeps_all(
            self.scale.min if self.scale else 1 if self.replicas is None else self.replicas
        ):
            hint = "write pdb: {max: 1}"
            yield ("pdb",), "lets no pod be taken away, so that a node can't be drained", hint
