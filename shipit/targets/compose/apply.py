"""Applies the steps of a Compose project. Each looks at the project again before it writes, and skips what is done already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from shipit.errors import DeployFailed
from shipit.events import Event, Log
from shipit.process import Finished
from shipit.release import Step
from shipit.targets.compose.content import Content, wanted_of
from shipit.targets.compose.kept import forget_files, keep_file, keep_image, read_files
from shipit.targets.compose.look import project_filters, project_rows, read_container
from shipit.targets.compose.observed import ContainerFacts, Wanted
from shipit.targets.compose.parse import SERVICE
from shipit.targets.compose.program import ComposeProgram, last_lines
from shipit.targets.compose.steps import (
    ComposeUp,
    PullImage,
    RemoveProject,
    RemoveService,
    RestartContainers,
    ScaleServices,
    SendImage,
    StartContainers,
    StopContainers,
)
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.images import pull_image, send_pinned
from shipit.targets.engine.one_off import has_expired
from shipit.targets.engine.owner import RUN, Owner
from shipit.targets.engine.records import remove_records
from shipit.targets.engine.superseded import superseded_error
from shipit.targets.session import Session

_HINT = "make a new plan"


class Setting(NamedTuple):
    """The project and the session of a step. `render` renders the compose file with the images of a step."""

    target: str
    project: str
    owner: Owner
    session: Session
    secrets: frozenset[str]
    render: Callable[[Mapping[str, str], Mapping[str, str]], Content]
    program: Callable[[Mapping[str, str]], ComposeProgram]


def apply_step(step: Step, client: HostClient, setting: Setting) -> Iterator[Event]:
    """Do one step. Raises: DeployFailed and other ShipitErrors."""
    match step:
        case PullImage():
            if not client.has_image(step.image):
                pull_image(step.image, step.platform, client, setting.session)
        case SendImage():
            keep = partial(keep_image, client, setting.owner)
            send_pinned(step.image, client, setting.owner, setting.session, step.id, keep)
        case ComposeUp():
            yield from _up(step, client, setting)
        case ScaleServices():
            yield from _scale(step, client, setting)
        case RestartContainers():
            for name in _of_project(step.names, client, setting):
                client.restart(name)
        case StopContainers():
            for name in _of_project(step.names, client, setting):
                client.stop(name)
        case StartContainers():
            for name in _of_project(step.names, client, setting):
                client.start(name)
        case RemoveService():
            _remove(step.names, client, setting)
        case RemoveProject():
            _remove_project(step, client, setting)
        case _:
            what = f"the step {step.id!r} is of the type {step.type}, which a Compose project does not have"
            raise DeployFailed(what, where=setting.target, hint=_HINT)


def _up(step: ComposeUp, client: HostClient, setting: Setting) -> Iterator[Event]:
    content = _kept(step.file, client, setting) if step.is_kept else _rendered(step, setting)
    if not keep_file(client, setting.owner, content, step.file):
        yield Log(setting.target, "compose", "the compose file is too large to be kept: no rollback can return to it")
    _check_known(step, content, client, setting)
    words = ["--force-recreate"] if step.stale else []
    words += [word for name, quantity in step.quantities.items() for word in ("--scale", f"{name}={quantity}")]
    done = _run(content, [*words, "--", *step.services], setting)
    yield from _check(done, content, tuple(content.hashes), client, setting)


def _scale(step: ScaleServices, client: HostClient, setting: Setting) -> Iterator[Event]:
    content = _kept(step.file, client, setting)
    if unknown := [name for name in step.quantities if name not in content.hashes]:
        raise DeployFailed(f"the compose file has no service {unknown[0]!r}", where=setting.target, hint=_HINT)
    words = [word for name, quantity in step.quantities.items() for word in ("--scale", f"{name}={quantity}")]
    done = _run(content, ["--no-recreate", "--no-deps", *words, "--", *step.quantities], setting)
    yield from _check(done, content, tuple(step.quantities), client, setting)


def _rendered(step: ComposeUp, setting: Setting) -> Content:
    content = setting.render(step.images, step.platforms)
    if content.file_id(setting.session.mark) != step.file:
        what = "the compose file, or a value that it uses, is not the one that the plan was made with"
        raise DeployFailed(what, where=setting.target, hint=_HINT)
    return content


def _kept(file: str, client: HostClient, setting: Setting) -> Content:
    """The kept file of a step. Raises: DeployFailed where it is gone."""
    for kept in read_files(client, setting.owner):
        if kept.id == file:
            return kept.content
    what = "the engine does not have the compose file of that release any more"
    raise DeployFailed(what, where=setting.target, hint="shipit history lists the releases")


def _run(content: Content, words: Sequence[str], setting: Setting) -> Finished:
    setting.session.fence()
    return setting.program(content.variables).up(content.text.encode(), words)


def _check(
    done: Finished, content: Content, services: Sequence[str], client: HostClient, setting: Setting
) -> Iterator[Event]:
    """A failure of Compose is ignored where every container is as wanted. Raises: DeployFailed where one is not."""
    if done.code == 0:
        return
    lines = last_lines(done.errors)
    said = lines[-1] if lines else f"docker compose up {done.how}"
    wanted = wanted_of(content, setting.session.mark)
    containers = _containers(client, setting)
    failed = next((one for one in containers if _has_failed(one, wanted)), None)
    if failed is None and all(_is_met(name, wanted, containers) for name in services):
        yield Log(setting.target, "compose", f"docker compose up {done.how}, and every container runs: {said}")
        return
    if failed is None:
        raise DeployFailed(f"docker compose up {done.how}: {said}", where=setting.target, detail=lines[:-1])
    why = "is unhealthy" if failed.is_running else failed.ended
    own = client.within(15.0).last_lines(failed.id)
    raise DeployFailed(f"{failed.name} {why}: docker compose up says {said}", where=setting.target, detail=own)


def _has_failed(one: ContainerFacts, wanted: Wanted) -> bool:
    service = wanted.services.get(one.service)
    if service is None or not service.is_met_by(one) or one.state == "created":
        return False
    return one.health == "unhealthy" or not service.is_served_by(one)


def _is_met(name: str, wanted: Wanted, containers: Sequence[ContainerFacts]) -> bool:
    service, found = wanted.services[name], [one for one in containers if one.service == name]
    is_there = bool(found) or service.quantity == 0
    return is_there and all(service.is_met_by(one) and service.is_served_by(one) for one in found)


def _containers(client: HostClient, setting: Setting) -> list[ContainerFacts]:
    rows = project_rows(client, setting.project)
    names = [row["Id"].required() for row in rows]
    found = (read_container(client, name, setting.owner, setting.secrets, setting.session) for name in names)
    return [one for one in found if one]


def _check_known(step: ComposeUp, content: Content, client: HostClient, setting: Setting) -> None:
    """Raises: DeployFailed where somebody else started other containers since the plan was made."""
    wanted = wanted_of(content, setting.session.mark).services
    for one in _containers(client, setting):
        if one.service not in wanted or wanted[one.service].is_met_by(one):
            continue
        if one.id not in step.known:
            raise superseded_error(f"{one.name} was created since the plan was made", setting.target)


def _of_project(names: Sequence[str], client: HostClient, setting: Setting) -> list[str]:
    """The containers of these names that are of this project: a step may come from a file."""
    found = {name.text().lstrip("/") for row in project_rows(client, setting.project) for name in row["Names"].rows()}
    return [name for name in names if name in found]


def _remove(names: Sequence[str], client: HostClient, setting: Setting) -> None:
    """Remove those of these containers that shipit deployed for this target."""
    own = {
        name.text().lstrip("/")
        for row in client.containers(setting.owner.filters)
        if SERVICE in row["Labels"].texts()
        for name in row["Names"].rows()
    }
    for name in names:
        if name in own:
            client.stop(name)
            # Anonymous volumes may have data: `docker compose down` keeps them, too.
            client.remove(name, keeps_volumes=True)


def remove_one_offs(client: HostClient, owner: Owner, now_s: float) -> None:
    """Remove the containers of one-off commands whose logs are not of use any more."""
    for row in client.containers(owner.filters):
        if has_expired(row, now_s):
            client.remove(row["Id"].required())


def _remove_project(step: RemoveProject, client: HostClient, setting: Setting) -> None:
    _remove(step.containers, client, setting)
    for row in client.containers(setting.owner.filters):
        if RUN in row["Labels"].texts():
            client.remove(row["Id"].required())
    networks = client.network_names(project_filters(setting.project))
    for name in step.networks:
        if name in networks:
            client.remove_network(name)
    volumes = {volume.name for volume in client.list_labelled(project_filters(setting.project))}
    for name in step.volumes:
        if name in volumes:
            client.drop(name)
    for image in forget_files(client, setting.owner, ()):
        client.remove_image(image)
    remove_records(client, setting.owner)
