"""The wire to registries, an exchange at a time, with a server that may do anything."""

from __future__ import annotations

import gzip
import io
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import InvalidURL
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.clock import Clock, Deadline
from shipit.errors import Interrupted, RemoteError
from shipit.http.connections import Connections
from shipit.http.direct import parse_url
from shipit.http.messages import LARGEST_WHOLE
from shipit.http.pace import Pace
from shipit.http.transport import Transport
from shipit.http.urls import ascii_host, shown
from shipit.registry.body import FilePart
from tests.http.scripted import Start, answer, deaf
from tests.runs import environment
from tests.servers.certificates import Authority, server_context


@pytest.fixture
def transport(tmp_path: Path) -> Iterator[Transport]:
    made = Transport(environment(tmp_path))
    yield made
    made.close()


def test_a_connection_is_reused(serve: Start, transport: Transport) -> None:
    server = serve([answer(b"one"), answer(b"", "204 No Content"), answer(b"three")])
    said = [transport.send("GET", f"{server.url}/{number}").content for number in range(3)]
    assert said == [b"one", b"", b"three"]
    assert server.connections == 1


def test_a_connection_that_the_server_closed_meanwhile_is_replaced(serve: Start, transport: Transport) -> None:
    server = serve([answer(b"one")], [answer(b"two")])
    assert transport.send("GET", server.url).content == b"one"
    server.wait_until_closed()
    assert transport.send("GET", server.url).content == b"two"
    assert server.connections == 2


@pytest.mark.parametrize(("idle_s", "is_same"), [(60.0, True), (0.0, False)])
def test_a_connection_that_was_idle_too_long_is_not_reused(serve: Start, idle_s: float, is_same: bool) -> None:
    server = serve([answer()], [answer()])
    connections, place = Connections(None, idle_s), ("http", "127.0.0.1", server.port)
    first = connections.take(place, Pace("GET", Deadline(Clock()), 5), 5)
    connections.give(place, first)
    second = connections.take(place, Pace("GET", Deadline(Clock()), 5), 5)
    assert (second is first) == is_same
    for connection in (first, second):
        connection.close()


def test_an_answer_that_is_not_read_to_its_end_closes_its_connection(serve: Start, transport: Transport) -> None:
    server = serve([answer(b"x" * 100_000)], [answer(b"two")])
    with transport.send("GET", server.url, stream=True) as first:
        assert next(first.pieces(10)) == b"x" * 10
    assert transport.send("GET", server.url).content == b"two"
    assert server.connections == 2


def test_threads_use_separate_connections(serve: Start, transport: Transport) -> None:
    all_there = threading.Barrier(6)

    def together(number: int) -> Callable[[socket.socket], None]:
        def reply(client: socket.socket) -> None:
            all_there.wait(60)
            client.sendall(answer(b"%d" % number))

        return reply

    server = serve(*[[together(number)] for number in range(6)])
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(transport.send("GET", server.url).content)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [b"0", b"1", b"2", b"3", b"4", b"5"]


def test_what_is_sent(serve: Start, transport: Transport) -> None:
    server = serve([answer()], [answer()])
    transport.send("POST", f"{server.url}/a b/ü?x=1", query=(("from", "a/b"), ("y", "&")), headers={"X-Own": "1"})
    lines = server.heads[0].decode().split("\r\n")
    assert lines[0] == "POST /a%20b/%C3%BC?x=1&from=a%2Fb&y=%26 HTTP/1.1"
    assert {"X-Own: 1", "Content-Length: 0", "Accept-Encoding: identity"} <= set(lines)
    assert any(line.startswith("User-Agent: shipit/") for line in lines)
    form = Transport(transport.environment).send("POST", server.url, form=(("scope", "a b"),))
    assert form.status == 200 and server.bodies[1] == b"scope=a+b"


def test_a_range_of_a_file_is_sent_with_progress(serve: Start, transport: Transport) -> None:
    server, told = serve([answer()]), list[int]()
    body = FilePart(io.BytesIO(b"x" * 700_000), 600_000, told.append, Clock())
    transport.send("PUT", server.url, body=body, headers={"Content-Length": str(len(body))})
    assert server.bodies == [b"x" * 600_000] and sum(told) == 600_000


def test_a_cancelled_run_stops_its_upload(serve: Start, transport: Transport) -> None:
    server, clock = serve([answer()]), Clock(threading.Event())
    body = FilePart(io.BytesIO(b"x" * 4_000_000), 4_000_000, lambda amount: clock.cancel.set(), clock)
    with pytest.raises(Interrupted):
        transport.send("PUT", server.url, body=body, headers={"Content-Length": str(len(body))})


