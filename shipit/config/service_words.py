"""Keys of other tools in a service of Docker hosts or of a swarm, and what is written there instead. Pure."""

from __future__ import annotations

from collections.abc import Iterable

# A key of ours that tells which map of the file it is: a service of both kinds, of Docker hosts, of a swarm.
_SERVICE, _DOCKER, _SWARM = "publish", "replace", "endpoint_mode"

_ENV = "write env: {NAME: VALUE}"
_REPLICAS = "write replicas: N"
_LIMITS = "write cpu: 0.25 and memory: 256Mi"
_COMMAND = "write command:"
_GRACE = "write grace: 30s"
_NOT_IN_SWARM = "a swarm has no such key: run the service on a target of kind docker"
_VOLUMES = "write volumes: [NAME:/PATH]"
_HEALTHCHECK = "write healthcheck: {test: COMMAND}"
_HEALTH = "write health: /PATH, which should answer 200, or healthcheck: {test: COMMAND}"
_PORTS = 'write publish: ["HOST:PORT"], and port: for the one that the container listens on'
_NAME = "the name is the key above: services: {NAME: {...}}"
_BUILD = "it stands in an image, at the top of the file: image: {build: ...}"
_DOTENV = "write dotenv: FILE at the top of the file, and name its variables under env: or secrets:"
_ENVIRONMENTS = "write environments: {NAME: {...}}, chosen with -e NAME"
_RELEASE = "it stands at the top of the file: release: COMMAND"
_FILE = 'write volumes: ["./FILE:/PATH:ro"], for an engine on this machine'
_SECRETS = "they stand at the top of the file: secrets: {NAME: {env: NAME}}; those under secret_files: are files"
_SWARM_HOST = 'shipit runs no proxy in a swarm: write publish: ["80:PORT"]'


def _each(hint: str, *words: str) -> dict[str, str]:
    return dict.fromkeys(words, hint)


_BOTH = {
    **_each(_ENV, "environment", "variables", "config", "config_vars", "envFrom"),
    **_each(_REPLICAS, "scale", "quantity", "instances", "replicaCount", "autoscaling"),
    **_each(_LIMITS, "resources", "limits", "requests", "vm"),
    **_each("write cpu: 0.25", "cpus", "cpu_limit"),
    **_each("write memory: 256Mi", "mem_limit", "memory_limit"),
    **_each(_COMMAND, "cmd", "run", "args"),
    **_each(_GRACE, "stop_grace_period", "terminationGracePeriodSeconds"),
    **_each(_VOLUMES, "mounts", "persistence", "volumeMounts"),
    **_each("write workdir: /PATH", "working_dir", "workingDir"),
    **_each("write restart: on-failure:3", "restart_policy", "restartPolicy"),
    **_each(_PORTS, "ports"),
    **_each("write port: N", "expose", "containerPort"),
    **_each(_NAME, "name", "container_name"),
    **_each(_BUILD, "build", "platform"),
    **_each(_DOTENV, "env_file"),
    **_each(_ENVIRONMENTS, "profiles"),
    **_each(_RELEASE, "release_command", "release"),
    "images": "a service runs one: image: NAME",
    "network": "write networks: [NAME]",
    "network_mode": "containers are in the network of the app; networks: [NAME] adds one that exists",
    "links": "services find each other by name; aliases: [NAME] gives one more",
    **_each(_SECRETS, "secrets", "secret"),
    "depends_on": "services start together; needs: of a target names the targets that come first",
    **_each("write logging: {driver: NAME, options: {NAME: VALUE}}", "log_driver", "log_opt", "logs"),
    "extends": "YAML has anchors: &NAME, and <<: *NAME",
}
_DOCKER_ONLY = {
    **_each(_HEALTH, "health_check", "readinessProbe", "livenessProbe", "startupProbe"),
    **_each(_FILE, "configs", "files"),
    **_each("write port: N and host: NAME", "proxy", "ingress", "domain", "hosts"),
    "deploy": "its keys stand right here, such as replicas: N, cpu: 0.25 and memory: 256Mi",
    "update_config": "write replace: start-first",
}
_SWARM_ONLY = {
    **_each(_HEALTHCHECK, "health", "health_check", "readinessProbe", "livenessProbe", "startupProbe"),
    **_each("write configs: {/PATH: FILE}", "files"),
    **_each(_SWARM_HOST, "host", "proxy", "ingress", "domain", "hosts"),
    **_each("write placement: {constraints: [node.labels.NAME==VALUE]}", "nodeSelector", "node"),
    "deploy": "its keys stand right here: replicas: N, cpu: 0.25, memory: 256Mi, update: and placement:",
    "update_config": "write update: {order: start-first}",
    **_each(_NOT_IN_SWARM, "devices", "security_opt", "privileged"),
    "shm_size": "write tmpfs: [/dev/shm]",
    "rollback_config": "write rollback: {parallelism: 0}",
}
SERVICE_WORDS = frozenset([*_BOTH, *_DOCKER_ONLY, *_SWARM_ONLY])


def service_hints(word: str) -> Iterable[tuple[str, str]]:
    """A key that is known in the map where the word stands, and what to write there."""
    for marker, words in ((_SERVICE, _BOTH), (_DOCKER, _DOCKER_ONLY), (_SWARM, _SWARM_ONLY)):
        if word in words:
            yield marker, words[word]
