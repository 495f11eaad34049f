"""A secret is masked in whichever form a program, a server or a terminal gives it; nothing but free text is changed."""

from __future__ import annotations

import base64
import binascii
import html
import json
import quopri
import re
import shlex
import struct
import textwrap
import time
import urllib.parse
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit import events, release
from shipit.encoded import unwrapped
from shipit.errors import BuildError, ConfigError, ConfigErrors, RemoteError, ShipitError
from shipit.escaped import escape_twice, escaped_forms
from shipit.events import Log, StepDone, StepId, TargetFinished
from shipit.printable import MOST_CHARACTERS, FreeText, Name
from shipit.redact import MASK, Redactor, free_text_fields
from shipit.redact_log import LogRedactor
from shipit.release import (
    Finding,
    Place,
    Plan,
    PlannedImage,
    State,
    Status,
    Step,
    TagMove,
    TargetPlan,
    Unit,
    Upload,
    Verdict,
)
from shipit.wrapped import within

PEM = """-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj
MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu
NMoSfm76oqFvAp8Gy0iz5sxjZmSnXyCdPEovGhLa0VzMaQ8s+CLOyS56YyCFGeJZ
qgtz6w==
-----END PRIVATE KEY-----
"""
SECRETS = [
    "canary-4711",
    "p@ss/w#rd+1 \"quoted\" 'too' <&>",
    "gr\u00fc\u00dfe-\u65e5\u672c-\U0001f511",
    "back\\slash\\new$HOME`x`",
    "not utf-8 \udcff\udcfe",
    "  spaces around  ",
    PEM,
]


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def wide(text: str) -> bytes:
    return raw(text).decode("utf-8", "replace").encode("utf-16-le")


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "json": json.dumps,
    "json with every character": lambda text: json.dumps(text, ensure_ascii=False),
    "json in upper case": lambda text: re.sub(r"(?<=\\u)[0-9a-f]{4}", lambda match: match[0].upper(), json.dumps(text)),
    "json of php": lambda text: json.dumps(text).replace("/", "\\/"),
    "json of go": lambda text: json.dumps(text).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"),
    "json in json": lambda text: json.dumps(json.dumps(text)),
    "json in html": lambda text: html.escape(json.dumps(text)),
    "repr": repr,
    "repr of bytes": lambda text: repr(raw(text)),
    "html": html.escape,
    "html of go": lambda text: html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    "xml": lambda text: html.escape(text).replace("&#x27;", "&apos;"),
    "html without quotes": lambda text: html.escape(text, quote=False),
    "quote": lambda text: urllib.parse.quote(raw(text)),
    "quote with nothing safe": lambda text: urllib.parse.quote(raw(text), safe=""),
    "encodeURIComponent": lambda text: urllib.parse.quote(raw(text), safe="!'()*"),
    "quote_plus": lambda text: urllib.parse.quote_plus(raw(text)),
    "quote in lower case": lambda text: _lower(urllib.parse.quote(raw(text), safe="")),
    "quote_plus in lower case": lambda text: _lower(urllib.parse.quote_plus(raw(text))),
    "every byte in percent": lambda text: "".join(f"%{byte:02x}" for byte in raw(text)),
    "every byte in \\x": lambda text: "".join(f"\\x{byte:02x}" for byte in raw(text)),
    "hex": lambda text: raw(text).hex(),
    "HEX": lambda text: raw(text).hex().upper(),
    "hex with colons": lambda text: raw(text).hex(":"),
    "base64": lambda text: base64.b64encode(raw(text)).decode(),
    "base64 without padding": lambda text: base64.b64encode(raw(text)).decode().rstrip("="),
    "base64 for urls": lambda text: base64.urlsafe_b64encode(raw(text)).decode(),
    "base64 in lines": lambda text: base64.encodebytes(raw(text)).decode(),
    "base64 in base64": lambda text: base64.b64encode(base64.b64encode(raw(text))).decode(),
    "base64 with a user of four": lambda text: base64.b64encode(b"user:" + raw(text)).decode(),
    "base64 with a user of five": lambda text: base64.b64encode(b"users:" + raw(text)).decode(),
    "base64 with a user of six": lambda text: base64.b64encode(b"user_s:" + raw(text) + b"\n").decode(),
    "a kubernetes pull secret": lambda text: base64.b64encode(
        json.dumps({"auths": {"h": {"auth": base64.b64encode(b"me:" + raw(text)).decode()}}}).encode()
    ).decode(),
    "base64 of json": lambda text: base64.b64encode(
        json.dumps({"password": raw(text).decode("utf-8", "replace")}).encode()
    ).decode(),
    "base64 of UTF-16": lambda text: base64.b64encode(wide(text)).decode(),
    "hex of UTF-16": lambda text: wide(text).hex(),
    "hex with dashes": lambda text: raw(text).hex("-").upper(),
    "every character in \\u": lambda text: "".join(
        f"\\u{unit:04x}" for (unit,) in struct.iter_unpack("<H", wide(text))
    ),
    "base32": lambda text: base64.b32encode(raw(text)).decode(),
    "base32 in lower case without padding": lambda text: base64.b32encode(raw(text)).decode().lower().rstrip("="),
    "base32 with a user of three": lambda text: base64.b32encode(b"use:" + raw(text)).decode(),
    "base32 with a user of seven": lambda text: base64.b32encode(b"users_1:" + raw(text) + b"\n").decode(),
    "every byte in octal": lambda text: "".join(f"\\{byte:03o}" for byte in raw(text)),
    "octal as git writes it": lambda text: "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\{byte:03o}" for byte in raw(text)
    ),
    "quoted-printable": lambda text: quopri.encodestring(raw(text)).decode(),
    "every byte in quoted-printable": lambda text: "".join(f"={byte:02X}" for byte in raw(text)),
    "quoted-printable in lines": lambda text: quopri.encodestring(b"~" * 70 + raw(text)).decode()[70:],
    "upper case": str.upper,
    "lower case": str.lower,
    "base64 in a query": lambda text: urllib.parse.quote(base64.b64encode(raw(text)).decode(), safe=""),
    "a path of go": lambda text: urllib.parse.quote(raw(text), safe="$&+:=@"),
    "a user of go": lambda text: urllib.parse.quote(raw(text), safe="$&+,;="),
    "a url of requests": lambda text: urllib.parse.quote(raw(text), safe="!#$%&'()*+,/:;=?@[]~"),
    "shell": shlex.quote,
    "wrapped": lambda text: "\n".join(textwrap.wrap(text, 7, drop_whitespace=False)),
    "coloured within": lambda text: f"{text[:6]}\x1b[01;31m{text[6:8]}\x1b[m{text[8:]}",
    "coloured by grep": lambda text: f"\x1b[01;31m\x1b[K{text[:6]}\x1b[m\x1b[K{text[6:]}",
    "with a cleared screen": lambda text: f"{text[:6]}\x1b[2J\x1b[?25l{text[6:]}",
    "with a link within": lambda text: f"{text[:5]}\x1b]8;;http://x\x07{text[5:7]}\x1b]8;;\x1b\\{text[7:]}",
    "with tags that show nothing": lambda text: f"{text[:5]}\U000e0041{text[5:]}",
    "with characters of no width": lambda text: f"{text[:5]}\u200b\u202e{text[5:]}",
}


