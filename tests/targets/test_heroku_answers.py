"""Unexpected answers of Heroku: the error names the request and the field, or nothing happens."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from shipit.clock import Clock, Deadline
from shipit.errors import RemoteError, ShipitError
from shipit.pipeline.prepare import observe_target
from shipit.pipeline.run import Run
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.server import Request, Response
from shipit.targets.heroku.client import HerokuClient
from shipit.targets.heroku.wire import HerokuWire
from tests import runs
from tests.sampled import sampled
from tests.targets.test_faults import Idle

TEXT = "app: shop\nimage: {build: .}\ntargets: {heroku: {app: shop-prod, settle: 0s}}\n"
QUESTIONS = ("", "/formation", "/config-vars", "/releases", "/dynos")


class Altered(HerokuStandIn):
    """Answers one path with what `alter` makes of the true answer."""

    path = "/apps/shop-prod"

    def __init__(self) -> None:
        super().__init__(token="token", runner=Idle())
        self.alter: Callable[[Response], Response] = lambda response: response

    def answer(self, request: Request) -> Response:
        response = super().answer(request)
        return self.alter(response) if request.path == self.path else response


@pytest.fixture
def heroku() -> Iterator[Altered]:
    with Altered() as stand_in:
        app = stand_in.create_app("shop-prod")
        app.config = {"MODE": "live"}
        app.formation = {"web": {"quantity": 1, "size": "Basic", "image": "sha256:" + "a" * 64}}
        app.dynos = []
        yield stand_in


def run(folder: Path, heroku: HerokuStandIn) -> Run:
    process_environment = runs.environment(folder, **heroku.variables())
    return runs.run(runs.project(folder, TEXT, process_environment), process_environment, [])


def body_of(heroku: Altered, folder: Path) -> Any:
    """What the path truly answers."""
    seen: list[bytes] = []
    heroku.alter = lambda response: (seen.append(bytes(response.body)), response)[1]  # type: ignore[func-returns-value, arg-type]
    made = run(folder, heroku)
    observe_target(made, made.targets[0])
    return json.loads(seen[-1])


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in JSON, the whole one first."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with another value at a path; with `...` the value is taken out."""
    if not path:
        return new
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    if new is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return copy


ODD: tuple[Any, ...] = (
    ...,
    None,
    True,
    -1,
    1.5,
    10**30,
    "",
    "no-such-state",
    "../../x",
    "\ud800",
    [],
    [[]],
    [None],
    {},
    {"id": 7},
)


@pytest.mark.sampled
@pytest.mark.parametrize("question", QUESTIONS)
def test_an_unexpected_value_in_any_field_is_an_error_or_harmless(
    tmp_path: Path, heroku: Altered, question: str
) -> None:
    heroku.path = f"/apps/shop-prod{question}"
    true = body_of(heroku, tmp_path)
    where = f"GET {heroku.host}{heroku.path}"
    refused = 0
    for path, odd in sampled(list(itertools.product(places(true), ODD)), 100, of=question):
        if odd is ... and not path:
            continue
        body = json.dumps(changed(true, path, odd)).encode()
        heroku.alter = lambda response, body=body: Response(response.status, body, response.headers)  # type: ignore[misc]
        made = run(tmp_path, heroku)
        try:
            seen = observe_target(made, made.targets[0])
            assert made.targets[0].describe(seen)
        except RemoteError as error:
            refused += 1
            is_ours = error.where.startswith(("app shop-prod", where))
            assert is_ours and error.what and not error.retryable, (path, odd, error)
    assert refused


