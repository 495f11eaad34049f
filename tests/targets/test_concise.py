"""The keys of a workload, and the objects that they become."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from pydantic import BaseModel

from shipit.config.resolved import render_resolved
from shipit.config.schema import render_schema
from shipit.targets.kinds import KindModels
from shipit.targets.kubernetes.concise.keys import WorkloadKeys
from shipit.targets.kubernetes.concise.workload import WorkloadConfig
from tests.config.test_language import load
from tests.targets.concise_files import CASES, as_text, read_config, rendered


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_what_a_workload_becomes(case: Path) -> None:
    assert as_text(rendered(case)) == case.with_suffix(".txt").read_text(encoding="utf-8")


def test_every_key_is_in_a_case() -> None:
    found = [part for case in CASES for own in read_config(case).workloads.values() for part in _parts(own)]
    used: dict[type[BaseModel], set[str]] = {}
    for part in found:
        used.setdefault(type(part), set()).update(part.model_fields_set)
    unused = {kind.__name__: set(kind.model_fields) - keys for kind, keys in used.items()}
    assert {name: keys for name, keys in unused.items() if keys} == {}
    assert used[WorkloadConfig] == set(WorkloadKeys.model_fields)


def _parts(value: object) -> Iterator[BaseModel]:
    """A model and all that are in it."""
    if isinstance(value, BaseModel):
        yield value
        yield from (part for name in type(value).model_fields for part in _parts(getattr(value, name)))
    elif isinstance(value, dict):
        yield from (part for item in value.values() for part in _parts(item))
    elif isinstance(value, tuple):
        yield from (part for item in value for part in _parts(item))


def test_the_schema_takes_every_case_in_the_file_and_in_an_environment() -> None:
    validator = jsonschema.Draft7Validator(render_schema(KindModels()))
    for case in CASES:
        targets = {"targets": {"k8s": yaml.safe_load(case.read_text())}}
        file = {"app": "shop", "image": "user/shop", **targets, "environments": {"staging": targets}}
        assert [error.message for error in validator.iter_errors(file)] == [], case.stem


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_resolved_file_means_the_same(tmp_path: Path, case: Path) -> None:
    inner = case.read_text().replace("\n", "\n    ")
    (tmp_path / "config").mkdir()
    (tmp_path / "config/shop.conf").touch()
    images = "images: {web: {repository: user/web}, proxy: {repository: user/proxy}, node: {repository: user/node}}"
    given = "env: {MODE: x}\nsecrets: {TOKEN: {env: TOKEN}}"
    text = f"app: shop\n{images}\n{given}\ntargets:\n  k8s:\n    {inner}\n"
    project = load(tmp_path, _with_image(text))
    again = load(tmp_path, render_resolved(project))
    assert again.targets["k8s"] == project.targets["k8s"]


def _with_image(text: str) -> str:
    """The same file, in which each workload names its image."""
    data = yaml.safe_load(text)
    for own in data["targets"]["k8s"]["workloads"].values():
        own.setdefault("image", "web")
    return str(yaml.safe_dump(data, sort_keys=False))
