"""Docker Swarm: services of a swarm, through one of its managers. May import docker, http, config and the nouns."""

from shipit.targets.kind import Kind

KIND = Kind(
    names=("swarm",),
    config="shipit.targets.swarm.config:SwarmConfig",
    target="shipit.targets.swarm.target:create",
    steps=("shipit.targets.swarm.steps",),
    capabilities=frozenset(
        [
            "checks_access",
            "destroys",
            "diagnoses",
            "examines",
            "executes",
            "has_history",
            "has_logs",
            "has_workloads",
            "locks",
            "notes",
            "records_releases",
            "renders",
            "restarts",
            "returns",
            "reverts",
            "scales",
            "serves",
            "uses_images",
        ]
    ),
    guide="swarm",
    workloads_key="services",
    parts={
        "`services.NAME` of Swarm": "shipit.targets.swarm.config:SwarmServiceConfig",
        "`healthcheck` of a service": "shipit.targets.swarm.config:HealthcheckConfig",
        "`update` of a service": "shipit.targets.swarm.config:UpdateConfig",
        "`placement` of a service": "shipit.targets.swarm.config:PlacementConfig",
    },
    instead={
        "stop": "shipit scale TARGET/SERVICE=0",
        "start": "shipit scale TARGET/SERVICE=N",
        "run": "shipit exec, or docker run --network APP-ENVIRONMENT-swarm with the image that shipit status shows",
        "forward": "publish: a port of the swarm",
    },
)
