"""What people do with the docker command, done with shipit and looked at with the docker command and over HTTP: docs/docker-commands.md."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import started
from tests.delivery.test_publish import BCRYPT_OF_SECRET
from tests.e2e.test_docker_hosts import Host, serves
from tests.sampled import only_deep
from tests.servers.engine import DockerEngine
from tests.servers.install import find
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

pytestmark = [pytest.mark.engine, pytest.mark.registry]

DOCKERFILE = 'FROM scratch\nCOPY busybox /bin/busybox\nCMD ["/bin/busybox", "true"]\n'
WEB = (
    "web: {port: 3000, publish: ['127.0.0.1:$PORT:3000'], volumes: ['FOLDER:/var/www:ro', 'words-data:/data'], workdir: /var/www, env: {MODE: tutorial},"
    " entrypoint: [/bin/busybox], command: [httpd, -f, -v, -p, '3000'], dns: [192.0.2.53], cap_add: [NET_ADMIN], networks: [words-extra],"
    " hostname: here, memory: 64Mi, cpu: 0.5, restart: 'on-failure:3', read_only: true, user: '1000:1000', labels: {team: shop}, tmpfs: ['/tmp:size=1m'],"
    " cap_drop: [NET_RAW], extra_hosts: ['db.example:192.0.2.7'], init: true, aliases: [www.example], grace: 0s,"
    " ulimits: {nofile: {soft: 512, hard: 1024}}, sysctls: {net.core.somaxconn: 512}, pids_limit: 99, shm_size: 32Mi,"
    " devices: ['/dev/null:/dev/nothing:rw'], security_opt: ['no-new-privileges:true'], stop_signal: SIGINT, group_add: ['20'],"
    " dns_search: [example.com],"
    " healthcheck: {test: [/bin/busybox, wget, -qO-, 'http://127.0.0.1:3000/'], interval: 1s, retries: 1}}"
)
LOGIN = f"Basic {base64.b64encode(b'me:secret').decode()}"
OTHER = "other: {command: [/bin/busybox, sleep, '9999'], grace: 0s}"

# The words of docker run -> what `docker inspect` shows of them.
FLAGS: dict[str, Callable[[Any], bool]] = {
    "-d": lambda found: found["State"]["Running"],
    "-v $(pwd):/var/www:ro": lambda found: {
        (one["Destination"], one["RW"]) for one in found["Mounts"] if one["Type"] == "bind"
    } == {("/var/www", False)},
    "-v NAME:/data": lambda found: "words-data" in {one.get("Name") for one in found["Mounts"]},
    "-w /var/www": lambda found: found["Config"]["WorkingDir"] == "/var/www",
    "-e MODE=tutorial": lambda found: "MODE=tutorial" in found["Config"]["Env"],
    "-h here": lambda found: found["Config"]["Hostname"] == "here",
    "--entrypoint": lambda found: found["Config"]["Entrypoint"] == ["/bin/busybox"],
    "IMAGE COMMAND": lambda found: found["Config"]["Cmd"] == ["httpd", "-f", "-v", "-p", "3000"],
    "--dns": lambda found: found["HostConfig"]["Dns"] == ["192.0.2.53"],
    "--cap-add NET_ADMIN": lambda found: any("NET_ADMIN" in name for name in found["HostConfig"]["CapAdd"]),
    "-p": lambda found: "3000/tcp" in found["HostConfig"]["PortBindings"],
    "--memory 64m": lambda found: found["HostConfig"]["Memory"] == 64 * 1024 * 1024,
    "--cpus 0.5": lambda found: found["HostConfig"]["NanoCpus"] == 500_000_000,
    "--restart on-failure:3": lambda found: found["HostConfig"]["RestartPolicy"]
    == {"Name": "on-failure", "MaximumRetryCount": 3},
    "--health-cmd": lambda found: found["State"].get("Health", {}).get("Status") == "healthy",
    "--read-only": lambda found: found["HostConfig"]["ReadonlyRootfs"],
    "--user 1000:1000": lambda found: found["Config"]["User"] == "1000:1000",
    "--label team=shop": lambda found: found["Config"]["Labels"]["team"] == "shop",
    "--tmpfs /tmp:size=1m": lambda found: found["HostConfig"]["Tmpfs"] == {"/tmp": "size=1m"},
    "--cap-drop NET_RAW": lambda found: any("NET_RAW" in name for name in found["HostConfig"]["CapDrop"]),
    "--add-host": lambda found: found["HostConfig"]["ExtraHosts"] == ["db.example:192.0.2.7"],
    "--ulimit nofile=512:1024": lambda found: [
        (one["Name"], one["Soft"], one["Hard"]) for one in found["HostConfig"]["Ulimits"]
    ] == [("nofile", 512, 1024)],
    "--sysctl": lambda found: found["HostConfig"]["Sysctls"] == {"net.core.somaxconn": "512"},
    "--pids-limit 99": lambda found: found["HostConfig"]["PidsLimit"] == 99,
    "--shm-size 32m": lambda found: found["HostConfig"]["ShmSize"] == 32 * 1024 * 1024,
    "--device": lambda found: [one["PathInContainer"] for one in found["HostConfig"]["Devices"]] == ["/dev/nothing"],
    "--security-opt": lambda found: found["HostConfig"]["SecurityOpt"] == ["no-new-privileges:true"],
    "--stop-signal SIGINT": lambda found: found["Config"]["StopSignal"] == "SIGINT",
    "--group-add 20": lambda found: found["HostConfig"]["GroupAdd"] == ["20"],
    "--dns-search": lambda found: found["HostConfig"]["DnsSearch"] == ["example.com"],
    "--init": lambda found: found["HostConfig"]["Init"],
    "--network": lambda found: sorted(found["NetworkSettings"]["Networks"]) == ["words-extra", "words-production"],
}  # fmt: skip


@pytest.fixture
def private(tmp_path: Path) -> Iterator[RegistryServer]:
    """A registry that asks for the user `me` and the password `secret`."""
    (tmp_path / "htpasswd").write_text(f"me:{BCRYPT_OF_SECRET}\n")
    server = started(lambda: RegistryServer(tmp_path / "private", htpasswd=tmp_path / "htpasswd"))
    yield server
    server.stop()


@pytest.fixture
def host(shipit: Shipit, engine: DockerEngine, private: RegistryServer) -> Iterator[Host]:
    services = f"services: {{{WEB.replace('FOLDER', str(shipit.folder))}, {OTHER}}}"
    found = Host(shipit, engine, private.host, "words", services)
    file = shipit.folder / "deploy.yml"
    build = f"{{repository: {private.host}/words, tags: [v1], build: {{dockerfile: node.dockerfile}}}}"
    file.write_text(file.read_text().replace(f"image: {private.host}/words", f"image: {build}"))
    shutil.copy(find("busybox"), shipit.folder / "busybox")
    shipit.folder.chmod(0o755)
    shipit.env["TOKEN"] = "any"
    shipit.write(node__dockerfile=DOCKERFILE, index__html="hello from the folder")
    found.docker("network", "create", "words-extra")
    yield found
    found.clean()
    found.docker("network", "rm", "words-extra")


def _tags(registry: RegistryServer) -> list[str]:
    request = urllib.request.Request(f"http://{registry.host}/v2/words/tags/list", headers={"Authorization": LOGIN})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return list(json.load(answer)["tags"])


def _files_with(host: Host, text: str) -> list[Path]:
    """The files of the engine, without those of containers and images, that have a text."""
    root = Path(host.docker("info", "--format", "{{.DockerRootDir}}"))
    folders = [one for one in root.iterdir() if one.is_dir() and one.name not in ("overlay2", "volumes")]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    assert len(files) > 10
    return [file for file in files if file.stat().st_size < 2**20 and text.encode() in file.read_bytes()]


@pytest.mark.sampled
@only_deep
def test_the_words_of_the_docker_command_have_one_of_shipit(host: Host, private: RegistryServer) -> None:
    def run(*words: str) -> str:
        done = host.shipit.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    image = f"{private.host}/words"
    # docker build -f node.dockerfile -t, docker images
    run("build", "--load", "--engine", host.engine.host)
    assert host.docker("images", "--format", "{{.Repository}}:{{.Tag}}", image) == f"{image}:v1"
    host.docker("rmi", f"{image}:v1")
    # docker login, docker push
    done = host.shipit.run("login", private.host, "--username", "me", "--password-stdin", input_text="secret")
    assert done.returncode == 0, done.stderr
    run("push")
    assert _tags(private) == ["v1"]
    # docker pull, docker run: nothing of the login stays on the host
    run("deploy")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        host.docker("pull", f"{image}:v1")
    assert "no basic auth credentials" in refused.value.stderr, refused.value.stderr
    assert _files_with(host, LOGIN.removeprefix("Basic ")) == [] != _files_with(host, "words-data")
    assert host.docker("images", "--digests", "--format", "{{.Digest}}", image).startswith("sha256:")
    [_, web] = host.running
    found = host.inspect(web)
    assert [flag for flag, holds in FLAGS.items() if not holds(found)] == []
    assert serves(f"http://127.0.0.1:{host.port}/") == "hello from the folder"
    # docker run --link web:web, --link web:www.example
    for name in ("web", "www.example"):
        asked = ("/bin/busybox", "wget", "-qO-", f"http://{name}:3000/")
        assert run("exec", "docker/other", "--", *asked) == "hello from the folder"
    # docker ps, docker logs
    assert web in run("status")
    assert "response:200" in run("logs", "docker/web")
    # docker run, and docker run -it, for a command that ends
    assert run("run", "docker/other", "--", "/bin/busybox", "echo", "hello") == "hello\n"
    shell = ("run", "docker/other", "--", "/bin/busybox", "sh")
    code, shown = host.shipit.converse(shell, [("# ", "test -t 0 && echo $((40 + 2)); exit 5")])
    assert code == 5 and "42\n" in shown, shown
    # An engine that starts again starts no container with --restart on-failure that was stopped.
    run("stop", "docker/web")
    assert host.inspect(web)["HostConfig"]["RestartPolicy"]["Name"] == "no"
    run("start", "docker/web")
    assert FLAGS["--restart on-failure:3"](host.inspect(web))
    # docker run --health-cmd, with a check that fails
    file = host.shipit.folder / "deploy.yml"
    file.write_text(file.read_text().replace("127.0.0.1:3000/'", "127.0.0.1:3000/missing'"))
    failed = host.shipit.run("deploy")
    assert failed.returncode == 1 and "is unhealthy: " in failed.stdout and "404" in failed.stdout, failed.stdout
    assert web in host.running and serves(f"http://127.0.0.1:{host.port}/") == "hello from the folder"
    # docker rm -v, docker rmi, docker network rm, docker volume rm
    run("destroy", "-e", "production", "--yes", "--rmi", "--volumes")
    assert host.names() == [] and host.docker("images", "--quiet", image) == ""
    left = [
        host.docker(kind, "ls", "--filter", "name=words", "--format", "{{.Name}}") for kind in ("network", "volume")
    ]
    assert left == ["words-extra", ""], "the network was there before"
