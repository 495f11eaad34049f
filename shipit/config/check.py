"""Checks across keys: versions, `needs`, image names, the targets that secrets name. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set

from shipit import __version__
from shipit.config.model import ImageConfig, Keys, ProjectFile, TargetConfig
from shipit.config.problems import Source
from shipit.errors import ConfigError


def check_requires(file: ProjectFile, source: Source) -> list[ConfigError]:
    """That this shipit satisfies `requires`."""
    if file.requires is None:
        return []
    match = re.fullmatch(r"\s*(>=|==|)\s*(\d+(?:\.\d+)*)\s*", file.requires)
    if not match:
        return [source.problem(("requires",), "should be a version such as >=0.1")]
    wanted, own = _version(match[2]), _version(__version__)
    if own >= wanted if match[1] == ">=" else own[: len(wanted)] == wanted:
        return []
    hint = "install it with: pipx upgrade shipit"
    return [source.problem(("requires",), f"needs shipit {file.requires.strip()}, and this is {__version__}", hint)]


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def check_needs(targets: Mapping[str, TargetConfig], every: Set[str], source: Source) -> list[ConfigError]:
    """That every name in `needs` is a target of the file, and that nothing waits for itself.

    A target that the environment leaves out is not waited for.
    """
    mistakes = []
    for name, config in targets.items():
        for index, need in enumerate(config.needs):
            if need not in every:
                hint = source.near(need, sorted(every)) or f"targets here: {', '.join(sorted(every))}"
                mistakes.append(source.problem(("targets", name, "needs", index), f"there is no target {need!r}", hint))
    cycle = _cycle({name: config.needs for name, config in targets.items()})
    if cycle:
        keys: Keys = ("targets", cycle[0], "needs")
        mistakes.append(
            source.problem(keys, f"targets wait for each other: {' -> '.join(cycle)}", "remove one of them")
        )
    return mistakes


def _cycle(needs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """A cycle as its names, the first repeated at the end; empty when there is none."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for need in needs.get(name, ()):
            if found := visit(need, [*trail, name]):
                return found
        done.add(name)
        return []

    return next((found for name in needs if (found := visit(name, []))), [])


def check_images(
    file: ProjectFile, images: Mapping[str, ImageConfig], targets: Mapping[str, TargetConfig], source: Source
) -> list[ConfigError]:
    """That every image used is in the file, and that none is left unnamed where there are several."""
    used: list[tuple[Keys, str | None]] = []
    for name, config in targets.items():
        used += [(("targets", name, *keys), image) for keys, image in config.image_keys()]
    if file.release:
        used.append((("release", "image"), file.release.image))
    return [problem for keys, image in used if (problem := _image_problem(keys, image, images, source))]


def _image_problem(
    keys: Keys, image: str | None, images: Mapping[str, ImageConfig], source: Source
) -> ConfigError | None:
    names = ", ".join(images)
    if image is not None and image not in images:
        hint = source.near(image, images) or (
            f"images here: {names}" if images else "add image: or images: to the file"
        )
        return source.problem(keys, f"there is no image {image!r}", hint)
    if image is None and not images:
        return source.problem(keys, "needs an image, and the file has none", "add image: REPOSITORY at the top")
    if image is None and len(images) > 1:
        return source.problem(keys, "should name its image, since there are several", f"image: one of {names}")
    return None


def check_secrets(file: ProjectFile, every: Set[str], source: Source) -> list[ConfigError]:
    """That `only` names targets of the file, and that no name is both a variable and a secret."""
    mistakes = []
    for name, secret in file.secrets.items():
        if name in file.env:
            mistakes.append(source.problem(("secrets", name), "stands under env, too", "keep one", on_key=True))
        for index, target in enumerate(secret.only or ()):
            if target not in every:
                keys: Keys = ("secrets", name, "only", index)
                near = source.near(target, sorted(every))
                mistakes.append(source.problem(keys, f"there is no target {target!r}", near))
    return mistakes
