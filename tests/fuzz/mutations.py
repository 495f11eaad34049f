"""Good samples changed by a few edits, of bytes or of the values in JSON; hypothesis shrinks both to the edit that matters."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

# What has been trouble for parsers: ends of texts and numbers, quotes, controls, bytes that are no UTF-8.
TOKENS = (
    b"", b"\0", b"\n", b"\r\n", b"\t", b" ", b"\x1b[2J", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8",
    b'"', b"'", b"\\", b"\\u0000", b"\\ud800", b"`", b"{", b"}", b"[", b"]", b"(", b")", b"<", b">", b"$", b"${", b"%", b"*", b"**", b"!", b"#",
    b":", b"=", b",", b";", b"&a", b"*a", b"<<: ", b"- ", b"? ", b"|", b"@", b"~", b"/", b"//", b"../", b"null", b"true", b"NaN", b"-0",
    b"-1", b"0", b"1e999", b"9223372036854775808", b"99999999999999999999999", b"0x", b"0777", b"1" * 5000, b"[" * 2000, b'{"a":' * 2000,
    b"a" * 3000, b"sha256:", b"sha256:" + b"0" * 64, b"sha256:../../x", b"http://127.0.0.1:1/", b"https://[::1", b"://", b"<<EOF\n",
)  # fmt: skip
# What may stand where a value of JSON is expected to be another.
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, 1e308, float("inf"), float("nan"), 2**31, 2**63, 10**30, "", " ", "x", "\0", "\n", "\ud800", "null",
    "../../x", "/etc/passwd", "sha256:../../x", "sha256:" + "0" * 64, "sha256:" + "A" * 64, "a" * 5000, [], {}, [None], [[]], [{}], ["x"], [1],
    {"": None}, {"a": "b"}, {"digest": None}, {"a": {"b": {"c": []}}},
)  # fmt: skip


class Edit(NamedTuple):
    """One change: at which part of the whole (of 10,000), over how many bytes, and with which bytes."""

    at: int
    how: str
    length: int
    token: bytes


_edits = st.builds(
    Edit,
    st.integers(0, 10_000),
    st.sampled_from(("replace", "insert", "delete", "repeat", "cut", "flip", "copy")),
    st.integers(0, 64),
    st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8)),
)


def mutated(*samples: bytes, most_edits: int = 5) -> st.SearchStrategy[bytes]:
    """One of the samples with up to that many edits, or the head of one and the tail of another."""
    edited = st.builds(_edited, st.sampled_from(samples), st.lists(_edits, max_size=most_edits))
    spliced = st.builds(_spliced, edited, edited, st.integers(0, 10_000), st.integers(0, 10_000))
    return st.one_of(edited, spliced, st.binary(max_size=200))


def _edited(sample: bytes, edits: Sequence[Edit]) -> bytes:
    for edit in edits:
        sample = _apply(sample, edit)
    return sample


def _apply(data: bytes, edit: Edit) -> bytes:
    start = len(data) * edit.at // 10_000
    end = start + edit.length
    head, part, tail = data[:start], data[start:end], data[end:]
    match edit.how:
        case "replace":
            return head + edit.token + tail
        case "insert":
            return head + edit.token + part + tail
        case "delete":
            return head + tail
        case "repeat":
            return head + part * 20 + tail
        case "cut":
            return head
        case "flip":
            return head + bytes(byte ^ 1 << edit.length % 8 for byte in part[:1]) + part[1:] + tail
        case _:
            return data + part


def _spliced(first: bytes, second: bytes, at: int, other: int) -> bytes:
    return first[: len(first) * at // 10_000] + second[len(second) * other // 10_000 :]


def mutated_json(*samples: Any, most_edits: int = 3) -> st.SearchStrategy[Any]:
    """One of the samples with up to that many of its values replaced, removed, or added to."""
    edits = st.lists(
        st.tuples(
            st.integers(0, 10_000),
            st.sampled_from(("replace", "remove", "add", "double")),
            st.sampled_from(ODD_VALUES),
        ),
        max_size=most_edits,
    )
    return st.builds(_edited_json, st.sampled_from(samples), edits)


def _edited_json(sample: Any, edits: Sequence[tuple[int, str, Any]]) -> Any:
    whole = [copy.deepcopy(sample)]
    for at, how, value in edits:
        places = list(_places(whole))
        holder, key = places[len(places) * min(at, 9_999) // 10_000]
        match how:
            case "replace":
                holder[key] = copy.deepcopy(value)
            case "remove" if holder is not whole:
                del holder[key]
            case "add" if isinstance(holder, dict):
                holder["added"] = copy.deepcopy(value)
            case "double" if isinstance(holder, list) and holder is not whole:
                holder.append(holder[key])
    return whole[0]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place of a value in what holds it."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _places(value[key])


def as_json(value: Any) -> bytes:
    """JSON as Python and others write it: lone surrogates escaped, NaN and Infinity bare."""
    return json.dumps(value).encode()
