"""The swarm of a new deploy.yml: services of a Compose file that says how a swarm runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shipit.config.yaml_text import quoted
from shipit.docker.address import find_engine
from shipit.drafts.compose_file import ONE_PORT, ComposeFacts, read_compose_facts
from shipit.drafts.files import ProjectFacts
from shipit.drafts.kind import NONE, Choice, Detection, Folder, KindDraft, Question, TargetDraft
from shipit.drafts.text import process_keys, yaml_name, yaml_text
from shipit.drafts.values import as_list, as_map, as_text, free_name, listed, slug
from shipit.targets.swarm.draft_health import DURATION, draft_health

_HERE = "here"
_HOST = re.compile(r"(unix|tcp|ssh)://[^\s,]+|context:[^\s,]+")
_CONSTRAINT = re.compile(r"\s*[A-Za-z0-9._-]+\s*(==|!=)\s*\S.*")
_PORT = re.compile(r"([0-9]{1,5}):([0-9]{1,5})(/udp|/tcp)?")
_ORDERS, _ACTIONS, _MODES = ("start-first", "stop-first"), ("rollback", "pause", "continue"), ("vip", "dnsrr")
_OF_A_SWARM = "(?:deploy|healthcheck|ports)"
# Keys of `deploy` that are taken, and those without a meaning for a deploy.
_TAKEN = frozenset({"endpoint_mode", "mode", "placement", "replicas", "restart_policy", "update_config"})


def detect(folder: Folder) -> Detection:
    """The Compose file, and the manager that DOCKER_HOST names."""
    address = find_engine(folder.environ.variables, folder.environ.home, lambda text: None)
    is_remote = address.host.startswith(("ssh://", "tcp://")) and address.origin == "DOCKER_HOST"
    return Detection(current=address.host if is_remote else "", own=read_compose_facts(folder))


def choose(project: ProjectFacts, found: Detection) -> Choice | None:
    """Only a file with keys that Compose itself ignores is one for a swarm."""
    return Choice(found.current) if _facts(found).is_for_a_swarm else None


def question(project: ProjectFacts, found: Detection) -> Question | None:
    facts = _facts(found)
    if not facts.is_for_a_swarm:
        return None
    text = f"Manager of the swarm for {facts.file}: {_HERE}, or such as ssh://deploy@manager1 ({NONE}: not to a swarm)"
    return Question(text, found.current or _HERE, _check)


def _check(text: str) -> str:
    return "" if text == _HERE or _HOST.fullmatch(text) else f"should be {_HERE}, ssh://USER@HOST or context:NAME"


def narrow(project: ProjectFacts, found: Detection) -> ProjectFacts:
    """What a swarm takes of `deploy` is no TODO."""
    facts = _facts(found)
    own = [f"{facts.file}: {line}" for name, own in facts.services.items() for line in _not_taken(name, own)]
    todo = (_without_taken(line) if line.startswith(f"{facts.file}: services.") else line for line in project.todo)
    kept = (line for line in todo if line and f": {ONE_PORT} " not in line)
    return project._replace(todo=(*kept, *own))


def _without_taken(line: str) -> str:
    """A TODO of a service without the keys that a swarm takes; empty where it names no other."""
    left = re.sub(rf"(, | and ){_OF_A_SWARM}\b|\b{_OF_A_SWARM}(, | and )", "", line)
    return "" if re.search(rf": {_OF_A_SWARM}$", left) else left


def _not_taken(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    if "build" not in service:
        return
    deploy = as_map(service.get("deploy"))
    left = [f"deploy.{key}" for key in deploy if key not in _TAKEN]
    if left:
        yield f"services.{name}: {listed(left)}"
    for key, values in _lost(deploy).items():
        if values:
            yield f"services.{name}: deploy.{key}: {listed(values)}"
    for line in draft_health(service).todo:
        yield f"services.{name}: {line}"
    if ports := [_port_text(item) for item in as_list(service.get("ports")) if not _is_port(item)]:
        yield f"services.{name}: ports {listed(ports)}: write them as PUBLISHED:PORT under publish, which is on every address of a node"


def _lost(deploy: Mapping[str, Any]) -> dict[str, list[str]]:
    """Values below keys of `deploy` that are taken, which have no equivalent or are not known."""
    update, placement, restart = (as_map(deploy.get(key)) for key in ("update_config", "placement", "restart_policy"))
    taken = {text.partition(":")[0] for text in _update(update)}
    in_placement = [key for key in placement if key not in ("constraints", *_placed_by(deploy))]
    constraints = [as_text(item) for item in as_list(placement.get("constraints"))]
    return {
        "update_config": [f"{key} {as_text(value)}".strip() for key, value in update.items() if key not in taken],
        "placement": in_placement,
        "placement.constraints": [text for text in constraints if not _CONSTRAINT.fullmatch(text)],
        "restart_policy": [key for key, value in restart.items() if (key, value) != ("condition", "any")],
    }


def _is_port(item: Any) -> bool:
    match = _PORT.fullmatch(as_text(item))
    return match is not None and all(0 < int(port) < 65536 for port in match.group(1, 2))


def _port_text(item: Any) -> str:
    return (
        f"{as_text(item.get('published'))}:{as_text(item.get('target'))}" if isinstance(item, dict) else as_text(item)
    )


def render(project: ProjectFacts, found: Detection, choice: Choice) -> TargetDraft:
    """The target, with a service for each process."""
    own = {slug(name): service for name, service in _facts(found).services.items()}
    is_here = choice.place in ("", _HERE)
    lines = [] if is_here else [f"    host: {yaml_text(choice.place)}"]
    services: dict[str, str] = {}
    for name, process in project.processes.items():
        image = [f"image: {yaml_name(project.process_images[name])}"] if len(project.images) > 1 else []
        # A swarm has no HTTP check of its own: the containers check themselves.
        further = list(_keys(own.get(name, {})))
        process = process._replace(health="")
        if "mode: global" in further:
            process = process._replace(quantity=None)
        key = free_name(name, services, 36)
        services[key] = f"      {yaml_name(key)}: {{{', '.join([*image, *process_keys(process, fewest=1), *further])}}}"
    note = "    # its manager is the engine of the docker command; host: names another one" if is_here else ""
    return TargetDraft((f"  swarm:{note}", *lines, "    services:", *services.values()))


def _keys(service: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a service of a swarm, from those of the Compose file that mean the same."""
    deploy = as_map(service.get("deploy"))
    if ports := [item for item in as_list(service.get("ports")) if _is_port(item)]:
        yield f"publish: [{', '.join(quoted(port.removesuffix('/tcp')) for port in ports)}]"
    if health := draft_health(service).text:
        yield health
    if deploy.get("mode") == "global":
        yield "mode: global"
    if (mode := as_text(deploy.get("endpoint_mode"))) in _MODES:
        yield f"endpoint_mode: {mode}"
    if update := list(_update(as_map(deploy.get("update_config")))):
        yield f"update: {{{', '.join(update)}}}"
    placement = as_map(deploy.get("placement"))
    constraints = [as_text(item) for item in as_list(placement.get("constraints"))]
    placed = list(_placed_by(deploy).values())
    if valid := [text for text in constraints if _CONSTRAINT.fullmatch(text)]:
        placed.insert(0, f"constraints: [{', '.join(map(yaml_text, valid))}]")
    if placed:
        yield f"placement: {{{', '.join(placed)}}}"


def _placed_by(deploy: Mapping[str, Any]) -> dict[str, str]:
    """What is taken of `placement` beside its constraints, by the key of the Compose file. A global service has one task on each node."""
    most = (
        "" if deploy.get("mode") == "global" else as_text(as_map(deploy.get("placement")).get("max_replicas_per_node"))
    )
    return {"max_replicas_per_node": f"max_per_node: {most}"} if re.fullmatch("[1-9][0-9]{0,3}", most) else {}


def _update(config: Mapping[str, Any]) -> Iterator[str]:
    if re.fullmatch(r"[0-9]{1,2}", as_text(config.get("parallelism"))):
        yield f"parallelism: {config['parallelism']}"
    for key in ("delay", "monitor"):
        if DURATION.fullmatch(as_text(config.get(key))):
            yield f"{key}: {config[key]}"
    for key, values in (("order", _ORDERS), ("failure_action", _ACTIONS)):
        if as_text(config.get(key)) in values:
            yield f"{key}: {config[key]}"


def _facts(found: Detection) -> ComposeFacts:
    return found.own if isinstance(found.own, ComposeFacts) else ComposeFacts()


DRAFT = KindDraft("swarm", detect, choose, question, render, is_alone=True, narrow=narrow)