def test_an_answer_before_the_end_of_the_body_is_returned(serve: Start, transport: Transport) -> None:
    def refuse(client: socket.socket) -> None:
        client.sendall(answer(b"too large", "413 Payload Too Large"))
        client.shutdown(socket.SHUT_WR)
        time.sleep(0.3)

    server = serve([refuse], [answer(b"next")], reads_body=False)
    body = FilePart(io.BytesIO(b"x" * 30_000_000), 30_000_000, lambda amount: None, Clock())
    refused = transport.send("PUT", server.url, body=body, headers={"Content-Length": str(len(body))})
    assert (refused.status, refused.content) == (413, b"too large")
    assert transport.send("GET", server.url).content == b"next"


def test_headers_of_one_name_are_joined(serve: Start, transport: Transport) -> None:
    server = serve([answer(b"", "401 Unauthorized", 'WWW-Authenticate: Bearer realm="a"', "www-authenticate: Basic")])
    found = transport.send("GET", server.url)
    assert found.header("WWW-AUTHENTICATE") == 'Bearer realm="a", Basic'
    assert found.header("Location") == ""


def test_chunked_and_gzip_answers_are_decoded(serve: Start, transport: Transport) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=1\r\nde\r\n0\r\n\r\n"
    packed = answer(gzip.compress(b'{"a": 1}'), "200 OK", "Content-Encoding: gzip")
    server = serve([chunked, packed])
    assert transport.send("GET", server.url).content == b"abcde"
    assert transport.send("GET", server.url).json() == {"a": 1}
    assert server.connections == 1


def test_an_answer_without_length_ends_with_its_connection(serve: Start, transport: Transport) -> None:
    server = serve([b"HTTP/1.0 200 OK\r\n\r\nall of it"], [answer(b"two")])
    assert transport.send("GET", server.url).content == b"all of it"
    assert transport.send("GET", server.url).content == b"two"


def test_a_head_has_no_body(serve: Start, transport: Transport) -> None:
    server = serve([b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", answer(b"two")])
    assert transport.send("HEAD", server.url).content == b""
    assert transport.send("GET", server.url).content == b"two"
    assert server.connections == 1


def hang_up(client: socket.socket) -> None:
    client.close()


BROKEN = [
    pytest.param([hang_up], "no connection: the server closed the connection", True, id="hung up"),
    pytest.param(
        [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"], "no connection: the answer ended early", True, id="cut"
    ),
    pytest.param(
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc"],
        "no connection: the answer ended early",
        True,
        id="cut chunk",
    ),
    pytest.param(
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
        "no connection: the answer ended early",
        True,
        id="no chunk",
    ),
    *(
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\nabc\r\n"],
            "no connection: the answer ended early",
            True,
            id=f"chunk of {size.decode()}",
        )
        for size in (b"-1", b"-5", b"-ffffffffffffffff", b"5_", b"ffffffffffffffffffff")
    ),
    pytest.param([b"SSH-2.0-OpenSSH_9.2\r\n"], "no connection: the answer is not HTTP", True, id="no HTTP"),
    pytest.param([b"HTTP/1.1 abc\r\n\r\n"], "no connection: the answer is not HTTP", True, id="no status"),
    pytest.param(
        [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"],
        "no connection: the answer has too many headers",
        True,
        id="headers",
    ),
    pytest.param([deaf], "no answer in time", True, id="silence"),
    pytest.param(
        [answer(b"abc", "200 OK", "Content-Encoding: gzip")],
        "the answer should be gzip, as its Content-Encoding says",
        False,
        id="no gzip",
    ),
]


@pytest.mark.parametrize(("script", "what", "is_retryable"), BROKEN)
def test_an_invalid_answer_is_an_error(
    serve: Start, tmp_path: Path, script: list[object], what: str, is_retryable: bool
) -> None:
    server = serve(script, [answer(b"two")])
    transport = Transport(environment(tmp_path, SHIPIT_HTTP_TIMEOUT="1s"))
    with pytest.raises(RemoteError) as caught:
        transport.send("GET", f"{server.url}/path?secret=1")
    assert caught.value.what == what
    assert caught.value.where == f"GET 127.0.0.1:{server.port}/path"
    assert caught.value.retryable == is_retryable
    server.wait_until_closed()
    assert transport.send("GET", server.url).content == b"two"


def test_a_gzip_answer_that_ends_early_is_an_error(serve: Start, transport: Transport) -> None:
    half = gzip.compress(random.Random(1).randbytes(1000))[:500]
    server = serve([answer(half, "200 OK", "Content-Encoding: gzip"), answer(b"", "200 OK", "Content-Encoding: gzip")])
    with pytest.raises(RemoteError, match="the gzip of the answer ended early"):
        transport.send("GET", server.url)
    assert transport.send("GET", server.url).content == b""


def test_an_endless_answer_is_an_error(serve: Start, transport: Transport) -> None:
    sent = 0

    def endless(client: socket.socket) -> None:
        nonlocal sent
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while sent < 20 * LARGEST_WHOLE:
            sent += client.send(b"x" * 65536)

    server = serve([endless])
    with pytest.raises(RemoteError, match="longer than 8 MiB"):
        transport.send("GET", server.url)
    time.sleep(0.2)
    assert sent < 4 * LARGEST_WHOLE


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://127.0.0.1:1/", "no connection: connection refused"),
        ("http://no-such-host.invalid/", "the name no-such-host.invalid can't be resolved"),
        ("http://[::1/", "invalid URL"),
        ("http://127.0.0.1:99999/", "invalid URL of 127.0.0.1"),
        ("http://a..b/", "invalid URL of a..b"),
        ("ftp://127.0.0.1/", "invalid URL of 127.0.0.1"),
        ("/v2/", "invalid URL"),
    ],
)
def test_an_invalid_url_or_host_is_an_error(transport: Transport, url: str, what: str) -> None:
    with pytest.raises(RemoteError) as caught:
        transport.send("GET", url)
    assert caught.value.what == what


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "token-😀"])
def test_an_invalid_header_is_an_error_without_its_value(serve: Start, transport: Transport, value: str) -> None:
    server = serve([answer()])
    with pytest.raises(RemoteError) as caught:
        transport.send("GET", server.url, headers={"Authorization": value})
    assert "a header holds characters that HTTP does not allow" in caught.value.render()
    assert value not in caught.value.render() and not caught.value.retryable


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    folder = tmp_path / "pki"
    Authority(folder).issue("server", "server", names=("127.0.0.1",))
    return folder


