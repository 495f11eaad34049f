"""`shipit scale`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from shipit.cli.completion import complete_workloads
from shipit.cli.declared import argument
from shipit.cli.exits import exit_on_error
from shipit.cli.options import ProjectOptions, TimeoutOption, WaitOption, YesOption, target_options, wait_of
from shipit.cli.runs import targets_run
from shipit.errors import UsageError

if TYPE_CHECKING:
    from shipit.pipeline.change import Change
    from shipit.targets.base import Target
    from shipit.targets.workload import WorkloadName

HELP = """Changes the number of pods, dynos, containers or tasks at once, and waits until they are healthy. deploy.yml stays as it is: the plan says
what the next deploy does with the number. Refuses where an autoscaler decides."""
EXAMPLES = ("shipit scale k8s/web=5", "shipit scale heroku/web=2 heroku/worker=0 --yes")
# More than any place can have; a larger number is a slip.
_MOST = 150_000


def run(
    options: ProjectOptions,
    quantities: Annotated[
        list[str],
        argument(
            metavar="TARGET[/WORKLOAD]=N",
            help="A workload of a target, and how many instances it should have.",
            show_default=False,
            completes=complete_workloads,
        ),
    ],
    timeout: TimeoutOption = None,
    yes: YesOption = False,
    wait: WaitOption = None,
) -> None:
    with exit_on_error(options.verbose, options.output):
        wait_s = wait_of(wait)
        from shipit.pipeline.change import change
        from shipit.targets.workload import of_each_place

        wanted = [_parse(text) for text in quantities]
        selected = target_options(options, [name.target for name, _ in wanted])
        with targets_run(selected, timeout=timeout, yes=yes, verb="Scale", for_deploy=False, keeps_journal=True) as run:
            run.wait_s = wait_s
            meant = [(one, count) for name, count in wanted for one in of_each_place([name], run.project.groups)]
            code = change(run, "scale", [_change(target, meant) for target in run.targets])
        raise SystemExit(code)


def _parse(text: str) -> tuple[WorkloadName, int]:
    """The workload and the number of `TARGET/WORKLOAD=N`. Raises: UsageError."""
    from shipit.targets.workload import parse_workload

    name, equals, count = text.rpartition("=")
    if not equals or not count.isascii() or not count.isdigit() or len(count) > len(str(_MOST)) or int(count) > _MOST:
        hint = f"for example k8s/web=3; the number is 0 to {_MOST}"
        raise UsageError(f"{text!r} should be TARGET/WORKLOAD=N", hint=hint)
    return parse_workload(name), int(count)


def _change(target: Target, wanted: list[tuple[WorkloadName, int]]) -> Change:
    from functools import partial

    from shipit.pipeline.change import Change
    from shipit.targets.orders import ScaleOrder
    from shipit.targets.verbs import scales
    from shipit.targets.workload import find_workload, lacks

    if not scales(target):
        raise lacks(target, "scale")
    found: dict[str, int] = {}
    for name, count in wanted:
        if name.target != target.name:
            continue
        workload = find_workload(target, name.workload, "scale")
        if found.setdefault(workload, count) != count:
            raise UsageError(f"{target.name}/{workload} is given two numbers: {found[workload]} and {count}")
    order, declared = ScaleOrder(found), target.declared_scale()
    notes = [note for name, count in found.items() if (note := _note(name, count, declared.get(name)))]
    return Change(target, partial(target.plan_scale, order), partial(target.judge_scale, order), notes)


def _note(name: str, count: int, declared: int | None) -> str:
    if declared is None:
        return f"deploy.yml has no number for {name}: the next deploy leaves it as it is"
    if declared == count:
        return ""
    return f"deploy.yml says {declared} for {name}: the next deploy sets it back"
