"""Kubernetes: workloads in few words, manifests as they are, applied by the server and judged until healthy."""

from shipit.targets.kind import Kind

KIND = Kind(
    names=("kubernetes", "k8s"),
    config="shipit.targets.kubernetes.config:KubernetesConfig",
    target="shipit.targets.kubernetes.target:create",
    steps=("shipit.targets.kubernetes.steps",),
    capabilities=frozenset(
        [
            "applies_in_waves",
            "checks_access",
            "destroys",
            "diagnoses",
            "examines",
            "executes",
            "forwards",
            "guards",
            "has_logs",
            "has_workloads",
            "notes",
            "previews",
            "probes",
            "renders",
            "restarts",
            "reverts",
            "runs_once",
            "scales",
            "serves",
            "uses_images",
        ]
    ),
    draft="shipit.targets.kubernetes.draft:DRAFT",
    guide="kubernetes",
    workloads_key="workloads",
    parts={
        "`workloads.NAME` of Kubernetes": "shipit.targets.kubernetes.concise.workload:WorkloadConfig",
        "`health` of a workload": "shipit.targets.kubernetes.concise.probes:HealthConfig",
        "`readiness`, `liveness` and `startup`": "shipit.targets.kubernetes.concise.probes:ProbeConfig",
        "`ports` of a workload": "shipit.targets.kubernetes.concise.ports:PortConfig",
        "A variable from the cluster": "shipit.targets.kubernetes.concise.env:EnvSource",
        "`scale` of a workload": "shipit.targets.kubernetes.concise.scale:ScaleConfig",
    },
)
