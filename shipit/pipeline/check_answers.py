"""The checks of a target: requests to what it runs, repeated until every answer was good for as long as deploy.yml says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from shipit.config.target_check import CheckConfig
from shipit.errors import DeadlinePassed, RemoteError
from shipit.events import Waiting
from shipit.http.messages import Answer, Request
from shipit.http.redirects import redirected
from shipit.http.retry import retrying
from shipit.http.transport import Transport
from shipit.parallel import settle
from shipit.pipeline.answers import Answered, describe_check, judge_answer, request_of
from shipit.pipeline.verdict import TargetFailed
from shipit.release import State, Verdict
from shipit.targets.base import Target
from shipit.targets.session import Session

EVERY_S = 2.0
# How often a URL is requested again whose server can't be reached.
_ATTEMPTS = 3
_LARGEST_BODY = 1024 * 1024
_SHOWN_LINES = 5


def check_answers(target: Target, session: Session, observed: Any, *, has_changed: bool) -> None:
    """Send the requests of every check, side by side, until all answers were good for as long as they have to be.

    The first good answer may take the `pending` of the target; after it, another answer is a failure. Where nothing
    `has_changed`, one good answer is enough. Raises: TargetFailed with the answer; DeadlinePassed, Interrupted.
    """
    checks = target.config.check
    parts = tuple(describe_check(check) for check in checks)
    session.emit(Waiting(target.name, f"checking: {'; '.join(parts)}", parts if len(parts) > 1 else ()))
    repeats, failed = _Repeats(target, session, observed), threading.Event()
    calls = {
        index: partial(repeats.until_settled, check, check.settle if has_changed else 0.0, failed)
        for index, check in enumerate(checks)
    }
    for result in settle(calls, session.clock).values():
        if isinstance(result, Exception):
            raise result


class _Repeats(NamedTuple):
    """The repeated requests of one target. `observed` is what was judged healthy."""

    target: Target
    session: Session
    observed: Any

    def until_settled(self, check: CheckConfig, settle_s: float, failed: threading.Event) -> None:
        """Request until the answers were good for so many seconds, or another check has `failed`. Raises: TargetFailed."""
        try:
            self._repeat(check, settle_s, failed)
        except BaseException:
            failed.set()
            raise

    def _repeat(self, check: CheckConfig, settle_s: float, failed: threading.Event) -> None:
        session, started_s = self.session, self.session.clock.now()
        good_since_s: float | None = None
        while not failed.is_set():
            session.check_superseded()
            answered = _ask(check, session)
            problem, now_s = judge_answer(check, answered), session.clock.now()
            if problem:
                is_late = good_since_s is not None or now_s - started_s >= self.target.config.pending
                if answered.is_final or is_late:
                    raise _failure(self.target, check, problem, answered, session, self.observed)
            else:
                good_since_s = now_s if good_since_s is None else good_since_s
                if now_s - good_since_s >= settle_s:
                    return
            session.deadline.sleep(EVERY_S, f"the check {request_of(check)}")


def _failure(
    target: Target, check: CheckConfig, problem: str, answered: Answered, session: Session, observed: Any
) -> TargetFailed:
    """An untrusted deploy.yml could name any server: what it answered is not shown then."""
    redactor = session.environment.redactor
    lines = [] if session.environment.is_untrusted else redactor.text(answered.body).strip().splitlines()
    detail = tuple(line for line in lines if line.strip())[:_SHOWN_LINES]
    reason = f"it was healthy, but its check {request_of(check)} {problem}"
    hint = f"look at its log: shipit logs {target.name}; or correct check: in deploy.yml"
    return TargetFailed(Verdict(State.FAILED, reason, detail=detail, hint=hint), target.name, observed)


def _ask(check: CheckConfig, session: Session) -> Answered:
    """The answer to one request, on a new connection: a load balancer may lead it to any instance."""
    # Each request has its own time limit, so that the transport needs none.
    transport = Transport(session.environment, session.deadline)
    try:
        call = partial(_answered, check, transport.answer, session)
        return retrying(call, deadline=session.deadline, emit=session.emit, attempts=_ATTEMPTS)
    except DeadlinePassed:
        session.deadline.check(f"the check {request_of(check)}")
        return Answered(seconds=check.within, error=f"gave no answer within {check.within:g} s")
    except RemoteError as error:
        where = "" if error.where == request_of(check) else f" ({error.where})"
        return Answered(error=f"failed: {error.what}{where}", is_final=not error.retryable)
    finally:
        transport.close()


def _answered(check: CheckConfig, send: Callable[[Request], Answer], session: Session) -> Answered:
    accepted = () if check.status is None else (check.status,)
    started_s, deadline = session.clock.now(), session.deadline.within(check.within)
    request = Request("GET", check.url, stream=True, deadline=deadline, least_rate=0)
    with redirected(send, accepted=accepted)(request) as answer:
        body = _beginning(answer)
    return Answered(answer.status, body.decode("utf-8", "replace"), session.clock.now() - started_s)


def _beginning(answer: Answer) -> bytes:
    """The body, or its first 1 MiB: what a server sends beyond that is not read."""
    body = bytearray()
    if answer.status not in (200, 206):
        return answer.content[:_LARGEST_BODY]
    for piece in answer.pieces():
        body += piece[: _LARGEST_BODY - len(body)]
        if len(body) == _LARGEST_BODY:
            break
    return bytes(body)
