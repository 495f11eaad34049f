"""What all files of a project say together. Reads only; a file that can't be read says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import ShipitError
from shipit.reference import parse_reference
from shipit.setup.cluster_files import images_of, read_cluster_files
from shipit.setup.compose import read_compose
from shipit.setup.dockerfile_files import read_dockerfiles
from shipit.setup.fly import read_fly
from shipit.setup.heroku_files import read_app_json, read_heroku_yml, read_procfile
from shipit.setup.kamal import read_kamal
from shipit.setup.reading import read_text
from shipit.setup.said import Build, Command, Pairs, Process, Said, listed
from shipit.setup.skaffold import read_skaffold
from shipit.setup.stages import image_facts
from shipit.setup.surroundings import (
    Runtime,
    app_name,
    docker_hub_user,
    heroku_apps,
    owner_of,
    read_contexts,
    read_remotes,
    runtime_of,
)


class Found(NamedTuple):
    """What was found. Names are as they may stand in deploy.yml; empty where there is nothing.

    `images`: name -> how it is built; `repositories`: name -> where it is pushed, as far as a file says so;
    `processes`: name -> what runs, the one that serves requests first; `process_images`: process -> image;
    `hub_user` is the user of a Docker Hub login, `owner` the owner of the git repository; `apps`: Heroku app by git remote;
    `todo`: what a person has to take over, each after the name of its file.
    """

    app: str
    images: Mapping[str, Build]
    repositories: Mapping[str, str]
    processes: Mapping[str, Process]
    process_images: Mapping[str, str]
    release: Command
    release_image: str
    env: Pairs
    secrets: tuple[str, ...]
    dotenv: tuple[str, ...]
    manifests: tuple[str, ...]
    is_for_heroku: bool
    hub_user: str
    owner: str
    apps: Mapping[str, str]
    contexts: tuple[str, ...]
    current_context: str
    runtime: Runtime
    todo: tuple[str, ...]


def look(root: Path, environment: ProcessEnvironment) -> Found:
    """Read what is there; nothing is run and no server is asked."""
    remotes = read_remotes(root)
    heroku, procfile, app_json = read_heroku_yml(root), read_procfile(root), read_app_json(root)
    compose, skaffold, kamal, fly = read_compose(root), read_skaffold(root), read_kamal(root), read_fly(root)
    cluster = read_cluster_files(root)
    building = (heroku, kamal, fly, compose, skaffold)
    known = frozenset(build.file for said in building for _, build in said.images)
    dockerfiles = read_dockerfiles(root, known)
    app = app_name(root, remotes, (app_json.app, kamal.app, fly.app, skaffold.app))
    images, names = _images(app, (*building, dockerfiles))
    first = _first(images, app)
    release = next((said for said in (heroku, procfile, fly) if said.release), Said())
    release_image = names.get(release.release_build, first) if release.release_build else first
    processes = _processes((compose, skaffold, fly, kamal, heroku, procfile, app_json), images, names, release_image)
    process_images = {
        name: names.get(process.build, name if name in images else first) for name, process in processes.items()
    }
    processes, entrypoints = _with_facts(root, processes, process_images, images)
    env, secrets, dotenv = _variables((kamal, fly, heroku, app_json, compose), processes)
    manifests = tuple(dict.fromkeys((*skaffold.manifests, *cluster.manifests)))
    repositories, refused = _repositories((*building, dockerfiles), names, images, images_of(root, manifests))
    contexts, current = read_contexts(environment)
    sources = (heroku, procfile, app_json, compose, skaffold, kamal, fly, cluster, dockerfiles)
    return Found(
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
        manifests=manifests,
        is_for_heroku=bool(heroku.file or procfile.processes or procfile.release),
        hub_user=docker_hub_user(environment),
        owner=owner_of(remotes),
        apps=heroku_apps(remotes),
        contexts=contexts,
        current_context=current,
        runtime=runtime_of(root),
        todo=(
            *(f"{said.file}: {text}" for said in sources for text in said.todo),
            *entrypoints,
            *_early_stages(root, images),
            *refused,
        ),
    )


def _images(app: str, sources: Iterable[Said]) -> tuple[dict[str, Build], dict[Build | None, str]]:
    """Image -> build, and build -> image. Files that name one Dockerfile and stage mean one image."""
    images: dict[str, Build] = {}
    names: dict[Build | None, str] = {}
    for said in sources:
        own: dict[str, Build] = {}
        for suggested, build in said.images:
            same = next((name for name, other in images.items() if _is_same(other, build)), "")
            name = same or next((name for name, other in own.items() if other == build), "")
            if not name:
                name = _unused(suggested, {*images, *own})
                own[name] = build
            names[build] = name
        images |= own
    if len(images) == 1:
        images = {app: next(iter(images.values()))}
        names = dict.fromkeys(names, app)
    return images, names


def _is_same(one: Build, other: Build) -> bool:
    return (one.context, one.file, one.stage) == (other.context, other.file, other.stage)


def _unused(name: str, used: set[str]) -> str:
    return next(
        text for number in range(1, 10_000) if (text := name if number == 1 else f"{name}-{number}") not in used
    )


def _first(images: Mapping[str, Build], app: str) -> str:
    """The image that serves requests."""
    return next((name for name in ("web", app) if name in images), next(iter(images), app))


def _processes(
    sources: Sequence[Said], images: Mapping[str, Build], names: Mapping[Build | None, str], release_image: str
) -> dict[str, Process]:
    """Process by name, `web` first; a later file wins over an earlier one."""
    found: dict[str, Process] = {}
    for said in sources:
        own = {process.name: process for process in said.processes}
        if said.file == "app.json":
            own = {name: process for name, process in own.items() if name in found or not found}
        serving = next((name for name, process in found.items() if process.port), next(iter(found), ""))
        if "web" in own and "web" not in found and serving and not _has_other_image(own["web"], found[serving], names):
            found = {("web" if name == serving else name): process for name, process in found.items()}
        for name, process in own.items():
            found[name] = found[name].under(process) if name in found else process
    used = {names[process.build] for process in found.values() if process.build in names}
    used |= {name for name, process in found.items() if process.build is None and name in images}
    if any(process.build is None and name not in images for name, process in found.items()):
        used.add(_first(images, next(iter(images), "")))
    for image, build in images.items():
        is_for_release = image == release_image == "release"
        if image not in used and not is_for_release and not (found and len(images) == 1):
            found.setdefault("web" if len(images) == 1 else image, Process(image, build))
    ordered = sorted(found, key=lambda name: name != "web")
    return {name: found[name]._replace(name=name) for name in ordered}


def _has_other_image(one: Process, other: Process, names: Mapping[Build | None, str]) -> bool:
    return one.build is not None and other.build is not None and names.get(one.build) != names.get(other.build)


def _with_facts(
    root: Path, processes: Mapping[str, Process], process_images: Mapping[str, str], images: Mapping[str, Build]
) -> tuple[dict[str, Process], list[str]]:
    """The processes with the ports that their Dockerfiles expose, and what their entrypoints mean for commands."""
    found: dict[str, Process] = {}
    todo: list[str] = []
    for name, process in processes.items():
        image = process_images[name]
        build = images.get(image)
        facts = image_facts(read_text(root / build.file), build.stage, dict(build.args)) if build else None
        sharing = [other for other in processes if process_images[other] == image]
        is_serving = name == (next((other for other in sharing if processes[other].port), sharing[0]))
        if facts and facts.port and not process.port and is_serving:
            process = process._replace(port=facts.port)
        if facts and facts.has_entrypoint and process.command:
            todo.append(
                f"{build.file if build else image}: has an ENTRYPOINT, which the command of {name} replaces on Kubernetes"
            )
        found[name] = process
    return found, todo


def _early_stages(root: Path, images: Mapping[str, Build]) -> Iterator[str]:
    """Images whose stage is not the last of their Dockerfile: it may be the one for development."""
    for name, build in images.items():
        stages = image_facts(read_text(root / build.file), build.stage, dict(build.args)).stages
        if build.stage and stages and stages[-1] != build.stage.lower():
            yield f"{build.file}: the image {name} is its stage {build.stage}, which is not the last; remove stage if production runs the last"


def _variables(
    sources: Iterable[Said], processes: Mapping[str, Process]
) -> tuple[Pairs, tuple[str, ...], tuple[str, ...]]:
    """Variables, names of secrets and dotenv files; what one file calls a secret is one. PORT is set by shipit."""
    env: dict[str, str] = {}
    secrets: dict[str, None] = {}
    dotenv: dict[str, None] = {}
    for said in sources:
        for name, value in said.env:
            env.setdefault(name, value)
        secrets |= dict.fromkeys(said.secrets)
        dotenv |= dict.fromkeys(said.dotenv)
    env.pop("PORT", None)
    secrets.pop("PORT", None)
    own = {name for process in processes.values() for name, _ in process.env}
    hidden = tuple(name for name in secrets if name not in own)
    return tuple((name, value) for name, value in env.items() if name not in secrets), hidden, tuple(dotenv)


def _repositories(
    sources: Iterable[Said],
    names: Mapping[Build | None, str],
    images: Mapping[str, Build],
    in_manifests: tuple[str, ...],
) -> tuple[dict[str, str], list[str]]:
    """Image -> repository, as far as a file names one; and what is no repository."""
    found: dict[str, str] = {}
    refused: list[str] = []
    for said in sources:
        for build, text in said.repositories:
            repository = _parsed(text)
            if repository and build in names:
                found.setdefault(names[build], repository)
            elif not repository:
                refused.append(f"{said.file}: {text} is no repository that an image can be pushed to")
    unnamed = [name for name in images if name not in found]
    for image in unnamed:
        fitting = [text for text in map(_parsed, in_manifests) if text and text.rpartition("/")[2] == image]
        if len(fitting) == 1 and not fitting[0].startswith("docker.io/library/"):
            found[image] = fitting[0]
    if len(found) > 1 and len(set(found.values())) < len(found):
        shared = listed(sorted(found))
        refused.append(f"images {shared} name one repository; each has one of its own here")
        found = {}
    return found, refused


def _parsed(text: str) -> str:
    """A repository as deploy.yml writes it; empty for what is none, or has a tag."""
    try:
        reference = parse_reference(text)
    except ShipitError:
        return ""
    return "" if reference.tag or reference.digest else reference.name
