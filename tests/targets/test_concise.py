"""The keys of a workload, and the objects that they become."""

from __future__ import annotations

from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from shipit.config.schema import render_schema
from shipit.targets.kinds import KindModels
from shipit.targets.kubernetes.concise.keys import WorkloadKeys
from tests.targets.concise_files import CASES, as_text, read_config, rendered


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_what_a_workload_becomes(case: Path) -> None:
    assert as_text(rendered(case)) == case.with_suffix(".txt").read_text(encoding="utf-8")


def test_every_key_is_in_a_case() -> None:
    used = {key for case in CASES for own in read_config(case).workloads.values() for key in own.model_fields_set}
    assert used == set(WorkloadKeys.model_fields)


def test_the_schema_takes_every_case() -> None:
    validator = jsonschema.Draft7Validator(render_schema(KindModels()))
    for case in CASES:
        file = {"app": "shop", "image": "user/shop", "targets": {"k8s": yaml.safe_load(case.read_text())}}
        assert [error.message for error in validator.iter_errors(file)] == [], case.stem
