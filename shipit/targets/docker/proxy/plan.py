"""The steps from the proxy of a host as it is to what a target needs of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from shipit.printable import Name
from shipit.targets.docker.proxy.labels import NAME
from shipit.targets.docker.proxy.observed import ProxyFacts
from shipit.targets.docker.proxy.route import Ports, RouteSpec, canonical, render_route
from shipit.targets.docker.proxy.steps import ProvideProxy, RemoveRoute, SetRoute


class ProxySpec(NamedTuple):
    """The wanted proxy. Of its image and ports, only what deploy.yml says changes one that is there: `says` names the keys."""

    image: Name
    ports: Ports
    says: frozenset[str] = frozenset()
    platform: str = ""

    def over(self, found: ProxyFacts) -> ProxySpec:
        """The same, with what deploy.yml does not say as it is there."""
        image = self.image if "image" in self.says else found.image
        http = self.ports.http if "http" in self.says else found.ports.http
        is_open = self.ports.https and (not found.ports.https or "https" in self.says)
        return self._replace(image=image, ports=Ports(http, self.ports.https if is_open else found.ports.https))


def plan_proxy(host: str, network: str, wanted: ProxySpec, found: ProxyFacts | None) -> Iterator[ProvideProxy]:
    """The step that makes the proxy run as wanted, in the network of the app; none where it does."""
    if found is None:
        new = (f"image  {wanted.image}", f"ports  {wanted.ports}")
        yield _provide(host, f"start the proxy {NAME} on {host}", new, wanted)
        return
    wanted = wanted.over(found)
    changes = [f"image  {found.image} -> {wanted.image}"] if wanted.image != found.image else []
    changes += [f"ports  {found.ports} -> {wanted.ports}"] if wanted.ports != found.ports else []
    if changes:
        detail = (*changes, f"all hosts that it serves on {host} are down for some seconds")
        yield _provide(host, f"replace the proxy {NAME} on {host}", detail, wanted, found.id)
    elif not found.is_running:
        yield _provide(host, f"start the proxy {NAME} on {host}", (f"it is {found.state}",), wanted)
    elif network not in found.networks:
        yield _provide(host, f"let the proxy {NAME} on {host} join the network {network}", (), wanted)


def _provide(host: str, summary: str, detail: tuple[str, ...], wanted: ProxySpec, replaces: str = "") -> ProvideProxy:
    return ProvideProxy(
        f"proxy {host}", summary, detail, "replace" if replaces else "create", host=host, image=wanted.image, ports=wanted.ports,
        platform=wanted.platform, replaces=replaces,
    )  # fmt: skip


def plan_route(
    host: str, spec: RouteSpec, dials: Sequence[str], serving: tuple[str, ...], found: ProxyFacts | None
) -> SetRoute | None:
    """The step that leads the hosts of a service to containers that run already; None where they do."""
    old = found.routes.get(spec.service) if found else None
    is_led = old is not None and sorted(old.dials) == sorted(dials) and old.server == spec.server
    if old and is_led and old.text == canonical(render_route(spec, len(dials))):
        return None
    return SetRoute(
        f"route {spec.service} {host}", f"serve {', '.join(spec.hosts)} by {spec.service} on {host}",
        tuple(route_detail(spec, found)), "change", host=host, route=spec, serving=serving,
    )  # fmt: skip


def route_detail(spec: RouteSpec, found: ProxyFacts | None) -> Iterator[str]:
    """The changes of hosts and TLS that users notice."""
    old = found.routes.get(spec.service) if found else None
    hosts = ", ".join(spec.hosts)
    if old is None:
        yield f"host  none -> {hosts}"
        return
    if old.hosts != spec.hosts:
        yield f"host  {', '.join(old.hosts)} -> {hosts}"
    if old.server != spec.server:
        yield f"server  {old.server} -> {spec.server}"


def plan_unroutes(host: str, wanted: Mapping[str, RouteSpec], found: ProxyFacts | None) -> Iterator[RemoveRoute]:
    """A step for each route of the target whose service has no host any more."""
    for service, route in (found.routes if found else {}).items():
        if service not in wanted:
            hosts = ", ".join(route.hosts)
            yield RemoveRoute(
                f"unroute {service} {host}", f"stop serving {hosts} on {host}", (f"service  {service}",), "delete",
                undo="deploy again with host:", host=host, service=service,
            )  # fmt: skip


def taken_hosts(host: str, wanted: Mapping[str, RouteSpec], found: ProxyFacts | None) -> Iterator[str]:
    """Notes on hosts that the proxy serves for others."""
    for spec in wanted.values():
        for name in spec.hosts:
            if found and (other := found.taken.get(name)):
                yield f"{name} on {host} is served by the route {other}, which is not of this target"
