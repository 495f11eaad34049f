"""Base images made from what Debian installs, since tests pull from nowhere outside."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.servers.install import find

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
)


def busybox_archive(path: Path, tag: str, command: list[str]) -> None:
    """An image archive as `docker save` writes it, holding a static busybox at /busybox."""
    with io.BytesIO() as layer:
        with tarfile.open(fileobj=layer, mode="w") as tar:
            tar.add(find("busybox"), "busybox")
        data = layer.getvalue()
    diff_id = f"sha256:{hashlib.sha256(data).hexdigest()}"
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": command},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        }
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": [tag], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(path, "w") as archive:
        for member, content in ((name, config), ("layer.tar", data), ("manifest.json", manifest)):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def python_context(folder: Path) -> None:
    """A build context for an image with a shell and Python 3.11, from the files of Debian's own packages."""
    root = folder / "rootfs"
    for name in ("bin", "usr/bin", "usr/lib", "tmp", "etc", "root", "var"):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(find("busybox"), root / "bin/busybox")
    for applet in (
        "sh",
        "cat",
        "ls",
        "echo",
        "sleep",
        "env",
        "id",
        "true",
        "false",
        "mkdir",
        "touch",
        "rm",
        "cp",
        "stat",
        "wget",
    ):
        (root / "bin" / applet).symlink_to("busybox")
    python = Path("/usr/bin/python3.11")
    shutil.copy(python, root / "usr/bin/python3.11")
    for link in ("python3", "python"):
        (root / "usr/bin" / link).symlink_to("python3.11")
    shutil.copytree(
        "/usr/lib/python3.11", root / "usr/lib/python3.11", ignore=shutil.ignore_patterns(*_SKIPPED), symlinks=True
    )
    for library in libraries([python, *Path("/usr/lib/python3.11/lib-dynload").glob("*.so")]):
        target = root / str(library).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library.resolve(), target)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/tmp:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\napp:x:1000:\n")
    (folder / "Dockerfile").write_text(
        'FROM scratch\nCOPY rootfs/ /\nENV PATH=/usr/local/bin:/usr/bin:/bin\nCMD ["python3"]\n'
    )


def libraries(files: list[Path]) -> set[Path]:
    """The shared libraries that programs and modules are linked with."""
    found: set[Path] = set()
    for file in files:
        listed = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False).stdout
        found |= {Path(path) for path in re.findall(r"(/\S+\.so[.\d]*)", listed)}
    return found
