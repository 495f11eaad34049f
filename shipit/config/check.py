"""Checks across keys: versions, `needs`, image names, the targets that secrets name. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from graphlib import CycleError, TopologicalSorter
from typing import Any

from shipit import __version__
from shipit.config.image import ImageConfig
from shipit.config.model import EnvKeys, ProjectFile, TargetConfig
from shipit.config.position import Keys
from shipit.config.source import Source
from shipit.errors import ConfigError, ShipitError
from shipit.reference import parse_reference

UPGRADE = "install it with: pipx upgrade shipit"


def images_of(file: ProjectFile) -> Mapping[str, ImageConfig]:
    """The images of a file by name; the only one is named after the app."""
    return {file.app: file.image} if file.image else file.images


def check_file(
    file: ProjectFile, targets: Mapping[str, TargetConfig], every: Set[str], source: Source
) -> list[ConfigError]:
    """Every check across keys. `every` holds the names of all targets, also of those that the environment does not select."""
    return [
        *check_release(file, source),
        *check_env(file, source),
        *check_tags(images_of(file), source),
        *check_secrets(file, every, source),
        *check_target_env(file, targets, source),
    ]


def check_targets(
    app: str, images: Sequence[str], targets: Mapping[str, TargetConfig], every: Set[str], source: Source
) -> list[ConfigError]:
    """Checks across targets and of image names. They apply even when the top level is invalid."""
    return [
        *check_needs(targets, every, source),
        *check_places(app, targets, source),
        *check_images(images, targets, source),
    ]


def image_names(data: Any, app: str) -> tuple[str, ...]:
    """The names of the images in a file, valid or not."""
    found = data if isinstance(data, dict) else {}
    several = found.get("images")
    if isinstance(several, dict) and several:
        return tuple(map(str, several))
    return (app,) if found.get("image") is not None else ()


def check_format(data: Any, source: Source) -> list[ConfigError]:
    """Check that this shipit can read the file: its `version` and its `requires`, when they are valid."""
    found = data if isinstance(data, dict) else {}
    version, requires = found.get("version", 1), found.get("requires")
    if isinstance(version, int) and not isinstance(version, bool) and version != 1:
        what = f"this shipit, {__version__}, reads version 1 of the format"
        return [source.problem(("version",), what, UPGRADE if version > 1 else "")]
    return check_requires(requires, source) if isinstance(requires, str) else []


def check_tags(images: Mapping[str, ImageConfig], source: Source) -> list[ConfigError]:
    """Check that no two images push the same tag of a repository."""
    owners: dict[tuple[str, str], str] = {}
    mistakes = []
    for name, config in images.items():
        for tag in config.tags if config.tags is not None else ("latest",):
            if config.repository is None:
                continue
            other = owners.setdefault((config.repository, tag), name)
            if other != name:
                what = f"pushes the same tag as the image {other}: {config.repository}:{tag}"
                hint = "give one of them another repository, or other tags"
                mistakes.append(source.problem(("images", name), what, hint, on_key=True))
                break
    return mistakes


def check_places(app: str, targets: Mapping[str, TargetConfig], source: Source) -> list[ConfigError]:
    """Check that no two targets deploy to the same place."""
    owners: dict[str, str] = {}
    mistakes = []
    for name, config in targets.items():
        for place in config.place_keys(app):
            other = owners.setdefault(place, name)
            if other != name:
                what = f"releases to the same place as {other}: {place}"
                mistakes.append(source.problem(("targets", name), what, "keep one of them", on_key=True))
                break
    return mistakes


def check_requires(requires: str, source: Source) -> list[ConfigError]:
    """Check `requires` against the version of this shipit."""
    for part in requires.split(","):
        match = re.fullmatch(r"\s*(>=|<=|==|!=|>|<|)\s*([0-9]{1,9}(?:\.[0-9]{1,9})*)\s*", part)
        if not match:
            return [source.problem(("requires",), "should be a version such as >=0.1, or a range such as >=0.1,<1")]
        if not _satisfies(match[1], _version(match[2])):
            hint = UPGRADE if match[1] in (">", ">=", "==", "") else ""
            what = f"needs shipit {requires.strip()}, and this is {__version__}"
            return [source.problem(("requires",), what, hint)]
    return []


def _satisfies(operator: str, wanted: tuple[int, ...]) -> bool:
    """Whether this version satisfies a requirement; `==0.1` and `0.1` match every 0.1.x."""
    own = _version(__version__)
    equal = own[: len(wanted)] == wanted
    results = {
        "==": equal,
        "": equal,
        "!=": not equal,
        ">=": own >= wanted,
        "<": own < wanted,
        ">": own > wanted and not equal,
        "<=": own < wanted or equal,
    }
    return results[operator]


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def check_needs(targets: Mapping[str, TargetConfig], every: Set[str], source: Source) -> list[ConfigError]:
    """Check that every name in `needs` is a target of the file, and that there is no cycle.

    A target that the environment does not select is not waited for.
    """
    mistakes = []
    for name, config in targets.items():
        for index, need in enumerate(config.needs):
            if need not in every:
                hint = source.near(need, sorted(every)) or f"targets here: {', '.join(sorted(every))}"
                mistakes.append(source.problem(("targets", name, "needs", index), f"there is no target {need!r}", hint))
    cycle = _cycle({name: config.needs for name, config in targets.items()})
    if cycle:
        keys: Keys = ("targets", cycle[0], "needs", targets[cycle[0]].needs.index(cycle[1]))
        what = "needs itself" if len(cycle) == 2 else f"targets need each other: {' -> '.join(cycle)}"
        mistakes.append(source.problem(keys, what, "remove one of them" if len(cycle) > 2 else "remove it"))
    return mistakes


def _cycle(needs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The names of a cycle, the first repeated at the end; empty when there is none."""
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        # graphlib lists a node before those that depend on it.
        cycle: list[str] = error.args[1][::-1]
        first = min(range(len(cycle) - 1), key=lambda index: list(needs).index(cycle[index]))
        return [*cycle[first:-1], *cycle[: first + 1]]
    return []


