"""The names of what a target has in its namespace. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from shipit.config.project import Project
from shipit.targets.kubernetes.applyset import set_id, set_name
from shipit.targets.kubernetes.config import ONLY, KubernetesConfig


@dataclass(frozen=True)
class OwnNames:
    """The names that follow from deploy.yml."""

    target: str
    config: KubernetesConfig
    project: Project
    namespace: str

    @property
    def secret_key(self) -> str:
        """The name of the Secret of the env's secrets, before the hash of its values."""
        return f"{self.project.app}-env"

    @property
    def pull_key(self) -> str:
        """The name of the Secret with the registry credentials."""
        return f"{self.project.app}-pull"

    @property
    def job_prefix(self) -> str:
        """The beginning of the names of the Jobs of the release command."""
        return f"{self.project.app[:40]}-release-"

    @property
    def file(self) -> str:
        """The path of deploy.yml in its git tree; empty outside of one."""
        folder = self.project.git.subfolder
        return "" if folder is None else f"{folder}/{self.project.file.name}".lstrip("/")

    @property
    def set_name(self) -> str:
        """The name of the parent of the ApplySet of this target."""
        return set_name(self.project.app, self.project.environment, self.target)

    @cached_property
    def set_id(self) -> str:
        """The id of the ApplySet of this target."""
        return set_id(self.set_name, self.namespace)

    @property
    def lock_name(self) -> str:
        """The name of the Lease that a deploy holds."""
        return f"{self.set_name}-lock"

    def workload_name(self, name: str) -> str:
        return self.project.app if name == ONLY else name
