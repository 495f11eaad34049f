"""The list of kinds: one value each, imported lazily, with capabilities that the targets have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shipit.cli.guide import read_topics
from shipit.config.model import TargetConfig
from shipit.errors import UsageError
from shipit.release import Step
from shipit.targets import kinds
from shipit.targets.kind import METHODS, Capability, InvalidReference, Kind, load
from shipit.targets.kinds import KindModels, all_kinds, find_kind, login_check

ROOT = Path(__file__).parent.parent.parent
KINDS = all_kinds()


def _all_steps(base: type[Step]) -> list[type[Step]]:
    """The subclasses, and theirs."""
    return [found for own in base.__subclasses__() for found in (own, *_all_steps(own))]


def kind_id(kind: Kind) -> str:
    return kind.name


@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_a_kind_names_what_can_be_imported(kind: Kind) -> None:
    model = kind.load_config()
    assert issubclass(model, TargetConfig)
    assert callable(load(kind.target))
    kind.load_steps()
    assert [step for step in _all_steps(Step) if step.__module__ in kind.steps]
    for reference in (kind.login, kind.draft, *kind.parts.values()):
        assert not reference or load(reference) is not None


@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_a_target_has_the_methods_of_its_capabilities_and_no_others(kind: Kind) -> None:
    target = load(kind.target).__annotations__["return"]
    made = getattr(sys.modules[load(kind.target).__module__], target)
    assert made.kind is kind
    declared: set[Capability] = {name for name, methods in METHODS.items() if all(hasattr(made, m) for m in methods)}
    assert declared == kind.capabilities


@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_on_failure_rollback_is_taken_where_a_kind_reverts(kind: Kind) -> None:
    assert kind.load_config().reverts == ("reverts" in kind.capabilities)


@pytest.mark.parametrize("kind", KINDS, ids=kind_id)
def test_the_guide_of_a_kind_is_a_topic(kind: Kind) -> None:
    assert kind.guide in {topic.name for topic in read_topics()} | {""}


def test_every_name_and_alias_leads_to_its_kind() -> None:
    assert {name: kind for kind in KINDS for name in kind.names} == {name: find_kind(name) for name in KindModels()}
    assert len({name for kind in KINDS for name in kind.names}) == sum(len(kind.names) for kind in KINDS)
    with pytest.raises(KeyError):
        find_kind("nomad")


def test_a_word_that_is_no_kind_has_no_login_check() -> None:
    assert login_check("ghcr.io") is None and login_check("k8s") is None
    assert login_check("heroku") is not None


def test_reading_a_file_imports_no_target_and_no_metadata() -> None:
    code = (
        "import sys; from shipit.targets.kinds import KindModels; models = KindModels(); models['heroku']\n"
        "names = ('importlib.metadata', 'shipit.targets.heroku.target', 'shipit.targets.kubernetes.config', 'kubernetes')\n"
        "sys.exit(', '.join(name for name in names if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_reading_a_kubernetes_target_imports_nothing_to_render_or_build() -> None:
    code = (
        "import sys; from shipit.targets.kinds import KindModels; KindModels()['k8s'].model_validate({'security': 'restricted'})\n"
        "names = ('shipit.targets.kubernetes.concise.render', 'shipit.targets.kubernetes.render', 'shipit.image.dockerfile')\n"
        "sys.exit(', '.join(name for name in names if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("reference", "what"),
    [
        ("shipit_nothing:KIND", "shipit_nothing can't be imported: No module named 'shipit_nothing'"),
        ("shipit.errors:KIND", "shipit.errors has no KIND"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(reference: str, what: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        load(reference)
    assert str(caught.value) == what


def test_an_entry_point_that_is_no_kind_is_an_error_with_its_name() -> None:
    with pytest.raises(UsageError) as caught:
        kinds._loaded("nomad", "shipit.errors:UsageError")
    assert str(caught.value) == "shipit.errors:UsageError: the kind nomad should be a shipit.targets.kind.Kind"
    with pytest.raises(UsageError, match="the kind nomad can't be loaded: shipit_nothing can't be imported"):
        kinds._loaded("nomad", "shipit_nothing:KIND")
