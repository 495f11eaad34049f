"""Logs of the stand-in's apps, and the output of their release phases, as streams."""

from __future__ import annotations

import json
import re

from shipit.rehearsal.app import App, failure, json_response
from shipit.rehearsal.releases import Output
from shipit.rehearsal.server import Request, Response


def open_session(host: str, request: Request) -> Response:
    """A log session: the URL of an app's log, or of one dyno's."""
    body = json.loads(request.body or b"{}")
    dyno = f"/{body['dyno']}" if body.get("dyno") else ""
    url = f"http://{host}/logs/{request.groups['app']}{dyno}"
    return json_response({"id": "log", "logplex_url": url}, status=201)


def log_events(app: App, request: Request) -> Response:
    """What was logged so far, as server-sent events."""
    dyno = request.groups["dyno"]
    lines = [line for line in app.log if not dyno or f"[{dyno}]" in line]
    if "text/event-stream" not in request.headers.get("accept", ""):
        return failure(406, "not_acceptable", "a log session is a text/event-stream")
    body = "".join(f"id: {number}\ndata: {line}\n\n" for number, line in enumerate(lines))
    return Response(200, body.encode(), {"Content-Type": "text/event-stream"})


def output_stream(output: Output | None, request: Request) -> Response:
    """The output of a release phase, from where a Range header says."""
    if output is None:
        return Response(404, b"Channel is not registered.")
    match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    start = int(match[1]) if match else 0
    return Response(206 if match else 200, output.follow(start), {"Content-Type": "text/plain"})
