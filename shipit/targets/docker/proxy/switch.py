"""Leads the routes of the proxy to other containers, and waits until the old ones have answered their requests."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from shipit.errors import DeployFailed, RemoteError
from shipit.events import Event, Log
from shipit.printable import counted
from shipit.targets.docker.proxy.admin import ProxyAdmin
from shipit.targets.docker.proxy.files import check_files, read_dials, remove_folders, write_dials
from shipit.targets.docker.proxy.labels import NAME
from shipit.targets.docker.proxy.look import parse_proxy
from shipit.targets.docker.proxy.names import check_name
from shipit.targets.docker.proxy.observed import ProxyFacts, with_config
from shipit.targets.docker.proxy.route import (
    Change,
    RouteSpec,
    change_route,
    folder,
    owner_prefix,
    places,
    remove_routes,
    render_route,
)
from shipit.targets.docker.setting import Setting
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.owner import Owner

# Tries of a write while other runs write, too.
_TRIES = 100
_PAUSE_S = 0.05
_POLL_S = 0.3
# A request whose address Caddy read just before the switch may not be counted yet.
_LATE_S = 1.0


class _Left(NamedTuple):
    """Requests without an answer: those to old containers, or such as may be to them."""

    number: int
    is_known: bool

    def __str__(self) -> str:
        return f"{counted(self.number, 'request')} {'to' if self.is_known else 'that may be to'}"


class Switch:
    """The routes of a target on one host."""

    def __init__(self, client: HostClient, setting: Setting) -> None:
        self._client, self._setting = client, setting

    def check(self, spec: RouteSpec) -> None:
        """Raises: DeployFailed where the proxy does not run, or another route has one of the hosts."""
        proxy = self._proxy()
        check_files(self._client, proxy.id)
        self._check_hosts(spec, proxy, ProxyAdmin(self._client, proxy.id).config().value)

    def check_names(self, dials: Sequence[str]) -> None:
        """Raises: DeployFailed where Podman's proxy does not find the first of the containers, which runs."""
        if dials and self._client.engine.is_podman:
            setting = self._setting
            check_name(self._client, self._proxy(), dials[0], setting.target, setting.owner.prefix)

    def lead(self, spec: RouteSpec, dials: Sequence[str]) -> None:
        """Lead the hosts of a service to other addresses. Raises: DeployFailed where another route has one of the hosts.

        The configuration changes only for a new route, other hosts, and another number of containers.
        """
        proxy = self._proxy()

        def change(config: Mapping[str, Any] | None) -> Change | None:
            self._check_hosts(spec, proxy, config)
            write_dials(self._client, proxy.id, spec.id, dials)
            return change_route(config, spec, render_route(spec, len(dials)), proxy.ports)

        change_config(self._client, proxy, change)

    def remove(self, service: str) -> None:
        if proxy := find_proxy(self._client):
            remove_all(self._client, proxy, self._setting.owner, frozenset([service]))

    def drain(self, spec: RouteSpec, dials: Sequence[str], serving: Sequence[str]) -> Iterator[Event]:
        """Returns when none of `dials` has a request that it did not answer, or when `drain` is over."""
        session, admin = self._setting.session, ProxyAdmin(self._client, self._proxy().id)
        limit = session.deadline.within(spec.drain_s)
        late = session.deadline.within(min(_LATE_S, spec.drain_s))
        has_said, left = False, _Left(1, False)
        while (left.number or late.remaining_s()) and limit.remaining_s():
            left = self._requests(admin, spec, dials, serving, left)
            if left.number and not has_said:
                text = f"waits for {left} the old containers on {self._client.host}"
                yield Log(self._setting.target, spec.service, text)
                has_said = True
            session.deadline.sleep(_POLL_S, "the old containers to answer their requests")
        if left.number:
            text = f"did not wait longer than {spec.drain_s:g} s for {left} the old containers on {self._client.host}"
            yield Log(self._setting.target, spec.service, text)

    def _requests(
        self, admin: ProxyAdmin, spec: RouteSpec, dials: Sequence[str], serving: Sequence[str], before: _Left
    ) -> _Left:
        """The requests at `dials`; as before where it can't be read, so that nobody is stopped too early.

        Caddy before 2.11.3 counts the requests of a route only, not those of an address that it read in a file: all
        requests that can't be told from those of `serving` count there.
        """
        try:
            found = admin.requests()
        except RemoteError:
            return before if before.number else _Left(1, False)
        old = sum(found.get(name, 0) for name in dials)
        of_route = sum(found.get(name, 0) for name in places(spec, len(serving)))
        unclear = of_route - sum(found.get(name, 0) for name in serving)
        return _Left(old, True) if old >= unclear else _Left(unclear, False)

    def _proxy(self) -> ProxyFacts:
        found = find_proxy(self._client)
        if found is None or not found.is_running:
            what = f"the proxy {NAME} does not run on {self._client.host}"
            raise DeployFailed(what, where=self._setting.target, hint="deploy again")
        return found

    def _check_hosts(self, spec: RouteSpec, proxy: ProxyFacts, config: Mapping[str, Any] | None) -> None:
        if spec.id != f"{owner_prefix(self._setting.owner)}{spec.service}":
            # The step may come from a file.
            what = f"the route {spec.id} is not that of {spec.service} of this target"
            raise DeployFailed(what, where=self._setting.target, hint="make a new plan")
        taken = with_config(proxy, config, self._setting.owner, {}).taken
        for name in spec.hosts:
            if other := taken.get(name):
                what = f"{name} on {self._client.host} is served by the route {other}, which is not of this target"
                raise DeployFailed(
                    what, where=self._setting.target, hint="destroy that app there, or choose another host"
                )


def find_proxy(client: HostClient) -> ProxyFacts | None:
    return next((found for row in client.containers() if (found := parse_proxy(row))), None)


def remove_all(client: HostClient, proxy: ProxyFacts, owner: Owner, services: frozenset[str] | None = None) -> None:
    """Remove the routes of a target: those of some services, or all. Raises: RemoteError."""
    prefix = owner_prefix(owner)
    change_config(client, proxy, lambda config: remove_routes(config, prefix, services), until_none=True)
    # No route leads there any more: files that stay do no harm.
    with contextlib.suppress(RemoteError):
        found = {posixpath.dirname(path) for path in read_dials(client, proxy.id, prefix)}
        wanted = None if services is None else {folder(f"{prefix}{service}") for service in services}
        remove_folders(client, proxy.id, sorted(found if wanted is None else found & wanted))


def change_config(
    client: HostClient,
    proxy: ProxyFacts,
    change: Callable[[Mapping[str, Any] | None], Change | None],
    *,
    until_none: bool = False,
) -> None:
    """Make the request that `change` says for a configuration; with `until_none` those that it says until there is none left.

    It is asked again where somebody else changed the configuration meanwhile, and where no answer came: Caddy replaces
    its admin server with each change, also that of others, and what it did without an answer is seen in what it has.
    Raises: RemoteError.
    """
    admin = ProxyAdmin(client, proxy.id)
    last = RemoteError("its configuration changes all the time", where=f"the proxy on {client.host}")
    for _ in range(_TRIES):
        try:
            config = admin.config()
            request = change(config.value)
            if request is None or (admin.write(*request, config.etag) and not until_none):
                return
        except RemoteError as error:
            if not error.retryable:
                raise
            last = error
        client.deadline.sleep(_PAUSE_S, f"the proxy on {client.host}")
    raise last
