"""`shipit exec` on the real cluster: streams byte for byte, terminals, exit codes, and what a user may not do."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_start import imports
from tests.e2e.attached import at_terminal, check_bytes, check_codes, check_interrupted, check_shell, piped
from tests.servers.cluster import Cluster
from tests.servers.install import find
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit
from tests.waits import wait_until

pytestmark = [pytest.mark.registry, pytest.mark.cluster, pytest.mark.program]

NAMESPACE = "exec"
TEXT = """\
app: shop
images:
  shop: {{repository: {host}/exec, build: .}}
  bare: {{repository: {host}/exec-bare, build: {{dockerfile: bare.Dockerfile}}}}
env: {{GREETING: hi}}
targets:
  hub: {{images: [shop]}}
  k8s:
    namespace: exec
    settle: 0s
    workloads:
      web: {{image: shop, port: 8000, grace: 1s}}
      idle: {{image: shop, grace: 1s, command: [sleep, "100000"]}}
    manifests: [bare.yml]
# Without manifests, what exec needs is kept for the next time.
environments: {{plain: {{targets: {{k8s: {{manifests: null}}}}}}}}
"""
# How a command begins: by reading deploy.yml, and by what an earlier one has kept.
WAYS = {"usual": ("k8s/web",), "again": ("-e", "plain", "k8s/web")}
# A set with a volume of its own, of an image without a shell.
BARE = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: bare}
spec:
  replicas: 0
  selector: {matchLabels: {app: bare}}
  template:
    metadata: {labels: {app: bare}}
    spec:
      containers: [{name: bare, image: bare, volumeMounts: [{name: data, mountPath: /data}]}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
DOCKERFILE = 'FROM python:3.12-alpine\nCMD ["python", "-m", "http.server", "8000"]\n'


@pytest.fixture(scope="module")
def app(
    cluster: Cluster, registry_server: RegistryServer, python_base: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shipit]:
    """A project with two workloads that run."""
    folder = tmp_path_factory.mktemp("exec")
    (folder / "project").mkdir()
    shipit = Shipit(folder / "project", folder / "home")
    shipit.env |= {"KUBECONFIG": str(cluster.kubeconfig), "SHIPIT_MIRRORS": f"docker.io={python_base}"}
    cluster.kubectl("create", "namespace", NAMESPACE)
    shutil.copy(find("busybox"), shipit.folder / "busybox")
    shipit.write(Dockerfile=DOCKERFILE, deploy__yml=TEXT.format(host=registry_server.host), bare__yml=BARE)
    shipit.write(bare__Dockerfile='FROM scratch\nCOPY busybox /\nCMD ["/busybox", "sleep", "100000"]\n')
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    yield shipit
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(params=WAYS)
def way(app: Shipit, request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The words that name the workload. Those of `again` were given before, so that something is kept for them."""
    words = WAYS[request.param]
    if request.param == "again" and not list(kept(app)):
        assert piped(app, "exec", *words, "--", "true").returncode == 0
        assert len(list(kept(app))) == 1
    return words


def kept(app: Shipit) -> Iterator[Path]:
    return Path(app.env["SHIPIT_CACHE_DIR"]).glob("shortcuts/*.json")


def test_the_environment_and_both_streams_are_those_of_the_container(app: Shipit, way: tuple[str, ...]) -> None:
    done = piped(app, "exec", *way, "--", "sh", "-c", "echo $GREETING; echo broken >&2")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hi\n", b"broken\n")


def test_the_exit_code_is_that_of_the_command(app: Shipit, way: tuple[str, ...]) -> None:
    check_codes(app, "exec", *way)


def test_a_command_that_is_killed_has_the_code_of_its_signal(app: Shipit) -> None:
    assert piped(app, "exec", "k8s/web", "--", "sh", "-c", "busybox kill -9 $$").returncode == 137


def test_a_command_given_again_imports_neither_typer_nor_models(app: Shipit, way: tuple[str, ...]) -> None:
    found = imports(app, "exec", *way, "--", "true")
    is_again = way == WAYS["again"]
    for module in ("typer", "pydantic", "shipit.config.load", "shipit.events", "dataclasses"):
        assert (module not in found) == is_again, module


def test_what_is_kept_is_not_used_for_another_place(app: Shipit, way: tuple[str, ...]) -> None:
    file = app.folder / "deploy.yml"
    text = file.read_text()
    file.write_text(text.replace("namespace: exec", "namespace: exec-elsewhere"))
    try:
        done = piped(app, "exec", *way, "--", "true")
    finally:
        file.write_text(text)
    assert done.returncode == 125
    assert b"Deployment/web: it has no pods" in done.stderr


def test_a_megabyte_of_any_bytes_comes_back_through_cat(app: Shipit, way: tuple[str, ...]) -> None:
    check_bytes(app, "exec", *way)


