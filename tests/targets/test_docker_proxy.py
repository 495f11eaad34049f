"""The proxy of Docker hosts, values in and values out: Caddy's configuration, the plan, the verdict, and its answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.digest import Digest
from shipit.errors import DeployFailed, RemoteError
from shipit.http.fields import Field
from shipit.release import Destruction, Image, ImageUse, Seen, State, Step
from shipit.targets.docker.config import DockerConfig
from shipit.targets.docker.describe import rendered_parts, urls_of
from shipit.targets.docker.destroy import Inventory, plan_destroy
from shipit.targets.docker.judge import Limits, judge_release
from shipit.targets.docker.observed import ContainerFacts, DockerObserved, HostFacts
from shipit.targets.docker.plan import notes_on, plan_docker
from shipit.targets.docker.plan_back import Kept, Way, plan_back
from shipit.targets.docker.proxy.admin import Answer, parse_answer, render_request
from shipit.targets.docker.proxy.container import provide
from shipit.targets.docker.proxy.files import parse_dials
from shipit.targets.docker.proxy.labels import IMAGE, PORTS, PROXY, parse_ports, render_ports
from shipit.targets.docker.proxy.look import parse_proxy
from shipit.targets.docker.proxy.observed import ProxyFacts, with_config
from shipit.targets.docker.proxy.plan import ProxySpec
from shipit.targets.docker.proxy.render import proxy_body
from shipit.targets.docker.proxy.route import (
    Change,
    Ports,
    RouteSpec,
    canonical,
    change_route,
    dial,
    folder,
    places,
    remove_routes,
    render_route,
    with_servers,
)
from shipit.targets.docker.proxy.steps import ProvideProxy, RemoveRoute, SetRoute
from shipit.targets.docker.setting import Setting
from shipit.targets.docker.spec import container_name
from shipit.targets.docker.steps import ReplaceService
from shipit.targets.docker.verbs import plan_scale
from shipit.targets.docker.wanted import WantedService
from shipit.targets.engine.container_spec import ContainerSpec
from shipit.targets.engine.owner import Owner
from shipit.targets.orders import ScaleOrder
from shipit.targets.session import Clients, Session
from tests.targets.answering_host import answering_host
from tests.targets.test_docker_config import load, mistake

HOST = "ssh://deploy@web1"
OWNER = Owner("shop", "production", "docker")
ID = "shipit:shop:production:docker:web"
IMAGE_NAME = f"docker.io/user/shop@sha256:{'a' * 64}"
ROUTE = RouteSpec(ID, "web", ("shop.example.com",), 3000)
PLAIN = ROUTE._replace(tls="off")
USE = ImageUse("shop", "docker.io/user/shop", "oci", "linux/amd64")
IMAGES = {IMAGE_NAME: Image(USE, "docker.io/user/shop", Digest.of(b"config"), Digest(f"sha256:{'a' * 64}"))}
PORTS_USUAL = Ports(80, 443)
OTHER = {"@id": "shipit:blog:production:docker:web", "match": [{"host": ["blog.example.com"]}]}
PROXY_WANTED = ProxySpec("docker.io/library/caddy:2", PORTS_USUAL)


def config(*routes: Any, server: str = "https") -> dict[str, Any]:
    """A configuration with these routes before that for unknown hosts."""
    found = with_servers(None, PORTS_USUAL)
    own = found["apps"]["http"]["servers"][server]
    own["routes"] = [*routes, *own["routes"]]
    return found


def proxy(
    *routes: Any, server: str = "https", dials: Sequence[str] = ("111111111111:3000",), **more: Any
) -> ProxyFacts:
    """A proxy whose files for the service web have the addresses `dials`."""
    networks = frozenset(["shipit-proxy", "shop-production"])
    facts = ProxyFacts("c" * 64, "docker.io/library/caddy:2", PORTS_USUAL, networks=networks)
    return with_config(facts, config(*routes, server=server), OWNER, files(*dials))._replace(**more)


def files(*dials: str) -> dict[str, str]:
    return {f"/config/shipit/shop:production:docker:web/{number}": name for number, name in enumerate(dials)}


def container(number: int = 1, **more: Any) -> ContainerFacts:
    spec = ContainerSpec("web", IMAGE_NAME)
    name = container_name(OWNER, spec, {}, number)
    facts = ContainerFacts(f"{number}" * 64, name, "web", number, spec.hash, IMAGE_NAME, {}, "running")
    return facts._replace(**more)


def wanted(route: RouteSpec | None = ROUTE, replicas: int = 1) -> dict[str, WantedService]:
    return {"web": WantedService(ContainerSpec("web", IMAGE_NAME), {}, replicas, "start-first", None, route)}


def observed(found: ProxyFacts | None, *containers: ContainerFacts) -> DockerObserved:
    return DockerObserved({HOST: HostFacts(containers, images=frozenset([IMAGE_NAME]), proxy=found)})


def plan(found: ProxyFacts | None, *containers: ContainerFacts, **more: Any) -> tuple[Step, ...]:
    proxy_wanted = more.pop("proxy", PROXY_WANTED)
    return plan_docker(OWNER, more.pop("wanted", wanted()), observed(found, *containers), IMAGES, None, proxy_wanted)


LED = render_route(ROUTE, 1)
PLACE = "{file./config/shipit/shop:production:docker:web/0}"


def test_a_route_leads_its_hosts_to_the_addresses_in_files() -> None:
    one = render_route(ROUTE, 1)
    assert dial("1" * 64, 3000) == "111111111111:3000"
    assert (one["@id"], one["match"], one["terminal"]) == (ID, [{"host": ["shop.example.com"]}], True)
    [handler] = one["handle"]
    assert handler["upstreams"] == [{"dial": PLACE}]
    assert "health_checks" not in handler, "the only container is never taken out"
    assert handler["stream_close_delay"] == "24h", "deploys of other apps do not end WebSockets"
    [several] = render_route(ROUTE, 2)["handle"]
    assert several["upstreams"] == [{"dial": PLACE}, {"dial": PLACE.replace("/0", "/1")}]
    assert several["health_checks"] == {"passive": {"fail_duration": "5s"}}
    assert several["load_balancing"]["selection_policy"] == {"policy": "round_robin"}


def test_the_addresses_of_a_route_are_read_from_its_files_or_its_configuration() -> None:
    two = render_route(ROUTE, 2)
    assert proxy(two, dials=("a:1", "b:1")).routes["web"].dials == ("a:1", "b:1")
    assert proxy(two, dials=("a:1",)).routes["web"].dials == ("a:1",), "a file is missing"
    two["handle"][0]["upstreams"] = [{"dial": "c:1"}, {"dial": 3}, {}]
    assert proxy(two).routes["web"].dials == ("c:1", "3")


def test_only_lines_with_an_address_of_the_target_are_read() -> None:
    own = "shop:production:docker:"
    good = f"{own}web/0 111111111111:3000"
    lines = [
        good,
        "../0 x:1",
        "blog:production:docker:web/0 x:1",
        f"{own}web/x x:1",
        f"{own}web/0/1 x:1",
        f"{own}web/1 ",
        "sh: error",
        "",
    ]
    assert parse_dials(lines, own) == {"/config/shipit/shop:production:docker:web/0": "111111111111:3000"}


def test_a_name_with_other_characters_is_one_folder() -> None:
    assert folder("shipit:a/b:{c}:..:é") == "/config/shipit/a%2Fb:%7Bc%7D:..:%C3%A9"
    [name] = places(ROUTE._replace(id="shipit:a/b:{c}:..:é"), 1)
    assert name == "{file./config/shipit/a%2Fb:%7Bc%7D:..:%C3%A9/0}"


def test_the_servers_have_the_ports_of_the_host_and_answer_404_for_unknown_hosts() -> None:
    found = with_servers({"logging": {}, "apps": {"tls": {}}}, Ports(8080, 8443))
    http = found["apps"]["http"]
    assert (http["http_port"], http["https_port"]) == (8080, 8443)
    assert [server["listen"] for server in http["servers"].values()] == [[":8080"], [":8443"]]
    assert http["servers"]["https"]["routes"][-1]["handle"] == [{"handler": "static_response", "status_code": 404}]
    assert found["logging"] == {} and found["apps"]["tls"] == {}, "what a user added stays"
    assert canonical(with_servers(found, Ports(8080, 8443))) == canonical(found)
    moved = with_servers(config(LED), Ports(81, 443))["apps"]["http"]["servers"]
    assert moved["http"]["listen"] == [":81"] and moved["https"]["routes"][0] == LED


def test_a_route_is_changed_by_one_request() -> None:
    new = render_route(ROUTE, 2)
    assert change_route(config(LED, OTHER), ROUTE, LED, PORTS_USUAL) is None, "its addresses are in files"
    assert change_route(config(LED, OTHER), ROUTE, new, PORTS_USUAL) == Change("PATCH", f"/id/{ID}", new)
    first = change_route(config(OTHER), ROUTE, new, PORTS_USUAL)
    assert first == Change("PUT", "/config/apps/http/servers/https/routes/0", new)


@pytest.mark.parametrize("before", [None, {}, {"apps": {"http": {"servers": []}}}, {"apps": 3}])
def test_a_route_of_a_proxy_without_servers_brings_them(before: Any) -> None:
    if before is not None and before.get("apps") == 3:
        before = {}
    change = change_route(None if before is None else {**before, "apps": {}}, ROUTE, LED, PORTS_USUAL)
    assert change and (change.method, change.path) == ("POST", "/config/")
    servers = change.value["apps"]["http"]["servers"]
    assert servers["https"]["routes"][0] == LED and len(servers["http"]["routes"]) == 1


def test_a_change_of_tls_moves_the_route_within_one_request() -> None:
    plain = render_route(PLAIN, 1)
    change = change_route(config(LED, OTHER), PLAIN, plain, PORTS_USUAL)
    assert change and (change.method, change.path) == ("POST", "/config/")
    servers = change.value["apps"]["http"]["servers"]
    assert servers["http"]["routes"][0] == plain
    assert [route["@id"] for route in servers["https"]["routes"]] == [OTHER["@id"], "unknown-host:https"]


@pytest.mark.parametrize("server", [{"listen": [":9000"]}, {"routes": None}, None, {"routes": [None]}])
def test_servers_of_a_user_without_routes_stay_as_they_are(server: Any) -> None:
    before = config(LED)
    before["apps"]["http"]["servers"]["own"] = server
    change = change_route(before, PLAIN, LED, PORTS_USUAL)
    assert change and change.value["apps"]["http"]["servers"]["own"] == server


def test_routes_of_a_target_are_removed_one_by_one_and_others_stay() -> None:
    prefix = "shipit:shop:production:docker:"
    assert remove_routes(config(OTHER, LED), prefix, None) == Change("DELETE", f"/id/{ID}")
    assert remove_routes(config(OTHER, LED), prefix, frozenset(["web"])) == Change("DELETE", f"/id/{ID}")
    assert remove_routes(config(OTHER, LED), prefix, frozenset(["api"])) is None
    assert remove_routes(config(OTHER), prefix, None) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"apps": {"http": {"servers": {"x": None}}}},
        {"apps": {"http": {"servers": {"x": {"routes": [3]}}}}},
        {"apps": {"http": {"servers": {"x": {"routes": [{"match": 3}]}}}}},
    ],
)
def test_a_configuration_of_another_shape_has_no_routes_of_ours(value: Any) -> None:
    facts = with_config(proxy(), value, OWNER, {})
    assert (facts.routes, facts.taken, facts.others) == ({}, {}, 0)


def test_hosts_of_other_routes_are_taken() -> None:
    own = {"match": [{"host": ["own.example.com"]}], "handle": []}
    facts = proxy(LED, OTHER, own)
    assert list(facts.routes) == ["web"] and facts.others == 1
    assert facts.taken == {"blog.example.com": OTHER["@id"], "own.example.com": "a route without an @id"}


def test_a_first_deploy_starts_the_proxy_before_the_service() -> None:
    start, replace = plan(None)
    assert isinstance(start, ProvideProxy) and isinstance(replace, ReplaceService)
    assert (start.summary, start.effect) == (f"start the proxy shipit-proxy on {HOST}", "create")
    assert start.detail == ("image  docker.io/library/caddy:2", "ports  80, 443")
    assert replace.route == ROUTE and replace.serving == tuple(replace.create)
    assert "host  none -> shop.example.com" in replace.detail


def test_nothing_is_planned_where_the_route_leads_to_the_running_container() -> None:
    assert plan(proxy(LED), container()) == ()


def test_a_new_image_is_switched_to_and_the_old_container_drained() -> None:
    old = container(image=f"docker.io/user/shop@sha256:{'b' * 64}", name="old")
    [step] = plan(proxy(LED), old)
    assert isinstance(step, ReplaceService) and step.stop == ("old",)
    assert "the proxy leads to the new container when it is ready; the old one has 30 s for its requests" in step.detail


@pytest.mark.parametrize(
    ("found", "detail"),
    [
        (proxy(), ("host  none -> shop.example.com",)),
        (proxy(LED, dials=("gone:3000",)), ()),
        (proxy(LED, dials=()), ()),
        (proxy(render_route(ROUTE, 2)), ()),
        (proxy({**LED, "match": [{"host": ["a.example.com"]}]}), ("host  a.example.com -> shop.example.com",)),
        (proxy(LED, server="http"), ("server  http -> https",)),
    ],
    ids=["missing", "elsewhere", "no file", "another number", "another host", "another server"],
)
def test_a_route_that_differs_is_set_without_touching_containers(found: ProxyFacts, detail: tuple[str, ...]) -> None:
    [step] = plan(found, container())
    assert isinstance(step, SetRoute) and step.serving == (container().name,)
    assert (step.summary, step.detail) == (f"serve shop.example.com by web on {HOST}", detail)


def test_a_service_without_a_host_loses_its_route() -> None:
    [step] = plan(proxy(LED), container(), wanted=wanted(None), proxy=None)
    assert isinstance(step, RemoveRoute) and step.service == "web"
    assert step.summary == f"stop serving shop.example.com on {HOST}"


@pytest.mark.parametrize(
    ("found", "spec", "summary", "detail"),
    [
        (proxy(LED, state="exited"), PROXY_WANTED, "start the proxy", ("it is exited",)),
        (proxy(LED, networks=frozenset()), PROXY_WANTED, "let the proxy", ()),
        (
            proxy(LED),
            PROXY_WANTED._replace(image="me/caddy:2", says=frozenset(["image"])),
            "replace the proxy",
            ("image  docker.io/library/caddy:2 -> me/caddy:2", f"all hosts that it serves on {HOST} are down for some seconds"),
        ),
        (
            proxy(LED, ports=Ports(80, 0)),
            PROXY_WANTED,
            "replace the proxy",
            ("ports  80 -> 80, 443", f"all hosts that it serves on {HOST} are down for some seconds"),
        ),
    ],
)  # fmt: skip
def test_a_proxy_that_does_not_serve_as_wanted_is_brought_there(
    found: ProxyFacts, spec: ProxySpec, summary: str, detail: tuple[str, ...]
) -> None:
    steps = plan(found, container(), proxy=spec)
    assert isinstance(steps[0], ProvideProxy)
    assert steps[0].summary.startswith(summary) and steps[0].detail == detail


def test_what_deploy_yml_does_not_say_is_left_as_the_proxy_has_it() -> None:
    theirs = proxy(LED, image="me/caddy:2", ports=Ports(8080, 8443))
    assert plan(theirs, container()) == ()
    assert plan(theirs, container(), proxy=PROXY_WANTED._replace(ports=Ports(80, 0))) == ()
    said = PROXY_WANTED._replace(ports=Ports(80, 444), says=frozenset(["http", "https"])).over(theirs)
    assert (said.image, said.ports) == ("me/caddy:2", Ports(80, 444))


def test_the_plan_names_the_route_that_has_a_host_already() -> None:
    route = ROUTE._replace(hosts=("blog.example.com",))
    [note] = notes_on(OWNER, wanted(route), observed(proxy(OTHER), container()))
    assert note == f"blog.example.com on {HOST} is served by the route {OTHER['@id']}, which is not of this target"


def way(service: str) -> Way:
    return Way(route=ROUTE)


def test_a_rollback_leads_the_hosts_back() -> None:
    old = container(name="old", id="2" * 64, state="exited")
    [step] = plan_back({HOST: (Kept("web", 1, "old"),)}, observed(proxy(LED), container(), old), way)
    assert isinstance(step, ReplaceService)
    assert (step.start, step.stop, step.serving, step.route) == (("old",), (container().name,), ("old",), ROUTE)
    [only] = plan_back({HOST: (Kept("web", 1, container().name),)}, observed(proxy(), container()), way)
    assert isinstance(only, SetRoute)
    assert plan_back({HOST: (Kept("web", 1, container().name),)}, observed(None, container()), way) == ()


def test_scaling_leads_to_the_containers_that_stay() -> None:
    [more] = plan_scale(ScaleOrder({"web": 2}), observed(proxy(LED), container()), way)
    assert isinstance(more, ReplaceService) and more.serving == (container().name, *more.create)
    [less] = plan_scale(ScaleOrder({"web": 1}), observed(proxy(LED), container(), container(2)), way)
    assert isinstance(less, ReplaceService) and less.serving == (container().name,)


@pytest.mark.parametrize(
    ("found", "state", "what"),
    [
        (proxy(LED), State.HEALTHY, "web: 1 running"),
        (None, State.FAILED, f"the proxy shipit-proxy on {HOST} is not there"),
        (proxy(LED, state="exited"), State.FAILED, f"the proxy shipit-proxy on {HOST} is exited"),
        (proxy(), State.FAILED, "superseded by someone else: the proxy on"),
        (proxy(LED, dials=("x:3000",)), State.FAILED, "superseded by someone else: the proxy on"),
        (proxy(problem="Caddy answers 500"), State.WAITING, f"the proxy on {HOST}: Caddy answers 500"),
    ],
)
def test_a_service_is_healthy_when_its_hosts_lead_to_it(found: ProxyFacts | None, state: State, what: str) -> None:
    verdict = judge_release(wanted(), observed(found, container()), Seen(10.0, 0.0, 10.0), Limits(30.0), way)
    assert verdict.state is state and what in verdict.reason


def test_the_urls_are_those_of_the_routes(tmp_path: Path) -> None:
    target = load(tmp_path, "{services: {web: {port: 3000, host: shop.example.com}}}")
    owner = target.owner
    spec = target.services.routes()["web"]
    for found, ports, url in (
        ("https", PORTS_USUAL, "https://shop.example.com"),
        ("http", Ports(8080, 0), "http://shop.example.com:8080"),
        ("https", Ports(80, 8443), "https://shop.example.com:8443"),
    ):
        facts = with_config(proxy(), config(render_route(spec, 1), server=found), owner, {})._replace(ports=ports)
        assert list(urls_of(target.services, observed(facts, container()))) == [url]


def test_render_shows_the_route_of_a_first_deploy() -> None:
    created, route = rendered_parts(OWNER, wanted(), (), {})
    assert created.name.startswith("POST /containers/create?name=shop-production-web-1-")
    assert route.name == "PUT /config/apps/http/servers/https/routes/0"
    assert route.body == LED


def test_destroy_names_the_hosts_that_are_served_no_more() -> None:
    [step] = plan_destroy(Inventory(observed(proxy(LED), container())), Destruction())
    assert f"container {container().name}" in step.detail and "route shop.example.com" in step.detail
    [only] = plan_destroy(Inventory(observed(proxy(LED))), Destruction())
    assert only.detail == ("route shop.example.com",)


def test_the_container_of_the_proxy_is_read_from_the_list_of_the_engine() -> None:
    body = proxy_body("me/caddy:2", Ports(8080, 8443), migrates=True)
    row = {"Id": "abc", "Names": ["/shipit-proxy"], "State": "running", "Labels": body["Labels"],
           "NetworkSettings": {"Networks": {"shipit-proxy": {}, "shop-production": {}}}}  # fmt: skip
    found = parse_proxy(Field(row, "GET"))
    networks = frozenset(["shipit-proxy", "shop-production"])
    assert found == ProxyFacts("abc", "me/caddy:2", Ports(8080, 8443), "running", networks)
    assert parse_proxy(Field({**row, "Names": ["/shipit-proxy-old"]}, "GET")) is None
    assert parse_proxy(Field({**row, "Labels": {}}, "GET")) is None


@pytest.mark.parametrize("name", ["shipit-proxy", "shipit-proxy-old"])
def test_a_container_of_somebody_else_with_the_name_of_the_proxy_is_left_alone(tmp_path: Path, name: str) -> None:
    found = {"Id": "f" * 64, "Config": {"Labels": {}}, "State": {"Running": False}}
    clock = Clock()
    environment = ProcessEnvironment({}, tmp_path, tmp_path)
    session = Session(environment, clock, lambda event: None, str, clock.now() + 300, Clients(clock))
    step = ProvideProxy("proxy engine", "start the proxy", host="engine", image="caddy:2", ports=PORTS_USUAL)
    with answering_host(tmp_path, {f"GET /containers/{name}/json": found}) as (client, server):
        with pytest.raises(
            DeployFailed, match=f"the name {name} on engine is taken by a container that shipit did not"
        ):
            provide(step, client, Setting("docker", OWNER, session, frozenset(), 60.0, 1.0))
        assert {line.partition(" ")[0] for line, _ in server.requests} == {"GET"}, "nothing is changed"


def test_the_container_publishes_its_ports_and_keeps_its_volumes() -> None:
    body = proxy_body("caddy:2", Ports(80, 443), migrates=True)
    host = body["HostConfig"]
    assert sorted(host["PortBindings"]) == ["443/tcp", "443/udp", "80/tcp"]
    assert host["PortBindings"]["80/tcp"] == [{"HostIp": "", "HostPort": "80"}]
    assert host["Binds"] == ["shipit-proxy-data:/data:rw", "shipit-proxy-config:/config:rw"]
    assert (body["Entrypoint"], body["Cmd"]) == (["caddy"], ["run", "--resume"])
    assert body["Labels"] == {PROXY: "1", IMAGE: "caddy:2", PORTS: "80 443"}
    assert "CADDY_ADMIN=127.0.0.1:2019" in body["Env"], "other containers do not reach it"
    plain = proxy_body("caddy:2", Ports(80, 0), migrates=False)["HostConfig"]
    assert list(plain["PortBindings"]) == ["80/tcp"] and plain["Sysctls"] == {}


def test_ports_of_a_label() -> None:
    assert parse_ports(render_ports(Ports(8080, 0))) == Ports(8080, 0)
    assert [parse_ports(text) for text in ("", "x y", "1", f"{'9' * 5000} 1", "١ 1")] == [Ports()] * 5


def test_a_request_has_the_etag_of_what_was_read() -> None:
    request = render_request("PATCH", "/id/x", {"a": 1}, '"/config/ 12"')
    head, _, body = request.partition(b"\r\n\r\n")
    assert json.loads(body) == {"a": 1}
    lines = head.decode().split("\r\n")
    assert lines[0] == "PATCH /id/x HTTP/1.1" and 'If-Match: "/config/ 12"' in lines
    assert "Content-Type: application/json" in lines and "Content-Length: 8" in lines
    assert b"If-Match" not in render_request("GET", "/config/")


def test_the_answer_that_nc_prints() -> None:
    output = b'HTTP/1.1 200 OK\r\nEtag: "x"\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnull\r\n0\r\n\r\n'
    assert parse_answer(output, "GET /config/") == Answer(200, '"x"', b"null")
    with pytest.raises(RemoteError, match="executable file not found") as missing:
        parse_answer(b'exec: "nc": executable file not found in $PATH', "GET /config/")
    assert "nc" in missing.value.hint and not missing.value.retryable
    with pytest.raises(RemoteError, match="nc printed nothing") as nothing:
        parse_answer(b"", "GET /config/")
    assert nothing.value.retryable
    with pytest.raises(RemoteError, match="cut off"):
        parse_answer(output[:60] + b"\r\n\r\nzz", "GET /config/")


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("{host: shop.example.com}", "needs the port that the proxy leads to"),
        ("{port: 1, host: Shop.example.com}", "should be a host name in lower case"),
        ("{port: 1, host: '*.example.com'}", "should be a host name in lower case"),
        ("{port: 1, host: 'a.example.com:80'}", "should be a host name in lower case"),
        ("{port: 1, host: [a.test, a.test]}", "is a host of the same service, too"),
        ("{services: {a: {port: 1, host: x.test}, b: {port: 1, host: x.test}}}", "is a host of a, too"),
        ("{port: 1, host: x.test, proxy: {http: 80, https: 80}}", "is the port of http, too"),
        ("{port: 1, host: x.test, proxy: {tls: maybe}}", "automatic"),
    ],
)
def test_mistakes_are_named_at_their_keys(tmp_path: Path, target: str, what: str) -> None:
    assert what in mistake(tmp_path, target)


def test_one_host_or_a_list_and_the_defaults_of_the_proxy(tmp_path: Path) -> None:
    one = load(tmp_path, "{services: {web: {port: 3000, host: a.test}, api: {port: 1, host: [b.test, c.test]}}}")
    assert {name: spec.hosts for name, spec in one.services.routes().items()} == {
        "web": ("a.test",),
        "api": ("b.test", "c.test"),
    }
    assert one.services.proxy() == ProxySpec("docker.io/library/caddy:2", Ports(80, 443))
    config = one.config
    assert isinstance(config, DockerConfig) and config.services["web"].order == "start-first"
    off = load(tmp_path, "{port: 1, host: a.test, proxy: {tls: off, drain: 5s}}")
    assert off.services.proxy() == ProxySpec("docker.io/library/caddy:2", Ports(80, 0), frozenset(["tls", "drain"]))
    assert load(tmp_path, "{port: 1}").services.proxy() is None
