"""The URLs of an app, from its Ingresses, the HTTPRoutes of Gateways, and Services of the type LoadBalancer. Pure.

Source: Kubernetes API reference, networking.k8s.io/v1 Ingress, `spec.rules[].host` and `spec.tls[].hosts`; Gateway API,
gateway.networking.k8s.io/v1 HTTPRoute, `spec.hostnames` and `spec.parentRefs[].sectionName`; Gateway, `spec.listeners[].protocol`;
v1 Service, `status.loadBalancer.ingress[]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from shipit.targets.kubernetes.objects import as_maps
from shipit.targets.kubernetes.render import Manifest

# A host name, or an address of IPv4 or IPv6.
_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,252}")
_USUAL = {"http": 80, "https": 443}


def urls_of(manifests: Iterable[Manifest]) -> tuple[str, ...]:
    """A URL for each host of the Ingresses and HTTPRoutes among the manifests, and for each address of a LoadBalancer.

    It is https where an Ingress has a certificate for the host, and where a route names a listener for HTTPS: by the
    Gateway where it is among the manifests, else by the listener's name.
    """
    known = [manifest for manifest in manifests if isinstance(manifest.get("spec"), dict)]
    gateways = {_key(one.get("metadata")): one["spec"] for one in known if _is_of_gateways(one, "Gateway")}
    found: list[str] = []
    for one in known:
        if _is_of_gateways(one, "HTTPRoute"):
            found += _route_urls(one, gateways)
        elif one.get("kind") == "Ingress":
            found += _ingress_urls(one["spec"])
        elif (one.get("apiVersion"), one.get("kind")) == ("v1", "Service"):
            found += _balanced_urls(one)
    return tuple(dict.fromkeys(found))


def _is_of_gateways(manifest: Manifest, kind: str) -> bool:
    group = str(manifest.get("apiVersion", "")).rpartition("/")[0]
    return (group, manifest.get("kind")) == ("gateway.networking.k8s.io", kind)


def _key(part: object, usual: str = "") -> tuple[str, str]:
    """Namespace and name; `usual` is the namespace where it has none."""
    own = part if isinstance(part, dict) else {}
    return str(own.get("namespace") or usual), str(own.get("name", ""))


def _route_urls(route: Manifest, gateways: Mapping[tuple[str, str], Manifest]) -> Iterator[str]:
    spec, (namespace, _) = route["spec"], _key(route.get("metadata"))
    parents = as_maps(spec.get("parentRefs"))
    is_secured = any(_is_secured(parent, gateways.get(_key(parent, namespace))) for parent in parents)
    scheme = "https" if is_secured else "http"
    hosts = spec.get("hostnames")
    yield from (f"{scheme}://{host}/" for host in (hosts if isinstance(hosts, list) else ()) if _is_one_host(host))


def _is_secured(parent: Manifest, gateway: Manifest | None) -> bool:
    """True where a route is reached through a listener for HTTPS."""
    wanted = parent.get("sectionName")
    if gateway is None:
        return isinstance(wanted, str) and wanted.startswith("https")
    listeners = [row for row in as_maps(gateway.get("listeners")) if not wanted or row.get("name") == wanted]
    return any(row.get("protocol") == "HTTPS" for row in listeners)


def _is_one_host(host: object) -> bool:
    return isinstance(host, str) and bool(host) and not host.startswith("*")


def _ingress_urls(spec: Manifest) -> Iterator[str]:
    secured = {host for row in as_maps(spec.get("tls")) for host in row.get("hosts") or () if isinstance(host, str)}
    for rule in as_maps(spec.get("rules")):
        host = rule.get("host")
        if _is_one_host(host):
            yield f"{'https' if host in secured else 'http'}://{host}/"


def _balanced_urls(service: Manifest) -> Iterator[str]:
    """Those of ports that serve HTTP by their protocol, name or number, at the addresses that the cluster has given."""
    status = service.get("status")
    balancer = status.get("loadBalancer") if isinstance(status, dict) else None
    for row in as_maps(balancer.get("ingress")) if isinstance(balancer, dict) else ():
        address = row.get("hostname") or row.get("ip")
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
            continue
        name = f"[{address}]" if ":" in address else address
        for port in as_maps(service["spec"].get("ports")):
            if scheme := _scheme(port):
                number = port.get("port")
                yield f"{scheme}://{name}/" if number == _USUAL[scheme] else f"{scheme}://{name}:{number}/"


def _scheme(port: Manifest) -> str:
    """http or https; empty for a port that does not serve it as far as is known."""
    number, told = port.get("port"), str(port.get("appProtocol") or port.get("name") or "").lower()
    if port.get("protocol", "TCP") != "TCP" or not isinstance(number, int):
        return ""
    if told.startswith("https") or number in (443, 8443):
        return "https"
    return "http" if told.startswith("http") or number in (80, 8080) else ""
