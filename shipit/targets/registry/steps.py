"""The steps of a registry target, as data: each holds all that applying it in another process needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from shipit.digest import Digest
from shipit.printable import FreeText, Name
from shipit.release import Step


@dataclass(frozen=True, kw_only=True)
class RepositoryStep(Step):
    """A change to a repository. `repository` is its full name, such as docker.io/me/shop."""

    repository: Name


@dataclass(frozen=True, kw_only=True)
class DescribeRepository(RepositoryStep):
    """Replaces the description of a repository on Docker Hub with `text`."""

    type: ClassVar[str] = "registry.describe_repository"

    text: FreeText


@dataclass(frozen=True, kw_only=True)
class DeleteTags(RepositoryStep):
    """Deletes tags of a repository on Docker Hub; a tag that is gone already is fine."""

    type: ClassVar[str] = "registry.delete_tags"

    tags: tuple[Name, ...]


@dataclass(frozen=True, kw_only=True)
class MoveTags(RepositoryStep):
    """Makes tags name an image that the repository has. `before`: tag -> the digest that it named when the plan was made."""

    type: ClassVar[str] = "registry.move_tags"

    digest: Digest
    before: Mapping[str, Digest | None]
