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
from shipit.setup.draft import Answers, heroku_name, main_app, render_draft
from shipit.setup.found import look
from shipit.targets.kinds import KindModels
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
    found = look(root, environ)
    context = found.current_context or next(iter(found.contexts), "")
    heroku_app = main_app(found) or (heroku_name(found.app) if found.is_for_heroku else "")
    answers = Answers(
        found.app, f"docker.io/me/{found.app}", heroku_app, context if found.contexts or found.manifests else None
    )
    (root / "deploy.yml").write_text(render_draft(found, answers), encoding="utf-8")
    assert load_project(root / "deploy.yml", environ, KindModels()).app == found.app
