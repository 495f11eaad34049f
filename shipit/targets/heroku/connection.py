"""The token and the connections to Heroku's API: made once in a run, and kept in its clients."""

from __future__ import annotations

from shipit.config.process_environment import ProcessEnvironment
from shipit.targets.heroku.client import HerokuClient
from shipit.targets.heroku.token import Token, find_token
from shipit.targets.heroku.wire import HerokuWire
from shipit.targets.session import Clients, Session


def token_of(environment: ProcessEnvironment, clients: Clients) -> Token | None:
    """The token, looked up once in a run: a keychain may be slow."""
    return clients.once(("heroku", "token"), lambda: find_token(environment))


def client_of(session: Session, app: str) -> HerokuClient:
    """A client for one app. All targets of a run share the connections and the request rate."""

    def connect() -> HerokuWire:
        http = session.registries.http if session.registries else None
        token = token_of(session.environment, session.clients)
        return HerokuWire(session.environment, token, session.clock, session.emit, http)

    return HerokuClient(session.clients.once(("heroku", "wire"), connect), app, session.deadline, session.attempts)
