"""Images that no target uses, and images without the repository that a target needs. Reads manifests, and is pure otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Set

from shipit.config.folder import ProjectFolder
from shipit.config.image import ImageConfig
from shipit.config.model import ProjectFile, TargetConfig
from shipit.config.position import Keys
from shipit.config.source import Source
from shipit.errors import ConfigError

# The owner in a repository that `shipit init` could not know.
PLACEHOLDER_OWNER = "your-name"


def images_without_repository(
    images: Mapping[str, ImageConfig], targets: Mapping[str, TargetConfig], source: Source
) -> list[ConfigError]:
    """A mistake at each target that needs the repository of an image without one."""
    mistakes = []
    for name, config in targets.items():
        for image in _used(config, images) if config.repository_for else ():
            chosen = images[image]
            if chosen.repository is None and not (chosen.use and config.takes_used):
                what = f"image {image} has no repository {config.repository_for}"
                mistakes.append(source.problem(("targets", name), what, "add repository: to the image"))
                break
    return mistakes


def unused_images(
    file: ProjectFile,
    images: Mapping[str, ImageConfig],
    targets: Mapping[str, TargetConfig],
    folder: ProjectFolder,
    source: Source,
) -> list[ConfigError]:
    """A warning for each built image that neither a target nor its manifests use.

    None where a target is of a kind that does not tell which images it uses.
    """
    used: set[str] = set()
    for config in targets.values():
        used |= _used(config, images)
    if file.release and targets:
        used |= {file.release.image or next(iter(images), "")}
    unused = [name for name, image in images.items() if not image.use and name not in used]
    says_all = all(type(config).image_keys is not TargetConfig.image_keys for config in targets.values())
    if not targets or not unused or not says_all:
        return []
    for config in targets.values():
        used |= config.images_in_manifests(folder, images)
    return [_warning(name, file, images[name], source) for name in unused if name not in used]


def placeholder_images(file: ProjectFile, images: Mapping[str, ImageConfig], source: Source) -> list[ConfigError]:
    """A warning for each repository that still has the placeholder that `shipit init` writes."""
    return [
        source.problem(
            ("image",) if file.image else ("images", name, "repository"),
            f"{PLACEHOLDER_OWNER} stands for your name at the registry",
            "replace it by the name that you log in with",
        )
        for name, image in images.items()
        if f"/{PLACEHOLDER_OWNER}/" in (image.repository or "")
    ]


def _used(config: TargetConfig, images: Mapping[str, ImageConfig]) -> Set[str]:
    """The images of the file that a target names; none named means the only one."""
    names = {name or next(iter(images), "") for _, name in config.image_keys()}
    return names & set(images)


def _warning(name: str, file: ProjectFile, image: ImageConfig, source: Source) -> ConfigError:
    keys: Keys = ("image",) if file.image else ("images", name)
    shown = f"image: {image.repository}" if image.repository else f"image: {name}"
    hint = f"name it in a target, or in a manifest as {shown}; or remove it"
    return source.problem(keys, f"image {name} is used by no target, so it is not built", hint, on_key=True)
