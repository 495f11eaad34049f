"""A swarm of two nodes: what runs on the one that shipit does not talk to, and a node that is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_docker_hosts import SECRET
from tests.e2e.test_swarm import COMMON, SECOND, THIRD, Swarm
from tests.sampled import only_deep
from tests.servers.registry import RegistryServer
from tests.servers.swarm_nodes import SwarmNodes, swarm_nodes
from tests.shipit import Shipit
from tests.waits import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.slow]
WEB = f"services: {{web: {{port: 3000, replicas: 2, {COMMON}, placement: {{max_per_node: 1}}}}}}"


@pytest.fixture
def nodes(tmp_path: Path, registry_server: RegistryServer) -> Iterator[SwarmNodes]:
    with swarm_nodes(tmp_path / "nodes", registry_server.host) as found:
        yield found


@pytest.mark.sampled
@only_deep
def test_tasks_of_another_node_are_read_run_and_moved(
    shipit: Shipit, nodes: SwarmNodes, registry_server: RegistryServer, python_base: str
) -> None:
    shipit.env |= {"SHIPIT_MIRRORS": f"docker.io={python_base}", "TOKEN": SECRET}
    place = Swarm(shipit, nodes.manager, registry_server.host, "spread", WEB)
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    where = place.docker("service", "ps", "--format", "{{.Node}}", "spread-production-web")
    assert sorted(where.split()) == ["manager1", "worker1"]
    wait_until(
        "the log of both", lambda: shipit.run("logs", "swarm/web").stdout, lambda text: text.count("serving v1") == 2
    )

    # Only on the worker: its command fails there, and its last lines are read from there.
    place.edit("max_per_node: 1", "constraints: [node.hostname==worker1]")
    place.edit("replicas: 2", "replicas: 1")
    done = shipit.run("deploy", *SECOND)
    assert done.returncode == 0, done.stdout + done.stderr
    refused = shipit.run("exec", "swarm/web", "--", "true")
    assert "web.1 on worker1" in refused.stderr and "nodes: {worker1:" in refused.stderr, refused.stderr
    place.edit("settle: 0s", f"settle: 0s, nodes: {{worker1: '{nodes.worker.host}'}}")
    command = shipit.run("exec", "swarm/web", "--", "sh", "-c", "echo $PORT; exit 3")
    assert (command.returncode, command.stdout) == (3, "3000\n"), command.stderr
    ran = shipit.run("run", "swarm/web", "--", "sh", "-c", "echo $TOKEN on $(hostname | wc -l); exit 4")
    assert (ran.returncode, ran.stdout) == (4, f"{SECRET} on 1\n"), ran.stderr
    code, shown = shipit.converse(("run", "-it", "swarm/web", "--", "sh"), [("# ", "hostname; exit 6")])
    assert code == 6 and "# " in shown, shown
    place.write("v2", 'import sys\nsys.exit("no database for " + VERSION)\n')
    failed = shipit.run("deploy", *THIRD)
    assert failed.returncode == 1 and "no database for v2" in failed.stdout and "worker1" in failed.stdout, (
        failed.stdout
    )

    # The node is lost: its name is said, and the tasks run where they may.
    place.write("v3")
    place.edit("constraints: [node.hostname==worker1]", "max_per_node: 0")
    nodes.worker.stop()
    down = "{{.Status.State}}"
    wait_until("it is down", lambda: place.docker("node", "inspect", "--format", down, "worker1"), "down".__eq__)
    plan = shipit.run("plan", "--full")
    assert "the node worker1 is down" in plan.stdout, plan.stdout
    assert "the node worker1 is down" in shipit.run("doctor").stdout
    done = shipit.run("deploy", *SECOND)
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.ask("web") == [f"v3 {SECRET}"]
    assert "serving v3" in shipit.run("logs", "swarm/web").stdout
    place.docker("node", "update", "--availability", "drain", "manager1")
    place.edit("pending: 3m", "pending: 5s")
    place.write("v4")
    failed = shipit.run("deploy", *THIRD)
    assert failed.returncode == 1 and "the node manager1 is drained" in failed.stdout, failed.stdout
