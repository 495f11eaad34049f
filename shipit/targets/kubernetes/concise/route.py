"""How requests from outside reach a workload.

Source: Kubernetes API reference, networking.k8s.io/v1 Ingress; Gateway API, gateway.networking.k8s.io/v1 HTTPRoute; cert-manager,
"Annotated Ingress resource".
"""

from typing import Any, Self

from pydantic import Field, model_validator

from shipit.config.part import Model
from shipit.config.units import Misplaced
from shipit.targets.kubernetes.concise.env import OBJECT_NAME, ObjectName

_NAME = {
    "type": "string",
    "pattern": OBJECT_NAME + r"|\$\{",
    "patternErrorMessage": "should be the name of an object: lower-case letters, digits, '-' and '.'",
}


class TlsConfig(Model):
    """The certificate of the hosts: text is the name of its Secret."""

    shorthand = (_NAME,)

    secret: ObjectName | None = Field(
        None, description="The Secret with the certificate; NAME-tls when absent.", examples=["shop-tls"]
    )
    cluster_issuer: ObjectName | None = Field(
        None, description="The ClusterIssuer of cert-manager that makes it.", examples=["letsencrypt"]
    )
    issuer: ObjectName | None = Field(
        None, description="The Issuer of cert-manager, in the namespace, that makes it.", examples=["letsencrypt"]
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"secret": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_source(self) -> Self:
        if not (self.secret or self.cluster_issuer or self.issuer):
            raise Misplaced("should have secret:, cluster_issuer: or issuer:", hint="tls: SECRET")
        if self.cluster_issuer and self.issuer:
            raise Misplaced("can't be combined with cluster_issuer:", "issuer", hint="keep one of them")
        return self


class GatewayConfig(Model):
    """The Gateway that the hosts are reached through: text is its name. Makes an HTTPRoute instead of an Ingress."""

    shorthand = (_NAME,)

    name: ObjectName = Field(description="The Gateway.", examples=["public"])
    namespace: ObjectName | None = Field(
        None, description="Its namespace; that of the target when absent.", examples=["gateways"]
    )
    listener: ObjectName | None = Field(
        None, description="Its listener; every one that fits when absent.", examples=["https"]
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value
