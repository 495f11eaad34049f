"""`shipit push`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shipit.cli.exits import exit_on_error
from shipit.cli.options import TargetOptions
from shipit.cli.printing import result
from shipit.cli.runs import targets_run
from shipit.errors import UsageError
from shipit.targets.kinds import KindModels

if TYPE_CHECKING:
    from shipit.config.project import Project

HELP = """Pushes the images that the targets use, by digest, and adds their tags. In a deploy.yml without targets: every
image that has a repository. Prints each image as repository@digest."""
EXAMPLES = ("shipit push", "shipit push k8s")


def run(options: TargetOptions) -> None:
    with (
        exit_on_error(options.verbose, options.output),
        targets_run(options, changed=with_every_repository, keeps_journal=True) as run,
    ):
        from shipit.pipeline.flow import push

        preparation = push(run)
        if options.output != "json":
            for item in preparation.uses.values():
                result(item.image.pinned)
        if run.exit_code:
            raise SystemExit(run.exit_code)


def with_every_repository(project: Project) -> Project:
    """The project with a target that publishes each image that has a repository; unchanged if the file has targets."""
    names = [name for name, image in project.images.items() if image.repository]
    if project.targets or project.left_out:
        return project
    if not names:
        hint = "add repository: to an image, or targets: to the file"
        raise UsageError("there is nothing to push", where=project.file.name, hint=hint)
    return replace(
        project, targets={"registry": KindModels()["registry"].model_validate({"images": names, "history": False})}
    )
