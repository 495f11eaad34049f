"""How many requests of a deploy to Heroku run one after the other: each costs a round trip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.targets.heroku_place import HerokuPlace, heroku_place

# Long enough that requests which are sent side by side overlap on a busy machine.
LATENCY_S = 0.15
PING = ("GET", "/v2/")


def in_a_row(spans: Iterable[tuple[float, float]]) -> int:
    """The longest chain of requests of which each came after the one before was answered."""
    depths: list[tuple[float, int]] = []
    for came, answered in sorted(spans):
        depths.append((answered, 1 + max((depth for end, depth in depths if end <= came), default=0)))
    return max((depth for _, depth in depths), default=0)


def test_a_chain_is_what_could_not_overlap() -> None:
    assert in_a_row([]) == 0
    assert in_a_row([(0, 2), (1, 3), (1, 2)]) == 1
    assert in_a_row([(0, 1), (0, 3), (1, 2), (2, 4)]) == 3


@pytest.fixture
def place(tmp_path: Path) -> Iterator[HerokuPlace]:
    with heroku_place(tmp_path / "project") as made:
        assert made.deploy("zero", target=", processes: {clock: {quantity: 1}}").code == 0
        yield made


def asked(place: HerokuPlace, note: str, more: str = "") -> tuple[int, int, int]:
    """Requests of one deploy: in a row to the API, in a row to the API and the registry together, and in all.

    `GET /v2/`, which finds out whether a registry on this machine speaks TLS, is not counted in a row.
    """
    servers = (place.heroku, place.heroku.registry)
    pings = place.heroku.registry.log.count(PING)
    for server in servers:
        server.latency_s = LATENCY_S
        server.spans.clear()
    ended = place.deploy(note, target=", processes: {clock: {quantity: 1}}", more=more)
    assert ended.code == 0, ended.finished
    spans = [span for server in servers for span in server.spans]
    pings = place.heroku.registry.log.count(PING) - pings
    return in_a_row(place.heroku.spans), in_a_row(spans) - pings, len(spans)


def test_an_unchanged_deploy_sends_every_request_side_by_side_and_once(place: HerokuPlace) -> None:
    api, row, every = min(asked(place, "zero") for _ in range(3))
    assert api == 1 and row <= 2 and every <= 8, (api, row, every)
    paths = [path for method, path in place.heroku.log[-5:]]
    assert len(set(paths)) == 5, "no request is sent twice"


def test_a_deploy_with_a_release_needs_nine_round_trips(place: HerokuPlace) -> None:
    """Tags, upload session, blob, manifest; the app before the write, the release, the app after it; the tag latest before and moved."""
    # On a busy machine two requests that are sent side by side may come one after the other. No deploy has fewer than it needs.
    fewest = min(asked(place, note) for note in ("one", "two", "three", "four", "five", "six"))
    assert fewest[0] == 4 and fewest[1] <= 9, fewest
