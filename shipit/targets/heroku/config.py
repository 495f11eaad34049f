"""The configuration of a Heroku target in deploy.yml."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from shipit.config.folder import ProjectFolder
from shipit.config.model import EnvKeys, TargetConfig
from shipit.config.part import Model
from shipit.config.position import Keys
from shipit.config.units import Command, EnvMap, Flag, Misplaced, UrlPath, Whole, matching
from shipit.errors import ConfigError
from shipit.targets.heroku.observed import WEB

APP_PATTERN = r"^[a-z][a-z0-9-]{1,28}[a-z0-9]$"
APP_RULE = "should be the name of a Heroku app: 3 to 30 lower-case letters, digits and '-', beginning with a letter"
_PROCESS = "should be a process type: letters, digits, '-' and '_', at most 128"
AppName = Annotated[str, matching(APP_PATTERN, APP_RULE)]
_SIZE = "should be a dyno size such as standard-1x: letters, digits, '.' and '-'"
DynoSize = Annotated[str, matching(r"^[A-Za-z0-9.-]{1,64}$", _SIZE)]
# devcenter.heroku.com, "Dyno Types"; there may be new ones, so an unknown size is only a warning.
SIZES = (
    "eco", "basic", "standard-1x", "standard-2x", "performance-m", "performance-l", "performance-l-ram", "performance-xl",
    "performance-2xl", "private-s", "private-m", "private-l", "private-l-ram", "private-xl", "private-2xl",
    "shield-s", "shield-m", "shield-l", "shield-l-ram", "shield-xl", "shield-2xl",
)  # fmt: skip
_LONE = ("eco", "basic")
_MANY_DYNOS, MOST_DYNOS = 100, 10_000
ProcessType = Annotated[str, matching(r"^[-A-Za-z0-9_]{1,128}$", _PROCESS)]


class ProcessConfig(Model):
    """One process type of the app's formation."""

    image: str | None = Field(None, description="The image that it runs; the only one when absent.", examples=["web"])
    command: Command | None = Field(
        None,
        description="The command, instead of the image's CMD: text for a shell, or a list of words.",
        examples=["node worker.js"],
    )
    quantity: Whole | None = Field(
        None, ge=0, le=MOST_DYNOS, description="The number of dynos; unchanged when absent.", examples=[2]
    )
    size: DynoSize | None = Field(None, description="The dyno size; unchanged when absent.", examples=["standard-1x"])
    health: UrlPath | None = Field(
        None,
        description="A path that answers 200 when the app is ready; for the process type web only.",
        examples=["/healthz"],
    )

    def doubts(self) -> Iterator[tuple[str, str, str]]:
        """Key, what is suspicious, and what to do; for what Heroku may take all the same."""
        size, quantity = (self.size or "").lower(), self.quantity or 0
        if quantity > _MANY_DYNOS:
            yield "quantity", f"is {quantity} dynos: is this intended?", ""
        if size and size not in SIZES:
            yield "size", "is not a known dyno size", f"sizes: {', '.join(SIZES[:7])}"
        if size in _LONE and quantity > 1:
            yield (
                "quantity",
                f"is {quantity}, and Heroku runs one {size} dyno of each process type",
                "choose standard-1x, or 1",
            )


class HerokuConfig(TargetConfig):
    """A Heroku app on the container stack."""

    reverts: ClassVar[bool] = True

    app: AppName | None = Field(
        None, description="The Heroku app; named like the top-level app when absent.", examples=["shop-prod"]
    )
    processes: dict[ProcessType, ProcessConfig] = Field(
        default_factory=lambda: {"web": ProcessConfig()},
        min_length=1,
        description="Process types by name; web from the only image when absent.",
        examples=[{"web": {"quantity": 2}}],
    )

    env: EnvMap = Field(
        default_factory=dict,
        description="Config vars of this app, above the variables of the file; null leaves one of these out.",
        examples=[{"WEB_CONCURRENCY": "2"}],
    )
    health: UrlPath | None = Field(
        None, description="A path that answers 200 when the process type web is ready.", examples=["/healthz"]
    )
    prune: Flag = Field(
        True,
        description="Remove what shipit created and the file no longer has; with false it stays and the plan lists it.",
        examples=[False],
    )

    @model_validator(mode="after")
    def _health_of_web(self) -> Self:
        for name, process in self.processes.items():
            if process.health and name != WEB:
                raise Misplaced("is asked of web only", "processes", name, "health", hint="remove it")
        if self.health and WEB not in self.processes:
            raise Misplaced("needs a process type web", "health", hint="remove it, or add web to processes:")
        if self.health and self.processes[WEB].health:
            raise Misplaced("is also set in processes:", "health", hint="keep one")
        return self

    @property
    def variables(self) -> Mapping[str, str | None]:
        return self.env

    @property
    def health_path(self) -> str:
        """The path that web has to answer; empty where none is named."""
        return self.health or (self.processes[WEB].health if WEB in self.processes else None) or ""

    def doubts_in(self, folder: ProjectFolder, here: Callable[[Keys, str, str], ConfigError]) -> Sequence[ConfigError]:
        return [
            here(("processes", name, key), what, hint)
            for name, process in self.processes.items()
            for key, what, hint in process.doubts()
        ]

    def env_keys(self) -> Iterator[EnvKeys]:
        yield EnvKeys(("env",), self.env, leaves_out_secrets=False)

    def place_keys(self, app: str) -> tuple[str, ...]:
        return (f"the Heroku app {self.app or app}",)

    def image_keys(self) -> Iterator[tuple[Keys, str | None]]:
        for name, process in self.processes.items():
            yield ("processes", name, "image"), process.image