def test_a_program_that_is_not_there_is_shipits_own_failure(app: Shipit, way: tuple[str, ...]) -> None:
    done = piped(app, "exec", *way, "--", "nosuch")
    assert done.returncode == 125
    assert b"executable file not found" in done.stderr
    assert done.stderr.splitlines()[-1] == b"hint: check that the image has this program"


def test_with_output_json_lines_are_events_and_the_code_is_the_last(app: Shipit) -> None:
    script = "echo one; printf two; echo bad >&2; exit 3"
    done = app.run("exec", "--output", "json", "k8s/web", "--", "sh", "-c", script)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3
    lines = [(row["source"], row["line"]) for row in events if row["event"] == "log"]
    assert sorted(lines) == [("stderr", "bad"), ("stdout", "one"), ("stdout", "two")]
    assert (events[-1]["event"], events[-1]["exit_code"], events[-1]["target"]) == ("command_ended", 3, "k8s")
    assert events[-1]["where"].startswith("web-")


def test_a_shell_at_a_terminal_follows_its_size_and_its_keys(app: Shipit, way: tuple[str, ...]) -> None:
    check_shell(app, "exec", *way)


def test_a_one_off_shell_at_a_terminal_follows_its_size_and_its_keys(app: Shipit, cluster: Cluster) -> None:
    check_shell(app, "run", "-it", "k8s/web")
    assert one_offs(cluster) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_terminal(app: Shipit, way: tuple[str, ...], number: signal.Signals) -> None:
    with at_terminal(app, "exec", *way, "--", "sh") as terminal:
        before = terminal.mode()
        terminal.wait_for("# ")
        os.kill(terminal.pid, number)
        assert terminal.wait() == 130
        assert terminal.mode() == before


def test_ctrl_c_without_a_terminal_of_its_own_ends_shipit(app: Shipit) -> None:
    check_interrupted(app, "exec", "-T", "k8s/web")


def test_images_are_listed_with_the_workloads_that_run_them(app: Shipit) -> None:
    code, events = app.events("images", "shop")
    assert code == 0, events
    [listed] = [event for event in events if event["event"] == "images_listed"]
    [image] = listed["repositories"][0]["images"]
    assert sorted(image["runs"]) == ["k8s/idle", "k8s/web"], listed


def test_a_workload_is_named_where_there_are_two(app: Shipit) -> None:
    done = app.run("exec", "k8s", "--", "true")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "hint: name one: k8s/bare, k8s/web, k8s/idle"


def test_a_target_that_runs_nothing_has_no_exec(app: Shipit) -> None:
    done = app.run("exec", "hub", "--", "true")
    assert done.returncode == 2
    assert "hub is a target of the kind registry, which has no exec" in done.stderr


def test_a_workload_without_pods_is_an_error_that_says_so(app: Shipit, cluster: Cluster) -> None:
    cluster.kubectl("-n", NAMESPACE, "scale", "deployment/idle", "--replicas=0")
    cluster.kubectl("-n", NAMESPACE, "delete", "pod", "-l", "app.kubernetes.io/name=idle", "--now")
    done = app.run("exec", "k8s/idle", "--", "true")
    assert done.returncode == 125
    assert "Deployment/idle: it has no pods" in done.stderr


def test_a_role_needs_get_of_pods_exec(app: Shipit, cluster: Cluster, tmp_path: Path) -> None:
    """kubectl's documentation names create; a WebSocket is opened with GET, for which the API server asks for get."""
    rules = [("pods", ["list"]), ("pods/exec", ["create"])]
    for verbs, code in ((["create"], 125), (["get", "create"], 0)):
        rules[1] = ("pods/exec", verbs)
        _role(cluster, rules)
        shipit = Shipit(app.folder, tmp_path / f"home-{code}")
        shipit.env |= {"KUBECONFIG": _as_service_account(cluster, tmp_path)}
        wait_until_the_role_counts(cluster, "no" if code else "yes")
        done = piped(shipit, "exec", "k8s/web", "--", "true")
        assert done.returncode == code, done.stderr
        assert (b'cannot get resource "pods/exec"' in done.stderr) == (code != 0)


def wait_until_the_role_counts(cluster: Cluster, may_get: str) -> None:
    words = (
        "auth",
        "can-i",
        "get",
        "pods",
        "--subresource=exec",
        f"--as=system:serviceaccount:{NAMESPACE}:dev",
        "-n",
        NAMESPACE,
    )
    wait_until("the role counts", lambda: cluster.kubectl(*words, check=False).strip(), lambda said: said == may_get)


