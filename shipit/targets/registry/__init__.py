"""A registry as a target: images are published there. May import registry, http, config and the nouns."""

from shipit.targets.kind import Kind

_RUNS_NOTHING = "a registry runs nothing: name a target that does; shipit images lists what a registry holds"
KIND = Kind(
    names=("registry", "hub", "dockerhub"),
    config="shipit.targets.registry.config:RegistryConfig",
    target="shipit.targets.registry.target:create",
    steps=("shipit.targets.registry.steps",),
    capabilities=frozenset(
        ["destroys", "has_history", "records_published", "renders", "returns", "serves", "uses_images"]
    ),
    draft="shipit.targets.registry.draft:DRAFT",
    guide="docker-hub",
    instead=dict.fromkeys(("scale", "restart", "stop", "start", "logs", "exec", "run", "forward"), _RUNS_NOTHING),
)
