"""Where what a target runs can be visited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipit.digest import Digest
from shipit.http.fields import Field
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.parse import parse_live
from shipit.targets.kubernetes.urls import urls_of
from shipit.targets.registry.observed import RegistryObserved
from tests import runs


def ingress(spec: Any) -> dict[str, Any]:
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "urls"),
    [
        ({"rules": [{"host": "shop.example.com"}]}, ("http://shop.example.com/",)),
        (
            {"rules": [{"host": "a.example.com"}, {"host": "b.example.com"}], "tls": [{"hosts": ["b.example.com"]}]},
            ("http://a.example.com/", "https://b.example.com/"),
        ),
        ({"rules": [{"host": "a.example.com"}, {"host": "a.example.com"}]}, ("http://a.example.com/",)),
        ({"rules": [{"http": {}}, {"host": "*.example.com"}, {"host": ""}]}, ()),
        ({"rules": None, "tls": "x"}, ()),
        ([], ()),
        (None, ()),
        ({"rules": ["x", {"host": 7}], "tls": [{"hosts": [7, "a"]}, 3]}, ()),
    ],
)
def test_urls_of_an_ingress(spec: Any, urls: tuple[str, ...]) -> None:
    assert urls_of([ingress(spec)]) == urls


def service(ports: Any, addresses: Any) -> dict[str, Any]:
    status = {"loadBalancer": {"ingress": addresses}}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"ports": ports},
        "status": status,
    }


@pytest.mark.parametrize(
    ("ports", "addresses", "urls"),
    [
        ([{"port": 80}], [{"ip": "203.0.113.7"}], ("http://203.0.113.7/",)),
        (
            [{"port": 443}, {"port": 9000, "name": "http-admin"}],
            [{"hostname": "lb.example.com", "ip": "203.0.113.7"}],
            ("https://lb.example.com/", "http://lb.example.com:9000/"),
        ),
        ([{"port": 7000, "appProtocol": "https"}], [{"ip": "2001:db8::7"}], ("https://[2001:db8::7]:7000/",)),
        ([{"port": 80}], [{"ip": "203.0.113.7"}, {"ip": "203.0.113.8"}], ("http://203.0.113.7/", "http://203.0.113.8/")),
        ([{"port": 5432}, {"port": 80, "protocol": "UDP"}, {"port": "80"}, "x"], [{"ip": "203.0.113.7"}], ()),
        ([{"port": 80}], [{"ip": "evil/\n"}, {"hostname": 7}, {}, "x"], ()),
        ([{"port": 80}], None, ()),
        (None, [{"ip": "203.0.113.7"}], ()),
    ],
)  # fmt: skip
def test_urls_of_a_load_balancer(ports: Any, addresses: Any, urls: tuple[str, ...]) -> None:
    assert urls_of([service(ports, addresses)]) == urls


@pytest.mark.parametrize("status", [None, "x", {}, {"loadBalancer": "x"}, {"loadBalancer": {}}])
def test_a_service_without_an_address_has_no_url(status: Any) -> None:
    assert urls_of([{**service([{"port": 80}], []), "status": status}]) == ()


def of_gateways(kind: str, spec: Any, name: str = "public") -> dict[str, Any]:
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


LISTENERS = {"listeners": [{"name": "plain", "protocol": "HTTP"}, {"name": "secure", "protocol": "HTTPS"}]}


@pytest.mark.parametrize(
    ("parent", "gateways", "scheme"),
    [
        ({"name": "public"}, (), "http"),
        ({"name": "public", "sectionName": "https"}, (), "https"),
        ({"name": "public"}, (of_gateways("Gateway", LISTENERS),), "https"),
        ({"name": "public", "sectionName": "plain"}, (of_gateways("Gateway", LISTENERS),), "http"),
        ({"name": "other", "sectionName": "https-2"}, (of_gateways("Gateway", LISTENERS),), "https"),
        ({"name": "public"}, (of_gateways("Gateway", {"listeners": ["x", {}]}),), "http"),
        ("x", (), "http"),
    ],
)  # fmt: skip
def test_urls_of_a_route_of_a_gateway(parent: Any, gateways: tuple[dict[str, Any], ...], scheme: str) -> None:
    route = of_gateways("HTTPRoute", {"parentRefs": [parent], "hostnames": ["a.example.com", "*.b.example.com", 7]})
    assert urls_of([route, *gateways]) == (f"{scheme}://a.example.com/",)
    assert urls_of([of_gateways("HTTPRoute", {"hostnames": "x"}), of_gateways("TLSRoute", route["spec"])]) == ()


def test_a_gateway_is_found_in_its_namespace() -> None:
    plain, secure = (
        of_gateways("Gateway", {"listeners": [{"name": "a", "protocol": one}]}) for one in ("HTTP", "HTTPS")
    )
    plain["metadata"]["namespace"], secure["metadata"]["namespace"] = "a", "b"
    for namespace, parent, scheme in (("a", {}, "http"), ("b", {}, "https"), ("a", {"namespace": "b"}, "https")):
        route = of_gateways("HTTPRoute", {"parentRefs": [{"name": "public", **parent}], "hostnames": ["x.example.com"]})
        route["metadata"]["namespace"] = namespace
        assert urls_of([plain, secure, route]) == (f"{scheme}://x.example.com/",)


def test_the_route_of_gateway_in_deploy_yml_has_a_url(tmp_path: Path) -> None:
    text = "app: shop\nimage: me/shop\ntargets: {k8s: {port: 3000, host: shop.example.com, gateway: {name: public, listener: https}}}\n"
    target = target_of(tmp_path, text)
    [route] = [one for one in target._desired.identities() if one["kind"] == "HTTPRoute"]
    live = parse_live(Field(route, "GET route"))
    assert target.urls(KubernetesObserved({"HTTPRoute/shop": live})) == ("https://shop.example.com/",)


def test_what_is_no_ingress_has_none() -> None:
    assert urls_of([{"kind": "Service", "spec": {"rules": [{"host": "a"}]}}, {}]) == ()


KUBECONFIG = """\
{clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}], contexts: [{name: c, context: {cluster: c, user: u}}],
 users: [{name: u, user: {token: t}}], current-context: c, apiVersion: v1, kind: Config}