def _role(cluster: Cluster, rules: list[tuple[str, list[str]]]) -> None:
    objects = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "dev", "namespace": NAMESPACE}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "dev", "namespace": NAMESPACE},
            "rules": [{"apiGroups": [""], "resources": [name], "verbs": verbs} for name, verbs in rules],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "dev", "namespace": NAMESPACE},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "dev"},
            "subjects": [{"kind": "ServiceAccount", "name": "dev", "namespace": NAMESPACE}],
        },
    ]
    cluster.kubectl("apply", "-f", "-", data=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def _as_service_account(cluster: Cluster, folder: Path) -> str:
    token = cluster.kubectl("-n", NAMESPACE, "create", "token", "dev").strip()
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    (folder / "kubeconfig").write_text(json.dumps(config))
    return str(folder / "kubeconfig")


def test_a_one_off_has_the_image_and_settings_and_is_removed(app: Shipit, cluster: Cluster) -> None:
    done = piped(app, "run", "k8s/web", "--", "sh", "-c", "echo $GREETING $PORT; echo bad >&2; exit 5")
    assert (done.returncode, done.stdout, done.stderr) == (5, b"hi 8000\n", b"bad\n")
    assert one_offs(cluster) == []


def test_a_one_off_has_the_exit_code_of_its_command(app: Shipit) -> None:
    check_codes(app, "run", "k8s/web")


def test_a_one_off_takes_and_gives_a_megabyte_of_any_bytes(app: Shipit) -> None:
    check_bytes(app, "run", "k8s/web")


def test_no_service_finds_the_pod_of_a_one_off(app: Shipit, cluster: Cluster) -> None:
    with at_terminal(app, "run", "k8s/web", "--", "sh") as terminal:
        terminal.wait_for("# ")
        [name] = one_offs(cluster)
        pods = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "pods", "-l", f"job-name={name}", "-o", "json"))
        selector = cluster.kubectl("-n", NAMESPACE, "get", "service", "web", "-o", "jsonpath={.spec.selector}")
        labels = pods["items"][0]["metadata"]["labels"]
        assert not json.loads(selector).items() <= labels.items()
        assert labels["shipit.dev/run"] == "web"
        terminal.type("busybox stty size\n")
        terminal.wait_for("24 80")
        terminal.type("exit 3\n")
        assert terminal.wait() == 3
        assert b"waiting" not in terminal.shown


def test_a_one_off_is_removed_when_shipit_is_ended(app: Shipit, cluster: Cluster) -> None:
    with at_terminal(app, "run", "-T", "k8s/web", "--", "sh", "-c", "echo begun; sleep 1000") as terminal:
        terminal.wait_for("begun")
        assert len(one_offs(cluster)) == 1
        terminal.type("\x03")
        assert terminal.wait() == 130
        # On a busy machine the grace after a signal may be over first, which is told.
        assert one_offs(cluster) == [] or b"interrupted" in terminal.shown


def test_a_one_off_ends_when_shipit_is_killed(app: Shipit, cluster: Cluster) -> None:
    """Its input ends with the connection; a command that reads none is ended by the cluster, which deletes the Job."""
    with at_terminal(app, "run", "k8s/web", "--", "sh") as terminal:
        terminal.wait_for("# ")
        [name] = one_offs(cluster)
        os.kill(terminal.pid, signal.SIGKILL)
        terminal.wait()
    job = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "job", name, "-o", "json"))
    assert job["spec"]["activeDeadlineSeconds"] == 600
    assert job["spec"]["ttlSecondsAfterFinished"] == 60
    # The cluster keeps to both: not as late here.
    patch = json.dumps({"spec": {"activeDeadlineSeconds": 1, "ttlSecondsAfterFinished": 1}})
    cluster.kubectl("-n", NAMESPACE, "patch", "job", name, "--type=merge", "-p", patch, check=False)
    cluster.kubectl("-n", NAMESPACE, "wait", f"job/{name}", "--for=delete", "--timeout=240s")


def test_a_detached_one_off_says_how_to_see_its_output(app: Shipit, cluster: Cluster) -> None:
    done = app.run("run", "--detach", "k8s/web", "--", "sh", "-c", "echo begun; sleep 1000")
    assert done.returncode == 0, done.stderr
    name = done.stdout.strip()
    assert f"logs -f {name}" in done.stderr
    owner = cluster.kubectl("-n", NAMESPACE, "get", name, "-o", "jsonpath={.metadata.ownerReferences[0].uid}")
    uid = cluster.kubectl("-n", NAMESPACE, "get", "deployment/web", "-o", "jsonpath={.metadata.uid}")
    assert owner == uid, "the cluster deletes it with the workload, also in a destroy"
    logs = ("-n", NAMESPACE, "logs", name)
    wait_until("it begins", lambda: cluster.kubectl(*logs, check=False), lambda text: text == "begun\n", 180)
    assert one_offs(cluster) == [name.removeprefix("job/")], "nobody waits for it, and it stays"
    cluster.kubectl("-n", NAMESPACE, "delete", name)


