"""Mistakes in a workload that show only with its objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.kube_api import KubeApi
from tests.shipit import Shipit

TEXT = """\
app: shop
image: {use: "redis@sha256:DIGEST"}
targets:
  k8s:
    workloads:
      web:
        port: 80
        patch:
          Service:
            - {op: add, path: /spec/type, value: NodePort}
            - {op: remove, path: /spec/externalName}
"""


@pytest.mark.parametrize("command", ["plan", "render"])
def test_a_patch_that_does_not_fit_is_an_error_at_its_line(shipit: Shipit, tmp_path: Path, command: str) -> None:
    with KubeApi() as api:
        shipit.env |= {"KUBECONFIG": api.kubeconfig(tmp_path / "kube")}
        shipit.write(deploy__yml=TEXT.replace("DIGEST", "0" * 64))
        done = shipit.run(command, "k8s")
    assert done.returncode == 2, done.stdout + done.stderr
    where = "deploy.yml:11:15: targets.k8s.workloads.web.patch.Service[1]"
    assert f"{where}: does not fit the Service: nothing is at /externalName" in done.stderr
    assert not [request for request in api.log if request[0] not in ("GET", "HEAD")]
