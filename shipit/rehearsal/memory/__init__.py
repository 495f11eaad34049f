"""The smallest kind of target: a place in memory or in a file. It shows what a kind does, and tests pipelines."""

from shipit.targets.kind import Kind

KIND = Kind(
    names=("memory",),
    config="shipit.rehearsal.memory.config:MemoryConfig",
    target="shipit.rehearsal.memory.target:create",
    steps=("shipit.rehearsal.memory.steps",),
    capabilities=frozenset(
        [
            "destroys",
            "diagnoses",
            "has_history",
            "has_logs",
            "locks",
            "has_workloads",
            "probes",
            "records_releases",
            "renders",
            "restarts",
            "returns",
            "reverts",
            "runs_once",
            "scales",
            "serves",
        ]
    ),
)
