"""Reads the hosts of a target: its containers, those of others, and the images that are there."""

from __future__ import annotations

from functools import partial

from shipit.errors import DeployFailed, RemoteError
from shipit.parallel import settle
from shipit.targets.docker.observed import ContainerFacts, DockerObserved, HostFacts
from shipit.targets.docker.parse import image_ids, parse_container, parse_foreign
from shipit.targets.docker.proxy.look import read_proxy
from shipit.targets.docker.reach import check_reached, unreached_of
from shipit.targets.docker.setting import Setting
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.facts import pinned_images, variables_of
from shipit.targets.engine.owner import Owner
from shipit.targets.engine.secret_files import names_of_files, read_files
from shipit.targets.session import Session


def observe(
    hosts: Hosts, owner: Owner, secrets: frozenset[str], session: Session, *, has_proxy: bool = False
) -> DockerObserved:
    """All hosts, side by side. `secrets` are names of variables whose values are told to the redactor.

    `has_proxy` is whether the target has a service with a host. Raises: RemoteError where no host is reached, or one answers
    with an error.
    """
    reads = {host: partial(_read, hosts, host, owner, secrets, session, has_proxy=has_proxy) for host in hosts.names}
    found = settle(reads, session.clock)
    unreached = {}
    for host, result in found.items():
        if isinstance(result, RemoteError) and not result.status and len(found) > 1:
            unreached[host] = unreached_of(result)
        elif isinstance(result, Exception):
            raise result
    read = {host: result for host, result in found.items() if isinstance(result, HostFacts)}
    observed = DockerObserved(read, unreached=unreached)
    if not read:
        check_reached(observed)
    return observed


def _read(
    hosts: Hosts, host: str, owner: Owner, secrets: frozenset[str], session: Session, *, has_proxy: bool
) -> HostFacts:
    client = hosts.client(host, session)
    own, foreign = [], []
    rows = client.containers()
    for row in rows:
        if owner.owns(row["Labels"].texts()):
            own.append(row["Id"].required())
        else:
            foreign.append(parse_foreign(row))
    facts = [one for name in own if (one := read_container(client, name, secrets, session))]
    # Only a plan needs them.
    answer = client.images() if session.release is None else None
    images = [*pinned_images(answer), *image_ids(answer)] if answer is not None else []
    proxy = read_proxy(client, rows, owner, is_used=has_proxy)
    return HostFacts(tuple(sorted(facts, key=lambda one: one.name)), tuple(foreign), frozenset(images), proxy=proxy)


def read_container(client: HostClient, name: str, secrets: frozenset[str], session: Session) -> ContainerFacts | None:
    """A container by its name or id; None where there is none."""
    answer = client.container(name)
    if answer is None:
        return None
    values = variables_of(answer["Config"])
    session.environment.redactor.add(value for key, value in values.items() if key in secrets)
    found = parse_container(answer, session.mark)
    if names := names_of_files(answer):
        files = read_files(client, found.id, names)
        session.environment.redactor.add(files.values())
        found = found._replace(marks={**found.marks, **{key: session.mark(value) for key, value in files.items()}})
    if found.restarts and found.state == "running":
        # A container that runs again has no exit code.
        return found._replace(exit_code=client.last_exit_code(found.id, found.started_at))
    return found


def present(found: ContainerFacts | None, name: str, host: str, setting: Setting) -> ContainerFacts:
    """A container that was read under a name. Raises: DeployFailed where there was none."""
    if found is None:
        what = f"the container {name} is not on {host} any more"
        raise DeployFailed(what, where=setting.target, hint="deploy again")
    return found
