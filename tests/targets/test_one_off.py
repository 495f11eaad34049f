"""One-off commands: the Job of a workload's template, the exit code behind a marker, ports of Services."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.heroku.exit_marker import ExitMarker, with_marker
from shipit.targets.kubernetes.channels import parse_result
from shipit.targets.kubernetes.live import Meta, Pod
from shipit.targets.kubernetes.one_off import render_one_off
from shipit.targets.kubernetes.running import Candidate
from shipit.targets.kubernetes.service_ports import ServicePorts, parse_service_ports, pod_port
from shipit.targets.remote import Command, Size

NAMES = {"app.kubernetes.io/name": "web", "app.kubernetes.io/part-of": "shop"}
OWN = {"app.kubernetes.io/managed-by": "shipit", "shipit.dev/run": "web"}


def workload(kind: str = "Deployment", template: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    main: dict[str, Any] = {
        "name": "web",
        "image": "h.example/shop@sha256:1",
        "args": ["serve"],
        "env": [{"name": "A", "value": "1"}],
    }
    main |= {"ports": [{"containerPort": 80}], "livenessProbe": {}, "readinessProbe": {}, "lifecycle": {}}
    made = template or {"metadata": {"labels": NAMES}, "spec": {"containers": [main], "serviceAccountName": "own"}}
    return {**head(kind), "spec": {"template": made, **spec}}


def head(kind: str) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web", "uid": "u-1"}}


def rendered(live: dict[str, Any], **more: Any) -> dict[str, Any]:
    return render_one_off("web-run-1", live, Command(("rake", "db:seed")), [NAMES], **more)


def test_a_job_has_the_image_and_settings_of_what_runs_and_no_probes_or_ports() -> None:
    job = rendered(workload())
    assert job == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "web-run-1",
            "labels": OWN,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u-1"}],
        },
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": 60,
            "activeDeadlineSeconds": 600,
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/part-of": "shop", **OWN}, "annotations": {}},
                "spec": {
                    "restartPolicy": "Never",
                    "serviceAccountName": "own",
                    "containers": [
                        {
                            "name": "web",
                            "image": "h.example/shop@sha256:1",
                            "env": [{"name": "A", "value": "1"}],
                            "command": [
                                "/bin/sh",
                                "-c",
                                'IFS= read -r line || exit 125; exec "$@"',
                                "shipit",
                                "rake",
                                "db:seed",
                            ],
                            "stdin": True,
                            "stdinOnce": True,
                            "tty": False,
                        }
                    ],
                },
            },
        },
    }


def test_a_detached_job_has_no_time_limit_and_waits_for_nobody() -> None:
    spec = rendered(workload(), is_detached=True)["spec"]
    assert "activeDeadlineSeconds" not in spec
    assert spec["ttlSecondsAfterFinished"] == 24 * 3600
    main = spec["template"]["spec"]["containers"][0]
    assert (main["command"], main["stdin"]) == (["rake", "db:seed"], False)


def test_a_terminal_is_that_of_the_container() -> None:
    job = render_one_off("n", workload(), Command(("sh",), Size(80, 24)), [], waits=False)
    main = job["spec"]["template"]["spec"]["containers"][0]
    assert (main["tty"], main["command"]) == (True, ["sh"])


def test_containers_beside_the_main_one_become_sidecars() -> None:
    containers = [{"name": "proxy", "image": "p", "readinessProbe": {}}, {"name": "web", "image": "w"}]
    metadata = {"annotations": {"kubectl.kubernetes.io/default-container": "web"}}
    template = {"metadata": metadata, "spec": {"initContainers": [{"name": "wait"}], "containers": containers}}
    spec = rendered(workload(template=template))["spec"]["template"]["spec"]
    assert [row["name"] for row in spec["containers"]] == ["web"]
    assert spec["initContainers"] == [{"name": "wait"}, {"name": "proxy", "image": "p", "restartPolicy": "Always"}]


@pytest.mark.parametrize(
    ("selectors", "labels"),
    [
        ([], {"app": "web", "tier": "front"}),
        ([{"app": "other"}, {}], {"app": "web", "tier": "front"}),
        ([{"app": "web"}], {"tier": "front"}),
        ([{"tier": "front"}, {"app": "web", "tier": "front"}], {"app": "web"}),
        ([{"app": "web"}, {"tier": "front"}], {}),
    ],
)
def test_no_selector_finds_the_pod_and_the_other_labels_stay(
    selectors: list[dict[str, str]], labels: dict[str, str]
) -> None:
    added = {"job-name": "web", "batch.kubernetes.io/controller-uid": "1", "pod-template-hash": "2"}
    metadata = {"labels": {"app": "web", "tier": "front", **added}}
    template = {"metadata": metadata, "spec": {"containers": [{"name": "web"}]}}
    job = render_one_off("n", workload(template=template), Command(("sh",)), selectors)
    assert job["spec"]["template"]["metadata"]["labels"] == {**labels, **OWN}


def test_a_bare_pod_is_taken_without_what_the_api_server_added() -> None:
    token = {"name": "kube-api-access-x", "mountPath": "/var/run/secrets"}
    spec: dict[str, Any] = {
        "nodeName": "node",
        "priority": 0,
        "volumes": [{"name": "kube-api-access-x"}, {"name": "data"}],
    }
    spec |= {"containers": [{"name": "web", "volumeMounts": [token, {"name": "data"}]}]}
    live = {**head("Pod"), "spec": spec}
    live["metadata"]["labels"] = {"app": "web"}
    made = rendered(live)["spec"]["template"]["spec"]
    assert made["volumes"] == [{"name": "data"}]
    assert made["containers"][0]["volumeMounts"] == [{"name": "data"}]
    assert not {"nodeName", "priority"} & set(made)


def test_the_volumes_of_a_stateful_set_are_empty_and_no_affinity_keeps_the_pod_away() -> None:
    affinity = {"podAntiAffinity": {}, "nodeAffinity": {"a": 1}}
    template = {"spec": {"containers": [{"name": "web"}], "affinity": affinity, "topologySpreadConstraints": [{}]}}
    live = workload("StatefulSet", template, volumeClaimTemplates=[{"metadata": {"name": "data"}}])
    made = rendered(live)["spec"]["template"]["spec"]
    assert made["volumes"] == [{"name": "data", "emptyDir": {}}]
    assert made["affinity"] == {"nodeAffinity": {"a": 1}}
    assert "topologySpreadConstraints" not in made


def test_a_cron_job_gives_the_template_of_its_jobs() -> None:
    template = {"spec": {"containers": [{"name": "web", "image": "w"}]}}
    live = {**head("CronJob"), "spec": {"jobTemplate": {"spec": {"template": template}}}}
    assert rendered(live)["spec"]["template"]["spec"]["containers"][0]["image"] == "w"


@given(st.binary(), st.integers(0, 255), st.integers(1, 40), st.sampled_from([b"\n", b"\r\n"]))
def test_the_exit_code_is_found_in_output_of_any_pieces(output: bytes, code: int, size: int, end: bytes) -> None:
    marker, shown = ExitMarker("7f"), b""
    data = output + f"\uffff heroku-command-exit-status-7f: {code}".encode() + end
    for start in range(0, len(data), size):
        shown += marker.output(data[start : start + size])
    assert (marker.code, shown) == (code, output)


def test_the_marker_of_another_command_in_the_output_ends_nothing() -> None:
    marker = ExitMarker("7f")
    forged = "\uffff heroku-command-exit-status: 0\n\uffff heroku-command-exit-status-8e: 0\nmore\n".encode()
    own = "\uffff heroku-command-exit-status-7f: 3\n".encode()
    assert (marker.output(forged + own), marker.code) == (forged, 3)


@given(
    st.lists(
        st.sampled_from([b"\xef", b"\xef\xbf\xbf", b" heroku-command-exit-status-7f: ", b"7", b"x", b"\n"]), max_size=9
    )
)
def test_output_without_the_marker_is_passed_on_whole(parts: list[bytes]) -> None:
    marker = ExitMarker("7f")
    shown = b"".join(marker.output(part) for part in parts)
    if marker.code is None:
        assert shown + marker.rest() == b"".join(parts)


def test_the_command_prints_its_exit_code_as_the_heroku_cli_has_it() -> None:
    assert with_marker("rake db:seed", "7f") == 'rake db:seed ; echo "\uffff heroku-command-exit-status-7f: $?"'


def status(**fields: Any) -> Field:
    return Field(fields, "GET exec")


def test_the_result_of_a_command_is_read_from_its_status() -> None:
    causes = [{"reason": "Other", "message": "9"}, {"reason": "ExitCode", "message": "137"}]
    assert parse_result(status(status="Success")) == 0
    assert parse_result(status(status="Failure", reason="NonZeroExitCode", details={"causes": causes})) == 137
    for wrong in (
        {},
        {"causes": [{"reason": "ExitCode", "message": "-1"}]},
        {"causes": [{"reason": "ExitCode", "message": "9" * 20}]},
    ):
        with pytest.raises(RemoteError):
            parse_result(status(status="Failure", reason="NonZeroExitCode", details=wrong))
    with pytest.raises(RemoteError, match="no such program"):
        parse_result(status(status="Failure", message="no such program"))


def test_a_port_of_a_service_leads_to_that_of_its_pod() -> None:
    ports = [
        {"port": 80, "targetPort": "http"},
        {"port": 81, "targetPort": 8081},
        {"port": 82},
        {"port": 83, "targetPort": "nosuch"},
    ]
    part = Field({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}}, "GET services")
    service = parse_service_ports(part)
    other = ServicePorts("other", {"app": "other"}, {80: 1})
    found = Candidate(Pod(Meta("web-1", labels={"app": "web"})), {"http": 3000})
    assert [pod_port([other, service], found, port) for port in (80, 81, 82, 9)] == [3000, 8081, 82, 9]
    with pytest.raises(RemoteError, match="no container of web-1 has a port named nosuch"):
        pod_port([service], found, 83)