def test_a_one_off_of_a_program_that_is_not_there(app: Shipit, cluster: Cluster) -> None:
    done = piped(app, "run", "k8s/web", "--", "nosuch")
    assert done.returncode == 127
    assert b"nosuch: not found" in done.stderr
    assert one_offs(cluster) == []


def test_sizes_are_those_of_heroku(app: Shipit) -> None:
    done = app.run("run", "--size", "standard-2x", "k8s/web", "--", "true")
    assert done.returncode == 2
    assert "k8s has no sizes for --size" in done.stderr


def wait_until_served(cluster: Cluster, port: int = 8000) -> None:
    """A pod without a probe is ready before its program listens."""
    path = f"/api/v1/namespaces/{NAMESPACE}/services/web:{port}/proxy/"
    wait_until(
        "web serves",
        lambda: cluster.kubectl("get", "--raw", path, check=False),
        lambda text: "Directory listing" in text,
    )


def test_forwarded_ports_lead_to_a_pod_and_to_another_when_it_is_gone(app: Shipit, cluster: Cluster) -> None:
    wait_until_served(cluster)
    forward = app.start("forward", "k8s/web", "0:8000", "0:9")
    try:
        assert forward.stdout is not None
        first, second = forward.stdout.readline(), forward.stdout.readline()
        assert first.endswith(" -> k8s/web:8000\n")
        assert second.endswith(" -> k8s/web:9\n")
        address = first.split(" ", 1)[0]
        for _ in range(3):
            assert b"Directory listing" in fetch(address)
        cluster.kubectl("-n", NAMESPACE, "delete", "pod", "-l", "app.kubernetes.io/name=web", "--now")
        cluster.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/web", "--timeout=240s")
        wait_until_served(cluster)
        assert b"Directory listing" in fetch(address)
        with pytest.raises(OSError):
            fetch(second.split(" ", 1)[0])
        assert forward.stderr is not None
        # The reason is told when the connection is given up, perhaps after its client has left.
        errors = forward.stderr.readline()
        forward.send_signal(signal.SIGINT)
        assert forward.wait(60) == 130
        errors += forward.stderr.read()
        assert (":9: " in errors and "Connection refused" in errors) or "connection refused" in errors
        # On a busy machine closing may take longer than the grace after a signal, which is told.
        told = ("interrupted", "hint: run the same command again")
        assert len([line for line in errors.splitlines() if not line.startswith(told)]) == 1
    finally:
        forward.kill()
        forward.communicate()


def test_a_port_of_a_service_leads_to_its_target_port(app: Shipit, cluster: Cluster) -> None:
    patch = json.dumps({"spec": {"ports": [{"name": "http", "port": 80, "targetPort": "http"}]}})
    cluster.kubectl("-n", NAMESPACE, "patch", "service", "web", "--type=merge", "-p", patch)
    wait_until_served(cluster, 80)
    forward = app.start("forward", "k8s/web", "0:80")
    try:
        assert forward.stdout is not None
        assert b"Directory listing" in fetch(forward.stdout.readline().split(" ", 1)[0])
    finally:
        forward.kill()
        forward.communicate()


def test_a_local_port_that_is_taken_is_an_error(app: Shipit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = app.run("forward", "k8s/web", f"{port}:8000")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"127.0.0.1:{port}: can't listen there: address already in use",
        "hint: 0:8000 takes a free port",
    ]


def fetch(address: str) -> bytes:
    with urllib.request.urlopen(f"http://{address}/", timeout=60) as answer:
        return bytes(answer.read())


def one_offs(cluster: Cluster) -> list[str]:
    """The names of Jobs of `shipit run` that are not being deleted."""
    found = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "jobs", "-l", "shipit.dev/run", "-o", "json"))
    return [row["metadata"]["name"] for row in found["items"] if "deletionTimestamp" not in row["metadata"]]


def test_an_image_without_a_shell_runs_with_a_warning_and_its_code(app: Shipit, cluster: Cluster) -> None:
    done = piped(app, "run", "k8s/bare", "--", "/busybox", "ls", "/data", "/nosuch")
    assert done.returncode == 1
    assert b"/data:" in done.stdout and b"/nosuch: No such file or directory" in done.stdout + done.stderr
    assert b"warning: the image has no /bin/sh" in done.stderr
    done = piped(app, "run", "k8s/bare", "--", "/busybox", "cat", data=b"later than the start")
    assert done.returncode == 0
    assert b"later than the start" in done.stdout
    done = piped(app, "run", "k8s/bare", "--", "nosuch")
    assert done.returncode == 125
    assert b"nosuch" in done.stderr
    assert done.stderr.splitlines()[-1] == b"hint: check that the image has this program"
    assert one_offs(cluster) == []
