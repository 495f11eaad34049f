"""The loaded project."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shipit.config.approve import ApproveConfig
from shipit.config.folder import ProjectFolder
from shipit.config.freeze import FreezeConfig
from shipit.config.git import Git
from shipit.config.hooks import HooksConfig
from shipit.config.image import ImageConfig
from shipit.config.model import ReleaseConfig, TargetConfig
from shipit.config.names import Names
from shipit.config.position import Keys
from shipit.config.private import PrivateFile
from shipit.config.secret_source import SecretConfig
from shipit.config.source import Source
from shipit.errors import ConfigError


@dataclass(frozen=True)
class Project:
    """One deploy.yml under one environment. `targets` are those the environment selects, in the file's order.

    `left_out` are the names of the others. `variables` are those of the process above those of the .env
    files that it names; `warnings` are about its keys. `files` are itself and what it includes, `private_files` what it
    names that no image should hold. `keeps_state` is whether runs are kept in `.shipit`, and `state` the
    folder or URL where machines share them; empty where it is not given. Without `builds`, an image that would
    be built is an error. With `rolls_back_all`, a target that fails takes the others with it. With `keeps_rolled_back`,
    an unchanged deploy leaves a target alone that was rolled back. `groups`: name in the file ->
    names of its targets, for targets with several places. `promoted`: image -> its reference in another environment, which
    is copied to the image's repository in place of a build.
    """

    app: str
    environment: str
    file: Path
    folder: ProjectFolder
    images: Mapping[str, ImageConfig]
    env: Mapping[str, str]
    secrets: Mapping[str, SecretConfig]
    release: ReleaseConfig | None
    targets: Mapping[str, TargetConfig]
    left_out: tuple[str, ...]
    git: Git
    protected: bool
    require_clean: bool
    variables: Mapping[str, str] = field(repr=False)
    warnings: tuple[ConfigError, ...]
    source: Source = field(repr=False)
    files: tuple[Path, ...]
    private_files: tuple[PrivateFile, ...]
    keeps_state: bool
    state: str = ""
    builds: bool = True
    rolls_back_all: bool = False
    keeps_rolled_back: bool = False
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    max_parallel: int | None = None
    approve: ApproveConfig | None = None
    freeze: tuple[FreezeConfig, ...] = ()
    hooks: HooksConfig = field(default_factory=HooksConfig)
    promoted: Mapping[str, str] = field(default_factory=dict)

    def used_image(self, name: str) -> str | None:
        """The reference of an image that is used without being built; None for one that is built."""
        return self.promoted.get(name) or self.images[name].use

    def problem(self, keys: Keys, what: str, hint: str = "") -> ConfigError:
        """An error at a path of keys, for mistakes that are found later."""
        return self.source.problem(keys, what, hint)

    @property
    def names(self) -> Names:
        """The names that `${...}` can refer to."""
        return Names(self.variables, self.git, self.app, self.environment)

    def named(self, targets: Sequence[str]) -> tuple[str, ...]:
        """The names of targets, with all that a name in the file means."""
        return tuple(one for name in targets for one in self.groups.get(name, (name,)))

    @property
    def root(self) -> Path:
        """The folder of the file; every path in it is relative to this."""
        return self.folder.path

    def image_name(self, name: str | None) -> str:
        """The name of an image; None means the only one, which is checked when the file is loaded."""
        return name if name is not None else next(iter(self.images))

    def secrets_for(self, target: str) -> tuple[str, ...]:
        """Names of the secrets that a target gets, sorted."""
        return tuple(sorted(n for n, s in self.secrets.items() if s.only is None or target in s.only))

    def env_for(self, target: str) -> Mapping[str, str]:
        """The variables that a target gets: those of the file, and its own above them. One that is not in the file has none of its own."""
        own = self.targets.get(target)
        every = {**self.env, **(own.variables if own else {})}
        return {name: value for name, value in every.items() if value is not None}

    def tags(self, image: str) -> tuple[str, ...]:
        """The tags of an image. Default: `latest` and, in a git repository, the short commit.

        The commit has `-dirty` behind it unless git says that nothing is uncommitted.
        """
        config = self.images[image]
        if config.tags is not None:
            return config.tags
        if not self.git.short:
            return ("latest",)
        return (self.git.short if self.git.is_dirty is False else f"{self.git.short}-dirty", "latest")