def check_images(images: Sequence[str], targets: Mapping[str, TargetConfig], source: Source) -> list[ConfigError]:
    """Check that every image used is in the file, and that each use names one when there are several."""
    problems = []
    for name, config in targets.items():
        wanted = "REPOSITORY" if config.repository_for else "REPOSITORY, or image: {build: .},"
        found = (
            _image_problem(("targets", name, *keys), image, images, source, wanted)
            for keys, image in config.image_keys()
        )
        problems += [problem for problem in found if problem]
    return problems


def check_release(file: ProjectFile, source: Source) -> list[ConfigError]:
    """Check the image of the release command."""
    if file.release is None:
        return []
    problem = _image_problem(("release", "image"), file.release.image, tuple(images_of(file)), source)
    return [problem] if problem else []


def release_without(targets: Mapping[str, TargetConfig], source: Source) -> list[ConfigError]:
    """A mistake at `release`, which the file has, for each of these targets whose kind runs no release command."""
    return [
        source.problem(("release",), f"can't be run by the target {name}", config.in_place_of_release, on_key=True)
        for name, config in targets.items()
        if config.in_place_of_release
    ]


def _image_problem(
    keys: Keys, image: str | None, images: Sequence[str], source: Source, wanted: str = "REPOSITORY"
) -> ConfigError | None:
    names = ", ".join(images)
    if image is not None and image not in images:
        hint = source.near(image, images) or (
            f"images here: {names}{_unbuilt(image)}" if images else "add image: or images: to the file"
        )
        return source.problem(keys, f"there is no image {image!r}", hint)
    if image is None and not images:
        return source.problem(keys, "needs an image, and the file has none", f"add image: {wanted} at the top")
    if image is None and len(images) > 1:
        hint = _naming(keys, images[0], source) or f"write image: {images[0]}"
        return source.problem(
            keys, "needs image:, because the file has several images", f"{hint}; images here: {names}"
        )
    return None