def hexdump(data: bytes) -> str:
    """As `hexdump -C`."""
    rows = (data[at : at + 16] for at in range(0, len(data), 16))
    return "\n".join(
        f"{at * 16:08x}  {row[:8].hex(' ')}  {row[8:].hex(' ')}  |{''.join(chr(b) if 32 <= b < 127 else '.' for b in row)[:2]}|"
        for at, row in enumerate(rows)
    )


def xxd(data: bytes) -> str:
    rows = (data[at : at + 16] for at in range(0, len(data), 16))
    return "\n".join(f"{at * 16:08x}: {row.hex(' ', -2)}  .." for at, row in enumerate(rows))


def words(data: bytes) -> str:
    """As `hexdump` and `od -x`, in words of two bytes, the lower one first."""
    rows = (data[at : at + 16] for at in range(0, len(data), 16))
    pairs = (" ".join(row[i : i + 2][::-1].hex().zfill(4) for i in range(0, len(row), 2)) for row in rows)
    return "\n".join(f"{at * 16:07x} {row}" for at, row in enumerate(pairs))


def od(data: bytes) -> str:
    """As `od -b`."""
    rows = (data[at : at + 16] for at in range(0, len(data), 16))
    return "\n".join(f"{at * 16:07o} {' '.join(f'{byte:03o}' for byte in row)}" for at, row in enumerate(rows))


