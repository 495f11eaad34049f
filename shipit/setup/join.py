"""Facts of several files joined: one set of images, processes, variables and repositories. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shipit.drafts.files import Build, FileFacts, Pairs, Process
from shipit.drafts.values import listed
from shipit.errors import ShipitError
from shipit.reference import parse_reference


def join_images(app: str, sources: Iterable[FileFacts]) -> tuple[dict[str, Build], dict[Build | None, str]]:
    """Image -> build, and build -> image. Files that name one Dockerfile and stage mean one image."""
    images: dict[str, Build] = {}
    names: dict[Build | None, str] = {}
    for file in sources:
        own: dict[str, Build] = {}
        for suggested, build in file.images:
            same = next((name for name, other in images.items() if _is_same(other, build)), "")
            name = same or next((name for name, other in own.items() if other == build), "")
            if not name:
                name = _unused(suggested, {*images, *own})
                own[name] = build
            names[build] = name
            if same and build.platforms and not images[same].platforms:
                images[same] = images[same]._replace(platforms=build.platforms)
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


def first_image(images: Mapping[str, Build], app: str) -> str:
    """The image that serves requests."""
    return next((name for name in ("web", app) if name in images), next(iter(images), app))


def join_processes(
    sources: Sequence[FileFacts], images: Mapping[str, Build], names: Mapping[Build | None, str], release_image: str
) -> dict[str, Process]:
    """Process by name, `web` first; a later file wins over an earlier one."""
    found: dict[str, Process] = {}
    for file in sources:
        own = {process.name: process for process in file.processes}
        if file.only_adjusts:
            own = {name: process for name, process in own.items() if name in found or not found}
        serving = next((name for name, process in found.items() if process.port), next(iter(found), ""))
        if "web" in own and "web" not in found and serving and not _has_other_image(own["web"], found[serving], names):
            found = {("web" if name == serving else name): process for name, process in found.items()}
        for name, process in own.items():
            found[name] = found[name].overridden_by(process) if name in found else process
    used = {names[process.build] for process in found.values() if process.build in names}
    used |= {name for name, process in found.items() if process.build is None and name in images}
    if any(process.build is None and name not in images for name, process in found.items()):
        used.add(first_image(images, next(iter(images), "")))
    for image, build in images.items():
        is_for_release = image == release_image == "release"
        if image not in used and not is_for_release and not (found and len(images) == 1):
            found.setdefault("web" if len(images) == 1 else image, Process(image, build))
    ordered = sorted(found, key=lambda name: name != "web")
    return {name: found[name]._replace(name=name) for name in ordered}


def _has_other_image(one: Process, other: Process, names: Mapping[Build | None, str]) -> bool:
    return one.build is not None and other.build is not None and names.get(one.build) != names.get(other.build)


def join_variables(
    sources: Iterable[FileFacts], processes: Mapping[str, Process]
) -> tuple[Pairs, tuple[str, ...], tuple[str, ...]]:
    """Variables, names of secrets and dotenv files. A variable that one file has as a secret is a secret. PORT is set by shipit."""
    env: dict[str, str] = {}
    secrets: dict[str, None] = {}
    dotenv: dict[str, None] = {}
    for file in sources:
        for name, value in file.env:
            env.setdefault(name, value)
        secrets |= dict.fromkeys(file.secrets)
        dotenv |= dict.fromkeys(file.dotenv)
    env.pop("PORT", None)
    secrets.pop("PORT", None)
    own = {name for process in processes.values() for name, _ in process.env}
    hidden = tuple(name for name in secrets if name not in own)
    return tuple((name, value) for name, value in env.items() if name not in secrets), hidden, tuple(dotenv)


def join_repositories(
    sources: Iterable[FileFacts],
    names: Mapping[Build | None, str],
    images: Mapping[str, Build],
    in_manifests: tuple[str, ...],
) -> tuple[dict[str, str], list[str]]:
    """Image -> repository, when a file names one; and a TODO for each invalid repository."""
    found: dict[str, str] = {}
    refused: list[str] = []
    for file in sources:
        for build, text in file.repositories:
            repository = _parsed(text)
            if repository and build in names:
                found.setdefault(names[build], repository)
            elif not repository:
                refused.append(f"{file.file}: {text} is no repository that an image can be pushed to")
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
    """A repository in the form of deploy.yml; empty when it is invalid or has a tag."""
    try:
        reference = parse_reference(text)
    except ShipitError:
        return ""
    return "" if reference.tag or reference.digest else reference.name
