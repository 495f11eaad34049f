"""The container of the proxy on a host: created, replaced, started, and removed when no app uses it any more."""

from __future__ import annotations

from collections.abc import Iterable

from shipit.errors import DeployFailed, RemoteError, ShipitError
from shipit.http.fields import Field
from shipit.targets.docker.owned import make_network
from shipit.targets.docker.proxy.admin import ProxyAdmin
from shipit.targets.docker.proxy.labels import CONFIG, DATA, NAME, NETWORK, OLD_NAME, PROXY
from shipit.targets.docker.proxy.observed import ProxyFacts
from shipit.targets.docker.proxy.render import proxy_body
from shipit.targets.docker.proxy.route import PREFIX, all_routes, canonical, with_servers
from shipit.targets.docker.proxy.steps import ProvideProxy
from shipit.targets.docker.setting import Setting
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.images import pull_image
from shipit.targets.engine.owner import Owner

_POLL_S = 0.2
_LABELS = {PROXY: "1"}
# Seconds that requests may take when the proxy itself is replaced.
_STOP_S = 5.0


def provide(step: ProvideProxy, client: HostClient, setting: Setting) -> None:
    """Make the proxy run as the step says. Raises: DeployFailed; a proxy that was replaced runs again then."""
    found = _container(client, NAME, setting)
    # It is removed at the end.
    _container(client, OLD_NAME, setting)
    make_network(client, setting.owner)
    if found is None or (step.replaces and found["Id"].text() == step.replaces):
        _pull(step, client, setting)
        _replace(step, client, setting, found)
    elif not found["State"]["Running"].flag():
        _join(client, NAME, [setting.owner.prefix, *_networks(client, OLD_NAME)])
        _start(client, setting, NAME)
    else:
        _join(client, NAME, [setting.owner.prefix])
    _configure(step, client, setting)
    client.remove(OLD_NAME)


def _replace(step: ProvideProxy, client: HostClient, setting: Setting, old: Field | None) -> None:
    if old is not None:
        client.remove(OLD_NAME)
        client.rename(old["Id"].required(), OLD_NAME)
        client.stop(OLD_NAME, _STOP_S)
    try:
        _create(step, client, setting)
    except ShipitError:
        if old is not None:
            own = client.within(60.0)
            own.remove(NAME)
            own.rename(old["Id"].required(), NAME)
            own.start(old["Id"].required())
        raise


def _create(step: ProvideProxy, client: HostClient, setting: Setting) -> None:
    """A new one joins every network before it starts. Of two runs that create it at once, the engine keeps the first."""
    if not client.has_network(NETWORK):
        client.create_network(NETWORK, _LABELS)
    for name in (DATA, CONFIG):
        client.create_volume(name, _LABELS)
    for migrates in (True, False):
        is_created = client.create(NAME, proxy_body(step.image, step.ports, migrates=migrates))
        _join(client, NAME, [setting.owner.prefix, *_networks(client, OLD_NAME)])
        try:
            _start(client, setting, NAME)
            return
        except ShipitError:
            if is_created:
                client.within(60.0).remove(NAME)
            if not (is_created and migrates):
                raise


def _container(client: HostClient, name: str, setting: Setting) -> Field | None:
    """The proxy of a name. Raises: DeployFailed where the container is not one of shipit."""
    found = client.container(name)
    if found is not None and PROXY not in found["Config"]["Labels"].texts():
        what = f"the name {name} on {client.host} is taken by a container that shipit did not create"
        raise DeployFailed(what, where=setting.target, hint=f"rename it: docker rename {name} OTHER")
    return found


def _networks(client: HostClient, name: str) -> list[str]:
    found = client.container(name)
    return [network for network, _ in found["NetworkSettings"]["Networks"].items()] if found else []


def _join(client: HostClient, name: str, networks: Iterable[str]) -> None:
    there = set(_networks(client, name))
    for network in dict.fromkeys(networks):
        if network not in there and client.has_network(network):
            client.connect(network, name, [])


def _pull(step: ProvideProxy, client: HostClient, setting: Setting) -> None:
    """Pull the image unless the host has it."""
    if client.has_image(step.image):
        return
    pull_image(step.image, step.platform, client, setting.session)


def _start(client: HostClient, setting: Setting, name: str) -> None:
    try:
        client.start(name)
    except RemoteError as error:
        what = f"the proxy {NAME} can't be started on {client.host}: {error.what}"
        hint = "if a port is taken: stop what has it, or set proxy: {http: PORT, https: PORT}"
        raise DeployFailed(what, where=setting.target, hint=hint) from None


def _configure(step: ProvideProxy, client: HostClient, setting: Setting) -> None:
    """Wait until Caddy answers, and give it the two servers."""
    admin, limit = ProxyAdmin(client, NAME), setting.session.deadline.within(setting.pending_s)
    while True:
        try:
            config = admin.config()
            wanted = with_servers(config.value, step.ports)
            if canonical(wanted) == canonical(config.value) or admin.write("POST", "/config/", wanted, config.etag):
                return
        except RemoteError as error:
            _check(error, client, setting, is_late=not limit.remaining_s())
        setting.session.deadline.sleep(_POLL_S, f"the proxy on {client.host}")


def _check(error: RemoteError, client: HostClient, setting: Setting, *, is_late: bool) -> None:
    """Raises: DeployFailed with the last lines of a proxy that crashed, or that does not answer in time."""
    found = client.container(NAME)
    state = found["State"]["Status"].text() if found else "gone"
    if state == "running" and not is_late and error.retryable:
        return
    why = error.what if state == "running" else f"it is {state}"
    what, own = f"the proxy {NAME} on {client.host} does not serve: {why}", client.within(15.0)
    raise DeployFailed(what, where=setting.target, hint=error.hint, detail=own.last_lines(NAME) if found else ())


def leave(client: HostClient, owner: Owner, found: ProxyFacts) -> None:
    """Take the proxy out of the network of an app, and remove it when it has neither routes nor networks of apps."""
    client.disconnect(owner.prefix, found.id)
    networks = set(_networks(client, found.id)) - {NETWORK}
    if networks or (found.is_running and _has_routes(client, found)):
        return
    client.stop(found.id, _STOP_S)
    client.remove(found.id)
    client.remove_network(NETWORK)
    client.remove_volume(CONFIG)


def _has_routes(client: HostClient, found: ProxyFacts) -> bool:
    routes = all_routes(ProxyAdmin(client, found.id).config().value)
    return any(str(route.get("@id", "")).startswith(PREFIX) for _, route in routes)
