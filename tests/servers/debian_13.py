"""Runs the tests that need no server with Debian 13's own Python, in a root folder unpacked into the cache.

Run it as `python -m tests.servers.debian_13 [ARGUMENT of pytest ...]`; it needs Linux, root and apt-get.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.servers.install import cache_folder, unpack_debian_13

ROOT = Path(__file__).parent.parent.parent
# Every Debian has the essential ones, so that no package asks for them.
ESSENTIAL = ("bash", "coreutils", "dash", "findutils", "grep", "gzip", "sed", "tar", "util-linux")
PACKAGES = ("python3.13-venv", "python-is-python3", "git", "openssh-client", "ca-certificates", "procps", *ESSENTIAL)
# What the unpacked system shares with this one: devices, the network's names and authorities, and the project at /project.
SHARED = ("/proc", "/dev", "/sys", "/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs")
PROJECT = "/project"
# Environment of the tests there: how packages are fetched is this machine's, everything else is new.
KEPT = ("PIP_", "SSL_", "HTTP", "NO_PROXY", "http", "no_proxy", "HYPOTHESIS_")
MARKERS = "not engine and not registry and not cluster and not tools"

# Mounts are seen by this shell and its children only, and end with them.
SCRIPT = """
set -eu
root=$1 project=$2
shift 2
for shared in $SHARED; do mount --rbind "$shared" "$root$shared"; done
mount --bind "$project" "$root/project"
exec chroot "$root" /bin/bash -euc '
cd /project
venv=.venv-debian-13
[ -x $venv/bin/python ] || python3.13 -m venv $venv
$venv/bin/python --version
$venv/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements/dev.txt
$venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
exec $venv/bin/python -m pytest "$@"
' tests "$@"
"""


def root_folder() -> Path:
    return cache_folder() / "debian-13-python"


def unpack() -> bool:
    """Unpack Debian 13 with its Python, once. Whether it is there."""
    root = root_folder()
    if not (root / "usr/bin/python3.13").is_file():
        options = ["install", "--yes", "--no-install-recommends", "--download-only", *PACKAGES]
        unpack_debian_13("Python 3.13", root, options)
    if not (root / "usr/bin/python3.13").is_file():
        return False
    # Packages make these when they are installed.
    if not (root / "bin/sh").exists():
        (root / "bin/sh").symlink_to("dash")
    for file in ("passwd", "group"):
        shutil.copyfile(root / f"usr/share/base-passwd/{file}.master", root / f"etc/{file}")
    return True


def _prepare_mounts(root: Path) -> None:
    (root / "project").mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for path in (root / shared.lstrip("/") for shared in SHARED):
        if Path("/", path.relative_to(root)).is_dir():
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.touch()


def main(arguments: list[str]) -> int:
    """Run pytest there. Returns its exit code; 0 where Debian 13 can't be had and CI does not ask for it."""
    if sys.platform != "linux" or not unpack():
        print("left out: the tests with Debian 13's Python need Linux, root and apt-get", flush=True)
        return int(os.environ.get("CI", "false") not in ("false", "0", ""))
    _prepare_mounts(root_folder())
    variables = {name: value for name, value in os.environ.items() if name.startswith(KEPT)}
    variables |= {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "SHARED": " ".join(SHARED),
    }
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh"]
    command += [str(root_folder()), str(ROOT), "--ignore", "tests/test_packaging.py", "-m", MARKERS, *arguments]
    return subprocess.run(command, env=variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