def test_a_private_certificate_authority_is_trusted(serve: Start, tmp_path: Path, authority: Path) -> None:
    server = serve([answer(b"one"), answer(b"two")], context=server_context(authority))
    transport = Transport(environment(tmp_path, SSL_CERT_FILE=str(authority / "ca.crt")))
    assert [transport.send("GET", server.url).content for _ in range(2)] == [b"one", b"two"]
    assert server.connections == 1


def test_an_untrusted_certificate_is_an_error(serve: Start, transport: Transport, authority: Path) -> None:
    server = serve([answer()], context=server_context(authority))
    with pytest.raises(RemoteError) as caught:
        transport.send("GET", server.url)
    assert re.match("the certificate of 127.0.0.1 can't be trusted: .*certificate", caught.value.what)
    assert "SSL_CERT_FILE" in caught.value.hint and not caught.value.retryable


def test_an_invalid_file_of_certificates_is_an_error(serve: Start, tmp_path: Path, authority: Path) -> None:
    server = serve([answer()], context=server_context(authority))
    for file, said in ((tmp_path / "none.pem", "does not exist"), (tmp_path / "empty.pem", "holds no certificates")):
        (tmp_path / "empty.pem").write_text("nothing\n")
        with pytest.raises(RemoteError) as caught:
            Transport(environment(tmp_path, SSL_CERT_FILE=str(file))).send("GET", server.url)
        assert str(file) in caught.value.what and said in caught.value.what


def test_a_server_without_tls(serve: Start, transport: Transport) -> None:
    server = serve([answer()], greeting=b"220 ready\r\n")
    with pytest.raises(RemoteError) as caught:
        transport.send("GET", server.url.replace("http:", "https:"))
    assert caught.value.what.startswith("no connection: ") and caught.value.retryable


@given(st.lists(st.sampled_from(["a", "Host", "x" * 63, "x" * 64, "", "bücher", "1", "a_b", "::1"]), max_size=4))
def test_hosts_are_what_the_codec_idna_makes_of_them(labels: list[str]) -> None:
    host = ".".join(labels)
    try:
        expected = host.encode("idna").decode()
    except UnicodeError:
        with pytest.raises(UnicodeError):
            ascii_host(host)
    else:
        assert ascii_host(host) == expected


def test_urls() -> None:
    assert parse_url("https://Host.example/v2/?a=%2F&b=c") == (("https", "host.example", 443), "/v2/?a=%2F&b=c")
    assert parse_url("http://[::1]:5000") == (("http", "::1", 5000), "/")
    assert parse_url("https://user:pass@bücher.example/x#part") == (("https", "xn--bcher-kva.example", 443), "/x")
    for url in ("https://one.example\\@two.example/", "https://one.example\\.two.example/", "https://one two.example/"):
        with pytest.raises(InvalidURL):
            parse_url(url)
    assert shown("GET", "https://user:pass@host.example:5000/x?token=1") == "GET host.example:5000/x"
    assert shown("GET", "http://[::1/") == "GET"
