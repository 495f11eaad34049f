"""Docker Swarm: services of a swarm, through one of its managers. May import docker, http, config and the nouns."""

from shipit.targets.kind import Kind

KIND = Kind(
    names=("swarm",),
    config="shipit.targets.swarm.config:SwarmConfig",
    target="shipit.targets.swarm.target:create",
    steps=("shipit.targets.swarm.steps", "shipit.targets.engine.prune_step"),
    capabilities=frozenset(
        [
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
            "takes_over",
            "uses_images",
        ]
    ),
    check_files="shipit.targets.swarm.read_services:check_files",
    draft="shipit.targets.swarm.draft:DRAFT",
    guide="swarm",
    workloads_key="services",
    named_workloads="shipit.targets.swarm.named_services:named_services",
    parts={
        "`services.NAME` of Swarm": "shipit.targets.swarm.config:SwarmServiceConfig",
        "`update` of a service": "shipit.targets.swarm.config:UpdateConfig",
        "`rollback` of a service": "shipit.targets.swarm.config:RollbackConfig",
        "`placement` of a service": "shipit.targets.swarm.config:PlacementConfig",
    },
)
