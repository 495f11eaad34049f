"""Values in instructions: ports of EXPOSE, durations of HEALTHCHECK, NAME=value pairs, the exec form."""

from __future__ import annotations

import pytest

from shipit.image.dockerfile.exec_form import json_words
from shipit.image.dockerfile.healthcheck import parse_duration, parse_healthcheck
from shipit.image.dockerfile.parse import parse_dockerfile
from shipit.image.dockerfile.ports import parse_ports


@pytest.mark.parametrize(
    ("word", "ports"),
    [
        ("8080", ["8080/tcp"]),
        ("53/UDP", ["53/udp"]),
        ("8000-8002", ["8000/tcp", "8001/tcp", "8002/tcp"]),
        ("127.0.0.1:80:8080", ["8080/tcp"]),
        ("[::1]:80:8080", ["8080/tcp"]),
        ("80-81:8080-8081", ["8080/tcp", "8081/tcp"]),
        ("80-99:8080", ["8080/tcp"]),
        ("+80", ["80/tcp"]),
        ("65535/sctp", ["65535/sctp"]),
    ],
)
def test_ports(word: str, ports: list[str]) -> None:
    assert parse_ports(word) == ports


@pytest.mark.parametrize(
    "word", ["http", "", "-1", "65536", "8002-8000", "80/icmp", "1-2:1-9", "host:80:80", "\u0668", "80-", "80:"]
)
def test_other_ports_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match="EXPOSE should name ports"):
        parse_ports(word)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("+0", 0),
        ("0s", 0),
        ("1ms", 1_000_000),
        ("1500us", 1_500_000),
        ("1m30s", 90_000_000_000),
        ("1.5h", 5_400_000_000_000),
        (".5s", 500_000_000),
        ("+2s", 2_000_000_000),
    ],
)
def test_durations(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "30", "1us", "-1s", "1 s", "s", ".s", "1x", "9999999h", "1s ", "\u0661s"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="should be a duration such as 30s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("line", "check"),
    [
        ("HEALTHCHECK NONE", {"Test": ["NONE"]}),
        ("HEALTHCHECK CMD curl localhost", {"Test": ["CMD-SHELL", "curl localhost"]}),
        (
            'HEALTHCHECK --interval=5s --retries=3 CMD ["curl", "localhost"]',
            {"Test": ["CMD", "curl", "localhost"], "Interval": 5_000_000_000, "Retries": 3},
        ),
    ],
)
def test_healthchecks(line: str, check: dict[str, object]) -> None:
    [instruction] = parse_dockerfile(line.encode()).instructions
    assert parse_healthcheck(instruction) == check


@pytest.mark.parametrize("line", ["NONE curl", "CMD", "CMD []", "curl", "--retries=-1 CMD x", "--retries=x CMD x"])
def test_other_healthchecks_are_refused(line: str) -> None:
    [instruction] = parse_dockerfile(f"HEALTHCHECK {line}".encode()).instructions
    with pytest.raises(ValueError, match=r"HEALTHCHECK|--retries"):
        parse_healthcheck(instruction)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('["a", "b c"]', ("a", "b c")),
        ("[]", ()),
        ('\u2003["a"]', ("a",)),
        ('["\\ud800"]', ("\ufffd",)),
        ("echo [a]", None),
        ("['a']", None),
        ('["a",]', None),
        ("[NaN]", None),
        ("[" * 9000, None),
    ],
)
def test_the_exec_form(text: str, words: tuple[str, ...] | None) -> None:
    assert json_words(text) == words


def test_an_array_of_other_values_than_strings_is_refused() -> None:
    with pytest.raises(ValueError, match="an array should hold strings only"):
        json_words('["a", 1]')