@pytest.mark.parametrize(
    "dump", [hexdump, xxd, words, od, lambda data: data.hex(" "), lambda data: data.hex(" ").upper()]
)
@pytest.mark.parametrize("before", [b"", b"x", b"Authorization: Basic "])
@pytest.mark.parametrize("secret", ["canary-4711", "p@ss/w#rd+1 'too'", "0123456789abcdefghijklmnopqrstuvwxyz" * 2])
def test_a_secret_is_masked_in_a_dump_of_bytes(secret: str, before: bytes, dump: Callable[[bytes], str]) -> None:
    text = dump(before + raw(secret) + b" and more")
    shown = Redactor([secret]).text(text)
    log = LogRedactor(Redactor([secret]))
    lines = [line for each in text.split("\n") for line in log.push(each)] + log.flush()
    for out in (shown, "\n".join(lines)):
        left = dump_parts(out)
        assert MASK in out and not [part for part in parts(raw(secret), 4) if part in left], out
        assert len(out.split("\n")) == len(text.split("\n"))


def parts(data: bytes, size: int) -> set[bytes]:
    return {data[at : at + size] for at in range(len(data) - size + 1)}


def dump_parts(text: str) -> bytes:
    """The bytes that somebody could still read from a dump, in both orders, rows apart."""
    out = b""
    for row in text.split("\n"):
        groups = re.findall(r"(?<![0-9a-zA-Z])(?:[0-9a-fA-F]{2}|[0-9a-fA-F]{4}|[0-3][0-7]{2})(?![0-9a-zA-Z:])", row)
        for order in (1, -1):
            for each in groups:
                out += bytes([int(each, 8)]) if len(each) == 3 else bytes.fromhex(each)[::order]
            out += b"\n\n\n\n"
    return out


def test_numbers_in_groups_are_no_dump_of_a_secret() -> None:
    text = "took 12 34 56 78 ms, 2026 1126 0015, 644 755 600 644, be ef de ad"
    assert Redactor(["canary-4711", "hunter2secret"]).text(text) == text


# Looked for only in values that are long enough, and no words.
SELECTIVE = {"upper case", "lower case", *(name for name in ENCODINGS if name.startswith("base32"))}
AROUND = {
    "base32 with a user of three": 16,
    "base32 with a user of seven": 24,
    "a kubernetes pull secret": 60,
    "base64 of json": 32,
    "json in html": 40,
    "base64 with a user of six": 16,
}


def _lower(quoted: str) -> str:
    parts = quoted.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


@pytest.mark.parametrize("secret", SECRETS, ids=[ascii(secret[:12]) for secret in SECRETS])
@pytest.mark.parametrize("name", ENCODINGS)
def test_a_secret_is_masked_in_every_form(secret: str, name: str) -> None:
    form = ENCODINGS[name](secret)
    shown = Redactor([secret]).text(f"denied ({form}) for this user")
    assert MASK in shown and shown.startswith("denied (") and shown.endswith("for this user")
    left = shown.removeprefix("denied (").removesuffix(") for this user").replace(MASK, " ")
    # What is around the value is left: quotes, a user's name, keys of JSON.
    assert len("".join(left.split())) <= AROUND.get(name, 12), left
    assert secret.strip() not in left


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=6, max_size=40).filter(
        # A part of the mask itself can't be told from the mask.
        lambda text: len(text.strip()) >= 6 and text not in MASK
    ),
    st.sampled_from(sorted(set(ENCODINGS) - SELECTIVE)),
)
def test_any_text_is_masked_in_every_form(secret: str, name: str) -> None:
    form = ENCODINGS[name](secret)
    assert form == "" or form not in Redactor([secret]).text(f"<<<{form}>>>") or len(form) < 4


