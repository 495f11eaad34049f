"""The wanted settings of a service, the names of what belongs to it in the swarm, and its labels. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shipit.printable import FreeJson, Name
from shipit.record import to_json
from shipit.targets.engine.container_spec import ContainerSpec, hash_of
from shipit.targets.engine.healthcheck import Healthcheck
from shipit.targets.engine.label_store import short_name
from shipit.targets.engine.owner import LABEL, Owner
from shipit.targets.swarm.templates import is_template

# Of a service and its tasks: the config that keeps the whole spec of a service.
KEPT = f"{LABEL}.kept"
# Of a service: when it was restarted last.
RESTARTED = f"{LABEL}.restarted"
# Of a service that shipit stopped: the number of its tasks.
STOPPED = f"{LABEL}.stopped"
# Of a secret: the variable, and the salt and hash of its value. Of a config: the hash of its content.
SECRET, SALT, HASH, CONTENT = f"{LABEL}.secret", f"{LABEL}.salt", f"{LABEL}.hash", f"{LABEL}.content"
# Of a kept spec: its service, its image, and the names of the secrets and configs that it uses.
KEEPS, IMAGE, USES = f"{LABEL}.keeps", f"{LABEL}.image", f"{LABEL}.uses"
# Docker's own label of what belongs to a stack.
NAMESPACE = "com.docker.stack.namespace"
# Docker's own label of a service of a stack: its image as the stack file says it.
STACK_IMAGE = "com.docker.stack.image"
# Networks that every node has: the engine knows them by these names, and lists them as none of the swarm.
NODE_NETWORKS = ("bridge", "host", "none")
# The name, among the services, of the job that runs the release command.
JOB = "release-command"
# The name of a service is a part of a DNS name.
LONGEST_NAME = 63
# The mode of a file that every user of a container may read.
READABLE = 0o444
# What the hash of a service has only where it is set.
_ADDED_LATER = ("rollback", "is_literal")


class Update(NamedTuple):
    """The settings of an update, or of Swarm's own rollback. Times in nanoseconds."""

    order: Name = "start-first"
    parallelism: int = 1
    delay_ns: int = 0
    monitor_ns: int = 5_000_000_000
    failure_action: Name = "rollback"
    max_failure_ratio: float = 0.0


class Placement(NamedTuple):
    constraints: tuple[Name, ...] = ()
    spread: tuple[Name, ...] = ()
    max_per_node: int = 0


class ConfigFile(NamedTuple):
    """A file of the project in the container. `content` is the hash of its bytes."""

    path: Name
    file: Name
    content: Name
    uid: Name = "0"
    gid: Name = "0"
    mode: int = READABLE


class SecretFile(NamedTuple):
    """A secret that is a file of the container. `source` is a secret of deploy.yml, or that of a `file` of the project."""

    name: Name
    source: Name
    file: Name = ""
    uid: Name = "0"
    gid: Name = "0"
    mode: int = READABLE


class StackNetwork(NamedTuple):
    """A network that a stack file makes. `body` is as the engine takes it, without labels."""

    name: Name
    body: FreeJson


class StackPart(NamedTuple):
    """A service of a stack file without its image, variables and content.

    `body` is as the engine takes it, with names in place of ids. `sources`: variable -> the variable or secret of deploy.yml
    whose value it has.
    """

    body: FreeJson
    sources: Mapping[Name, Name] = {}
    secrets: tuple[SecretFile, ...] = ()
    networks: tuple[StackNetwork, ...] = ()
    rollback: Update | None = None


class SwarmSpec(NamedTuple):
    """The settings with which the tasks of a service are created. `container` has the settings that other kinds have, too.

    The values of variables and secrets, and the number of tasks, are not part of it. Without `rollback`, Swarm rolls back as
    it updates. With `stack`, the service is one of a stack file, and its settings are those of the file.
    """

    container: ContainerSpec
    mode: Name = "replicated"
    endpoint_mode: Name = "vip"
    publish_mode: Name = "ingress"
    healthcheck: Healthcheck | None = None
    update: Update = Update()
    placement: Placement = Placement()
    secret_files: tuple[Name, ...] = ()
    configs: tuple[ConfigFile, ...] = ()
    stack: StackPart | None = None
    rollback: Update | None = None

    @property
    def service(self) -> str:
        return self.container.service

    @property
    def image(self) -> str:
        return self.container.image

    @property
    def hash(self) -> str:
        """Equal for equal settings, on every machine. `rollback` was added later: an upgrade of shipit updates no service.

        It updates one with `{{` in its settings, which earlier versions let Swarm expand.
        """
        own = {**to_json(self), "container": self.container.settings, "is_literal": self._is_literal}
        return hash_of({name: value for name, value in own.items() if value or name not in _ADDED_LATER})

    @property
    def _is_literal(self) -> bool:
        """True where a setting is sent as a template that gives it as it is written."""
        one = self.container
        places = (place for volume in one.volumes for place in (volume.source, volume.path))
        texts = (*one.env.values(), one.hostname, *places, *one.tmpfs)
        return self.stack is None and any(is_template(text) for text in texts)


def service_name(owner: Owner, service: str) -> str:
    return f"{owner.prefix}-{service}"


def stack_service_name(stack: str, service: str) -> str:
    """The name that `docker stack deploy` gives a service. It stays when shipit takes the service over: Swarm renames none."""
    return f"{stack}_{service}"


def run_name(owner: Owner, service: str, word: str) -> str:
    """The name of the job of a one-off command."""
    return short_name(f"{owner.prefix}-{service}-run-{word}", LONGEST_NAME)


def is_run(owner: Owner, service: str, name: str) -> bool:
    """True for such a name."""
    return bool(service) and name == run_name(owner, service, name.rpartition("-")[2])


def source_of(spec: SwarmSpec, name: str) -> str:
    """The variable or secret of deploy.yml, or the file, that the value of a variable or of a secret file comes from."""
    if spec.stack is None:
        return name
    files = {one.name: one.source for one in spec.stack.secrets}
    return spec.stack.sources.get(name) or files.get(name, name)


def network_name(owner: Owner) -> str:
    """The overlay network of an app and environment. A Docker host may have a bridge of the name of the app."""
    return f"{owner.prefix}-swarm"


def config_name(owner: Owner, file: ConfigFile) -> str:
    return short_name(f"{owner.prefix}-{owner.target}-file-{file.content[:16]}")


def kept_name(owner: Owner, service: str, mark: str) -> str:
    """`mark` is a keyed hash of the whole spec."""
    return short_name(f"{owner.prefix}-{service}-spec-{mark[:16]}")


def secret_name(owner: Owner, variable: str, content: str) -> str:
    return short_name(f"{owner.prefix}-{variable}-{content[:16]}")
