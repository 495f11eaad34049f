"""How long requests are repeated while the API server is away."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest

from shipit.clock import Deadline
from shipit.errors import RemoteError
from shipit.http.messages import Answer, Request
from shipit.targets.kubernetes.client import ATTEMPTS, KubernetesClient
from shipit.targets.kubernetes.server import ApiServer
from tests.runs import FakeClock


class Away(ApiServer):
    """A server that answers these statuses first; 0 is no answer."""

    def __init__(self, *statuses: int) -> None:
        self.statuses, self.sent = list(statuses), 0

    def send(self, method: str, path: str, deadline: Deadline, **more: Any) -> Answer:
        self.sent += 1
        status = self.statuses.pop(0) if self.statuses else 200
        if not status:
            raise RemoteError("connection refused", retryable=True)
        return Answer(Request(method, f"https://cluster.example{path}"), status, {}, BytesIO(b'{"kind": "Namespace"}'))


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_read_waits_about_20_s_for_a_control_plane_that_is_away(status: int) -> None:
    clock, server = FakeClock(), Away(*[status] * 7)
    began_s = clock.now()
    assert KubernetesClient(server, Deadline(clock), lambda event: None).namespace("prod") is not None
    assert server.sent == 8 and 15 <= clock.now() - began_s <= 32
    gone = Away(*[status] * 8)
    with pytest.raises(RemoteError, match=f"answered {status}"):
        KubernetesClient(gone, Deadline(clock), lambda event: None).namespace("prod")


@pytest.mark.parametrize(
    ("status", "attempts", "sent"), [(0, ATTEMPTS, ATTEMPTS), (500, ATTEMPTS, ATTEMPTS), (503, 1, 1)]
)
def test_a_server_that_nobody_reaches_and_a_loop_that_reads_again_are_not_waited_for(
    status: int, attempts: int, sent: int
) -> None:
    server = Away(*[status] * 20)
    with pytest.raises(RemoteError):
        KubernetesClient(server, Deadline(FakeClock()), lambda event: None, attempts).namespace("prod")
    assert server.sent == sent
