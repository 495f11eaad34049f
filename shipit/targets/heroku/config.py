"""What deploy.yml says of a Heroku target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from shipit.config.model import TargetConfig
from shipit.config.part import Model
from shipit.config.position import Keys
from shipit.config.units import Command, Flag, Misplaced, UrlPath, Whole, matching

APP_PATTERN = r"^[a-z][a-z0-9-]{1,28}[a-z0-9]$"
APP_SAID = "should be the name of a Heroku app: 3 to 30 lower-case letters, digits and '-', beginning with a letter"
_PROCESS = "should be a process type: letters, digits, '-' and '_', at most 128"
WEB = "web"
AppName = Annotated[str, matching(APP_PATTERN, APP_SAID)]
ProcessType = Annotated[str, matching(r"^[-A-Za-z0-9_]{1,128}$", _PROCESS)]


class ProcessConfig(Model):
    """One process type of the app's formation."""

    image: str | None = Field(None, description="The image it runs; default: the only one.")
    command: Command | None = Field(None, description="What it runs instead of the image's CMD.")
    quantity: Whole | None = Field(None, ge=0, description="How many dynos; default: as it is.")
    size: str | None = Field(None, description="The dyno size, such as standard-1x; default: as it is.")
    health: UrlPath | None = Field(None, description="Of web: a path that answers 200 when it is ready.")


class HerokuConfig(TargetConfig):
    """A Heroku app on the container stack."""

    reverts: ClassVar[bool] = True

    app: AppName | None = Field(None, description="The Heroku app; default: the top-level app.")
    processes: dict[ProcessType, ProcessConfig] = Field(
        default_factory=lambda: {"web": ProcessConfig()}, description="Process types; default: web from the only image."
    )

    health: UrlPath | None = Field(None, description="A path of web that answers 200 when it is ready.")
    prune: Flag = Field(
        True, description="Remove what shipit made and the file no longer has; false: keep it, and say so."
    )

    @model_validator(mode="after")
    def _health_of_web(self) -> HerokuConfig:
        for name, process in self.processes.items():
            if process.health and name != WEB:
                raise Misplaced("is asked of web only", "processes", name, "health", hint="remove it")
        if self.health and WEB not in self.processes:
            raise Misplaced("needs a process type web", "health", hint="remove it, or add web to processes:")
        if self.health and self.processes[WEB].health:
            raise Misplaced("stands in processes, too", "health", hint="keep one")
        return self

    @property
    def health_path(self) -> str:
        """The path that web has to answer; empty where none is named."""
        return self.health or (self.processes[WEB].health if WEB in self.processes else None) or ""

    def place_keys(self, app: str) -> tuple[str, ...]:
        return (f"the Heroku app {self.app or app}",)

    def image_keys(self) -> Iterator[tuple[Keys, str | None]]:
        for name, process in self.processes.items():
            yield ("processes", name, "image"), process.image