"""


def target_of(folder: Path, text: str) -> Any:
    """The only target of a deploy.yml."""
    (folder / "kubeconfig").write_text(KUBECONFIG)
    process_environment = runs.environment(folder, KUBECONFIG=str(folder / "kubeconfig"))
    [target] = runs.run(runs.project(folder, text, process_environment), process_environment, []).targets
    return target


def test_an_ingress_has_a_url_once_it_is_in_the_cluster(tmp_path: Path) -> None:
    target = target_of(tmp_path, "app: shop\nimage: user/shop\ntargets: {k8s: {port: 80, host: shop.example.com}}\n")
    assert target.urls(KubernetesObserved({"Ingress/shop": None})) == ()
    made = parse_live(Field(ingress({"rules": [{"host": "shop.example.com"}]}), "GET ingress"))
    assert target.urls(KubernetesObserved({"Ingress/shop": made})) == ("http://shop.example.com/",)


def test_a_repository_has_a_page_once_it_has_an_image(tmp_path: Path) -> None:
    target = target_of(tmp_path, "app: shop\nimage: {repository: user/shop, tags: [v1]}\ntargets: {hub: {}}\n")
    assert target.urls(RegistryObserved({"docker.io/user/shop v1": None}, {}, {})) == ()
    pushed = RegistryObserved({"docker.io/user/shop v1": Digest.of(b"manifest")}, {}, {})
    assert target.urls(pushed) == ("https://hub.docker.com/r/user/shop",)
