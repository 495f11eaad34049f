"""Redirects that are allowed and refused, by their URL and by the address of its host."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipit.errors import RemoteError
from shipit.http.reach import Reach, reach_of
from shipit.http.redirects import target_of
from shipit.http.transport import Transport
from shipit.http.urls import is_same_origin
from tests.http.scripted import Start, answer
from tests.runs import environment

ASKED = "https://registry.example/v2/a/blobs/uploads/"
INSIDE = [
    "localhost",
    "LOCALHOST.",
    "a.localhost",
    "127.0.0.1",
    "127.9.9.9",
    "127.1",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "169.254.169.254",
    "[::ffff:169.254.169.254]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "0xa9fea9fe",
    "metadata.google.internal",
    "[fd00:ec2::254]",
    "100.100.100.200",
    "[::ffff:100.100.100.200]",
    "168.63.129.16",
]


@pytest.mark.parametrize("host", INSIDE)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_public_server_may_not_redirect_to_this_machine_or_its_link(host: str, scheme: str) -> None:
    assert reach_of(host) is not Reach.ELSEWHERE
    with pytest.raises(RemoteError, match="redirects "):
        target_of(ASKED, f"{scheme}://{host}/x")
    with pytest.raises(RemoteError, match="redirects "):
        target_of("http://registry.example/", f"{scheme}://{host}:8080/x")


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "metadata.google.internal", "100.100.100.200"])
@pytest.mark.parametrize("asked", ["http://127.0.0.1:5000/v2/", "http://localhost/", "http://[::1]:5000/"])
def test_a_server_on_this_machine_may_not_redirect_to_its_link(asked: str, host: str) -> None:
    with pytest.raises(RemoteError, match="redirects to an address of this machine or its link"):
        target_of(asked, f"http://{host}/latest/meta-data/")


def test_a_server_on_the_link_may_not_redirect_to_this_machine() -> None:
    assert target_of("http://169.254.1.1/", "http://169.254.1.2/x") == "http://169.254.1.2/x"
    with pytest.raises(RemoteError, match="redirects to an address of this machine or its link"):
        target_of("http://169.254.1.1/", "http://127.0.0.1/x")


@pytest.mark.parametrize(
    "host",
    [
        "registry.example",
        "10.0.0.1",
        "100.100.100.201",
        "[fd00::1]",
        "8.8.8.8",
        "1.1",
        "[2001:db8::1]",
        "localhost.example",
    ],
)
def test_a_redirect_to_another_public_or_private_host_is_allowed(host: str) -> None:
    assert reach_of(host) is Reach.ELSEWHERE
    assert target_of(ASKED, f"https://{host}/x") == f"https://{host}/x"


@pytest.mark.parametrize(
    ("asked", "location", "found"),
    [
        (ASKED, "/up?state=1", "https://registry.example/up?state=1"),
        (ASKED, "next", "https://registry.example/v2/a/blobs/uploads/next"),
        (ASKED, "//other.example/x", "https://other.example/x"),
        (ASKED, "http://registry.example/up", "https://registry.example/up"),
        ("https://r.example:5000/", "http://r.example:5000/up", "https://r.example:5000/up"),
        ("https://r.example:443/", "http://r.example/up", "https://r.example/up"),
        ("http://10.0.0.5:5000/", "http://10.0.0.5:5000/up", "http://10.0.0.5:5000/up"),
        ("http://10.0.0.5:5000/", "https://10.0.0.5/up", "https://10.0.0.5/up"),
        ("http://127.0.0.1:5000/", "http://localhost:6000/up", "http://localhost:6000/up"),
    ],
)
def test_the_target_of_a_redirect(asked: str, location: str, found: str) -> None:
    assert target_of(asked, location) == found


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://other.example/x", "redirects from https to http"),
        ("HTTP://OTHER.example/x", "redirects from https to http"),
        ("http://registry.example:8080/x", "redirects from https to http"),
        ("http://registry.example.evil/x", "redirects from https to http"),
        ("http://registry.example@evil.example/x", "redirects from https to http"),
        ("ftp://registry.example/x", "redirects to an invalid URL"),
        ("file:///etc/passwd", "redirects to an invalid URL"),
        ("http://[", "redirects to an invalid URL"),
        ("https://a.example:99999/", "redirects to an invalid URL"),
        ("https://a.example/\x00", "redirects to an invalid URL"),
        ("https://a.example/\u202e", "redirects to an invalid URL"),
        ("https://evil.example\\@registry.example/", "redirects to an invalid URL"),
        ("//evil.example\\@registry.example:443/", "redirects to an invalid URL"),
        ("https://evil.example\\.registry.example/", "redirects to an invalid URL"),
        ("https://evil.example @registry.example/", "redirects to an invalid URL"),
    ],
)
def test_a_redirect_that_is_refused(location: str, said: str) -> None:
    with pytest.raises(RemoteError, match=said) as caught:
        target_of(ASKED, location)
    assert caught.value.where == "registry.example/v2/a/blobs/uploads/"


def test_origins() -> None:
    assert is_same_origin("https://a.example/x", "https://A.example:443/y?z")
    for other in (
        "http://a.example/",
        "https://b.example/",
        "https://a.example:444/",
        "https://[",
        "https://x@b.example/",
        "https://b.example\\@a.example/",
    ):
        assert not is_same_origin("https://a.example/x", other)


def test_a_name_that_resolves_to_this_machine_is_refused_after_a_redirect_from_elsewhere(
    serve: Start, tmp_path: Path, own_address: str
) -> None:
    """`ip6-loopback` and the like aside, a name tells nothing: the address that it has is looked at."""
    inside = serve([answer(b"secret")])
    outside = serve([answer()], host=own_address)
    transport = Transport(environment(tmp_path))
    led_by = transport.send("GET", outside.url)
    assert led_by.reach is Reach.ELSEWHERE
    with pytest.raises(RemoteError, match=r"redirects to an address of this machine or its link: 127\.0\.0\.1"):
        transport.send("GET", inside.url, led_by=led_by)
    transport.close()
    assert inside.connections == 0


def test_a_server_on_this_machine_may_redirect_to_this_machine(serve: Start, tmp_path: Path) -> None:
    one, two = serve([answer()]), serve([answer(b"two")])
    transport = Transport(environment(tmp_path))
    led_by = transport.send("GET", one.url)
    assert led_by.reach is Reach.MACHINE and transport.send("GET", two.url, led_by=led_by).content == b"two"
    transport.close()
