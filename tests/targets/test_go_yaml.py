"""Manifests mean what they mean to kubectl: the same values as kubectl's own code reads, for tables and random files."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shipit.targets.kubernetes.go_yaml import DEEPEST, Misread, read_documents
from shipit.targets.kubernetes.json_events import Place
from tests.servers.kube_yaml import KubeYaml, Refused
from tests.waits import SOON_S

# Text without quotes -> its value.
SCALARS: dict[str, Any] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"), False),
    **dict.fromkeys(("~", "null", "Null", "NULL"), None),
    **{text: text for text in ("oN", "tRue", "nULL", "yEs", "yess", "=", "<<", "inf", "nan", "Infinity")},
    # No sexagesimal numbers, and no dates.
    **{text: text for text in ("12:30", "22:22", "1:20:30", "20:30.5", "2026-01-01", "2026-01-01T10:20:30Z", "2001-1-2")},
    **{text: text for text in ("1.2.3", "1,000", "1e", "1e+", "0x", "0o", "0b", "0o8", "0b2", "0x1g", "--1", "+-1", "+", ".", "_1")},
    "0o17": 15, "0O17": 15, "017": 15, "-017": -15, "+017": 15, "-0o17": -15, "08": 8, "09": 9, "0_8": 8, "0_": 0, "0": 0, "-0": 0,
    "0b101": 5, "0B11": 3, "-0b101": -5, "0b-1": -1, "0x1F": 31, "0X1f": 31, "0x_1F": 31, "-0x1F": -31, "1_000": 1000, "-_1": -1, "1__0": 10,
    "1.0": 1, "1.": 1, "1e3": 1000, "1e+3": 1000, "1.e5": 100000, "-0.0": 0, ".5": 0.5, "+.5": 0.5, "-.5e3": -500, "1.10": 1.1, "1E-3": 0.001,
    ".5_0": 0.5, "._5": "._5", ".5_": ".5_", ".5_e3": ".5_e3", ".5e1_0": 5000000000, "1_0.5": 10.5,
    # Out of range is text, whatever is no whole number of 64 bits is a float.
    "1e999": "1e999", "-1e999": "-1e999", "1e20": 1e20, "1e21": 1e21, "9.2e18": 9200000000000000000, "12345678901234567890.5": 12345678901234567000.0,
    "9223372036854775807": 9223372036854775807, "9223372036854775808": 9.223372036854775808e18, "-9223372036854775809": -9.223372036854775808e18,
    "18446744073709551616": 1.8446744073709552e19, "0xFFFFFFFFFFFFFFFF": 1.8446744073709552e19, "0xFFFFFFFFFFFFFFFFF": "0xFFFFFFFFFFFFFFFFF",
    "1234567890123456789": 1234567890123456789, "0777777777777777777777777": 7.77777777777777777e23,
}  # fmt: skip

# Nodes with tags and quotes -> their values.
NODES: dict[str, Any] = {
    "'yes'": "yes", '"1.10"': "1.10", "'it''s'": "it's", "! 12": "12", "!mine 12": "12", "!!str 1.10": "1.10", "!!str": "", "": None,
    "!!int '3'": 3, "!!int 0x10": 16, "!!float 3": 3, "!!float .5": 0.5, "!!bool 'on'": True, "!!null ''": None, "!!timestamp 2026-01-01": "2026-01-01",
    "!!binary aGk=": "hi", "!!set {a, b}": {"a": None, "b": None}, "!!omap [a: b]": [{"a": "b"}], "!mine {a: y}": {"a": True},
    "{1: a, true: b, 1.5: c, no: d}": {"1": "a", "true": "b", "1.5": "c", "false": "d"}, "{1.10: a}": {"1.1": "a"}, "{0x10: a}": {"16": "a"},
    "{1e6: a, .00001: b, -1.5e-7: c, 1234567.5: d}": {"1e+06": "a", "1e-05": "b", "-1.5e-07": "c", "1.2345675e+06": "d"},
    "{2026-01-01: a}": {"2026-01-01": "a"},
    "{'<<': {a: 1}}": {"<<": {"a": 1}}, "{<<: {a: 1}, b: 2}": {"a": 1, "b": 2}, "{<<: [{a: 1, b: 1}, {a: 2, c: 3}]}": {"a": 1, "b": 1, "c": 3},
    # A key above is replaced as well, unlike in YAML 1.1.
    "{a: 1, <<: {a: 2}}": {"a": 2}, "{<<: {a: 2}, a: 1}": {"a": 1},
    "[&x {a: 1}, *x, {<<: *x}, &x 2, *x]": [{"a": 1}, {"a": 1}, {"a": 1}, 2, 2], "[&x {y: &x 2}, *x]": [{"true": 2}, 2],
}  # fmt: skip

# File -> its documents.
FILES: dict[str, list[Any]] = {
    "": [], "---\n": [], "# only a comment\n": [], "---\n---\n# c\n\n---\na: 1\n---\nnull\n---\n~\n": [{"a": 1}],
    "a: 1\n--- # c\nb: 2\n---   \nc: 3\n---\t\nd: 4\n": [{"a": 1}, {"b": 2}, {"c": 3}, {"d": 4}], "a: 1\n---#c\nb: 2\n": [{"a": 1}, {"b": 2}],
    "a: 1\n...\n": [{"a": 1}], "a: 1\n...\n---\nb: 2\n": [{"a": 1}, {"b": 2}], "a: 1---\nb: 2\n": [{"a": "1---", "b": 2}],
    "\ufeffa: 1\nb: 2\n": [{"a": 1, "b": 2}], "\ufeff---\na: 1\n": [{"a": 1}], "a: 1\n---\n\ufeffb: 1\nc: 2\n": [{"a": 1}, {"b": 1, "c": 2}],
    "a: 1\r\nb: |\r\n  x\r\n  y\r\n": [{"a": 1, "b": "x\ny\n"}], "a: |\n  no newline at the end": [{"a": "no newline at the end\n"}],
    "a: |\n  ---\n  b\n": [{"a": "---\nb\n"}], "a: >\n x\n y\n\n z\n": [{"a": "x y\nz\n"}], "a: |2-\n   x\n": [{"a": " x"}],
    '{"a":1}{"b":2}': [{"a": 1}, {"b": 2}], '{"a":1}\n\n{"b":2}\n': [{"a": 1}, {"b": 2}], '{"a":1}\n---\n{"b":2}\n': [{"a": 1}, {"b": 2}],
    '{"a":1}\n---\nb: y\n': [{"a": 1}, {"b": True}], "{a: 1}\n---\nb: 2\n": [{"a": 1}, {"b": 2}],
    '{"a": 1.0, "b": 1e3, "c": 12345678901234567890, "d": -0.0, "y": "\\ud83d\\ude00"}': [
        {"a": 1, "b": 1000, "c": 1.2345678901234567e19, "d": 0, "y": "\U0001f600"}],
    "a: http://x:80/y#z # c\nb: x#y\n": [{"a": "http://x:80/y#z", "b": "x#y"}], "a:\n- 1\n- - 2\n": [{"a": [1, [2]]}],
}  # fmt: skip

# What kubectl refuses, too.
REFUSED = [
    "a: .inf", "a: -.INF", "a: .nan", "a: !!int x", "a: !!int 3.5", "a: !!bool x", "a: !!null x", "a: !!timestamp x", "a: !!binary '?'",
    "{[a]: b}", "{? {a: b} : c}", "~: a", "18446744073709551615: a", "a: *x", "&a [*a]", "a: {<<: 1}", "a: {<<: }", "a: {<<: [1]}", "a: &x [{b: 1}]\nc: {<<: *x}",
    "a: 1\n---x\n", "a: 1\n--- {b: 1}\n", "--- |\n x\n", "a: 1\n\tb: 2\n", "a: [1, 2\n", "a: 'x\n", "a: @x\n", "a: x: y\n", "a: - 1\n",
    '{"a":1}{"b":2}---\n', '{"a": 1e400}', '{"a":1}{"b":2}{"c"',
]  # fmt: skip

# What kubectl reads by dropping a part, with what is wrong and where.
DROPPED = [
    ("a: {a: [1, {a: 3}]}\nb: {a: 4}\nc: [a]\n? a\n: 5\n", "the key 'a' is defined twice, first on line 1", Place(3, 2)),
    ("a: 1\nb: 2\na: 3\n", "the key 'a' is defined twice, first on line 1", Place(2, 0)),
    ("x:\n- {a: 1, a: 2}\n", "the key 'a' is defined twice, first on line 2", Place(1, 9)),
    ("1: a\n'1': b\n", "the key '1' is defined twice, first on line 1", Place(1, 0)),
    ('{"x":\n {"a": 1, "b": 1,\n "a": 2}}', "the key 'a' is defined twice, first on line 2", Place(2, 1)),
    ("a: !!binary /w==\n", "holds bytes that are not text: use binaryData of a ConfigMap, or data of a Secret", Place(0, 3)),
]  # fmt: skip


def values(text: str) -> list[Any]:
    return [document.value for document in read_documents(text)]


def as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)


@pytest.mark.parametrize(("text", "value"), [*SCALARS.items(), *NODES.items()])
def test_a_node_is_what_kubectl_reads(text: str, value: Any) -> None:
    [found] = values(f"value: {text}\n")
    assert as_json(found) == as_json({"value": value})


@pytest.mark.parametrize(("text", "documents"), FILES.items())
def test_a_file_has_the_documents_that_kubectl_reads(text: str, documents: list[Any]) -> None:
    assert as_json(values(text)) == as_json(documents)


@pytest.mark.parametrize("text", REFUSED)
def test_what_kubectl_refuses_is_refused(text: str) -> None:
    with pytest.raises((Misread, yaml.MarkedYAMLError)):
        values(text)


@pytest.mark.parametrize(("text", "what", "at"), DROPPED)
def test_what_kubectl_would_drop_is_an_error_at_its_place(text: str, what: str, at: Place) -> None:
    with pytest.raises(Misread) as caught:
        values(text)
    assert (caught.value.what, caught.value.at) == (what, at)


def test_the_tables_are_what_kubectl_s_code_says(kube_yaml: KubeYaml) -> None:
    for text, value in [*SCALARS.items(), *NODES.items()]:
        assert as_json(kube_yaml.read(f"value: {text}\n")[0]) == as_json([{"value": value}]), text
    for text, documents in FILES.items():
        assert as_json(kube_yaml.read(text)[0]) == as_json(documents), text
    for text, _, _ in DROPPED:
        assert kube_yaml.read(text)[0], text
    for text in REFUSED:
        with pytest.raises(Refused):
            kube_yaml.read(text)


TOKENS = [
    "a", "b: ", "a: ", "- ", "\n", "\n", "  ", "    ", "{", "}", "[", "]", ", ", ":", "?", "? ", "&x ", "*x", "*x ", "<<: ", "!!str ", "!!int ", "!t ", "! ",
    "'", '"', "'q'", '"q"', "#", " #c", "|", "|-\n", "|\n", "> ", "\n---\n", "---", "~", "null", "y", "no", "0x1f", "017", "1e3", ".5", "1_0", "-", "=", "<<",
    "\t", "\\", "%", "@", "`", "\xe9", "\U0001f600", "\r\n", "key", "1", "'k': ", '"k": ', "\n  - ", "\n- ", "1: ", "true: ",
]  # fmt: skip


@given(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=24).map("".join))
def test_random_text_is_read_as_kubectl_reads_it(kube_yaml: KubeYaml, text: str) -> None:
    check_like_kubectl(kube_yaml, text)


PLAIN = st.sampled_from([text for text in SCALARS if text != "<<"])
LEAVES = st.one_of(
    PLAIN,
    st.sampled_from(["'q'", '"\\u00e9"', "!!str 1", "!t y", "~"]),
    st.integers().map(str),
    st.floats(allow_nan=False).map(repr),
)


def _flow(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(children, max_size=4).map(lambda items: f"[{', '.join(items)}]")
    maps = st.dictionaries(LEAVES, children, max_size=4).map(
        lambda pairs: "{" + ", ".join(f"? {key} : {value}" for key, value in pairs.items()) + "}"
    )
    return lists | maps


@given(st.dictionaries(LEAVES, st.recursive(LEAVES, _flow, max_leaves=12), max_size=6))
def test_random_values_are_what_kubectl_reads(kube_yaml: KubeYaml, pairs: dict[str, str]) -> None:
    check_like_kubectl(kube_yaml, "".join(f"{key}: {value}\n" for key, value in pairs.items()))


@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        ).map(lambda value: {"a": value}),
        max_size=3,
    ),
    st.sampled_from(["", "\n", " "]),
)
def test_random_json_is_what_kubectl_reads(kube_yaml: KubeYaml, objects: list[Any], between: str) -> None:
    check_like_kubectl(kube_yaml, between.join(json.dumps(value) for value in objects))


def check_like_kubectl(kube_yaml: KubeYaml, text: str) -> None:
    """What both read is equal; this reader refuses only what kubectl refuses, or reads in part."""
    try:
        found: list[Any] | None = values(text)
        why = ""
    except (Misread, yaml.MarkedYAMLError) as error:
        found, why = None, str(error)
    try:
        theirs, ignores = kube_yaml.read(text)
    except Refused:
        return
    if found is not None:
        assert as_json(found) == as_json(theirs)
    else:
        overwritten = "should be text" in why and _keys_read(theirs) < _keys_written(text)
        assert ignores or "twice" in why or "are not text" in why or overwritten, why


def _keys_read(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_keys_read, value.values()))
    return sum(map(_keys_read, value)) if isinstance(value, list) else 0


def _keys_written(text: str) -> int:
    """More than kubectl reads where it takes the last value of a key that a map has twice, with nothing of the first."""
    nodes, keys = list(yaml.compose_all(text, Loader=yaml.BaseLoader)), 0
    while nodes:
        match nodes.pop():
            case yaml.MappingNode(value=pairs):
                keys += len(pairs)
                nodes += [value for _, value in pairs]
            case yaml.SequenceNode(value=items):
                nodes += items
    return keys


@pytest.mark.parametrize(("text", "is_refused"), [("n: {? ~ : q}\nN: {}\n", False), ("n: {? ~ : q}\n", True)])
def test_a_key_that_is_no_text_in_a_value_that_kubectl_overwrites(
    kube_yaml: KubeYaml, text: str, is_refused: bool
) -> None:
    check_like_kubectl(kube_yaml, text)
    with pytest.raises(Refused) if is_refused else contextlib.nullcontext():
        kube_yaml.read(text)


def test_aliases_count_with_all_that_they_stand_for() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    began = time.monotonic()
    with pytest.raises(Misread, match="1,000,000 values") as caught:
        values("\n".join(lines))
    assert caught.value.at.line in (5, 6) and time.monotonic() - began < SOON_S


@pytest.mark.parametrize(
    "text",
    [
        "[" * (DEEPEST + 1),
        "a:\n" + "".join(" " * n + "- \n" for n in range(1, DEEPEST + 3)),
        '{"a":' * 250 + "1" + "}" * 250,
    ],
)
def test_deep_values_are_an_error(text: str) -> None:
    with pytest.raises((Misread, yaml.MarkedYAMLError), match=r"nest deeper|did not find"):
        values(text)


def test_documents_and_the_items_of_lists_have_positions() -> None:
    text = "# c\n---\nkind: A\n---\n\n  kind: List\n  items:\n  - kind: B\n  -   kind: C\n---\n{kind: List, items: [{kind: D}]}\n"
    found = [(document.at, document.items) for document in read_documents(text)]
    assert found == [(Place(2, 0), ()), (Place(5, 2), (Place(7, 4), Place(8, 6))), (Place(10, 0), (Place(10, 21),))]
    text = '{"kind": "A"}\n {"kind": "List",\n "items": [{"kind": "B"},\n{"kind": "C"}]}'
    found = [(document.at, document.items) for document in read_documents(text)]
    assert found == [(Place(0, 0), ()), (Place(1, 1), (Place(2, 11), Place(3, 0)))]


OBJECT = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: config-%d
  labels: {app: web}
data:
  number: "1"
  text: |
    some text
    of lines
---
"""


@pytest.mark.large
def test_a_thousand_objects_are_read_in_time() -> None:
    text = "".join(OBJECT % number for number in range(1000))
    took = []
    for _ in range(5):
        began = time.process_time()
        assert len(read_documents(text)) == 1000
        took.append(time.process_time() - began)
    # 0.06 s on a quiet machine.
    assert min(took) < 0.3
