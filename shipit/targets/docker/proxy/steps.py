"""The steps of the proxy of a host, as data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from shipit.targets.docker.host_step import HostStep
from shipit.targets.docker.proxy.route import Ports, RouteSpec


@dataclass(frozen=True, kw_only=True)
class ProvideProxy(HostStep):
    """Creates and starts the proxy, or replaces one that has another image or other ports, and joins the app's network.

    `replaces` is the id of the container that the plan replaces; empty where it only has to run and join.
    """

    type: ClassVar[str] = "docker.proxy"

    image: str
    ports: Ports
    platform: str = ""
    replaces: str = ""


@dataclass(frozen=True, kw_only=True)
class SetRoute(HostStep):
    """Leads the hosts of a service to the containers that run already, by their names."""

    type: ClassVar[str] = "docker.route"

    route: RouteSpec
    serving: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RemoveRoute(HostStep):
    """Removes the route of a service that has no host any more."""

    type: ClassVar[str] = "docker.unroute"
    after_healthy: ClassVar[bool] = True

    service: str
