"""Whatever lies in a folder, the draft that is made of it is a good file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shipit.config.load import load_project
from shipit.drafts.files import Build, FileFacts
from shipit.drafts.kind import Choice, Detection, KindDraft, TargetDraft
from shipit.setup.draft import Answers, render_draft
from shipit.setup.found import look
from shipit.targets.kinds import KindModels, kind_drafts
from tests.runs import environment

words = st.one_of(
    st.sampled_from(["web", "worker", "release", "Dockerfile", ".", "./api", "../x", "3000:80", "a b", "#x", "-", "true", "1.5", "é", "*", "x: y"]),
    st.text(max_size=8),
)  # fmt: skip
keys = st.sampled_from(["services", "build", "docker", "run", "release", "image", "command", "ports", "context", "dockerfile", "env", "name", "web", "worker", "required", "value", "contexts", "current-context"])  # fmt: skip
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 70000), words),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.one_of(keys, words), inner, max_size=4)),
    max_leaves=12,
)
maps = st.dictionaries(keys, values, max_size=5)
lines = st.lists(
    st.one_of(words, st.sampled_from(["web: node server.js", "release: ./migrate # x", "worker: 'a: b'", "clock:"])),
    max_size=5,
)


@example(
    compose={},
    heroku={"release": " ", "run": {"web": " ", "worker": {"command": ["", " "]}}},
    app={"name": "\0", "env": {"A\0": "\0"}},
    package={},
    kubeconfig={"contexts": [{"name": "\0"}], "current-context": "a\0b"},
    procfile=["web: \0"],
    dockerfiles={""},
)
@example(
    compose={},
    heroku={},
    app={},
    package={"name": "true"},
    kubeconfig={},
    procfile=["null: x"],
    dockerfiles={".false", ""},
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(compose=maps, heroku=maps, app=maps, package=maps, kubeconfig=maps, procfile=lines, dockerfiles=st.sets(st.sampled_from(["", ".web", ".x y", ".A_b", ".é", ".worker"])))  # fmt: skip
def test_a_draft_is_always_good(
    tmp_path: Path,
    compose: Any,
    heroku: Any,
    app: Any,
    package: Any,
    kubeconfig: Any,
    procfile: list[str],
    dockerfiles: set[str],
) -> None:
    root = tmp_path / "project"
    shutil.rmtree(root, ignore_errors=True)
    (root / "api").mkdir(parents=True)
    (root / "api/Dockerfile").write_text("FROM scratch\nEXPOSE 80\n")
    for suffix in dockerfiles:
        (root / f"Dockerfile{suffix}").write_text("FROM scratch\nEXPOSE 3000\n")
    for name, data in (("compose.yaml", compose), ("heroku.yml", heroku), ("kubeconfig", kubeconfig)):
        (root / name).write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8", errors="replace")
    for name, data in (("app.json", app), ("package.json", package)):
        (root / name).write_text(json.dumps(data))
    (root / "Procfile").write_text("\n".join(procfile), encoding="utf-8", errors="replace")
    environ = environment(root, KUBECONFIG=str(root / "kubeconfig"))
    found = look(root, environ, kind_drafts())
    chosen = {draft.target: draft.choose(found.project, seen) for draft, seen in found.kinds}
    places = {target: place for target, place in chosen.items() if place is not None}
    answers = Answers(found.project.app, f"docker.io/me/{found.project.app}", places)
    (root / "deploy.yml").write_text(render_draft(found, answers).text, encoding="utf-8")
    assert load_project(root / "deploy.yml", environ, KindModels()).app == found.project.app


def test_a_kind_of_another_package_is_detected_and_drafted(tmp_path: Path) -> None:
    """The files of such a kind count like others, and its lines and environments are in the file."""
    image = Build(dockerfile="Dockerfile.boat")
    detection = Detection((FileFacts("boat.toml", images=(("hull", image),), todo=("sails",)),), current="dock")
    other = KindDraft(
        "boat",
        detect=lambda folder: detection,
        choose=lambda project, found: Choice(found.current),
        question=lambda project, found: None,
        render=lambda project, found, choice: TargetDraft((f"  boat: {{at: {choice.place}}}",), {"sea": "{at: sea}"}),
    )
    (tmp_path / "Dockerfile.boat").write_text("FROM scratch\nEXPOSE 7000\n")
    found = look(tmp_path, environment(tmp_path), (*kind_drafts(), other))
    assert found.project.processes["web"].port == 7000
    assert render_draft(found, Answers("app", "docker.io/me/app", {"boat": Choice("dock")})).text.splitlines()[2:] == [
        "app: app",
        "image: {repository: docker.io/me/app, build: {dockerfile: Dockerfile.boat}}",
        "targets:",
        "  boat: {at: dock}",
        "environments:",
        "  sea: {targets: {boat: {at: sea}}}",
        "",
        "# What shipit could not take over from the files of this project:",
        "# TODO boat.toml: sails",
    ]
