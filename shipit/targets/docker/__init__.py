"""Docker hosts: containers on one or several engines. May import docker, http, config and the nouns."""

from shipit.targets.kind import Kind

KIND = Kind(
    names=("docker",),
    config="shipit.targets.docker.config:DockerConfig",
    target="shipit.targets.docker.target:create",
    steps=("shipit.targets.docker.steps", "shipit.targets.docker.proxy.steps", "shipit.targets.engine.prune_step"),
    capabilities=frozenset(
        [
            "applies_in_waves",
            "checks_access",
            "destroys",
            "diagnoses",
            "examines",
            "executes",
            "forwards",
            "has_history",
            "has_logs",
            "has_workloads",
            "locks",
            "notes",
            "previews",
            "probes",
            "prunes",
            "records_releases",
            "renders",
            "restarts",
            "returns",
            "reverts",
            "runs_once",
            "scales",
            "serves",
            "stops",
            "uses_images",
        ]
    ),
    draft="shipit.targets.docker.draft:DRAFT",
    guide="docker-hosts",
    workloads_key="services",
    parts={
        "`services.NAME` of Docker": "shipit.targets.docker.config:ServiceConfig",
        "`healthcheck` of a service": "shipit.targets.engine.healthcheck:HealthcheckConfig",
        "`logging` of a service": "shipit.targets.engine.container_config:LoggingConfig",
        "`ulimits` of a service": "shipit.targets.engine.kernel_config:UlimitConfig",
        "`proxy` of Docker": "shipit.targets.docker.proxy.config:ProxyConfig",
    },
)