@pytest.mark.parametrize(
    ("question", "body", "what"),
    [
        ("", b'{"id": 7}', "id should be text, not a number"),
        ("", b'{"id": "a", "name": null}', "name should be there"),
        ("", b"[]", "the answer should be a map, not a list"),
        ("", b'{"id": "a/../b"}', "id should be an id of letters, digits and '-', not other text"),
        ("/formation", b"{}", "the answer should be a list, not a map"),
        ("/formation", b'[{"type": "web", "quantity": NaN}]', "the answer should be JSON"),
        ("/formation", b'[{"type": "web", "quantity": "2"}]', "[0].quantity should be a whole number, not text"),
        ("/formation", b'[{"type": "web", "quantity": 1e300}]', "[0].quantity should be a whole number, not a floating-point number"),
        ("/formation", b'[{"type": "web", "quantity": -1}]', "[0].quantity should be a whole number from 0 to 9007199254740992, not another number"),
        ("/formation", b'[{"type": "../web", "quantity": 1}]', "[0].type should be a process type of letters, digits, '-' and '_', not other text"),
        ("/formation", b'[{"type": "web", "quantity": 1, "docker_image": [1]}]', "[0].docker_image should be a map, not a list"),
        ("/config-vars", b'{"MODE": {"secret": "hunter2"}}', "MODE should be text, not a map"),
        ("/config-vars", b'["MODE"]', "the answer should be a map, not a list"),
        ("/releases", b'[{"id": "a", "version": 1, "status": null}]', "[0].status should be there"),
        ("/releases", b'[{"id": "a", "version": 9' + b"9" * 5000 + b"}]", "the answer should be JSON"),
        ("/dynos", b'[{"name": "web.1", "type": "web", "state": "up", "release": "v1"}]', "[0].release should be a map, not text"),
        ("/dynos", b"[" * 200_000, "the answer should be JSON"),
        ("/dynos", b"\xff\xfe\x00", "the answer should be JSON"),
        ("/dynos", b"", "the answer should be JSON"),
    ],
)  # fmt: skip
def test_the_error_names_the_request_and_the_field(
    tmp_path: Path, heroku: Altered, question: str, body: bytes, what: str
) -> None:
    heroku.path = f"/apps/shop-prod{question}"
    heroku.alter = lambda response: Response(200, body, response.headers)
    made = run(tmp_path, heroku)
    with pytest.raises(RemoteError) as found:
        observe_target(made, made.targets[0])
    assert (found.value.where, found.value.what) == (f"GET {heroku.host}{heroku.path}", what)
    assert "hunter2" not in found.value.render()


PAGE = b"<html><h1>503 Service Unavailable</h1></html>"


@pytest.mark.parametrize(
    ("response", "what"),
    [
        (Response(200, PAGE, {"Content-Type": "text/html; charset=utf-8"}), "the answer should be JSON, not text/html"),
        (Response(503, PAGE, {"Content-Type": "text/html"}), "answered 503 Service Unavailable"),
        (Response(403, b'{"id": ["x"], "message": "No."}'), "error: No"),
        (Response(403, b'{"id": "forbidden", "message": {"a": 1}}'), "answered 403 Forbidden"),
        (Response(418, b'"short and stout"'), "answered 418"),
        (Response(302, b"", {"Location": "https://elsewhere.example/"}), "answered 302 Found"),
        (
            Response(422, b'{"id": "invalid_params", "message": "' + b"x" * 70_000 + b'"}'),
            "answered 422 Unprocessable Content",
        ),
    ],
)
def test_an_answer_that_is_not_json_of_the_api_is_an_error(
    tmp_path: Path, heroku: Altered, response: Response, what: str
) -> None:
    heroku.alter = lambda true: response
    made = run(tmp_path, heroku)
    with pytest.raises(RemoteError) as found:
        observe_target(made, made.targets[0])
    assert (found.value.where, found.value.what) == (f"GET {heroku.host}/apps/shop-prod", what)


def test_an_answer_without_an_end_is_not_read_on(tmp_path: Path, heroku: Altered) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 65536

    heroku.alter = lambda true: Response(200, endless())
    made = run(tmp_path, heroku)
    with pytest.raises(ShipitError, match="longer than 8 MiB"):
        observe_target(made, made.targets[0])


@pytest.mark.parametrize("name", ["..", ".", "web.1/../..", "web", "web.", "", "web.1?x", "web.1\n"])
def test_what_is_no_name_of_a_dyno_is_no_part_of_a_path(name: str) -> None:
    client = HerokuClient(cast("HerokuWire", None), "shop", Deadline(Clock()))
    with pytest.raises(RemoteError, match="should be the name of a dyno"):
        client.restart_dyno(name)
