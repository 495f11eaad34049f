"""What Swarm would take for a template is sent so that it stays as deploy.yml has it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.http.fields import Field
from shipit.targets.engine.container_spec import ContainerSpec
from shipit.targets.engine.container_values import Volume
from shipit.targets.engine.owner import Owner
from shipit.targets.swarm.observed import ServiceFacts
from shipit.targets.swarm.parse import Known, parse_service
from shipit.targets.swarm.render import service_body
from shipit.targets.swarm.spec import StackPart, SwarmSpec
from shipit.targets.swarm.templates import literal, text_of
from shipit.targets.swarm.wanted import WantedService

OWNER = Owner("shop", "production", "swarm")
VALUES = {"TOKEN": "pa{{ss-word", "FORMAT": "{{.Names}} {{.Service.Name}}", "PLAIN": "a{b}}c"}


def expanded(template: str) -> str:
    """Go's text/template for text and constant strings; everything else between braces is an error."""
    parts = re.split(r"\{\{(.*?)\}\}", template)
    assert all(re.fullmatch(r'"[^"]*"', action) for action in parts[1::2]), template
    assert not any("{{" in text for text in parts[::2]), template
    return "".join(part if index % 2 == 0 else part[1:-1] for index, part in enumerate(parts))


@given(st.text(alphabet='{}"a.-%', max_size=12))
def test_a_literal_expands_to_the_text_and_is_read_back(text: str) -> None:
    assert expanded(literal(text)) == text
    assert text_of(literal(text)) == text


@pytest.mark.parametrize("template", ["{{.Names}}", "pa{{ss", '{{"{{"}}{{.Node.Hostname}}', "{{{{"])
def test_a_template_of_another_kind_is_no_text(template: str) -> None:
    assert text_of(template) is None


def body_of(spec: SwarmSpec, values: dict[str, str]) -> dict[str, Any]:
    return service_body(OWNER, spec, values, {}, 1)


def facts(body: dict[str, Any]) -> ServiceFacts:
    """The facts of a service that runs as a body says, and whose spec is kept."""
    answer: dict[str, Any] = {"ID": "id", "Spec": {**body, "Labels": {**body["Labels"], "dev.shipit.kept": "k"}}}
    kept = answer["Spec"]
    return parse_service(Field(answer, "GET"), (), Known({}, {}, {}, {"k": kept}), str.upper)


def test_variables_host_names_and_mounts_of_deploy_yml_reach_the_container_as_they_are_written() -> None:
    own = ContainerSpec(
        "web", "redis", env={"OWN": "{{x}}"}, hostname="{{.Node.Hostname}}", tmpfs=("/run/{{a}}",),
        volumes=(Volume("/srv/{{b}}", "/data/{{c}}", False),),
    )  # fmt: skip
    container = body_of(SwarmSpec(own), VALUES)["TaskTemplate"]["ContainerSpec"]
    variables = dict(row.split("=", 1) for row in container["Env"])
    assert {name: expanded(value) for name, value in variables.items()} == {**VALUES, "OWN": "{{x}}"}
    assert variables["PLAIN"] == "a{b}}c"
    assert expanded(container["Hostname"]) == "{{.Node.Hostname}}"
    bind, memory = container["Mounts"]
    places = [bind["Source"], bind["Target"], memory["Target"]]
    assert [expanded(place) for place in places] == ["/srv/{{b}}", "/data/{{c}}", "/run/{{a}}"]


def test_an_unchanged_service_stays_and_one_whose_braces_swarm_expands_is_updated() -> None:
    wanted = WantedService(
        SwarmSpec(ContainerSpec("web", "redis")), {key: one.upper() for key, one in VALUES.items()}, 1
    )
    body = body_of(wanted.spec, VALUES)
    assert wanted.is_met_by(facts(body))
    container = body["TaskTemplate"]["ContainerSpec"]
    earlier = {**container, "Env": [f"{name}={value}" for name, value in sorted(VALUES.items())]}
    sent_before = {**body, "TaskTemplate": {**body["TaskTemplate"], "ContainerSpec": earlier}}
    assert not wanted.is_met_by(facts(sent_before))
    assert facts(sent_before).marks == {"TOKEN": "", "FORMAT": "", "PLAIN": "A{B}}C"}


def test_the_hash_changes_only_for_settings_that_swarm_expanded() -> None:
    plain = SwarmSpec(ContainerSpec("web", "redis", env={"A": "b"}, hostname="web"))
    assert plain.hash == "e9aa24ed5e3b10c1d5a46d0c26e73d4b3c2443936815851bc6dd02320dc88172", "that of earlier versions"
    braced = plain._replace(container=plain.container._replace(hostname="{{x}}"))
    assert braced.hash != braced._replace(stack=StackPart({})).hash


def test_a_stack_file_has_the_templates_of_docker() -> None:
    task = {"ContainerSpec": {"Labels": {}, "Hostname": "{{.Node.Hostname}}"}}
    image = {"com.docker.stack.image": "redis"}
    part = StackPart({"Labels": image, "TaskTemplate": task, "EndpointSpec": {}}, {"TOKEN": "TOKEN"})
    spec = SwarmSpec(ContainerSpec("web", "redis", env={"SLOT": "{{.Task.Slot}}"}), stack=part)
    body = body_of(spec, {"TOKEN": "{{.Service.Name}}"})
    container = body["TaskTemplate"]["ContainerSpec"]
    assert container["Env"] == ["SLOT={{.Task.Slot}}", "TOKEN={{.Service.Name}}"]
    assert container["Hostname"] == "{{.Node.Hostname}}"
    wanted = WantedService(spec, {"TOKEN": "{{.SERVICE.NAME}}"}, 1)
    assert wanted.is_met_by(facts(body))
