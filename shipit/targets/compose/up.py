"""Runs `docker compose up` for a step, and reads what it did from the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from shipit.config.author import read_author
from shipit.errors import DeployFailed
from shipit.events import Event, Log
from shipit.process import Finished
from shipit.targets.compose.content import Content, wanted_of
from shipit.targets.compose.kept import keep_file, read_files
from shipit.targets.compose.look import project_rows, read_container
from shipit.targets.compose.observed import ContainerFacts, Wanted
from shipit.targets.compose.origin import with_origins
from shipit.targets.compose.parse import SERVICE, is_outdated, parse_tags
from shipit.targets.compose.program import last_lines
from shipit.targets.compose.setting import Setting
from shipit.targets.compose.steps import ComposeUp, RollService
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.owner import origin_labels
from shipit.targets.engine.superseded import superseded_error

HINT = "make a new plan"


def content_of(step: ComposeUp | RollService, client: HostClient, setting: Setting) -> Content:
    """The file of a step: kept by the engine, or rendered again. Raises: DeployFailed where it is not the one of the plan."""
    if step.is_kept:
        return kept_content(step.file, client, setting)
    content = setting.render(step.images, step.platforms)
    if content.file_id(setting.session.mark) != step.file:
        what = "the compose file, or a value that it uses, is not the one that the plan was made with"
        raise DeployFailed(what, where=setting.target, hint=HINT)
    return content


def kept_content(file: str, client: HostClient, setting: Setting) -> Content:
    """The kept file of a step. Raises: DeployFailed where it is gone."""
    for kept in read_files(client, setting.owner):
        if kept.id == file:
            return kept.content
    what = "the engine does not have the compose file of that release any more"
    raise DeployFailed(what, where=setting.target, hint="shipit history lists the releases")


def keep(content: Content, step: ComposeUp | RollService, client: HostClient, setting: Setting) -> Iterator[Event]:
    """Keep the file of a step for rollback, before anything is changed."""
    if not keep_file(client, setting.owner, content, step.file):
        yield Log(setting.target, "compose", "the compose file is too large to be kept: no rollback can return to it")


def marked_containers(client: HostClient, setting: Setting, service: str = "") -> list[ContainerFacts]:
    """As `containers_of`, with `is_outdated` read."""
    tags = parse_tags(client.images())
    return [one._replace(is_outdated=is_outdated(one, tags)) for one in containers_of(client, setting, service)]


def labelled(content: Content, client: HostClient, setting: Setting, renewed: Sequence[str] = ()) -> Content:
    """The content as it is given to Compose.

    Services that run as wanted keep the labels of their containers; others, and those `renewed`, get those of this run.
    """
    session, found = setting.session, marked_containers(client, setting)
    origin = origin_labels(session.run, content.commit, read_author(session.environment))
    return with_origins(content, wanted_of(content, session.mark), found, origin, renewed)


def run_up(content: Content, words: Sequence[str], setting: Setting) -> Finished:
    setting.session.fence()
    return setting.program(content.variables).up(content.text.encode(), words)


def scale_words(quantities: Mapping[str, int]) -> list[str]:
    return [word for name, quantity in quantities.items() for word in ("--scale", f"{name}={quantity}")]


def run_alone(
    content: Content, words: Sequence[str], services: Sequence[str], quantities: Mapping[str, int], setting: Setting
) -> Finished:
    """`up` for some services, without starting those that they need: one that has ended would run again.

    Compose 2.26 counts `depends_on` as a setting, which --no-deps removes: the containers are created without it, and started with it.
    """
    scale = scale_words(quantities)
    created = run_up(content, ["--no-start", *words, *scale, "--", *services], setting)
    return (
        created if created.code else run_up(content, ["--no-recreate", "--no-deps", *scale, "--", *services], setting)
    )


def check_up(
    done: Finished, content: Content, services: Sequence[str], client: HostClient, setting: Setting
) -> Iterator[Event]:
    """A failure of Compose is ignored where every container is as wanted. Raises: DeployFailed where one is not."""
    if done.code == 0:
        return
    lines = last_lines(done.errors)
    said = lines[-1] if lines else f"docker compose up {done.how}"
    wanted = wanted_of(content, setting.session.mark)
    containers = containers_of(client, setting)
    failed = next((one for one in containers if _has_failed(one, wanted)), None)
    if failed is None and all(_is_met(name, wanted, containers) for name in services):
        yield Log(setting.target, "compose", f"docker compose up {done.how}, and every container runs: {said}")
        return
    if failed is None:
        raise DeployFailed(f"docker compose up {done.how}: {said}", where=setting.target, detail=lines[:-1])
    checked = f"is unhealthy ({failed.said})" if failed.said else "is unhealthy"
    why = checked if failed.is_running else failed.ended
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


def containers_of(client: HostClient, setting: Setting, service: str = "") -> list[ContainerFacts]:
    """The containers of the services of the project, or of one of them."""
    rows = project_rows(client, setting.project)
    names = [row["Id"].required() for row in rows if not service or row["Labels"].texts().get(SERVICE) == service]
    found = (read_container(client, name, setting.owner, setting.secrets, setting.session) for name in names)
    return [one for one in found if one]


def check_known(step: ComposeUp | RollService, content: Content, client: HostClient, setting: Setting) -> None:
    """Raises: DeployFailed where somebody else started other containers since the plan was made."""
    wanted = wanted_of(content, setting.session.mark).services
    for one in containers_of(client, setting):
        if one.service not in wanted or wanted[one.service].is_met_by(one):
            continue
        if one.id not in step.known:
            raise superseded_error(f"{one.name} was created since the plan was made", setting.target, one.made)
