"""Asking new pods whether they serve: a path of each pod through the API server, or a URL from here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import DeadlinePassed, DeployFailed
from shipit.http.messages import Request
from shipit.http.redirects import redirected
from shipit.http.retry import retrying
from shipit.http.transport import Transport
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.live import Pod
from shipit.targets.kubernetes.server import OWN_REASONS, reason_of

# The time limit of an answer, and how often a URL is asked that can't be reached.
ANSWER_S, _ATTEMPTS = 10.0, 3


class Unreachable(DeployFailed):
    """The API server can't reach a pod: it may have ended a moment ago."""


@dataclass(frozen=True)
class PodCheck:
    """Asks within the deadline of the client."""

    client: KubernetesClient
    environment: ProcessEnvironment
    namespace: str

    def ask(self, check: str, port: int, pods: Iterable[Pod]) -> None:
        """Raises: DeployFailed when the answer of a URL, or of a path on one of the pods, is not 2xx; Unreachable, RemoteError."""
        if not check.startswith("/"):
            _judge(check, self._answer(check))
            return
        for pod in pods:
            _judge(f"{pod.meta.name}: GET {check}", self._answer_of(pod.meta.name, port, check))

    def _answer(self, url: str) -> int:
        """The status of a URL, whose redirects are followed; 0 for none in time. Each call has a new connection, to any of the pods."""
        transport = Transport(self.environment, self.client.deadline, request_s=ANSWER_S)

        def once() -> int:
            deadline = self.client.deadline.within(ANSWER_S)
            request = Request("GET", url, stream=True, deadline=deadline)
            with redirected(transport.answer)(request) as answer:
                return answer.status

        try:
            return retrying(once, deadline=self.client.deadline, emit=self.client.emit, attempts=_ATTEMPTS)
        except DeadlinePassed:
            self.client.deadline.check(f"{url} to answer")
            return 0
        finally:
            transport.close()

    def _answer_of(self, pod: str, port: int, path: str) -> int:
        """The status of a path on a pod, through the API server's proxy; 0 for none in time. Raises: Unreachable."""
        whole = f"/api/v1/namespaces/{self.namespace}/pods/{quote(pod, safe='')}:{port}/proxy{path}"
        deadline = self.client.deadline.within(ANSWER_S)
        try:
            with self.client.server.send("GET", whole, deadline, accept="*/*", stream=True) as answer:
                reason = reason_of(answer)
        except DeadlinePassed:
            self.client.deadline.check(f"{pod} to answer GET {path}")
            return 0
        if reason in OWN_REASONS or (answer.status == 404 and reason == "NotFound"):
            raise Unreachable(f"{pod}: the API server's proxy can't reach it")
        if reason == "Forbidden":
            what = f"this user may not get pods/proxy, which asks {pod} for {path}"
            raise DeployFailed(what, hint="ask for a Role with this verb, or write a URL as the check")
        return answer.status


def _judge(where: str, status: int) -> None:
    if not 200 <= status < 300:
        said = f"answered {status}" if status else f"gave no answer in {ANSWER_S:.0f} s"
        raise DeployFailed(f"{where} {said}", hint="a check should answer 2xx")
