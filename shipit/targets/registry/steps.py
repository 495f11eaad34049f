"""The steps of a registry target, as data: each holds all that applying it in another process needs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from shipit.printable import FreeText, Name
from shipit.release import Step


@dataclass(frozen=True, kw_only=True)
class RepositoryStep(Step):
    """A change to a repository on Docker Hub. `repository` is its full name, such as docker.io/me/shop."""

    repository: Name


@dataclass(frozen=True, kw_only=True)
class DescribeRepository(RepositoryStep):
    """Replaces the description of a repository with `text`."""

    type: ClassVar[str] = "registry.describe_repository"

    text: FreeText


@dataclass(frozen=True, kw_only=True)
class DeleteTags(RepositoryStep):
    """Deletes tags of a repository; a tag that is gone already is fine."""

    type: ClassVar[str] = "registry.delete_tags"

    tags: tuple[Name, ...]
