"""The keys of one workload, as they are written."""

from typing import Annotated, Literal

from pydantic import Field

from shipit.config.host_name import HostName
from shipit.config.units import Duration, Port, Whole
from shipit.targets.kubernetes.concise.blue_green import BlueGreenConfig
from shipit.targets.kubernetes.concise.canary import CanaryConfig
from shipit.targets.kubernetes.concise.container import ContainerConfig
from shipit.targets.kubernetes.concise.env import ObjectName
from shipit.targets.kubernetes.concise.names import Count, Name
from shipit.targets.kubernetes.concise.patch import Patches
from shipit.targets.kubernetes.concise.placement import LabelKey, LabelValue, SpreadConfig, TolerationConfig
from shipit.targets.kubernetes.concise.ports import PortConfig
from shipit.targets.kubernetes.concise.probes import HealthConfig, ProbeConfig
from shipit.targets.kubernetes.concise.rollout import DisruptionConfig, StrategyConfig
from shipit.targets.kubernetes.concise.route import GatewayConfig, TlsConfig
from shipit.targets.kubernetes.concise.scale import ScaleConfig
from shipit.targets.kubernetes.concise.schedule import Schedule, TimeZone
from shipit.targets.kubernetes.concise.security import SecurityConfig
from shipit.targets.kubernetes.concise.volumes import FileConfig, MountPath, VolumeConfig

Kind = Literal["deployment", "statefulset", "daemonset", "job", "cronjob", "pod"]


class ProbedContainer(ContainerConfig):
    """A container that goes on: it has ports and probes."""

    ports: tuple[PortConfig, ...] = Field(
        (), description="Further ports, in the pods and in the Service.", examples=[[9090, "53/udp"]]
    )
    readiness: ProbeConfig | None = Field(
        None, description="Whether a pod gets requests; false for no such probe.", examples=["/ready"]
    )
    liveness: ProbeConfig | None = Field(
        None, description="Whether a container is restarted; false for no such probe.", examples=["/alive"]
    )
    startup: ProbeConfig | None = Field(
        None, description="Whether the container has started; the others wait for it.", examples=[{"failures": 60}]
    )


class InitConfig(ContainerConfig):
    """A container that runs before the others, to its end. It has the image and the variables of the workload."""


class SidecarConfig(ProbedContainer):
    """A container that runs beside the main one. It starts before it, ends after it, and has its own variables only."""


