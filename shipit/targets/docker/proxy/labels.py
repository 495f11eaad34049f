"""The names and labels of the proxy on a host. Pure."""

from __future__ import annotations

import re

from shipit.targets.docker.proxy.route import Ports
from shipit.targets.engine.owner import LABEL

NAME = "shipit-proxy"
# Where the admin API listens in the container.
ADDRESS = "127.0.0.1:2019"
# The network of its own, with Docker's DNS from the start; no app is in it.
NETWORK = NAME
# Its name while another one takes its place.
OLD_NAME = f"{NAME}-old"
DATA, CONFIG = f"{NAME}-data", f"{NAME}-config"
PROXY, IMAGE, PORTS = f"{LABEL}.proxy", f"{LABEL}.proxy-image", f"{LABEL}.proxy-ports"

_PORT = re.compile("[0-9]{1,5}")


def parse_ports(text: str) -> Ports:
    """The ports in a label, `HTTP HTTPS`. Text that has none is that of another version, whose ports are the usual ones."""
    words = text.split()
    if len(words) != len(Ports._fields) or not all(_PORT.fullmatch(word) for word in words):
        return Ports()
    return Ports(*(int(word) for word in words))


def render_ports(ports: Ports) -> str:
    return f"{ports.http} {ports.https}"
