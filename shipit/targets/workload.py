"""Names of what runs in a target, as users write them: TARGET/WORKLOAD."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from shipit.errors import UsageError
from shipit.targets.verbs import has_workloads

if TYPE_CHECKING:
    from shipit.targets.base import Target
    from shipit.targets.verbs import HasWorkloads


class WorkloadName(NamedTuple):
    """A target of deploy.yml, and one of its workloads; an empty `workload` names no particular one."""

    target: str
    workload: str = ""

    def __str__(self) -> str:
        return f"{self.target}/{self.workload}" if self.workload else self.target


def parse_workload(text: str) -> WorkloadName:
    """The name in `TARGET` or `TARGET/WORKLOAD`. Raises: UsageError for an empty part."""
    target, slash, workload = text.partition("/")
    if not target or (slash and not workload):
        raise UsageError(f"{text!r} should be TARGET or TARGET/WORKLOAD", hint="for example k8s/web")
    return WorkloadName(target, workload)


def of_each_place(names: Sequence[WorkloadName], groups: Mapping[str, tuple[str, ...]]) -> list[WorkloadName]:
    """The names, with each target that the name of one with several places stands for. `groups` are those of the project."""
    return [name._replace(target=one) for name in names for one in groups.get(name.target, (name.target,))]


def of_one_place(name: WorkloadName, groups: Mapping[str, tuple[str, ...]]) -> WorkloadName:
    """The name, for a command that speaks to one place. Raises: UsageError that names them where there are several."""
    found = of_each_place([name], groups)
    if len(found) > 1:
        what = f"{name.target} is {len(found)} targets, and this command is for one"
        raise UsageError(what, hint=f"name one: {', '.join(map(str, found))}")
    return found[0]


def workload_names(target: Target, verb: str) -> tuple[str, ...]:
    """The workloads of a target. Raises: UsageError when its kind runs none, and so has no command `verb`."""
    if not has_workloads(target):
        raise lacks(target, verb)
    return tuple(_named(target))


def lacks(target: Target, verb: str) -> UsageError:
    """The error for a command of shipit that the kind of a target has not."""
    what = f"{target.name} is a target of the kind {target.kind.name}, which has no {verb}"
    return UsageError(what, hint=target.kind.instead.get(verb, "shipit status shows the targets"))


def find_workload(target: Target, workload: str, verb: str) -> str:
    """The workload of a name; an empty name is the only one. Raises: UsageError that lists them, or names the nearest."""
    names = workload_names(target, verb)
    if workload in names:
        return workload
    if not workload and len(names) == 1:
        return names[0]
    written = [str(WorkloadName(target.name, name)) for name in names]
    if not workload and names:
        raise UsageError(f"{target.name} runs {len(names)} workloads", hint=f"name one: {', '.join(written)}")
    if not names:
        raise UsageError(f"{target.name} runs no workload")
    near = difflib.get_close_matches(workload, names, n=1)
    hint = f"did you mean {target.name}/{near[0]}?" if near else f"workloads there: {', '.join(written)}"
    raise UsageError(f"{target.name} has no workload {workload!r}", hint=hint)


def _named(target: HasWorkloads) -> Sequence[str]:
    return target.workloads()
