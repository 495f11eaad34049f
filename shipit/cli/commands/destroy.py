"""`shipit destroy`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

from shipit.cli.declared import option
from shipit.cli.exits import can_ask, exit_on_error, prompt
from shipit.cli.options import ChangeOptions, WaitOption, wait_of
from shipit.cli.runs import targets_run
from shipit.errors import UsageError

if TYPE_CHECKING:
    from shipit.pipeline.run import Run
    from shipit.release import Plan

HELP = """Lists what shipit made in each target, by what the place says of its owner and not by deploy.yml, removes it, and looks
again. At a terminal the name of the environment has to be typed; elsewhere it needs -e ENVIRONMENT and --yes. Volumes, namespaces and
apps stay unless --include names them; --volumes names every volume that shipit made. --rmi also removes images from Docker engines, if nothing else there needs them."""
EXAMPLES = (
    "shipit destroy -e staging",
    "shipit destroy k8s -e staging --yes --keep-data",
    "shipit destroy k8s --include PersistentVolumeClaim/data",
    "shipit destroy heroku --include app/shop-staging",
    "shipit destroy hosts -e staging --volumes --rmi",
)

Include = Annotated[
    list[str] | None,
    option(
        "--include",
        metavar="NAME",
        help="Also remove this one, which stays otherwise: as the list names it; can be repeated.",
    ),
]
Volumes = Annotated[
    bool,
    option("--volumes", help="Also remove every volume that shipit made there, with its data; each is listed first."),
]
KeepData = Annotated[
    bool,
    option("--keep-data", help="Remove no volume, not even one that its StatefulSet would delete with itself."),
]


RemoveImages = Annotated[
    bool,
    option("--rmi", help="Also remove images of deploy.yml from Docker engines, if nothing else there needs them."),
]


def run(
    options: ChangeOptions,
    include: Include = None,
    volumes: Volumes = False,
    keep_data: KeepData = False,
    rmi: RemoveImages = False,
    wait: WaitOption = None,
) -> None:
    with exit_on_error(options.verbose, options.output):
        wait_s = wait_of(wait)
        from shipit.pipeline.destroy import destroy
        from shipit.release import Destruction

        wanted = Destruction(tuple(include or ()), keep_data, rmi)
        if options.yes and options.environment is None:
            hint = "name it: shipit destroy -e production --yes"
            raise UsageError("--yes needs the environment that is to be destroyed", hint=hint)
        if volumes and keep_data:
            raise UsageError("--volumes and --keep-data can't be combined", hint="leave one of them out")
        # Asked before the live view starts: older releases of rich replace stderr by something that is no terminal.
        asks = can_ask()
        with targets_run(options, timeout=options.timeout, for_deploy=False, keeps_journal=True) as run:
            run.confirm = _typed(run, is_sure=options.yes, asks=asks)
            run.wait_s = wait_s
            code = destroy(run, wanted, is_selected=bool(options.selected), takes_volumes=volumes)
        raise SystemExit(code)


def _typed(run: Run, *, is_sure: bool, asks: bool) -> Callable[[Plan, Sequence[str]], bool]:
    """Asks for the name of the environment. Nobody is asked with `is_sure`, and nothing is done where nobody can be asked."""

    def ask(plan: Plan, reasons: Sequence[str]) -> bool:
        if is_sure or not asks:
            return is_sure
        environment = run.project.environment
        question = f"{'; '.join(reasons)}. This can't be undone. Type the name of the environment, {environment}"
        with getattr(run.tell, "paused", nullcontext)():
            return prompt(run.redactor.text(question)) == environment

    return ask
