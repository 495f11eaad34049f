"""Amounts and host names in deploy.yml: what is taken, what is refused, and the fix that is offered."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.config.host_name import check_host
from shipit.config.units import Misplaced
from shipit.targets.kubernetes.concise.workload import WorkloadConfig
from shipit.targets.kubernetes.config import KubernetesConfig
from shipit.targets.kubernetes.quantity import check_cpu, check_memory, parse_quantity
from shipit.targets.kubernetes.request_body import request_body


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", "0"), ("1", "1"), ("0.5", "0.5"), (".5", "0.5"), ("5.", "5"), ("250m", "0.25"), ("1k", "1000"), ("1Ki", "1024"),
        ("2Gi", "2147483648"), ("1E", "1000000000000000000"), ("1Ei", "1152921504606846976"), ("1e3", "1000"), ("1E3", "1000"),
        ("12e-1", "1.2"), ("100n", "0.0000001"), ("", None), ("m", None), ("1mi", None), ("1 Mi", None), ("-1", None),
        ("1e333", None), ("١", None), ("1" * 31, None), ("0x1F", None), ("1\n", None),
    ],
)  # fmt: skip
def test_quantities(text: str, number: str | None) -> None:
    assert parse_quantity(text) == (None if number is None else Decimal(number))


@given(st.text(alphabet="0123456789.eE+-numkMGTPi ", max_size=40))
def test_no_text_breaks_the_quantity_parser(text: str) -> None:
    parse_quantity(text)
    for check in (check_cpu, check_memory):
        try:
            assert check(text) == text and parse_quantity(text) is not None
        except Misplaced as error:
            assert str(error)


@pytest.mark.parametrize("text", ["1", "0.5", "99", "1.25", "250m", "1m", "250000m", "0.001"])
def test_valid_amounts_of_cpu(text: str) -> None:
    assert check_cpu(text) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("250", "write 250m for 250 thousandths of a core; 250000m, if 250 cores are meant"),
        ("100", "write 100m for 100 thousandths of a core; 100000m, if 100 cores are meant"),
        ("250Mi", "write 250m"), ("250M", "write 250m"), ("2 m", "write 2m"), ("0", "leave it out to ask for none"),
        ("0m", "leave it out to ask for none"), ("0.5m", "leave it out to ask for none"), ("0.0005", "leave it out to ask for none"),
        ("half", ""), ("-1", ""), ("1e3", ""), ("inf", ""), ("nan", ""), ("", ""), ("99999999m", ""), ("1,5", ""), ("²", ""), ("1\n", ""),
    ],
)  # fmt: skip
def test_invalid_amounts_of_cpu(text: str, hint: str) -> None:
    with pytest.raises(Misplaced) as caught:
        check_cpu(text)
    assert caught.value.hint == hint


@pytest.mark.parametrize("text", ["256Mi", "1Gi", "0.5Gi", "512M", "268435456", "1024Ki", "64Ti", "1.5G"])
def test_valid_amounts_of_memory(text: str) -> None:
    assert check_memory(text) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("256", "write 256Mi"), ("256k", "write 256Mi"), ("1000.5", "write 1000.5Mi"), ("256m", "write 256Mi for 256 mebibytes"),
        ("256mi", "write 256Mi"), ("256MB", "write 256M"), ("256 MB", "write 256M"), ("256MiB", "write 256Mi"), ("1g", "write 1Gi"),
        ("1gb", "write 1G"), ("1 Gi", "write 1Gi"), ("2GB", "write 2G"), ("0", "leave it out for no limit"), ("65Ti", ""), ("1E", ""), ("1Ei", ""),
        ("1u", ""), ("half", ""), ("-1Gi", ""), ("", ""), ("1e3", ""), ("inf", ""), ("256Mi\n", ""),
    ],
)  # fmt: skip
def test_invalid_amounts_of_memory(text: str, hint: str) -> None:
    with pytest.raises(Misplaced) as caught:
        check_memory(text)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    "name", ["localhost", "a.b", "shop.example.com", "*.example.com", "xn--mnchen-3ya.de", "1a.b2", "a" * 63 + ".com"]
)
def test_valid_host_names(name: str) -> None:
    assert check_host(name) == name


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("https://A.example.com:80/x", "a.example.com"), ("http://shop.example.com", "shop.example.com"), ("shop.example.com/", "shop.example.com"),
        ("shop.example.com:443", "shop.example.com"), ("Shop.Example.com", "shop.example.com"), ("shop.example.com.", "shop.example.com"),
        ("user:secret@shop.example.com", "shop.example.com"), ("münchen.de", "xn--mnchen-3ya.de"), ("straße.de", ""), (" shop.example.com", "shop.example.com"),
        ("shop.example.com?x", "shop.example.com"), ("a_b.c", ""), ("a..b", ""), ("-a.com", ""), ("a-.com", ""), (".a.com", ""), ("", ""),
        ("*", ""), ("a.*.com", ""), ("**.a.com", ""), ("10.0.0.1", ""), ("1.2.3", ""), ("::1", ""), ("[::1]:80", ""), ("a" * 64 + ".com", ""),
        ("a." * 126 + "com", ""), ("a b.com", ""), ("a.com,b.com", ""), ("a.com\n", "a.com"), ("\ud800.com", ""),
    ],
)  # fmt: skip
def test_invalid_host_names(text: str, meant: str) -> None:
    with pytest.raises(Misplaced) as caught:
        check_host(text)
    assert caught.value.hint == (f"write {meant}" if meant else caught.value.hint)
    assert bool(meant) == caught.value.hint.startswith("write ")


@given(st.text(max_size=60))
def test_the_hint_for_a_host_is_a_valid_host(text: str) -> None:
    try:
        check_host(text)
    except Misplaced as error:
        if error.hint.startswith("write "):
            name = error.hint.removeprefix("write ")
            assert check_host(name) == name


@pytest.mark.parametrize(
    ("keys", "doubted"),
    [
        ({"replicas": 3, "cpu": "250m", "memory": "256Mi"}, []),
        ({"replicas": 5000}, [("replicas",)]),
        ({"scale": {"max": 9999}, "cpu": 1}, [("scale", "max")]),
        ({"scale": {"max": 3}}, [("scale",)]),
        ({"cpu": "250000m"}, [("cpu",)]),
        ({"memory": "1Ti"}, [("memory",)]),
        ({"memory": "2Mi"}, [("memory",)]),
        ({"pdb": 1}, [("pdb",)]),
        ({"replicas": 3, "pdb": 3}, [("pdb",)]),
        ({"replicas": 3, "pdb": 2}, []),
        ({"replicas": 3, "pdb": {"max": 0}}, [("pdb",)]),
        ({"replicas": 3, "pdb": "100%"}, [("pdb",)]),
        ({"scale": {"min": 2, "max": 5}, "cpu": 1, "pdb": {"max": 1}}, []),
    ],
)
def test_possible_but_unlikely_values_are_warnings(keys: dict[str, object], doubted: list[tuple[str, ...]]) -> None:
    assert [path for path, _, _ in WorkloadConfig.model_validate(keys).doubts()] == doubted
    assert KubernetesConfig.model_validate({"workloads": {"web": keys}}).workloads


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("é ☃", r'"\u00e9 \u2603"'),
        ("🚀", '"🚀"'),
        ("a\x7f\x85\u2028\ufeffb", r'"a\u007f\u0085\u2028\ufeffb"'),
        ("\\ud83d\n\x01", r'"\\ud83d\n\u0001"'),
    ],
)
def test_a_body_is_the_same_in_json_and_yaml(text: str, body: str) -> None:
    assert request_body(text) == body
    assert json.loads(body) == text
