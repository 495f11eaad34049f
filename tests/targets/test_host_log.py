"""The log of a service on Docker engines, from instances that give their logs by a query."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.docker.address import EngineAddress
from shipit.errors import RemoteError
from shipit.events import Event, Warned
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.log import Endings, Instance, InstanceLog, ServiceLog
from shipit.targets.engine.owner import SERVICE, Owner
from shipit.targets.log_query import LogQuery
from shipit.targets.session import Clients, Session
from tests.targets.answering_host import answering_host


def test_a_log_that_is_followed_is_read_again_from_a_time_that_an_engine_takes(tmp_path: Path) -> None:
    clock, queries = Clock(), list[Mapping[str, str]]()
    environment = ProcessEnvironment({}, tmp_path, tmp_path)
    session = Session(environment, clock, lambda event: None, str, clock.now() + 60, Clients(clock))
    rows = [b"2026-01-31T12:00:09.5Z first\n"]

    def read(query: Mapping[str, str]) -> bytes:
        queries.append(query)
        return b"".join(rows)

    log = InstanceLog("docker", "web", session, lambda: [Instance("host web-1", "web-1", read)])
    lines = log.lines(LogQuery(follow=True, tail=1))
    assert next(lines).line == "first"
    rows.append(b"2026-01-31T12:00:10Z second\n")
    second = next(lines)
    assert (second.line, second.instance, second.workload) == ("second", "web-1", "web")
    assert queries[0] == {"tail": "1", "since": "0"}
    # 12:00:09 less the two seconds in which lines may arrive late. An engine takes seconds since the epoch only.
    assert queries[-1] == {"tail": "all", "since": "1769860807"}


def test_the_log_of_a_host_that_does_not_answer_is_left_out_with_a_warning(tmp_path: Path) -> None:
    clock, events = Clock(), list[Event]()
    session = Session(
        ProcessEnvironment({}, tmp_path, tmp_path), clock, events.append, str, clock.now() + 60, Clients(clock)
    )
    row = {"Id": "1", "Names": ["/web-1"], "State": "running", "Labels": {SERVICE: "web"}}
    line = b"2026-01-31T12:00:09Z first\n"
    answers = {
        "GET /containers/json": [row],
        "GET /containers/web-1/logs": b"\x01\0\0\0" + len(line).to_bytes(4, "big") + line,
    }

    def log(*addresses: str) -> list[str]:
        hosts = Hosts({address: EngineAddress(address) for address in addresses})
        own = ServiceLog("docker", "web", hosts, Owner("shop", "production", "docker"), session, SERVICE)
        return [line.line for line in own.lines(LogQuery())]

    lost = "unix:///none/docker.sock"
    with answering_host(tmp_path, answers) as (client, _):
        assert log(lost, client.engine.address.host) == ["first"]
        session.clients.close()
    reason = "no Docker engine answers: no such file or directory"
    assert events == [Warned("docker", f"the log of {lost} is not shown: {reason}")]
    with pytest.raises(RemoteError, match=reason):
        log(lost)
    assert len(events) == 1, "the only host is an error"


def test_an_instance_that_ended_is_read_once_more_and_so_is_one_that_came_and_ended_between_two_looks() -> None:
    endings = Endings()
    assert endings.to_read(["old", "a"], {"a"}) == ["a"]
    assert endings.to_read(["old", "a", "b"], {"b"}) == ["a", "b"]
    assert endings.to_read(["old", "a", "b", "brief"], {"b"}) == ["b", "brief"]
    assert endings.to_read(["old", "a", "b", "brief"], {"a", "b"}) == ["a", "b"], "it was started again"
    assert endings.to_read(["old", "b"], set()) == ["b"]
    assert endings.to_read(["old", "b"], set()) == []
