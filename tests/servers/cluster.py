"""A whole one-node Kubernetes cluster: etcd, control plane, containerd and kubelet, with pods that run.

Source: the reference pages of each component's flags; containerd's CRI plugin configuration; CNI bridge and host-local.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from shipit.rehearsal import dyno
from tests.servers.certificates import Authority, write_key_pair
from tests.servers.images import busybox_archive
from tests.servers.install import CNI, COMPONENTS, SYSTEM_PATH, find, kubernetes_folder
from tests.servers.process import Background, Unavailable, accepts, descendants

NODE = "node"
PAUSE = "localhost/pause:1"
# Its programs take seconds until they listen. Other tests, which take ports meanwhile, take none of these.
_PORTS = range(6_100, 8_000)
_OWN_NAMESPACES = {"default", "kube-node-lease", "kube-public", "kube-system"}


def free_port() -> int:
    return dyno.free_port(_PORTS)


def namespace_of(test: pytest.Item, longest: int = 50) -> str:
    """A name for the namespace of a test, which no other test has, also of the same table."""
    words = re.sub(r"[^a-z0-9]+", "-", test.name.removeprefix("test_").lower())
    own = hashlib.sha256(test.nodeid.encode()).hexdigest()[:6]
    return f"{words[: longest - 7].strip('-')}-{own}"


class Cluster:
    """One node. `kubeconfig` is a file with the context `test`. Pods pull from `registry`, 127.0.0.1:PORT, over HTTP,
    also what they call docker.io."""

    def __init__(self, folder: Path, registry: str) -> None:
        if platform.system() != "Linux" or os.geteuid() != 0:
            raise Unavailable("a Kubernetes cluster needs Linux and root")
        self.folder = folder
        self._run = Path(tempfile.mkdtemp(prefix="sk8-", dir="/tmp"))
        self._processes: list[Background] = []
        self._binaries = _binaries()
        self.port = free_port()
        self.server = f"https://127.0.0.1:{self.port}"
        self.kubeconfig = folder / "kubeconfig"
        # A bridge and a subnet of its own, so that two clusters can run side by side.
        self._bridge = f"shipit{self.port}"
        try:
            self._certificates()
            self._start_control_plane()
            self._start_node(registry)
            self._await_node()
        except BaseException:
            self.stop()
            raise

    def kubectl(self, *arguments: str, check: bool = True, data: str | None = None) -> str:
        """Run kubectl against the cluster; its standard output."""
        command = [
            find("kubectl"),
            "--kubeconfig",
            str(self.kubeconfig),
            f"--cache-dir={self.folder}/cache",
            *arguments,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, input=data)
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def namespaces(self) -> set[str]:
        """Those that tests made."""
        found = json.loads(self._ask("GET", "/api/v1/namespaces"))["items"]
        return {item["metadata"]["name"] for item in found} - _OWN_NAMESPACES

    def remove_namespaces(self, names: set[str]) -> None:
        """Remove them while the next test runs. Pods that are not removed add up: a node takes 110."""
        for name in sorted(names):
            # None of it is waited for: what was to be seen has been seen. What stays is in nobody's way.
            with contextlib.suppress(urllib.error.URLError, TimeoutError):
                self._ask("DELETE", f"/api/v1/namespaces/{name}")
                self._ask("DELETE", f"/api/v1/namespaces/{name}/pods?gracePeriodSeconds=1")

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.stop(5)
        containers = [path.name for path in self._run.glob("state/io.containerd.runtime.v2.task/k8s.io/*")]
        _end_shims(self._run)
        _remove_cgroups(containers)
        _unmount(self.folder, self._run)
        if ip := shutil.which("ip", path=SYSTEM_PATH):
            subprocess.run([ip, "link", "delete", self._bridge], check=False, capture_output=True)

    def _start(self, name: str, *flags: str, program: str | None = None) -> Background:
        path = program or str(self._binaries / name)
        process = Background(name, [path, *flags], self.folder, {"PATH": SYSTEM_PATH})
        self._processes.append(process)
        return process

    def _certificates(self) -> None:
        authority = Authority(self.folder / "pki")
        self.pki = self.folder / "pki"
        names = ("127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "10.96.0.1")
        authority.issue("apiserver", "kube-apiserver", names=names)
        authority.issue("apiserver-kubelet", "kube-apiserver-kubelet-client", organization="system:masters")
        authority.issue("admin", "admin", organization="system:masters")
        authority.issue("controller-manager", "system:kube-controller-manager")
        authority.issue("scheduler", "system:kube-scheduler")
        authority.issue("kubelet", f"system:node:{NODE}", organization="system:nodes", names=("127.0.0.1", NODE))
        write_key_pair(self.pki, "service-account")
        for user in ("admin", "controller-manager", "scheduler", "kubelet"):
            self._kubeconfig(user)

    def _kubeconfig(self, user: str) -> Path:
        path = self.kubeconfig if user == "admin" else self.folder / f"{user}.kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [
                {"name": "test", "cluster": {"server": self.server, "certificate-authority": str(self.pki / "ca.crt")}}
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate": str(self.pki / f"{user}.crt"),
                        "client-key": str(self.pki / f"{user}.key"),
                    },
                }
            ],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user, "namespace": "default"}}],
        }
        path.write_text(json.dumps(config))
        return path

    def _start_control_plane(self) -> None:
        client, peer = free_port(), free_port()
        address = f"http://127.0.0.1:{client}"
        etcd = self._start(
            "etcd", "--data-dir", str(self.folder / "etcd"), "--listen-client-urls", address, "--advertise-client-urls", address,
            "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--unsafe-no-fsync", "--logger", "zap", program=find("etcd"),
        )  # fmt: skip
        etcd.wait_until(lambda: accepts(client), 120)
        pki = self.pki
        api = self._start(
            "kube-apiserver", f"--etcd-servers={address}", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}", "--authorization-mode=Node,RBAC", "--endpoint-reconciler-type=none", "--allow-privileged",
            "--service-cluster-ip-range=10.96.0.0/16", f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt", f"--kubelet-client-key={pki}/apiserver-kubelet.key",
            f"--kubelet-certificate-authority={pki}/ca.crt", "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-key-file={pki}/service-account.pub", f"--service-account-signing-key-file={pki}/service-account.key",
            "--service-account-issuer=https://kubernetes.default.svc", f"--cert-dir={self.folder}/api-certs",
        )  # fmt: skip
        api.wait_until(self._is_ready, 180)
        self._start(
            "kube-controller-manager", f"--kubeconfig={self.folder}/controller-manager.kubeconfig", "--leader-elect=false",
            f"--service-account-private-key-file={pki}/service-account.key", f"--root-ca-file={pki}/ca.crt",
            "--use-service-account-credentials", "--bind-address=127.0.0.1", f"--secure-port={free_port()}",
            f"--cert-dir={self.folder}/cm-certs",
        )  # fmt: skip
        self._start(
            "kube-scheduler", f"--kubeconfig={self.folder}/scheduler.kubeconfig", "--leader-elect=false",
            "--bind-address=127.0.0.1", f"--secure-port={free_port()}", f"--cert-dir={self.folder}/scheduler-certs",
        )  # fmt: skip

    def _ask(self, method: str, path: str, patience_s: float = 60) -> bytes:
        """As the administrator. Raises: URLError; its HTTPError for a status of 400 or above, but 404 of what is gone."""
        context = ssl.create_default_context(cafile=str(self.pki / "ca.crt"))
        context.load_cert_chain(self.pki / "admin.crt", self.pki / "admin.key")
        request = urllib.request.Request(self.server + path, method=method)
        try:
            with urllib.request.urlopen(request, context=context, timeout=patience_s) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                if method == "DELETE" and error.code in (404, 409):
                    return b""
            raise

    def _is_ready(self) -> bool:
        try:
            self._ask("GET", "/readyz", 5)
        except urllib.error.URLError:
            return False
        return True

    def _start_node(self, registry: str) -> None:
        socket_path = self._run / "containerd.sock"
        containerd = self._start(
            "containerd", "--config", str(self._containerd_config(registry, socket_path)), program=find("containerd")
        )
        containerd.wait_until(lambda: _listens(socket_path), 120)
        archive = self.folder / "pause.tar"
        busybox_archive(archive, PAUSE, ["/busybox", "sleep", "2147483647"])
        command = [find("ctr"), "--address", str(socket_path), "-n", "k8s.io", "images", "import", str(archive)]
        subprocess.run(command, check=True, capture_output=True)
        config = self.folder / "kubelet.json"
        config.write_text(json.dumps(self._kubelet_config(socket_path)))
        self._start(
            "kubelet", f"--config={config}", f"--kubeconfig={self.folder}/kubelet.kubeconfig", f"--hostname-override={NODE}",
            f"--root-dir={self.folder}/kubelet", "--cloud-provider=external", f"--cert-dir={self.folder}/kubelet-certs",
            # Statistics of containers, which nothing reads here, would be most of its work.
            "--housekeeping-interval=1h",
        )  # fmt: skip

    def _containerd_config(self, registry: str, socket_path: Path) -> Path:
        for host in (registry, "docker.io"):
            folder = self.folder / "hosts" / host
            folder.mkdir(parents=True)
            (folder / "hosts.toml").write_text(
                f'server = "http://{registry}"\n[host."http://{registry}"]\n  capabilities = ["pull", "resolve"]\n'
            )
        network = self.folder / "cni"
        network.mkdir()
        plugins = [
            {"type": "bridge", "bridge": self._bridge, "isGateway": True, "hairpinMode": True,
             "ipam": {"type": "host-local", "dataDir": str(self.folder / "ipam"), "ranges": [[{"subnet": f"10.{self.port % 100 + 100}.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
        ]  # fmt: skip
        (network / "10-bridge.conflist").write_text(
            json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": plugins})
        )
        path = self.folder / "containerd.toml"
        path.write_text(
            f"""version = 2
