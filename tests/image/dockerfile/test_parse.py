"""The Dockerfile parser: equal to BuildKit's own for random and hostile files, in bounded time."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipit.image.dockerfile.exec_form import json_words
from shipit.image.dockerfile.parse import Dockerfile, parse_dockerfile
from shipit.image.dockerfile.syntax import find_problem, first_invalid, parse_arguments
from tests.servers.moby import Moby, Refused

KEYWORDS = [
    "FROM",
    "ARG",
    "ENV",
    "LABEL",
    "COPY",
    "add",
    "RUN",
    "CMD",
    "EXPOSE",
    "HEALTHCHECK",
    "ONBUILD",
    "ONBUILD COPY",
]
KEYWORDS += [
    "SHELL",
    "VOLUME",
    "USER",
    "WORKDIR",
    "STOPSIGNAL",
    "ENTRYPOINT",
    "MAINTAINER",
    "FOO",
    "ONBUILD RUN",
    "ONBUILD FOO",
]
WORDS = [
    "a",
    "b=c",
    "A=",
    "=",
    "'q r'",
    '"s t"',
    "\\",
    "`",
    "\\\n",
    "`\n",
    " \\ \n",
    "\\\n\n",
    "\\\n# c\n",
    "\r\n",
    "\t",
    "\xa0",
    "#",
]
WORDS += [
    "<<E",
    "<<-E",
    "<< E",
    "<<'E'",
    '<<"F"',
    "3<<E",
    "<<E<<F",
    '"<<E"',
    "\\<<E",
    "<<",
    "<<$A",
    "--chmod=755",
    "--link",
    "--from=x",
]
WORDS += [
    '["a", "b"]',
    "[1]",
    '["a"] x',
    "['a']",
    "[",
    '["\\ud800"]',
    "AS",
    "as",
    "NONE",
    "CMD",
    "--interval=1500us",
    "--retries=3",
]
WORDS += [
    "--x",
    "--",
    "--link=no",
    "--mount=type=cache",
    '--chown="a b"',
    "é",
    "\udcff",
    "1x",
    "X",
    "--exclude=a",
    "--platform=x",
]
BODIES = ["", "E\n", "x\nE\n", "\tE\n", "x\nF\nE\n", "E \nE\n", "E\r\n", "F\n", "\ty\n\tE"]
LINES = st.builds(
    lambda keyword, blank, words, end, body: f"{keyword}{blank}{' '.join(words)}{end}{body}",
    st.sampled_from(KEYWORDS),
    st.sampled_from([" ", "\t", "  ", "\v"]),
    st.lists(st.sampled_from(WORDS), max_size=4),
    st.sampled_from(["\n", "\n", " \n", "\r\n"]),
    st.sampled_from(BODIES),
)
HEADS = [
    "",
    "",
    "\ufeff",
    "# escape=`\n",
    "# syntax=x\n# escape=\\\n",
    "#escape = x\n",
    "\n# escape=`\n",
    "# c\n",
    "  # Escape=`\n",
]
FILES = st.builds(
    lambda head, lines: (head + "FROM a\n" + "".join(lines)).encode("utf-8", "surrogateescape"),
    st.sampled_from(HEADS),
    st.lists(LINES, max_size=3),
)


def shown(dockerfile: Dockerfile) -> list[dict[str, Any]]:
    """The instructions in the form of the Go program, whose parser splits pairs and ONBUILD."""
    rows = []
    for item in dockerfile.instructions:
        words, is_json = parse_arguments(item, dockerfile.escape)
        docs = [
            {"Name": doc.name, "Text": base64.b64encode(doc.text.encode("utf-8", "surrogateescape")).decode()}
            | {"Expand": doc.expand, "Chomp": doc.chomp}
            for doc in item.heredocs
        ]
        rows.append(
            {
                "Keyword": item.keyword,
                "Line": item.line,
                "Flags": list(item.flags),
                "Words": list(words),
                "Heredocs": docs,
                "IsJSON": is_json,
            }
        )
    return [{**row, "Words": []} if row["Keyword"] in ("ENV", "LABEL", "ONBUILD") else row for row in rows]


@given(FILES)
@example("FROM a\nFROM \xa0 --interval=1500us\n".encode())
@example("FROM a\nCOPY --link \xa0 --from=b x y\n".encode())
@example("FROM a\nFROM --platform=x\xa0b\n".encode())
@example("FROM a\nCOPY --from=\xe0 x y\n".encode())
@example("FROM a\nCOPY --from=\xe9 x y\n".encode())
@example("FROM a\nFROM \u2003 --platform=x b\n".encode())
def test_random_dockerfiles_parse_as_in_buildkit(moby: Moby, data: bytes) -> None:
    parsed = parse_dockerfile(data)
    try:
        expected = moby.dockerfile(data)
    except Refused:
        assert parsed.refusal or first_invalid(parsed)
        return
    assert parsed.refusal is None and first_invalid(parsed) is None
    for row in expected:
        row.update({key: row[key] or [] for key in ("Flags", "Words", "Heredocs")})
        # BuildKit reads flags byte by byte, which breaks characters outside of ASCII.
        row["Flags"] = [flag.encode("latin-1").decode("utf-8", "replace") for flag in row["Flags"]]
    assert shown(parsed) == [
        {**row, "Words": []} if row["Keyword"] in ("ENV", "LABEL", "ONBUILD") else row for row in expected
    ]


def test_every_instruction_is_parsed() -> None:
    text = (
        b"# syntax=docker/dockerfile:1\n# escape=\\\n\n# a comment\nFROM a AS b\n"
        b'env A=1 \\\n  # in between\n\n  B="two words"\nCOPY --from=b --chown=1:2 x /y\n'
        b"COPY <<EOF /file\nline $A\n  EOF not yet\nEOF\nCMD [\"a\", \"b\"]\n"
    )  # fmt: skip
    dockerfile = parse_dockerfile(text)
    parsed = dockerfile.instructions
    assert [(item.keyword, item.line) for item in parsed] == [
        ("FROM", 5),
        ("ENV", 6),
        ("COPY", 10),
        ("COPY", 11),
        ("CMD", 15),
    ]
    assert dockerfile.syntax == "docker/dockerfile:1"
    assert parsed[1].text == 'A=1   B="two words"'
    assert (parsed[2].flag("from"), parsed[2].flag("chown"), parsed[2].text) == ("b", "1:2", "x /y")
    assert parsed[3].heredocs[0].text == "line $A\n  EOF not yet\n"
    assert json_words(parsed[4].text) == ("a", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "Dockerfile: has no instructions\nhint: it should begin with FROM"),
        (b"FORM x\n", "Dockerfile:1: 'FORM' is not an instruction\nhint: the line before it may lack a \\ at its end"),
        (b"FROM a\nCOPY\n", "Dockerfile:2: COPY needs an argument"),
        (
            b"FROM a\nCOPY <<EOF /x\nnever\n",
            "Dockerfile:2: the here-document <<EOF is never closed\nhint: end it with a line EOF",
        ),
        (
            b"FROM a\n\\\n\nCMD b\n\\",
            "Dockerfile:5: '' is not an instruction\nhint: the line before it may lack a \\ at its end",
        ),
        (b"FROM a\nENV A=\0\n", "Dockerfile:2: should be text, found a NUL byte"),
        (b"FROM a\nCOPY --chmod x /\n", "Dockerfile:2: --chmod needs a value: --chmod=VALUE"),
        (b"FROM a\nCOPY --link=yes x /\n", "Dockerfile:2: --link should be true or false, found 'yes'"),
    ],
)
def test_syntax_errors_name_line_and_hint(text: bytes, message: str) -> None:
    problem = find_problem(parse_dockerfile(text))
    assert problem is not None and problem.render() == message


HOSTILE = {
    "a huge line": b"FROM a\nENV A=" + b"x" * 3_000_000,
    "a huge line that is continued": b"FROM a\nENV A=" + b"x \\\n" * 1_000_000,
    "a million instructions": b"FROM a\n" + b"ENV A=1\n" * 1_000_000,
    "a million comments": b"FROM a\n" + b"# c\n" * 1_000_000,
    "a hundred thousand stages": b"".join(b"FROM scratch AS s%d\n" % number for number in range(100_000)),
    "zeros": bytes(4_000_000),
    "a here-document without end": b"FROM a\nCOPY <<E /x\n" + b"x\n" * 1_000_000,
    "here-documents in a line": b"FROM a\nCOPY " + b"<<E " * 15_000 + b"/x\nE\n",
    "no text at all": bytes(range(128, 256)) * 20_000,
    "brackets": b"FROM a\nCMD " + b"[" * 60_000,
    "quotes": b"FROM a\nLABEL " + b"'\"" * 30_000,
    "blanks": b"FROM a\nENV" + b" \t" * 30_000 + b"x",
    "escapes": b"FROM a\nENV A=" + b"\\" * 60_000,
    "dashes": b"FROM a\nCOPY " + b"--a " * 15_000 + b"x /",
    "a duration": b"FROM a\nHEALTHCHECK --interval=" + b"1h" * 30_000 + b" CMD x",
    "digits": b"FROM a\nHEALTHCHECK --interval=" + b"1" * 60_000 + b"h CMD x",
    "retries": b"FROM a\nHEALTHCHECK --retries=" + b"1" * 60_000 + b" CMD x",
}


@pytest.mark.large
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_dockerfiles_are_parsed_or_refused_in_bounded_time(name: str) -> None:
    began = time.process_time()
    parsed = parse_dockerfile(HOSTILE[name])
    first_invalid(parsed)
    assert time.process_time() - began < 5
