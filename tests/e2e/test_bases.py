"""A base of other people's making: what is built on it is the same whoever builds it, where an engine unpacks it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from tests.sampled import sampled
from tests.servers.engine import DockerEngine, install_buildx
from tests.servers.faults import FaultProxy
from tests.servers.images import image_archive
from tests.servers.install import find
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

pytestmark = [pytest.mark.engine, pytest.mark.registry]

DOCKERFILES = [
    "COPY a.txt /tmp/",
    "COPY a.txt /tmp/new/deep/",
    "COPY a.txt /root/x/y",
    "COPY a.txt /opt/",
    "COPY dir /opt/sub",
    "COPY dir /opt",
    "COPY --chmod=700 dir /opt",
    "COPY a.txt /bin/tool",
    "COPY a.txt /var/run/x",
    "COPY dir /var/run",
    "COPY a.txt /var/run/deep/x",
    "COPY rootfs/ /",
    "COPY a.txt /etc/conf",
    "COPY a.txt /etc/link",
    "COPY a.txt /etc/link.new/",
    "COPY a.txt /dangling",
    "COPY a.txt /dangling/x",
    "COPY a.txt /srv/gone/x",
    "COPY a.txt /srv/opaque/",
    "COPY a.txt /srv/opaque/below",
    "COPY a.txt hard /",
    "COPY a.txt new",
    "COPY a.txt .",
    "WORKDIR below\nCOPY a.txt .",
    "WORKDIR /bin/w",
    "WORKDIR /opt",
    "WORKDIR /opt/w",
    "USER app\nWORKDIR /n/e\nCOPY a.txt .",
    "USER app:staff\nWORKDIR /n/e",
    "COPY --chown=app a.txt /home/app/",
    "COPY --chown=app:staff dir /home/app/dir",
    "COPY --chown=app a.txt /new/folder/\nCOPY a.txt /new/folder/b\nCOPY dir /new/folder/c",
    "ADD t.tar /opt",
    "ADD t.tar /tmp/t/",
    "FROM base AS first\nCOPY a.txt /opt/a\nFROM base\nCOPY --from=first /opt /copied\nCOPY --from=first /etc/link /l",
    "FROM base AS first\nCOPY --chown=app dir /tmp/d\nFROM first\nCOPY --from=first /tmp/d/sub /opt/s",
    "FROM scratch\nCOPY --from=base /etc /etc\nCOPY --from=base /var /v\nCOPY --from=base /same /s",
    "COPY --from=base /bin/tool /x",
    "COPY --from=base /bin /x",
    "COPY --from=base /var/run /x",
    "COPY --from=base /opt/ /srv/y/",
    "COPY --from=base / /all",
    "COPY --from=base /v*/r* /all/",
    "COPY --from=base --chown=7 /hard /capable /owned/",
    "COPY --chown=3 --from=base /usr/bin /bin",
    "ADD hard.tar /unpacked/",
    "ADD over.tar /",
    "ADD over.tar /app",
    "ADD --chown=5:6 a.txt /owned/",
    "ADD instead.tar /",
    "ADD names.tar /",
    "COPY linkfile/ /",
    "COPY flat/ /etc/",
    "COPY dir /dangling",
    "WORKDIR /dangling",
    'ENTRYPOINT ["x"]',
    "ENV BASE=$BASE:more\nLABEL own=1\nEXPOSE 90\nVOLUME /w\nCMD y",
]

# The older engine does not know the flag.
LINKED = [
    "COPY --link a.txt /tmp/x",
    "COPY --link a.txt /bin/y",
    "COPY --link dir /opt/d",
    "COPY --link=false dir /opt/d",
    "COPY --link --chown=1000 a.txt /home/app/x",
    "COPY --link a.txt /etc/conf/x",
    "COPY --link dir /app",
    "WORKDIR /opt/q\nCOPY --link a.txt .\nCOPY dir .",
    "ADD --link t.tar /opt/",
]

REFUSED = [
    "COPY overlap/ /",
    "COPY above/ /",
    "COPY link/ /",
    "COPY a.txt /etc/conf/",
    "COPY a.txt /etc/conf/x",
    "COPY dir /etc/conf",
    "COPY dir /etc/link",
    "COPY a.txt /loop/x",
    "WORKDIR /etc/conf",
    "WORKDIR /etc/conf/x",
    "COPY --from=base /nowhere /x",
    "COPY --from=base /dangling /x",
    "COPY --from=base /* /all/",
]


def _tar(members: dict[str, Any]) -> bytes:
    """A layer: `path/` is (mode, owner), `path` text, or the target of a link after `-> `, of a hard link after `= `.

    After `+ ` it is the text of a program that may bind ports below 1024.
    """
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, what in members.items():
                info, data = tarfile.TarInfo(name), b""
                if name.endswith("/"):
                    info.type, (info.mode, info.uid) = tarfile.DIRTYPE, what
                elif what.startswith("-> "):
                    info.type, info.linkname = tarfile.SYMTYPE, what[3:]
                elif what.startswith("= "):
                    info.type, info.linkname = tarfile.LNKTYPE, what[2:]
                else:
                    data = what.encode()
                    if what.startswith("+ "):
                        info.pax_headers = {"SCHILY.xattr.security.capability": CAPABILITY}
                info.mode = info.mode if name.endswith("/") else 0o640
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return buffer.getvalue()


# cap_net_bind_service, effective and permitted, as the kernel keeps it.
CAPABILITY = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00".decode()
LAYERS = [
    {
        "tmp/": (0o1777, 0),
        "root/": (0o700, 0),
        "opt/": (0o2770, 5),
        "usr/": (0o755, 0),
        "usr/bin/": (0o755, 0),
        "usr/bin/tool": "tool",
        "bin": "-> usr/bin",
        "run/": (0o711, 7),
        "var/": (0o755, 0),
        "var/run": "-> /run",
        "etc/": (0o755, 0),
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n",
        "etc/group": "root:x:0:\nstaff:x:50:\napp:x:1001:\n",
        "etc/conf": "conf",
        "etc/link": "-> conf",
        "dangling": "-> nowhere/x",
        "loop": "-> loop",
        "srv/": (0o750, 3),
        "srv/gone/": (0o700, 3),
        "srv/gone/file": "gone",
        "srv/opaque/": (0o700, 3),
        "srv/opaque/below": "below",
        "implied/folder/file": "x",
        "same": "same",
    },
    {
        "home/": (0o755, 0),
        "home/app/": (0o700, 1000),
        "app/": (0o750, 1000),
        "app/old": "old",
        "srv/": (0o750, 3),
        "srv/.wh.gone": "",
        "srv/opaque/": (0o711, 4),
        "srv/opaque/.wh..wh..opq": "",
        "hard": "hard",
        "harder": "= hard",
        "capable": "+ program",
    },
]
ARCHIVES: dict[str, dict[str, Any]] = {
    "hard": {"deep/one": "1", "deep/two": "= deep/one", "c": "+ x"},
    "over": {"bin/": (0o700, 3), "bin/new": "n", "opt/": (0o711, 9), "opt/f": "f", "home/app/g": "g"},
    "instead": {"tmp/": (0o750, 4), "usr/bin/tool": "-> /x", "srv/opaque": "-> /tmp", "dangling/": (0o755, 0)},
    "names": {
        "/abs/x": "x",
        "./dot/y": "y",
        "n//m": "m",
        "a/../b": "b",
        "../up": "u",
        "d/": (0o755, 0),
        "l": "-> d",
        "l/x": "x",
    },
}
CONFIG = {
    "Env": ["PATH=/bin", "BASE=base"],
    "Cmd": ["run", "it"],
    "WorkingDir": "/app",
    "Labels": {"base": "1"},
    "ExposedPorts": {"80/tcp": {}},
    "Volumes": {"/v": {}},
}


@pytest.fixture(scope="module")
def docker(engine: DockerEngine) -> Docker:
    return Docker(engine.host)


@pytest.fixture(scope="module")
def base(docker: Docker, registry_server: RegistryServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    name, archive = f"{registry_server.host}/odd-base:1", tmp_path_factory.mktemp("base") / "base.tar"
    image_archive(archive, name, CONFIG, [_tar(layer) for layer in LAYERS])
    docker.run("load", "-i", str(archive))
    docker.run("push", name)
    return name


class Unpacked(NamedTuple):
    """A container's files, path -> type, mode, owner, link, content and capability; and the image's config."""

    files: dict[str, Any]
    config: dict[str, Any]


Built = Unpacked | str


class Docker:
    """The docker command on an engine."""

    def __init__(self, host: str) -> None:
        self.env = {**os.environ, "DOCKER_HOST": host}

    def run(self, *words: str) -> bytes:
        done = subprocess.run([find("docker"), *words], env=self.env, capture_output=True, check=False)
        assert done.returncode == 0, f"docker {' '.join(words)}: {done.stderr.decode()}"
        return done.stdout

    def unpacked(self, image: str) -> Unpacked:
        """An image as this engine unpacks it."""
        self.run("pull", image)
        container = self.run("create", image, "/none").decode().strip()
        found: dict[str, Any] = {}
        with tarfile.open(fileobj=io.BytesIO(self.run("export", container))) as archive:
            for member in archive:
                source = archive.extractfile(member) if member.isreg() else None
                content = source.read() if source else b""
                capability = member.pax_headers.get("SCHILY.xattr.security.capability", "")
                owner = (oct(member.mode), member.uid, member.gid)
                found[member.name] = (member.type, *owner, member.linkname, content, capability)
        self.run("rm", container)
        config = json.loads(self.run("image", "inspect", "-f", "{{json .Config}}", image))
        # `Image` is the engine's own note of what it built last; `ArgsEscaped` means something on Windows only.
        own = {"Image", "ArgsEscaped", "Hostname", "Domainname"}
        return Unpacked(found, {key: value for key, value in config.items() if key not in own and value})


@pytest.fixture
def project(shipit: Shipit, docker: Docker) -> Shipit:
    install_buildx(Path(shipit.env["HOME"]) / ".docker")
    odd = ("overlap/bin/x", "above/app", "flat/conf", "linkfile/bin")
    files = (
        "a.txt",
        "hard",
        "dir/one",
        "dir/sub/two",
        "rootfs/opt/x",
        "rootfs/tmp/y",
        "rootfs/app/old",
        "rootfs/q/z",
        *odd,
    )
    for path in files:
        file = shipit.folder / "context" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    (shipit.folder / "context/dir/one").chmod(0o755)
    (shipit.folder / "context/dir/sub").chmod(0o700)
    (shipit.folder / "context/link").mkdir()
    (shipit.folder / "context/link/app").symlink_to("elsewhere")
    with tarfile.open(shipit.folder / "context/t.tar", "w") as archive:
        archive.add(shipit.folder / "context/dir", arcname="packed")
    for name, members in ARCHIVES.items():
        (shipit.folder / f"context/{name}.tar").write_bytes(_tar(members))
    return shipit


@pytest.fixture
def build(
    project: Shipit, docker: Docker, modern_engine: DockerEngine, base: str, registry_server: RegistryServer
) -> Callable[..., dict[str, Built]]:
    """Builds instructions on the base: builder -> what an engine unpacks, or what is said where it is refused."""

    engines = {"native": docker.env["DOCKER_HOST"], "engine": docker.env["DOCKER_HOST"], "buildx": modern_engine.host}

    def built(instructions: str, *builders: str) -> dict[str, Built]:
        text = instructions if instructions.startswith("FROM") else f"FROM base\n{instructions}"
        text = text.replace("FROM base", f"FROM {base}").replace("from=base", f"from={base}")
        project.write(**{"context/Dockerfile": f"{text}\n"})
        return {builder: result(builder) for builder in builders}

    def result(builder: str) -> Built:
        name = f"{registry_server.host}/on-odd-base-{builder}"
        image = f"{{repository: {name}, tags: [t], build: {{context: context, builder: {builder}}}}}"
        project.write(deploy__yml=f"app: a\nimage: {image}\ntargets: {{hub: }}\n")
        project.env["DOCKER_HOST"] = engines[builder]
        done = project.run("deploy")
        assert "classic" not in done.stderr, done.stderr
        return docker.unpacked(f"{name}:t") if done.returncode == 0 else done.stderr

    return built


@pytest.mark.sampled
@pytest.mark.parametrize("instructions", sampled(DOCKERFILES, 8, of="bases"))
def test_all_builders_agree_on_a_base(build: Callable[..., dict[str, Built]], instructions: str) -> None:
    built = build(instructions, "native", "engine")
    assert isinstance(built["native"], Unpacked), built["native"]
    assert built["native"] == built["engine"]


@pytest.mark.sampled
@pytest.mark.parametrize("instructions", sampled(LINKED, 4, of="linked"))
def test_a_linked_copy_is_laid_over_a_base_unseen(build: Callable[..., dict[str, Built]], instructions: str) -> None:
    built = build(instructions, "native", "buildx")
    assert isinstance(built["native"], Unpacked), built["native"]
    assert built["native"] == built["buildx"]


@pytest.mark.sampled
@pytest.mark.parametrize("instructions", sampled(REFUSED, 5, of="refused bases"))
def test_all_builders_refuse_what_a_base_does_not_allow(
    build: Callable[..., dict[str, Built]], instructions: str
) -> None:
    built = build(instructions, "native", "engine")
    assert {name: isinstance(result, str) for name, result in built.items()} == dict.fromkeys(built, True)
    assert "Dockerfile:2: " in str(built["native"])


@pytest.fixture
def proxy(registry_server: RegistryServer) -> Iterator[FaultProxy]:
    server = FaultProxy(registry_server.host)
    yield server
    server.stop()


def _move(project: Shipit, machine: str) -> None:
    """Go on at a machine that has seen nothing yet."""
    project.env["SHIPIT_CACHE_DIR"] = str(project.folder.parent / machine)


def _run(project: Shipit, command: str = "deploy") -> str:
    done = project.run(command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _base_layers(proxy: FaultProxy) -> list[str]:
    """The requests for layers of the base since the last time."""
    seen = [line for line in proxy.seen if line.startswith("GET /v2/odd-base/blobs/")]
    proxy.seen.clear()
    return seen


def test_an_engine_builds_what_only_the_base_shows_to_need_one(
    project: Shipit, docker: Docker, registry_server: RegistryServer
) -> None:
    """Triggers of a base that run commands: its Dockerfile has no RUN, so the native builder began."""
    name, archive = f"{registry_server.host}/triggers:1", project.folder / "triggers.tar"
    image_archive(archive, name, {"OnBuild": ["COPY a.txt /triggered", 'RUN ["/none"]']}, [_tar({"x": "x"})])
    docker.run("load", "-i", str(archive))
    docker.run("push", name)
    image = f"{{repository: {registry_server.host}/triggered, tags: [t], build: {{context: context}}}}"
    project.write(
        **{
            "deploy.yml": f"app: a\nimage: {image}\ntargets: {{hub: }}\n",
            "context/Dockerfile": f"FROM {name}\nENV A=b\n",
        }
    )
    done = project.run("deploy")
    assert "RUN needs a builder that can run commands" in done.stderr
    assert "hint: start a Docker engine" in done.stderr, "there is none"
    project.env["DOCKER_HOST"] = docker.env["DOCKER_HOST"]
    done = project.run("deploy")
    assert done.returncode == 1
    assert "/none" in done.stderr, "the engine ran it"


ASKING = """FROM base
WORKDIR /new/w
COPY --chown=app:staff . .
COPY a.txt /bin/tool
COPY --chown=app a.txt dir/one /opt/
"""


def test_layers_of_a_base_are_read_once_and_never_on_other_machines(
    project: Shipit, proxy: FaultProxy, docker: Docker, base: str
) -> None:
    mine = base.replace(base.partition("/")[0], proxy.host)
    image = f"{{repository: {proxy.host}/read-once, tags: [t], build: {{context: context, builder: native}}}}"
    dockerfile = ASKING.replace("FROM base", f"FROM {mine}")
    text = f"app: a\nimage: {image}\ntargets: {{hub: }}\n"
    project.write(**{"deploy.yml": text, "context/Dockerfile": dockerfile})
    _run(project)
    assert len(_base_layers(proxy)) == len(LAYERS) + 1, "its config and its layers"
    # What is the same is known to be the same.
    _move(project, "second")
    assert "nothing changed" in _run(project)
    assert len(_base_layers(proxy)) == 1, "its config"
    # What has changed is built and sent, on what the base is known to be.
    _move(project, "third")
    project.write(**{"context/dir/new": "new", "context/a.txt": "changed"})
    assert "3 there" in _run(project), "the base's own layers, and WORKDIR's"
    assert len(_base_layers(proxy)) == 1
    native = docker.unpacked(f"{proxy.host}/read-once:t")
    # What was never asked has to be read; and a build alone asks no repository.
    _move(project, "fourth")
    proxy.seen.clear()
    _run(project, "build")
    assert not [line for line in proxy.seen if "/read-once/" in line]
    assert len(_base_layers(proxy)) == len(LAYERS) + 1
    _move(project, "fifth")
    project.write(**{"context/Dockerfile": f"{dockerfile}COPY a.txt /srv/\n"})
    _run(project)
    assert len(_base_layers(proxy)) == len(LAYERS) + 1
    project.write(
        **{"context/Dockerfile": dockerfile, "deploy.yml": text.replace("native", "engine").replace("once", "there")}
    )
    project.env["DOCKER_HOST"] = docker.env["DOCKER_HOST"]
    _run(project)
    assert native == docker.unpacked(f"{proxy.host}/read-there:t")


def test_what_is_known_of_a_base_is_known_by_images_at_heroku(
    project: Shipit, proxy: FaultProxy, base: str, heroku: HerokuStandIn
) -> None:
    mine = base.replace(base.partition("/")[0], proxy.host)
    project.write(
        **{
            "deploy.yml": "app: shop-prod\nimage: {build: {context: context}}\ntargets: {heroku: {settle: 0s}}\n",
            "context/Dockerfile": ASKING.replace("FROM base", f"FROM {mine}"),
        }
    )
    _run(project, "push")
    assert len(_base_layers(proxy)) == len(LAYERS) + 1
    _move(project, "second")
    project.write(**{"context/a.txt": "changed"})
    _run(project, "push")
    assert len(_base_layers(proxy)) == 1
