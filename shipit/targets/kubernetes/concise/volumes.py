"""The volumes and files of a workload, by the path where they are mounted.

Source: Kubernetes API reference, v1 Volume and v1 PersistentVolumeClaim.
"""

import hashlib
import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from shipit.config.part import Model
from shipit.config.units import Flag, Misplaced, matching
from shipit.targets.kubernetes.concise.env import ObjectName
from shipit.targets.kubernetes.quantity import Memory

_PATH = r"^/[^:\s]*[^:\s/]$"
MountPath = Annotated[str, matching(_PATH, "should be a path in the container such as /data, without ':' and spaces")]
_SOURCES = ("size", "claim", "config", "secret", "host", "empty")
_WORDS = "should be empty, or a size such as 10Gi"
_SIZE = re.compile(r"[0-9.]+[A-Za-z]*", re.ASCII)
_SAID = {"type": "string", "pattern": r"^(empty|[0-9.]+[A-Za-z]*|.*\$\{.*)$", "patternErrorMessage": _WORDS}


class VolumeConfig(Model):
    """A volume, mounted in every container of the workload."""

    shorthand = (_SAID,)
    expected = "should be empty, a size such as 10Gi, or a map of keys: size, claim, config, secret, ..."

    empty: Flag = Field(False, description="An empty folder, which ends with the pod.", examples=[True])
    in_memory: Flag = Field(False, description="Keep an empty folder in memory.", examples=[True])
    limit: Memory | None = Field(None, description="The limit of an empty folder.", examples=["64Mi"])
    size: Memory | None = Field(
        None,
        description="Create a PersistentVolumeClaim of this size; of a statefulset one for each pod. Deploys never delete it.",
        examples=["10Gi"],
    )
    access: Literal["one-node", "one-pod", "many-nodes"] = Field(
        "one-node", description="Who may use a claim of this size at a time.", examples=["many-nodes"]
    )
    storage_class: ObjectName | None = Field(
        None, description="The StorageClass; the default of the cluster when absent.", examples=["fast"]
    )
    claim: ObjectName | None = Field(None, description="A PersistentVolumeClaim that exists.", examples=["uploads"])
    config: ObjectName | None = Field(None, description="A ConfigMap, each key a file.", examples=["settings"])
    secret: ObjectName | None = Field(None, description="A Secret, each key a file.", examples=["certificate"])
    host: MountPath | None = Field(
        None,
        description="A path of the node; requires allow_host, since it leads out of the container.",
        examples=["/var/log"],
    )
    allow_host: Flag = Field(False, description="Allow a path of the node.", examples=[True])
    read_only: Flag = Field(False, description="Mount it without the right to write.", examples=[True])

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, int | float):
            raise ValueError(_WORDS)
        if not isinstance(value, str):
            return value
        if value == "empty":
            return {"empty": True}
        if _SIZE.fullmatch(value):
            return {"size": value}
        raise ValueError(_WORDS)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in _SOURCES if getattr(self, name)]
        if not given:
            raise Misplaced(f"should have one of {', '.join(f'{name}:' for name in _SOURCES)}", hint="or write empty")
        if len(given) > 1:
            raise Misplaced(f"can't be combined with {given[0]}:", given[1], hint="keep one of them")
        if self.host and not self.allow_host:
            hint = "use another volume, or add allow_host: true if the pod has to see files of its node"
            raise Misplaced("is a path of the node, which leads out of the container", "host", hint=hint)
        for key, owner in (("in_memory", "empty"), ("limit", "empty"), ("storage_class", "size")):
            if getattr(self, key) and not getattr(self, owner):
                raise Misplaced(f"needs {owner}:", key, hint=f"remove it, or add {owner}:")
        return self


class FileConfig(Model):
    """A file of the project, or text, as a file in every container of the workload."""

    shorthand = ({"type": "string"},)

    file: str | None = Field(None, description="The file, relative to deploy.yml.", examples=["config/app.conf"])
    text: str | None = Field(None, description="The text of the file.", examples=["level=debug"])

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.text is None):
            raise Misplaced("should have file: or text:, one of them", hint="such as config/app.conf")
        return self


def volume_name(path: str) -> str:
    """The name of the volume of a path: the same in every deploy, and different for different paths."""
    plain = path.strip("/").replace("/", "-")
    if re.fullmatch(r"[a-z0-9]+(/[a-z0-9]+)*", path.strip("/")) and len(plain) <= 30:
        return plain
    start = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")[:23].strip("-")
    return f"{start}-{hashlib.sha256(path.encode()).hexdigest()[:6]}".lstrip("-")