root = "{self.folder}/containerd"
state = "{self._run}/state"
[grpc]
  address = "{socket_path}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{self.folder}/hosts"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI}"
    conf_dir = "{network}"
"""
        )
        return path

    def _kubelet_config(self, socket_path: Path) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": "127.0.0.1",
            "port": free_port(),
            "healthzPort": free_port(),
            "readOnlyPort": 0,
            "authentication": {
                "x509": {"clientCAFile": str(self.pki / "ca.crt")},
                "webhook": {"enabled": True},
                "anonymous": {"enabled": False},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(self.pki / "kubelet.crt"),
            "tlsPrivateKeyFile": str(self.pki / "kubelet.key"),
            "containerRuntimeEndpoint": f"unix://{socket_path}",
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "failCgroupV1": False,
            "failSwapOn": False,
            "localStorageCapacityIsolation": False,
            "resolvConf": "",
            # Another kubelet of this machine would remove logs of pods that it does not know.
            "podLogsDir": str(self.folder / "pod-logs"),
            "fileCheckFrequency": "1s",
            "syncFrequency": "2s",
            "evictionHard": {
                "memory.available": "0%",
                "nodefs.available": "0%",
                "imagefs.available": "0%",
                "nodefs.inodesFree": "0%",
            },
        }

    def _await_node(self) -> None:
        kubelet = self._processes[-1]
        kubelet.wait_until(lambda: NODE in self.kubectl("get", "nodes", "-o", "name", check=False), 180)
        addresses = {"status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}}
        self.kubectl("patch", "node", NODE, "--subresource=status", "-p", json.dumps(addresses))
        self.kubectl("taint", "nodes", NODE, "node.cloudprovider.kubernetes.io/uninitialized-", check=False)
        ready = ["get", "node", NODE, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}"]
        kubelet.wait_until(lambda: self.kubectl(*ready, check=False) == "True", 180)
        kubelet.wait_until(lambda: "default" in self.kubectl("get", "serviceaccounts", "-o", "name", check=False), 120)


def _binaries() -> Path:
    for folder in (os.environ.get("KUBEBUILDER_ASSETS"), kubernetes_folder()):
        if folder and all((Path(folder) / name).is_file() for name in COMPONENTS):
            return Path(folder)
    raise Unavailable("Kubernetes is not built: run python -m tests.servers.install")


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _end_shims(run: Path) -> None:
    """End what containerd leaves behind: shims that name our socket, and the containers below them."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        if b"containerd-shim" in line and str(run).encode() in line:
            children = descendants(int(entry.name))
            for pid in [int(entry.name), *children]:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    continue


def _remove_cgroups(containers: list[str], patience_s: float = 5) -> None:
    """Remove what the kernel keeps of containers that were killed; each kubelet to come would watch over it."""
    roots = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*")]
    left = [folder for name in containers for root in roots if (folder := root / "k8s.io" / name).is_dir()]
    ends_s = time.monotonic() + patience_s
    while left and time.monotonic() < ends_s:
        for folder in left:
            with contextlib.suppress(OSError):  # Its processes still end.
                folder.rmdir()
        left = [folder for folder in left if folder.is_dir()]
        time.sleep(0.05)


def _unmount(*folders: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed(mounts):
        if any(mount.startswith(str(folder)) for folder in folders):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