class WorkloadKeys(ProbedContainer):
    """The keys, each checked by itself."""

    kind: Kind = Field("deployment", description="What runs the pods.", examples=["statefulset"])
    port: Port | None = Field(
        None, description="The port that it listens on; creates a Service, and sets PORT.", examples=[3000]
    )
    replicas: Count | None = Field(
        None, description="The number of pods; with scale the number at first. 1 when absent.", examples=[3]
    )
    health: HealthConfig | None = Field(
        None,
        description="A path that answers 200 when the workload is ready; as a map it makes all three probes.",
        examples=["/healthz"],
    )
    host: HostName | None = Field(
        None, description="A host name; creates an Ingress to the Service.", examples=["shop.example.com"]
    )
    hosts: tuple[HostName, ...] = Field(
        (), description="Host names, where there are several.", examples=[["shop.example.com", "www.example.com"]]
    )
    tls: TlsConfig | None = Field(
        None, description="The certificate of the hosts: the Secret that has it.", examples=["shop-tls"]
    )
    gateway: GatewayConfig | None = Field(
        None, description="A Gateway for the hosts; creates an HTTPRoute instead of an Ingress.", examples=["public"]
    )
    scale: ScaleConfig | None = Field(
        None,
        description="Autoscaling by CPU use; deploys keep the autoscaler's current number of replicas.",
        examples=[{"min": 2, "max": 10}],
    )
    schedule: Schedule | None = Field(None, description="When a cronjob runs, as cron has it.", examples=["0 3 * * *"])
    timezone: TimeZone | None = Field(
        None, description="The time zone of the schedule; that of the cluster when absent.", examples=["Europe/Berlin"]
    )
    retries: Annotated[Whole, Field(ge=0, le=1000)] | None = Field(
        None, description="How often a job or cronjob that failed is tried again; 0 when absent.", examples=[3]
    )
    volumes: dict[MountPath, VolumeConfig] = Field(
        default_factory=dict,
        description="Volumes by the path in the container: empty, a size for a claim, a ConfigMap, a Secret.",
        examples=[{"/data": "10Gi", "/tmp": "empty"}],
    )
    files: dict[MountPath, FileConfig] = Field(
        default_factory=dict,
        description="Files of the project by the path in the container; changed ones start new pods.",
        examples=[{"/etc/shop.conf": "config/shop.conf"}],
    )
    init: dict[Name, InitConfig] = Field(
        default_factory=dict,
        description="Containers that run before the others, one after the other.",
        examples=[{"migrate": {"command": ["npm", "run", "migrate"]}}],
    )
    sidecars: dict[Name, SidecarConfig] = Field(
        default_factory=dict,
        description="Containers that run beside the main one.",
        examples=[{"proxy": {"image": "proxy"}}],
    )
    service_account: ObjectName | None = Field(None, description="The ServiceAccount of the pods.", examples=["shop"])
    security: SecurityConfig = Field(
        default_factory=SecurityConfig,
        description="What the containers may do; as little as their images allow when absent. restricted is more: no root, and a read-only root file system.",
        examples=["restricted"],
    )
    grace: Duration | None = Field(
        None, description="How long a pod may take to end; 30s when absent.", examples=["60s"]
    )
    strategy: StrategyConfig | None = Field(None, description="How pods are replaced.", examples=["recreate"])
    canary: CanaryConfig | None = Field(
        None,
        description="A new version gets a part of the pods first (deployment).",
        examples=[{"steps": [10, 50], "pause": "2m", "check": "/healthz"}],
    )
    blue_green: BlueGreenConfig | None = Field(
        None,
        description="A new version starts beside the earlier one, and gets all requests at once (deployment).",
        examples=[{"keep": "10m", "check": "/healthz"}],
    )
    pdb: DisruptionConfig | None = Field(
        None, description="How many pods stay while nodes are drained; a PodDisruptionBudget.", examples=[{"max": 1}]
    )
    spread: SpreadConfig | None = Field(None, description="Over what the pods are spread.", examples=["zone"])
    node: dict[LabelKey, LabelValue] = Field(
        default_factory=dict, description="Labels that a node needs.", examples=[{"disk": "ssd"}]
    )
    tolerations: tuple[TolerationConfig, ...] = Field(
        (), description="Taints of nodes on which it may run.", examples=[["dedicated=gpu:NoSchedule"]]
    )
    labels: dict[LabelKey, LabelValue] = Field(
        default_factory=dict, description="Labels of its objects and pods.", examples=[{"team": "shop"}]
    )
    annotations: dict[LabelKey, str] = Field(
        default_factory=dict,
        description="Annotations of its objects and pods.",
        examples=[{"example.com/owner": "shop"}],
    )
    patch: Patches = Field(
        default_factory=dict,
        description="Any other field, by kind: fields to merge, or JSON Patch operations.",
        examples=[{"Deployment": {"spec": {"minReadySeconds": 5}}}],
    )

    @property
    def all_ports(self) -> tuple[PortConfig, ...]:
        """The further ports of all containers."""
        return self.ports + tuple(port for beside in self.sidecars.values() for port in beside.ports)

    @property
    def has_slots(self) -> bool:
        """Whether it is blue_green."""
        return self.blue_green is not None and self.blue_green.enabled

    @property
    def asks_pods(self) -> bool:
        """Whether each pod of a new version is asked for a path."""
        canary = (self.canary.check or "") if self.canary else ""
        return canary.startswith("/") or bool(self.has_slots and self.blue_green and self.blue_green.check)

    @property
    def all_hosts(self) -> tuple[str, ...]:
        return ((self.host,) if self.host else ()) + self.hosts
