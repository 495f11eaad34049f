"""How requests from outside reach a workload: an Ingress, or an HTTPRoute of a Gateway. Pure.

Source: Kubernetes API reference, networking.k8s.io/v1 Ingress; Gateway API, gateway.networking.k8s.io/v1 HTTPRoute; cert-manager,
"Annotated Ingress resource".
"""

from __future__ import annotations

from collections.abc import Iterator

from shipit.targets.kubernetes.concise.keys import WorkloadKeys
from shipit.targets.kubernetes.concise.ports import MAIN
from shipit.targets.kubernetes.concise.route import GatewayConfig, TlsConfig
from shipit.targets.kubernetes.render import Manifest, Setting, head_of


def render_ingress(name: str, config: WorkloadKeys, setting: Setting) -> Iterator[Manifest]:
    if not config.all_hosts:
        return
    if config.gateway:
        yield _route(name, config, config.gateway, setting)
        return
    rules = [_rule(name, host) for host in config.all_hosts]
    tls = config.tls
    annotations = _issuer(tls) if tls else {}
    certificates = (
        {"tls": [{"hosts": list(config.all_hosts), "secretName": tls.secret or f"{name}-tls"}]} if tls else {}
    )
    head = head_of("networking.k8s.io/v1", "Ingress", name, setting, annotations)
    yield {**head, "spec": {"rules": rules, **certificates}}


def _rule(name: str, host: str) -> Manifest:
    backend = {"service": {"name": name, "port": {"name": MAIN}}}
    return {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}


def _issuer(tls: TlsConfig) -> dict[str, str]:
    rows = {"cert-manager.io/cluster-issuer": tls.cluster_issuer, "cert-manager.io/issuer": tls.issuer}
    return {key: value for key, value in rows.items() if value}


def _route(name: str, config: WorkloadKeys, gateway: GatewayConfig, setting: Setting) -> Manifest:
    parent = {"name": gateway.name, "namespace": gateway.namespace, "sectionName": gateway.listener}
    spec = {
        "parentRefs": [{key: value for key, value in parent.items() if value}],
        "hostnames": list(config.all_hosts),
        "rules": [{"backendRefs": [{"name": name, "port": config.port}]}],
    }
    return {**head_of("gateway.networking.k8s.io/v1", "HTTPRoute", name, setting), "spec": spec}