def _unbuilt(image: str) -> str:
    """The text to write for an image of a registry, such as that of a database; empty for text that can't be one."""
    try:
        reference = parse_reference(image)
    except ShipitError:
        return ""
    name = reference.repository.rpartition("/")[2]
    use = image if reference.tag or reference.digest else f"{image}:TAG"
    return f"; one that is not built stands there, too: images: {{{name}: {{use: {use}}}}}"


def _naming(keys: Keys, image: str, source: Source) -> str:
    """The text to write for a use whose map is missing; empty when the map is there."""
    if keys[-1] == "images":
        return f"write images: [{image}]"
    above = source.locate(keys[:-1])[1]
    if keys[0] == "release" and not source.is_map(("release",)):
        return f"write release: {{image: {image}, command: ...}}"
    lacking = [str(key) for key in keys[:-1] if key not in above]
    if "" in keys or not lacking:
        return ""
    written = f"image: {image}"
    for key in reversed(lacking):
        written = f"{key}: {{{written}}}"
    return f"write {written}"


def check_env(file: ProjectFile, source: Source) -> list[ConfigError]:
    """Check that every variable has a value: null removes a variable of an included file or, in an environment, of the file."""
    return _without_value(file.env, ("env",), source)


def _without_value(env: Mapping[str, object], keys: Keys, source: Source) -> list[ConfigError]:
    what = "has no value"
    hint = '"" is an empty one, and ${%s} that of the environment that shipit runs in; leave it out for none'
    return [
        source.problem((*keys, name), what, hint % name, on_key=True) for name, value in env.items() if value is None
    ]


def check_secrets(file: ProjectFile, every: Set[str], source: Source) -> list[ConfigError]:
    """Check that `only` names targets of the file, and that no name is both a variable and a secret."""
    mistakes = []
    for name, secret in file.secrets.items():
        if name in file.env:
            mistakes.append(source.problem(("secrets", name), "is also defined under env:", "keep one", on_key=True))
        for index, target in enumerate(secret.only or ()):
            if target not in every:
                keys: Keys = ("secrets", name, "only", index)
                near = source.near(target, sorted(every))
                mistakes.append(source.problem(keys, f"there is no target {target!r}", near))
    return mistakes


def _mistakes_of_env(
    one: EnvKeys, target: Keys, variables: Set[str], secrets: Set[str], source: Source
) -> list[ConfigError]:
    """The mistakes of an `env` within a target. `variables` are those of the file, and `secrets` those of the target."""
    got = secrets if one.gets_all else frozenset[str]()
    left_out = (variables if one.gets_all else frozenset()) | (got if one.leaves_out_secrets else frozenset())
    at = (*target, *one.keys)
    twice = sorted(name for name, value in one.env.items() if value is not None and name in got)
    return [
        *_without_value({name: value for name, value in one.env.items() if name not in left_out}, at, source),
        *(source.problem((*at, name), "is also defined under secrets:", "keep one", on_key=True) for name in twice),
    ]


def check_target_env(file: ProjectFile, targets: Mapping[str, TargetConfig], source: Source) -> list[ConfigError]:
    """Check that no variable sets PORT to another value than `port:`, and that no env repeats a secret, or has a name without a value that leaves nothing out."""
    mistakes = []
    for target, config in targets.items():
        secrets = {name for name, secret in file.secrets.items() if secret.only is None or target in secret.only}
        for one in config.env_keys():
            mistakes += _mistakes_of_env(one, ("targets", target), file.env.keys(), secrets, source)
        for own in config.port_keys():
            keys, given = ("targets", target, *own.env_keys, "PORT"), own.env.get("PORT")
            if "PORT" not in own.env and not own.is_own:
                keys, given = ("env", "PORT"), file.env.get("PORT")
            is_secret = own.is_set and given is None and "PORT" not in own.env and "PORT" in secrets
            if is_secret:
                keys = ("secrets", "PORT")
            if is_secret or (given is not None and given != str(own.port)):
                port = source.problem(("targets", target, *own.port_keys), "")
                what = f"should be {own.port}, or absent: {port.path} is {own.port} at {port.where}"
                hint = "keep port: alone, which sets PORT" if own.is_set else f"write port: {own.port}, which sets PORT"
                mistakes.append(source.problem(keys, what, hint, on_key=is_secret))
    return mistakes
