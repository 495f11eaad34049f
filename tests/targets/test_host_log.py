"""The log of a service on Docker engines, from instances that give their logs by a query."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.targets.engine.log import Instance, InstanceLog
from shipit.targets.session import Clients, Session
from shipit.targets.verbs import LogQuery


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
