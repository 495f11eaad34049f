"""`shipit login heroku`: which token is in use, and whether Heroku takes it."""

from __future__ import annotations

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import UsageError
from shipit.events import Emit
from shipit.targets.heroku.client import HerokuClient
from shipit.targets.heroku.token import find_token
from shipit.targets.heroku.wire import HerokuWire


def check_login(environment: ProcessEnvironment, clock: Clock, emit: Emit) -> str:
    """Who the token's account is and where the token comes from, for people.

    Raises: UsageError when there is no token, RemoteError when Heroku does not take it.
    """
    token = find_token(environment)
    if token is None:
        hint = "set HEROKU_API_KEY (heroku authorizations:create prints one), or heroku login"
        raise UsageError("there is no Heroku token", hint=hint)
    client = HerokuClient(HerokuWire(environment, token, clock, emit), "", Deadline(clock))
    return f"heroku takes the token of {client.account()}, from {token.origin}"