@pytest.mark.parametrize("line", PEM.strip().splitlines())
def test_each_line_of_a_key_is_masked(line: str) -> None:
    assert line not in Redactor([PEM]).text(f"key: {line} (not understood)")


def test_a_key_with_escaped_line_ends_is_masked_line_by_line() -> None:
    redactor = Redactor([json.dumps({"type": "service_account", "private_key": PEM})])
    shown = redactor.text(PEM)
    assert all(line not in shown for line in PEM.strip().splitlines() if "-----" not in line)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("postgres://app:correct-horse@db.example.com/app", "password authentication failed: correct-horse"),
        ("Bearer eyJhbGciOi.abc", "the token eyJhbGciOi.abc is expired"),
        ("Basic dXNlcjpwYXNzd29yZA==", "got dXNlcjpwYXNzd29yZA=="),
    ],
)
def test_the_secret_within_a_value_is_masked(value: str, text: str) -> None:
    assert MASK in Redactor([value]).text(text)
    assert value.split(" ")[-1] not in Redactor([value]).text(text)


def test_values_under_four_characters_are_not_searched_for() -> None:
    assert Redactor(["abc", "", "k8s", "web"]).text("abc web k8s YWJj 616263") == "abc web k8s YWJj 616263"
    assert Redactor(["abcd"]).text("abcd abcde") == f"{MASK} {MASK}e"


def test_what_was_cut_elsewhere_is_masked_as_far_as_it_goes() -> None:
    redactor = Redactor(["canary-4711-of-production"])
    assert redactor.text("wrong token canary-4711-of-producti") == f"wrong token {MASK}"
    assert redactor.text("wrong token canary-4711-of-pro...") == f"wrong token {MASK}"
    assert redactor.text("a canary is a bird") == "a canary is a bird"


def test_secrets_that_overlap_leave_nothing() -> None:
    redactor = Redactor(["abcdef", "cdefghij", "ghijklmnop"])
    assert redactor.text("x abcdefghijklmnop y") == f"x {MASK} y"
    assert redactor.text("abcdefabcdef") == MASK + MASK


class Mixed(NamedTuple):
    name: Name
    text: FreeText
    lines: tuple[FreeText, ...]
    names: tuple[Name, ...]
    number: int = 0


def test_only_what_is_declared_as_free_text_is_changed() -> None:
    redactor = Redactor(["healthy", "heroku"])
    mixed = Mixed("healthy", "is healthy", ("healthy", "x"), ("heroku",), 7)
    assert redactor.value(mixed) == Mixed("healthy", f"is {MASK}", (MASK, "x"), ("heroku",), 7)
    finished = TargetFinished("heroku", "healthy", 1.0, Verdict(State.HEALTHY, "runs on heroku"))
    assert redactor.value(finished) == TargetFinished(
        "heroku", "healthy", 1.0, Verdict(State.HEALTHY, f"runs on {MASK}")
    )
    step = Step("apply heroku", "set heroku", ("A=healthy",))
    plan = Plan("heroku", "healthy", (), (TargetPlan("heroku", Place("heroku", "app heroku"), (), (step,)),))
    shown = redactor.value(plan)
    assert (shown.app, shown.environment, shown.targets[0].target) == ("heroku", "healthy", "heroku")
    assert shown.targets[0].place == Place("heroku", f"app {MASK}")
    assert shown.targets[0].steps[0] == replace(step, summary=f"set {MASK}", detail=(f"A={MASK}",))


class _ComputesAnnotations(type):
    """As Python 3.14 makes classes: their annotations are computed when asked for, and not in their vars."""

    @property
    def __annotations__(cls) -> dict[str, str]:  # type: ignore[override]
        return {"text": "FreeText", "name": "Name"} if cls.__name__ == "Computed" else {}


class Computed(tuple[Any, ...], metaclass=_ComputesAnnotations):
    _fields = ("text", "name")


def test_annotations_that_a_class_computes_are_read() -> None:
    assert "__annotations__" not in vars(Computed)
    assert free_text_fields(Computed) == {"text"}


def test_a_field_whose_declaration_can_not_be_read_is_not_printed() -> None:
    undeclared: Any = namedtuple("undeclared", ["name", "text"])
    with pytest.raises(TypeError, match="fields of undeclared can't be read: name, text"):
        Redactor(["s3cret-value"]).value(undeclared("a", "s3cret-value"))


