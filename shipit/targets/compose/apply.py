"""Applies the steps of a Compose project. Each looks at the project again before it writes, and skips what is done already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from shipit.errors import DeployFailed
from shipit.events import Event
from shipit.release import Step
from shipit.targets.compose.kept import forget_files, keep_image
from shipit.targets.compose.look import project_filters, project_rows
from shipit.targets.compose.parse import SERVICE
from shipit.targets.compose.ready import await_needs
from shipit.targets.compose.restart import Restart
from shipit.targets.compose.roll import Roll
from shipit.targets.compose.setting import Setting
from shipit.targets.compose.steps import (
    ComposeUp,
    PullImage,
    RemoveProject,
    RemoveService,
    RestartContainers,
    RollService,
    ScaleServices,
    SendImage,
    StartContainers,
    StopContainers,
)
from shipit.targets.compose.up import (
    HINT,
    check_known,
    check_up,
    content_of,
    keep,
    kept_content,
    labelled,
    run_alone,
    run_up,
    scale_words,
)
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.images import pull_image, send_pinned
from shipit.targets.engine.one_off import has_expired
from shipit.targets.engine.owner import RUN, Owner
from shipit.targets.engine.records import remove_records


def apply_step(step: Step, client: HostClient, setting: Setting) -> Iterator[Event]:
    """Do one step. Raises: DeployFailed and other ShipitErrors."""
    match step:
        case PullImage():
            if not client.has_image(step.image):
                pull_image(step.image, step.platform, client, setting.session)
        case SendImage():
            keep = partial(keep_image, client, setting.owner)
            send_pinned(step.image, client, setting.owner, setting.session, step.id, keep, step.name)
        case ComposeUp():
            yield from _up(step, client, setting)
        case RollService():
            yield from Roll(step, client, setting).run()
        case ScaleServices():
            yield from _scale(step, client, setting)
        case RestartContainers():
            yield from Restart(step, client, setting).run()
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
            raise DeployFailed(what, where=setting.target, hint=HINT)


def _up(step: ComposeUp, client: HostClient, setting: Setting) -> Iterator[Event]:
    content = content_of(step, client, setting)
    yield from keep(content, step, client, setting)
    check_known(step, content, client, setting)
    await_needs(step.awaits, client, setting)
    words = ["--force-recreate"] if step.stale else []
    given = labelled(content, client, setting, step.services if step.stale else ())
    if step.is_alone:
        done = run_alone(given, words, step.services, step.quantities, setting)
    else:
        done = run_up(given, [*words, *scale_words(step.quantities), "--", *step.services], setting)
    yield from check_up(done, content, step.services, client, setting)


def _scale(step: ScaleServices, client: HostClient, setting: Setting) -> Iterator[Event]:
    content = kept_content(step.file, client, setting)
    if unknown := [name for name in step.quantities if name not in content.hashes]:
        raise DeployFailed(f"the compose file has no service {unknown[0]!r}", where=setting.target, hint=HINT)
    given = labelled(content, client, setting)
    done = run_alone(given, ["--no-recreate"], tuple(step.quantities), step.quantities, setting)
    yield from check_up(done, content, tuple(step.quantities), client, setting)


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
        if has_expired(client, row, now_s):
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
