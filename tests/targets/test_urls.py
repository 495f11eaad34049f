"""Where what a target runs can be visited."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.targets.kubernetes.urls import ingress_urls


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
    assert ingress_urls([ingress(spec)]) == urls


def test_what_is_no_ingress_has_none() -> None:
    assert ingress_urls([{"kind": "Service", "spec": {"rules": [{"host": "a"}]}}, {}]) == ()