def test_every_text_of_an_event_is_declared_as_free_text_or_structure() -> None:
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and hasattr(kind, "_fields")]
    assert len(kinds) > 10
    for kind in [*kinds, Step, PlannedImage, Upload, TagMove, TargetPlan, Plan, Place, Finding, Unit, Status, Verdict]:
        for field, said in kind.__annotations__.items():
            if not str(said).startswith("ClassVar["):
                assert "str" not in str(said).replace("Mapping[str, FreeJson]", ""), (
                    f"{kind.__name__}.{field} is neither"
                )
    assert free_text_fields(StepDone) == {"summary"} and free_text_fields(release.Step) == {"summary", "detail", "undo"}


def test_errors_keep_places_in_files_and_lose_secrets() -> None:
    redactor = Redactor(["deploy", "s3cret-value", "shop"])
    remote = RemoteError(
        "s3cret-value is wrong", where="GET h/s3cret-value", hint="not s3cret-value", detail=["a", "s3cret-value"]
    )
    redactor.error(remote)
    assert remote.render() == f"GET h/{MASK}: {MASK} is wrong\n  a\n  {MASK}\nhint: not {MASK}"
    assert remote.args == (f"{MASK} is wrong",)
    config = ConfigError("is s3cret-value", where="deploy.yml:3:4", path="targets.shop", position=(3, 4))
    redactor.error(ConfigErrors([config]))
    assert (config.what, config.where, config.file, config.path) == (
        f"is {MASK}",
        "deploy.yml:3:4",
        "deploy.yml",
        "targets.shop",
    )
    build = BuildError("s3cret-value", where="deploy/Dockerfile:3")
    assert str(redactor.error(build)) == f"deploy/Dockerfile:3: {MASK}"


def test_a_secret_over_two_lines_of_an_error_is_masked_and_lines_stay_as_many() -> None:
    error = ShipitError("x", detail=["first s3cret-", "value last", "end"])
    assert Redactor(["s3cret-value"]).error(error).detail == (f"first {MASK}", f"{MASK} last", "end")


@pytest.mark.parametrize("before", range(MOST_CHARACTERS - 14, MOST_CHARACTERS + 2))
def test_text_is_redacted_first_and_cut_then(before: int) -> None:
    redactor = Redactor(["s3cret-value"])
    error = redactor.error(ShipitError(f"{'x' * before}s3cret-value and more", hint="y" * 10_000))
    assert "s3c" not in error.what and len(error.what) < MOST_CHARACTERS + 60
    assert error.hint.endswith(" more characters)")
    done = redactor.value(StepDone(StepId("push", "t"), f"{'x' * before}s3cret-value", 1.0))
    assert "s3c" not in done.summary


def told(redactor: Redactor, lines: list[str]) -> list[str]:
    log = LogRedactor(redactor)
    return [line for given in lines for line in log.push(given)] + log.flush()


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (["a canary-4711-x b"], [f"a {MASK} b"]),
        (["a canary-", "4711-x b"], [f"a {MASK}", f"{MASK} b"]),
        (["a canary-", "   4711-x b"], [f"a {MASK}", f"{MASK} b"]),
        (["a ca", "nary-4711-x b"], ["a ca", f"{MASK} b"]),
        (["a canary-4711-", "x"], [f"a {MASK}", MASK]),
        (["a pass", "phrase of words"], [f"a {MASK}", MASK]),
        (["a pass phrase", "of words"], [f"a {MASK}", MASK]),
        (["a pass phrase ", "of words x"], [f"a {MASK}", f"{MASK} x"]),
        (["a pass phrase o", "f words x"], [f"a {MASK}", f"{MASK} x"]),
        (["a pass phrase", "  of", "  words x"], [f"a {MASK}", MASK, f"{MASK} x"]),
        (["a pa", "ss phrase of words"], ["a pa", MASK]),
        (["cana", "ry-4", "711-", "x"], [MASK, MASK, MASK, MASK]),
        (["a canary-", "is a bird"], ["a canary-", "is a bird"]),
        (["a canary-4711"], [f"a {MASK}"]),
        (["a can"], ["a can"]),
        ([], []),
        (["", "", "x"], ["", "", "x"]),
        (["a canary-\x1b[0m", "\x1b[1m4711-x b"], [f"a {MASK}", f"{MASK} b"]),
    ],
)
def test_a_secret_is_masked_over_the_lines_of_a_log(lines: list[str], shown: list[str]) -> None:
    assert told(Redactor(["canary-4711-x", "pass phrase of words"]), lines) == shown


