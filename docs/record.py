"""Records docs/run.svg: a deploy to a registry, Heroku and Kubernetes while it runs, and one that fails.

The runs are real: Debian's docker-registry as Docker Hub, the Heroku of rehearsals, and the tests' cluster, each under the name
that users know, behind a proxy. `python -m docs.record` needs what tests/e2e/test_whole.py needs (Linux and root).
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from dataclasses import replace
from pathlib import Path

import yaml
from rich.console import Console
from rich.text import Text

from shipit.rehearsal.dyno import ProcessRunner
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.server import Request, Response
from tests.servers.cluster import Cluster
from tests.servers.hub import DockerHub
from tests.servers.proxy import TlsProxy
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

PICTURE = Path(__file__).with_name("run.svg")
COLUMNS = 98
APP, HOST, API_SERVER = "acme-shop", "acme-shop.herokuapp.com", "k8s.acme.example"
DEPLOY = f"""\
app: shop
image: acme/shop
targets:
  hub: {{}}
  heroku: {{app: {APP}}}
  k8s: {{context: prod-eu, namespace: shop, port: 8000, replicas: 3, health: /}}
"""
BROKEN = 'DATABASE_URL = os.environ["DATABASE_URL"]\n'


class Screen:
    """What a terminal of one width shows, line by line; as much of its language as the live view speaks."""

    _PARTS = re.compile(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)")

    def __init__(self) -> None:
        self.lines, self.row = [""], 0

    def feed(self, text: str) -> None:
        for part in self._PARTS.split(text):
            if part == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif part.startswith("\x1b[") and part[-1] == "A":
                self.row -= int(part[2:-1] or 1)
            elif part == "\x1b[2K":
                self.lines[self.row] = ""
            elif part and part != "\r" and not part.endswith(("h", "l")):
                self.lines[self.row] += part

    def shown(self) -> list[str]:
        lines = [line.rstrip() for line in self.lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines


class Heroku(HerokuStandIn):
    """A Heroku whose API and apps have the names of the real one."""

    proxy: TlsProxy

    def answer(self, request: Request) -> Response:
        answer = super().answer(request)
        port = next((dyno.port for dyno in self.apps[APP].dynos if dyno.process == "web"), 0) if self.apps else 0
        self.proxy.routes[HOST] = f"127.0.0.1:{port}"
        if not isinstance(answer.body, bytes):
            return answer
        body = re.sub(rb'"web_url": "[^"]*"', b'"web_url": "https://%s/"' % HOST.encode(), answer.body)
        return replace(answer, body=body.replace(f"http://{self.host}".encode(), b"https://api.heroku.com"))


class NamedCluster(Cluster):
    """A cluster whose pods have a DNS server, as those in production."""

    def _kubelet_config(self, socket_path: Path) -> dict[str, object]:
        return {**super()._kubelet_config(socket_path), "clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local"}


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="shipit-record-") as name,
        Heroku(token="token", runner=ProcessRunner()) as heroku,
    ):
        folder = Path(name)
        registry = RegistryServer(folder / "registry")
        (folder / "cluster").mkdir()
        cluster = NamedCluster(folder / "cluster", registry.host)
        routes = {
            "registry-1.docker.io": registry.host,
            "api.heroku.com": heroku.host,
            "registry.heroku.com": heroku.registry.host,
            HOST: "",
        }
        heroku.proxy = TlsProxy(folder / "proxy", routes, {API_SERVER: cluster.server.removeprefix("https://")})
        try:
            pictures = _runs(folder, registry, cluster, heroku)
        finally:
            heroku.proxy.stop()
            cluster.stop()
            registry.stop()
    _draw(pictures)


def _runs(folder: Path, registry: RegistryServer, cluster: Cluster, heroku: Heroku) -> dict[str, list[str]]:
    """Three deploys; what the terminal showed in the middle of the second, and at the end of the third."""
    DockerHub(registry.host, folder / "hub").having("python:3.12-alpine")
    heroku.create_app(APP)
    cluster.kubectl("create", "namespace", "shop")
    (folder / "shop").mkdir()
    shipit = Shipit(folder / "shop", folder / "home")
    shipit.copy("hello")
    shipit.write(deploy__yml=DEPLOY)
    shipit.env |= {
        "HEROKU_API_KEY": "token",
        "KUBECONFIG": str(_kubeconfig(cluster, heroku.proxy, folder)),
        "HTTPS_PROXY": heroku.proxy.url,
        "SSL_CERT_FILE": str(heroku.proxy.ca_file),
        "TERM": "xterm-256color",
    }
    _commit(shipit, "first")
    first = shipit.run("deploy")
    assert first.returncode == 0, first.stderr
    (shipit.folder / "message.txt").write_text("now with search\n")
    _commit(shipit, "search")
    live = _recorded(shipit, "deploy")
    source = (shipit.folder / "app.py").read_text()
    (shipit.folder / "app.py").write_text(source.replace("MESSAGE =", f"{BROKEN}MESSAGE =", 1))
    _commit(shipit, "database")
    return {
        "shipit deploy": _moment(live),
        "shipit deploy k8s": _recorded(shipit, "deploy", "k8s")[-1],
    }


def _kubeconfig(cluster: Cluster, proxy: TlsProxy, folder: Path) -> Path:
    """The cluster's, with the names of a cluster in production."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["contexts"][0]["name"] = config["current-context"] = "prod-eu"
    config["clusters"][0]["cluster"] |= {
        "server": f"https://{API_SERVER}:6443",
        "proxy-url": proxy.url,
        "tls-server-name": "127.0.0.1",
    }
    (folder / "named").write_text(yaml.safe_dump(config))
    return folder / "named"


def _commit(shipit: Shipit, message: str) -> None:
    identity = ["-c", "user.name=shop", "-c", "user.email=shop@acme.example"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", message]):
        subprocess.run(["git", *command], cwd=shipit.folder, check=True)


def _recorded(shipit: Shipit, *words: str) -> list[list[str]]:
    """What a terminal shows of a command after each of its writes."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(shipit.folder)
        os.execve(sys.executable, [sys.executable, "-m", "shipit", *words], shipit.env)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 60, COLUMNS, 0, 0))
    screen, shown = Screen(), []
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # What Linux says at the end of a terminal.
            break
        screen.feed(data.decode(errors="replace").replace("\r\n", "\n"))
        shown.append(screen.shown())
    os.waitpid(pid, 0)
    os.close(terminal)
    return shown


def _moment(shown: list[list[str]]) -> list[str]:
    """The last picture in which two targets are at work, and neither has its verdict."""
    busy = [
        lines
        for lines in shown
        if sum(bool(re.search("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", line)) for line in lines) >= 2
        and not any(re.search("ok      (heroku|k8s)", line) for line in lines)
    ]
    return busy[-1]


def _draw(pictures: dict[str, list[str]]) -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for number, (command, lines) in enumerate(pictures.items()):
        if number:
            console.print()
        console.print(Text(f"$ {command}", style="bold"))
        for line in lines:
            console.print(Text.from_ansi(line), soft_wrap=True)
    PICTURE.write_text(console.export_svg(title="shop", unique_id="shipit"))


if __name__ == "__main__":
    main()
