"""Facts from all files of a project. Reads only; an unreadable file counts as empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from shipit.config.process_environment import ProcessEnvironment
from shipit.drafts.files import Build, FileFacts, Process, ProjectFacts
from shipit.drafts.kind import Detection, Folder, KindDraft, Remote
from shipit.drafts.reading import read_text
from shipit.setup.compose import read_compose
from shipit.setup.dockerfile_files import read_dockerfiles
from shipit.setup.fly import read_fly
from shipit.setup.hidden_values import without_values
from shipit.setup.join import first_image, join_images, join_processes, join_repositories, join_variables
from shipit.setup.kamal import read_kamal
from shipit.setup.other_files import other_files
from shipit.setup.project import app_name, owner_of, read_remotes, runtime_of
from shipit.setup.skaffold import read_skaffold
from shipit.setup.stages import ImageFacts, image_facts


class Found(NamedTuple):
    """The facts of a project, and what each kind of target detected, in the order of the kinds."""

    project: ProjectFacts
    kinds: tuple[tuple[KindDraft, Detection], ...]


class _Files(NamedTuple):
    """Facts by file. `kinds`: those of files that belong to a kind of target, such as heroku.yml."""

    compose: FileFacts
    skaffold: FileFacts
    kamal: FileFacts
    fly: FileFacts
    dockerfiles: FileFacts
    kinds: tuple[FileFacts, ...]

    @property
    def with_images(self) -> tuple[FileFacts, ...]:
        """The files that name images, those that name production's first."""
        return (*self.kinds, self.kamal, self.fly, self.compose, self.skaffold, self.dockerfiles)

    @property
    def with_processes(self) -> tuple[FileFacts, ...]:
        """The files that name processes; a later one wins."""
        return (self.compose, self.skaffold, self.fly, self.kamal, *self.kinds)

    @property
    def with_variables(self) -> tuple[FileFacts, ...]:
        """The files that name variables; an earlier one wins."""
        return (self.kamal, self.fly, *self.kinds, self.compose)

    @property
    def with_todo(self) -> tuple[FileFacts, ...]:
        return (*self.kinds, self.compose, self.skaffold, self.kamal, self.fly, self.dockerfiles)


def look(root: Path, environ: ProcessEnvironment, drafts: Sequence[KindDraft]) -> Found:
    """Read a project folder. `drafts` are those of the kinds. Nothing is run and no server is asked."""
    remotes = read_remotes(root)
    compose, skaffold, kamal, fly = (
        without_values(read(root)) for read in (read_compose, read_skaffold, read_kamal, read_fly)
    )
    general = (compose, skaffold, kamal, fly)
    kinds = tuple((draft, draft.detect(Folder(root, environ, remotes, general))) for draft in drafts)
    own = tuple(without_values(file) for _, detection in kinds for file in detection.files)
    known = frozenset(build.file for file in (*general, *own) for _, build in file.images)
    files = _Files(*general, read_dockerfiles(root, known), own)
    return Found(_project(root, files, remotes, [detection for _, detection in kinds]), kinds)


def _project(root: Path, files: _Files, remotes: Sequence[Remote], detections: Sequence[Detection]) -> ProjectFacts:
    app = app_name(root, remotes, (file.app for file in (*files.kinds, files.kamal, files.fly, files.skaffold)))
    images, names = join_images(app, files.with_images)
    first = first_image(images, app)
    release = next((file for file in (*files.kinds, files.fly) if file.release), FileFacts())
    release_image = names.get(release.release_build, first) if release.release_build else first
    processes = join_processes(files.with_processes, images, names, release_image)
    process_images = {
        name: names.get(process.build, name if name in images else first) for name, process in processes.items()
    }
    facts = {
        name: image_facts(read_text(root / build.file), build.stage, dict(build.args)) for name, build in images.items()
    }
    missing = [name for name, build in images.items() if _is_missing(build.stage, facts[name])]
    no_stages = [
        f"{images[name].file}: there is no stage {images[name].stage}, which the image {name} should be"
        for name in missing
    ]
    images = {name: build._replace(stage="") if name in missing else build for name, build in images.items()}
    processes, entrypoints = _with_dockerfile_facts(processes, process_images, images, facts)
    env, secrets, dotenv = join_variables(files.with_variables, processes)
    in_manifests = tuple(name for detection in detections for name in detection.repositories)
    repositories, refused = join_repositories(files.with_images, names, images, in_manifests)
    login, owner = next((found.owner for found in detections if found.owner), ""), owner_of(remotes)
    return ProjectFacts(
        app=app,
        images=images,
        repositories=repositories,
        processes=processes,
        process_images=process_images,
        release=release.release,
        release_image=release_image,
        env=env,
        secrets=secrets,
        dotenv=dotenv,
        manifests=tuple(dict.fromkeys(name for file in (files.skaffold, *files.kinds) for name in file.manifests)),
        owner=login or owner,
        owner_guess="" if login or not owner else "the owner of the git repository",
        runtime=runtime_of(root),
        todo=(
            *(f"{file.file}: {text}" for file in files.with_todo for text in file.todo),
            *entrypoints,
            *no_stages,
            *_stages_before_the_last(images, facts),
            *refused,
            *other_files(root),
        ),
    )


def _is_missing(stage: str, facts: ImageFacts) -> bool:
    """True for a stage that is not in the Dockerfile; False where that can't be read."""
    return bool(stage and facts.stages) and stage.lower() not in facts.stages


def _with_dockerfile_facts(
    processes: Mapping[str, Process],
    process_images: Mapping[str, str],
    images: Mapping[str, Build],
    facts: Mapping[str, ImageFacts],
) -> tuple[dict[str, Process], list[str]]:
    """The processes with the ports that their Dockerfiles expose, and a TODO for each command that replaces an entrypoint."""
    found: dict[str, Process] = {}
    todo: list[str] = []
    for name, process in processes.items():
        image = process_images[name]
        of_image = facts.get(image, ImageFacts())
        sharing = [other for other in processes if process_images[other] == image]
        is_serving = name == (next((other for other in sharing if processes[other].port), sharing[0]))
        if of_image.port and not process.port and is_serving:
            process = process._replace(port=of_image.port)
        if of_image.has_entrypoint and process.command:
            todo.append(
                f"{images[image].file}: has an ENTRYPOINT, which the command of {name} may replace: check the command"
            )
        found[name] = process
    return found, todo


def _stages_before_the_last(images: Mapping[str, Build], facts: Mapping[str, ImageFacts]) -> Iterator[str]:
    """A TODO for each image whose stage is not the last one of its Dockerfile: it may be for development."""
    for name, build in images.items():
        stages = facts[name].stages
        if build.stage and stages and stages[-1] != build.stage.lower():
            yield f"{build.file}: the image {name} is its stage {build.stage}, which is not the last; remove stage if production runs the last"
