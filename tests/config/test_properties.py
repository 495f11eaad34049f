"""No text, and no change of a good file, ever gives a stack, a hang, or a message without a position."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipit.config.interpolate import InterpolationError, interpolate
from shipit.config.load import load_project
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.resolved import render_resolved
from shipit.errors import ConfigErrors, ShipitError, UsageError
from shipit.targets.kinds import KindModels
from tests.shipit import ROOT

relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)

VALID = (ROOT / "deploy.example.yml").read_bytes()
VARIABLES = {"SECRET_KEY": "swordfish-4711", "A": "value", "EMPTY": ""}
KEYS = sorted(
    set(re.findall(r"\b[a-z_]+(?=:)", VALID.decode()))
    | {"dotenv", "include", "kind", "inherit", "x-mine", "keyring", "ssh", "readme"}
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True),
    st.text(max_size=12),
    st.sampled_from(
        ["web", "hub", "k8s", "10m", "256Mi", "user/app", "redis:8", "${A}", "${NOT}", "${", "$${A}", "/up", "~"]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=6)), inner, max_size=5),
    ),
    max_leaves=25,
)
documents = st.dictionaries(st.sampled_from(KEYS), values, max_size=7)


@relaxed
@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(tmp_path: Path, data: bytes) -> None:
    check_reads_or_explains(tmp_path, data)


@relaxed
@given(st.text(alphabet=st.sampled_from("ab:{}[],&*!|>-?#'\"%@`$ \n\t\\<=~0.é日\x85\u2028"), max_size=200))
def test_no_yaml_breaks_the_reader(tmp_path: Path, text: str) -> None:
    check_reads_or_explains(tmp_path, text.encode())


@relaxed
@given(
    st.integers(0, len(VALID)),
    st.integers(0, 40),
    st.sampled_from([b"", b"{", b"[", b":", b" ", b"\n", b"*a", b"&a ", b"${", b"'", b"!!int ", b"- ", b"\t", b"null", b"0", b"\xff", b"\x00", b"? "]),
)  # fmt: skip
def test_no_mutation_of_a_good_file_breaks_the_reader(tmp_path: Path, start: int, length: int, inserted: bytes) -> None:
    check_reads_or_explains(tmp_path, VALID[:start] + inserted + VALID[start + length :])


@relaxed
@given(documents)
def test_no_data_breaks_the_reader(tmp_path: Path, data: dict[str, Any]) -> None:
    """Maps of the file's own keys with anything under them."""
    check_reads_or_explains(
        tmp_path, yaml.safe_dump({"app": "hello", **data}, allow_unicode=True).encode("utf-8", "replace")
    )


@relaxed
@given(st.text(max_size=60))
def test_no_text_breaks_interpolation(text: str) -> None:
    try:
        assert isinstance(interpolate(text, VARIABLES.get), str)
    except InterpolationError as error:
        assert 0 <= error.offset <= len(text)


def check_reads_or_explains(folder: Path, data: bytes) -> None:
    path = folder / "deploy.yml"
    path.write_bytes(data)
    environ = ProcessEnvironment(VARIABLES, folder, folder)
    for selected in (None, "staging"):
        try:
            project = load_project(path, environ, KindModels(), selected=selected)
        except ConfigErrors as error:
            assert error.problems
            for problem in error.problems:
                check_position(problem.where, data)
            assert "swordfish" not in error.render()
        except UsageError as error:
            assert selected is not None and "there is no environment" in error.what
        except ShipitError as error:
            raise AssertionError(error.render()) from error
        else:
            check_resolves(project, folder)


def check_position(where: str, data: bytes) -> None:
    """That a place is in the file, or in another that the file names."""
    match = re.fullmatch(r"(.+):(\d+):(\d+)", where)
    assert match, where
    if match[1] == "deploy.yml":
        lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", data.decode("utf-8-sig", "replace"))
        assert 1 <= int(match[2]) <= len(lines) + 1, where
        assert 1 <= int(match[3]) <= max(map(len, lines)) + 2, where


def check_resolves(project: Any, folder: Path) -> None:
    """That a good file, written out, is good and means the same."""
    text = render_resolved(project)
    assert "swordfish" not in text
    again = folder / "again.yml"
    again.write_text(text, encoding="utf-8")
    assert render_resolved(load_project(again, ProcessEnvironment({}, folder, folder), KindModels())) == text


@pytest.mark.parametrize("name", ["deploy.example.yml", "examples/hello/deploy.yml"])
def test_the_examples_resolve_to_what_they_mean(tmp_path: Path, name: str) -> None:
    (tmp_path / "deploy.yml").write_bytes((ROOT / name).read_bytes())
    check_reads_or_explains(tmp_path, (ROOT / name).read_bytes())
