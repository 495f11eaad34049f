"""Base images built from installed Debian packages: tests pull nothing from the internet."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pip

from tests.servers.install import caddy, find
from tests.servers.process import Unavailable

_SKIPPED = (
    "test",
    "tests",
    "idlelib",
    "lib2to3",
    "ensurepip",
    "pydoc_data",
    "config-3.11",
    "turtledemo",
    "__pycache__",
    "tkinter",
    "EXTERNALLY-MANAGED",
)
APPLETS = "sh cat ls echo sleep env id true false mkdir touch rm cp stat wget sed grep"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


def busybox_archive(path: Path, tag: str, command: list[str]) -> None:
    """An image archive as `docker save` writes it, holding a static busybox at /busybox."""
    with io.BytesIO() as layer:
        with tarfile.open(fileobj=layer, mode="w") as tar:
            tar.add(find("busybox"), "busybox")
        image_archive(path, tag, {"Cmd": command}, [layer.getvalue()])


def image_archive(path: Path, tag: str, runtime: Mapping[str, Any], layers: Sequence[bytes]) -> None:
    """An image archive as `docker save` writes it, of layers that are tars."""
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": runtime,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    names = [f"layer-{number}.tar" for number in range(len(layers))]
    manifest = json.dumps([{"Config": name, "RepoTags": [tag], "Layers": names}]).encode()
    members = {name: config, **dict(zip(names, layers, strict=True)), "manifest.json": manifest}
    with tarfile.open(path, "w") as archive:
        for member, content in members.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def python_context(folder: Path) -> None:
    """A build context for an image with a shell and Python 3.11, from the files of Debian's own packages."""
    root = _root(folder)
    python = Path("/usr/bin/python3.11")
    _install(root, python, libraries_of=[*Path("/usr/lib/python3.11/lib-dynload").glob("*.so")])
    for link in ("python3", "python"):
        (root / "usr/bin" / link).symlink_to("python3.11")
    shutil.copytree(
        "/usr/lib/python3.11", root / "usr/lib/python3.11", ignore=shutil.ignore_patterns(*_SKIPPED), symlinks=True
    )
    _write_dockerfile(folder, "ENV PATH=/usr/local/bin:/usr/bin:/bin", 'CMD ["python3"]')


def pip_context(folder: Path) -> None:
    """The same with pip, which the environment of the tests brings, and this machine's certificate authorities."""
    python_context(folder)
    root = folder / "rootfs"
    target = root / "usr/lib/python3/dist-packages/pip"
    shutil.copytree(Path(pip.__file__).parent, target, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "usr/bin/pip").write_text(
        "#!/usr/bin/python3\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n"
    )
    (root / "usr/bin/pip").chmod(0o755)
    # What wheels may be linked with beyond Python's own: every image of Debian has it.
    for name in ("gcc_s", "rt", "dl", "m", "pthread", "resolv", "util", "nss_dns", "nss_files"):
        for library in Path("/lib").glob(f"*-linux-gnu/lib{name}.so.*"):
            _copy_file(root, library)
    _trust(root)
    variables = f"ENV PATH=/usr/local/bin:/usr/bin:/bin PIP_CERT={AUTHORITIES}"
    _write_dockerfile(folder, variables, 'CMD ["python3"]')


def node_context(folder: Path) -> None:
    """A build context for an image with a shell, Node and npm, as they are installed here. Raises: Unavailable without."""
    node, npm = shutil.which("node"), shutil.which("npm")
    # npm is a link to lib/node_modules/npm/bin/npm-cli.js
    module = Path(npm or "").resolve().parent.parent
    if node is None or not (module / "node_modules").is_dir():
        raise Unavailable("Node 20 and npm are not installed in the way of nodejs.org")
    root = _root(folder)
    _install(root, Path(node).resolve())
    shutil.copytree(module, root / "usr/lib/node_modules/npm", symlinks=True)
    (root / "usr/bin/npm").symlink_to("../lib/node_modules/npm/bin/npm-cli.js")
    _trust(root)
    variables = f"ENV PATH=/usr/local/bin:/usr/bin:/bin HOME=/root NODE_EXTRA_CA_CERTS={AUTHORITIES}"
    _write_dockerfile(folder, variables, 'CMD ["node"]')