def test_wrapped_base64_of_a_key_is_masked_over_the_lines_of_a_log() -> None:
    lines = binascii.b2a_base64(raw(PEM), newline=False).decode()
    wrapped = textwrap.wrap(lines, 60)
    assert set(told(Redactor([PEM]), wrapped)) == {MASK}
    assert set(told(Redactor([PEM]), PEM.strip().splitlines())) == {MASK}
    assert set(told(Redactor([PEM]), textwrap.wrap(raw(PEM).hex(), 32))) == {MASK}


@given(st.one_of(st.text("rn\\\r\n =\t\x1b[m"), st.text()))
def test_a_text_is_unwrapped_as_by_its_pattern(text: str) -> None:
    assert unwrapped(text) == within().sub("", text)


@given(st.one_of(st.text("aFnrtux09Z+/=-_.:;,@#!$ \n\r\t"), st.text()))
def test_a_text_without_quotes_is_escaped_mark_by_mark_as_any_text_is(text: str) -> None:
    assert set(escaped_forms(text)) == set(escape_twice(text))


@given(st.text("ab", min_size=4, max_size=9), st.lists(st.text("ab", max_size=12), max_size=12))
def test_no_line_of_a_log_is_lost_and_no_secret_is_left(secret: str, lines: list[str]) -> None:
    shown = told(Redactor([secret]), lines)
    assert len(shown) == len(lines)
    assert all(secret not in line for line in shown)
    if secret not in "".join(lines):
        tail = shown[-1] if shown else ""
        assert shown[:-1] == lines[:-1] or MASK in tail or MASK in "".join(shown)


def test_lines_that_are_held_back_are_bounded() -> None:
    log = LogRedactor(Redactor(["canary-4711-x"]))
    log.push("a canary-")
    assert sum(len(log.push("")) for _ in range(5_000)) > 3_000


def test_a_long_line_of_a_log_is_cut_after_it_was_redacted() -> None:
    (shown,) = told(Redactor(["canary-4711-x"]), ["x" * (MOST_CHARACTERS - 5) + "canary-4711-x" + "y" * 60_000])
    assert "cana" not in shown and shown.endswith(" more characters)") and len(shown) < MOST_CHARACTERS + 60


@pytest.mark.large
def test_a_long_log_and_many_secrets_take_little_time() -> None:
    redactor = Redactor([f"s3cret/{number}-{'x' * (number % 30)}!" for number in range(50)])
    log = LogRedactor(redactor)
    line = "Step 12/20 : RUN npm install --production added 1423 packages in 32s https://example.com/foo.tgz"
    started = time.process_time()
    for _ in range(50_000):
        log.push(line)
    assert time.process_time() - started < 5, "it takes 0.2 s on a quiet machine"


@pytest.mark.parametrize("piece", [" ", "\\", "\n", "\x1b", " \n", "\x1b[1m", "s3cret-valu", "s3cr"])
def test_no_text_takes_long(piece: str) -> None:
    redactor = Redactor(["s3cret-value"])
    text = piece * (200_000 // len(piece))
    started = time.process_time()
    assert redactor.text(text).count("\n") == text.count("\n")
    assert time.process_time() - started < 5


def test_a_log_event_is_told_with_its_line_masked() -> None:
    assert Redactor(["canary-1"]).value(Log("web", "release", "a canary-1")) == Log("web", "release", f"a {MASK}")


@pytest.mark.parametrize("text", ["000000=\n0", "000000=\r\n0", "x 000000=\n0 y", "000000=0", "0000\n00=0"])
def test_a_value_that_was_wrapped_after_its_equals_sign_is_masked(text: str) -> None:
    assert "000000" not in Redactor(["000000=0"]).text(text).replace("\n", "")
