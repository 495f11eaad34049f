"""Compose projects: the services of a compose file on one engine. May import docker, http, config and the nouns."""

from shipit.targets.kind import Kind

KIND = Kind(
    names=("compose",),
    config="shipit.targets.compose.config:ComposeConfig",
    target="shipit.targets.compose.target:create",
    steps=("shipit.targets.compose.steps", "shipit.targets.engine.prune_step"),
    capabilities=frozenset(
        [
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
    draft="shipit.targets.compose.draft:DRAFT",
    guide="compose-projects",
    named_workloads="shipit.targets.compose.named_services:named_services",
    parts={"`services.NAME` of a Compose target": "shipit.targets.compose.config:ComposeServiceConfig"},
)