def nginx_context(folder: Path) -> None:
    """A build context for an image with nginx, which serves /usr/share/nginx/html on port 80, as the official one does."""
    root = _root(folder)
    _install(root, Path(find("nginx")))
    for name in ("etc/nginx/conf.d", "usr/share/nginx/html", "var/log/nginx", "var/lib/nginx", "run"):
        (root / name).mkdir(parents=True)
    shutil.copy("/etc/nginx/mime.types", root / "etc/nginx/mime.types")
    (root / "etc/nginx/nginx.conf").write_text(
        "error_log stderr;\npid /run/nginx.pid;\nuser root root;\nevents {}\nhttp {\n  include mime.types;\n"
        "  access_log /dev/stdout;\n  include conf.d/*.conf;\n}\n"
    )
    (root / "etc/nginx/conf.d/default.conf").write_text("server { listen 80; root /usr/share/nginx/html; }\n")
    _write_dockerfile(folder, "EXPOSE 80", "STOPSIGNAL SIGQUIT", 'CMD ["nginx", "-g", "daemon off;"]')


def redis_context(folder: Path) -> None:
    """A build context for an image with Redis and its client: the program that checks its files is the server itself."""
    root = _root(folder)
    _install(root, Path(find("redis-cli")))
    _install(root, Path(find("redis-check-rdb")))
    (root / "usr/bin/redis-check-rdb").rename(root / "usr/bin/redis-server")
    (root / "data").mkdir()
    _write_dockerfile(folder, "WORKDIR /data", 'CMD ["redis-server", "--save", "", "--protected-mode", "no"]')


def caddy_context(folder: Path) -> None:
    """A build context for an image of Caddy and the programs of busybox that shipit needs, as the official one has."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(caddy(), folder / "caddy")
    shutil.copy(find("busybox"), folder / "busybox")
    lines = (
        "FROM scratch",
        "COPY caddy busybox /bin/",
        *(f"COPY busybox /bin/{name}" for name in ("nc", "sh", "mkdir", "mv", "rm", "timeout")),
        "ENV PATH=/bin",
        'CMD ["caddy", "run"]',
    )
    (folder / "Dockerfile").write_text("\n".join((*lines, "")))


def hello_context(folder: Path) -> None:
    """A build context for an image of one static program that prints a greeting and exits."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(find("busybox"), folder / "busybox")
    command = '["/busybox", "echo", "Hello from Docker!"]'
    (folder / "Dockerfile").write_text(f"FROM scratch\nCOPY busybox /\nCMD {command}\n")


# What tests use of Docker Hub: name and tag -> what writes a context for its stand-in.
HUB: dict[tuple[str, str], Callable[[Path], None]] = {
    ("python", "3.12-alpine"): python_context,
    ("python", "3.12-slim"): pip_context,
    ("node", "alpine"): node_context,
    ("node", "22-alpine"): node_context,
    ("nginx", "alpine"): nginx_context,
    ("redis", "alpine"): redis_context,
    ("hello-world", "latest"): hello_context,
    ("caddy", "2"): caddy_context,
}


def _root(folder: Path) -> Path:
    """A root with folders, users and a shell."""
    root = folder / "rootfs"
    for name in ("bin", "usr/bin", "usr/lib", "tmp", "etc", "root", "var", "usr/local/bin"):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(find("busybox"), root / "bin/busybox")
    for applet in APPLETS.split():
        (root / "bin" / applet).symlink_to("busybox")
    (root / "usr/bin/env").symlink_to("/bin/busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/tmp:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\napp:x:1000:\n")
    return root


def _install(root: Path, program: Path, libraries_of: Sequence[Path] = ()) -> None:
    """Copy a program, its modules and their libraries to the same paths."""
    shutil.copy(program, root / "usr/bin" / program.name)
    for library in libraries([program, *libraries_of]):
        _copy_file(root, library)


def _copy_file(root: Path, file: Path) -> None:
    target = root / str(file).lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file.resolve(), target)


def _trust(root: Path) -> None:
    """Give an image the certificate authorities that this machine trusts."""
    _copy_file(root, Path(AUTHORITIES))


def _write_dockerfile(folder: Path, *lines: str) -> None:
    (folder / "Dockerfile").write_text("\n".join(("FROM scratch", "COPY rootfs/ /", *lines, "")))


def libraries(files: list[Path]) -> set[Path]:
    """The shared libraries that programs and modules are linked with."""
    found: set[Path] = set()
    for file in files:
        listed = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False).stdout
        found |= {Path(path) for path in re.findall(r"(/\S+\.so[.\d]*)", listed)}
    return found
