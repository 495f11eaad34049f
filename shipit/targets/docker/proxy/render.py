"""The body of the request that creates the proxy. Pure.

Source: Docker Engine API 1.41, POST /containers/create; hub.docker.com/_/caddy: /data has the certificates, /config the
configuration that `caddy run --resume` starts with.
"""

from __future__ import annotations

from typing import Any

from shipit.targets.docker.proxy.labels import ADDRESS, CONFIG, DATA, IMAGE, NETWORK, PORTS, PROXY, render_ports
from shipit.targets.docker.proxy.route import Ports

# Connections that wait in the queue of the old configuration's socket go to the new one's. Linux 5.14 and later has it.
_MIGRATE = {"net.ipv4.tcp_migrate_req": "1"}


def proxy_body(image: str, ports: Ports, *, migrates: bool) -> dict[str, Any]:
    keys = [f"{ports.http}/tcp", *([f"{ports.https}/tcp", f"{ports.https}/udp"] if ports.https else [])]
    bindings = {key: [{"HostIp": "", "HostPort": key.partition("/")[0]}] for key in keys}
    return {
        "Image": image,
        "Entrypoint": ["caddy"],
        "Cmd": ["run", "--resume"],
        "Env": [f"CADDY_ADMIN={ADDRESS}", "XDG_CONFIG_HOME=/config", "XDG_DATA_HOME=/data"],
        "Labels": {PROXY: "1", IMAGE: image, PORTS: render_ports(ports)},
        "ExposedPorts": {key: {} for key in keys},
        "HostConfig": {
            "NetworkMode": NETWORK,
            "RestartPolicy": {"Name": "unless-stopped"},
            "PortBindings": bindings,
            "Binds": [f"{DATA}:/data:rw", f"{CONFIG}:/config:rw"],
            "Sysctls": _MIGRATE if migrates else {},
        },
        "NetworkingConfig": {"EndpointsConfig": {NETWORK: {}}},
    }
