"""The state of deploy.yml: where machines share runs, and locks of places that have none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shipit.errors import UsageError

if TYPE_CHECKING:
    from shipit.config.process_environment import ProcessEnvironment
    from shipit.config.project import Project
    from shipit.history.state_store import StateStore
    from shipit.registry.registries import Registries


# Variables with credentials that the library of object stores reads by itself.
_CREDENTIALS = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_MASTER_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_CLIENT_SECRET",
    "GOOGLE_BEARER_TOKEN",
)


IN_REGISTRY = "registry"


def open_state(project: Project, environment: ProcessEnvironment, registries: Callable[[], Registries]) -> StateStore:
    """The folder, the object store or the repository that deploy.yml names. Nothing is read. Raises: UsageError."""
    if project.state == IN_REGISTRY:
        from shipit.pipeline.state_registry import StateRegistry

        repository = next((image.repository for image in project.images.values() if image.repository), None)
        if repository is None:
            hint = "add repository: to an image, or name a folder or a bucket for `state:`"
            raise UsageError("state: registry needs an image with a repository", where=project.file.name, hint=hint)
        return StateRegistry(repository, registries, environment.plan_key)
    return open_store(project, environment)


def open_store(project: Project, environment: ProcessEnvironment) -> StateStore:
    """The folder or the object store that deploy.yml names. Nothing is read. Raises: UsageError."""
    if "://" in project.state:
        environment.redactor.add(value for name in _CREDENTIALS if (value := environment.get(name)))
        from shipit.history.state_objects import StateObjects

        return StateObjects(project.state)
    from shipit.history.state_files import StateFiles

    folder = project.folder.file(project.state).resolve()
    if folder.is_relative_to(project.root.resolve()):
        hint = "name a folder outside of it, or remove state: from deploy.yml for a project of one machine"
        raise UsageError("the state should be outside of the folder of deploy.yml", where=f"state: {folder}", hint=hint)
    return StateFiles(folder)
