"""Manifests from patterns, URLs, kustomizations and charts, and the images in all of them."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shipit.config.folder import ProjectFolder
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import ConfigErrors
from shipit.reference import parse_reference
from shipit.targets.kubernetes.config import KubernetesConfig
from shipit.targets.kubernetes.field_path import replaced_at, values_at
from shipit.targets.kubernetes.images import ImageField, image_for, image_names, pin_images
from shipit.targets.kubernetes.manifest_texts import read_sources
from shipit.targets.kubernetes.manifests import objects_of, problem_at, read_written
from shipit.targets.kubernetes.source import Source, SourceFailed
from shipit.targets.kubernetes.source_problems import source_problems
from tests.servers.install import find

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"


def folder_of(path: Path, files: dict[str, str]) -> ProjectFolder:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return ProjectFolder(path, path)


def config_of(**keys: Any) -> KubernetesConfig:
    return KubernetesConfig.model_validate(keys)


def environment_of(path: Path, *, search: str = "", is_untrusted: bool = False) -> ProcessEnvironment:
    variables = {"PATH": search or os.environ["PATH"], "HOME": str(path)}
    return ProcessEnvironment(variables, path, path, is_untrusted=is_untrusted)


def sources_of(path: Path, config: KubernetesConfig, **more: Any) -> list[Source]:
    return list(read_sources(config, "shop", "prod", ProjectFolder(path, path), environment_of(path, **more)))


def names_of(folder: ProjectFolder, *patterns: str) -> list[str]:
    return [written.manifest["metadata"]["name"] for written in read_written(folder, patterns)]


def test_a_pattern_names_files_in_their_order(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path, {"k8s/b.yaml": MAP % "b", "k8s/a.yaml": MAP % "a", "k8s/deep/c.yaml": MAP % "c", "k8s/x.txt": "no: x"}
    )
    assert names_of(folder, "k8s/*.yaml") == ["a", "b"]
    assert names_of(folder, "k8s/**/*.yaml") == ["a", "b", "c"]
    assert names_of(folder, "k8s/[b-z].yaml", "k8s/a.yaml") == ["b", "a"]


@pytest.mark.parametrize(
    ("pattern", "what"),
    [("k8s/*.json", "k8s/*.json matches no file"), ("/etc/*.yaml", "a pattern should be relative to deploy.yml"), ("k8s/a**", "should be a pattern")],
)  # fmt: skip
def test_a_pattern_that_names_no_file_is_an_error(tmp_path: Path, pattern: str, what: str) -> None:
    folder = folder_of(tmp_path, {"k8s/b.yaml": MAP % "b"})
    with pytest.raises(ConfigErrors) as caught:
        read_written(folder, [pattern])
    assert what in str(caught.value)


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    assert names_of(folder_of(tmp_path, {"[a].yaml": MAP % "b1", "a.yaml": MAP % "a"}), "[a].yaml") == ["b1"]


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"manifests": ["https://example.com/a.yaml"]}, "a URL needs the checksum of its content: {url: ..., sha256: ...}"),
        ({"manifests": [{"url": "https://example.com/a.yaml"}]}, "needs sha256"),
        ({"manifests": [{"path": "a", "url": "https://example.com/a.yaml", "sha256": "0" * 64}]}, "should have either path or url"),
        ({"manifests": [{"path": "a", "sha256": "0" * 64}]}, "is for a url"),
        ({"manifests": [{"url": "file:///etc/passwd", "sha256": "0" * 64}]}, "pattern"),
        ({"helm": {"chart": "oci://example.com/web"}}, "needs a version"),
        ({"helm": {"chart": "web", "repo": "https://example.com"}}, "needs a version"),
        ({"manifests": ["a"], "images": [{"path": "spec..image"}]}, "pattern"),
        ({"helm": "--post-renderer=x"}, "pattern"),
        ({"manifests": [], "kustomize": None}, "should not be empty"),
    ],
)  # fmt: skip
def test_invalid_sources_are_refused(keys: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config_of(**keys)
    assert what in str(caught.value.errors(include_url=False, include_context=False))


@pytest.mark.parametrize("keys", [{"kustomize": "overlays/prod"}, {"helm": "charts/web"}, {"manifests": ["k8s/"]}])
def test_a_target_with_objects_of_its_own_has_no_workload(keys: dict[str, Any]) -> None:
    assert config_of(**keys).workloads == {}


class Files(BaseHTTPRequestHandler):
    """`/a.yaml` is a manifest, `/moved` leads there, `/large` is larger than what is read, anything else is not found."""

    def do_GET(self) -> None:
        body = (MAP % "remote").encode()
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/a.yaml")
            body = b""
        else:
            self.send_response(200 if self.path in ("/a.yaml", "/large") else 404)
        size = 17 * 1024 * 1024 if self.path == "/large" else len(body)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body if self.path != "/large" else b" " * size)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def files() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


RIGHT = hashlib.sha256((MAP % "remote").encode()).hexdigest()


@pytest.mark.parametrize("path", ["/a.yaml", "/moved"])
def test_a_url_is_read_when_its_content_has_the_checksum(tmp_path: Path, files: str, path: str) -> None:
    [source] = sources_of(tmp_path, config_of(manifests=[{"url": files + path, "sha256": RIGHT}]))
    assert source == Source(files.removeprefix("http://") + path, (MAP % "remote").encode())
    [written] = objects_of(dict([source]))
    assert written.manifest["metadata"]["name"] == "remote"


def test_files_behind_urls_of_one_path_are_two(tmp_path: Path, files: str) -> None:
    urls = [{"url": f"{files}/a.yaml{query}", "sha256": RIGHT} for query in ("", "?")]
    names = [source.name.rpartition("/")[2] for source in sources_of(tmp_path, config_of(manifests=urls))]
    assert names == ["a.yaml", "a.yaml (2)"]


@pytest.mark.parametrize(
    ("path", "sha256", "key", "what"),
    [
        ("/a.yaml", "0" * 64, "sha256", f"is not the checksum of the file, which is {RIGHT}"),
        ("/missing", RIGHT, "url", "answers 404"),
        ("/large", RIGHT, "url", "longer than 16 MiB"),
    ],
)
def test_another_content_is_refused(tmp_path: Path, files: str, path: str, sha256: str, key: str, what: str) -> None:
    with pytest.raises(SourceFailed) as caught:
        sources_of(tmp_path, config_of(manifests=["k8s", {"url": files + path, "sha256": sha256}]))
    assert caught.value.keys == ("manifests", 1, key) and what in caught.value.what


BASE = {
    "base/kustomization.yaml": "resources: [web.yaml]\n",
    "base/web.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - {name: web, image: shop/web}\n",
    "prod/kustomization.yaml": "resources: [../base]\nnamePrefix: prod-\nconfigMapGenerator:\n- name: settings\n  literals: [a=1]\n",
}


@pytest.mark.tools
def test_a_kustomization_is_rendered_with_positions_in_what_was_printed(tmp_path: Path) -> None:
    find("kubectl")
    folder = folder_of(tmp_path, BASE)
    [source] = sources_of(tmp_path, config_of(kustomize="prod"))
    found = objects_of(dict([source]))
    assert [item.manifest["kind"] for item in found] == ["ConfigMap", "Deployment"]
    assert found[1].manifest["metadata"]["name"] == "prod-web" and found[1].file == "kustomize prod"
    error = problem_at(folder, found[1].at, "spec.template.spec.containers[0].image", "is wrong", "", dict([source]))
    assert error.where.startswith("kustomize prod:") and "image: shop/web" in error.render()


@pytest.mark.tools
def test_a_kustomization_that_fails_is_an_error_with_what_was_said(tmp_path: Path) -> None:
    find("kubectl")
    folder_of(tmp_path, {"prod/kustomization.yaml": "resources: [missing.yaml]\n"})
    with pytest.raises(SourceFailed) as caught:
        sources_of(tmp_path, config_of(kustomize="prod"))
    assert (
        caught.value.keys == ("kustomize",)
        and "ended with 1: " in caught.value.what
        and "missing.yaml" in caught.value.what
    )


def program(path: Path, name: str, text: str) -> str:
    """A folder with a shell script of a name, to be searched for programs before others."""
    (path / "bin").mkdir(exist_ok=True)
    (path / "bin" / name).write_text(f"#!/bin/sh\n{text}")
    (path / "bin" / name).chmod(0o755)
    return f"{path}/bin:/bin:/usr/bin"


def test_kustomize_itself_is_preferred_to_kubectl(tmp_path: Path) -> None:
    folder_of(tmp_path, BASE)
    search = program(tmp_path, "kustomize", 'printf "# %s\\n" "$*"\n')
    [source] = sources_of(tmp_path, config_of(kustomize="prod"), search=search)
    assert source.data.decode() == f"# build {tmp_path}/prod\n"


# Prints a ConfigMap with its arguments, and with the values that it is given.
HELM = """\
cat <<EOF
apiVersion: v1
kind: ConfigMap
metadata: {name: called}
data:
  arguments: '$*'
  values: '$(cat)'
EOF
"""


def test_a_chart_is_rendered_with_its_values(tmp_path: Path) -> None:
    folder_of(tmp_path, {"charts/web/Chart.yaml": "name: web\n", "values.yaml": "a: 1\n"})
    search = program(tmp_path, "helm", HELM)
    config = config_of(
        helm={"chart": "charts/web", "values": ["values.yaml"], "set": {"image": {"tag": "it''s"}, "count": 2}}
    )
    [source] = sources_of(tmp_path, config, search=search)
    [written] = objects_of(dict([source]))
    options = "--namespace prod --include-crds --skip-tests"
    values = f"--values {tmp_path}/values.yaml --values -"
    assert written.manifest["data"] == {
        "arguments": f"template shop {tmp_path}/charts/web {options} {values}",
        "values": '{"image": {"tag": "it\'s"}, "count": 2}',
    }


def test_a_chart_of_a_repository_has_its_version(tmp_path: Path) -> None:
    search = program(tmp_path, "helm", HELM)
    helm = {"chart": "web", "name": "front", "repo": "https://example.com/charts", "version": "1.2.3", "hooks": False}
    [source] = sources_of(tmp_path, config_of(helm=helm), search=search)
    said = objects_of(dict([source]))[0].manifest["data"]["arguments"]
    options = (
        "--namespace prod --include-crds --skip-tests --no-hooks --version 1.2.3 --repo https://example.com/charts"
    )
    assert said == f"template front web {options}"


@pytest.mark.parametrize(
    ("said", "reason"),
    [("Error: no chart\n\nUse --debug\n", ": Error: no chart"), ("one\ntwo\n", ": two"), ("", "")],
)
def test_the_reason_of_a_failed_chart_is_shown(tmp_path: Path, said: str, reason: str) -> None:
    folder_of(tmp_path, {"web/Chart.yaml": "name: web\n", "said": said})
    search = program(tmp_path, "helm", f"cat {tmp_path}/said >&2\nexit 3\n")
    with pytest.raises(SourceFailed) as caught:
        sources_of(tmp_path, config_of(helm="web"), search=search)
    assert caught.value.what == f"runs {tmp_path}/bin/helm, which ended with 3{reason}"
    assert caught.value.hint.startswith(f"try it: helm template shop {tmp_path}/web ")


def test_a_command_to_try_is_quoted_for_a_shell(tmp_path: Path) -> None:
    folder_of(tmp_path, {"web/Chart.yaml": "name: web\n", "my values.yaml": "a: 1\n"})
    search = program(tmp_path, "helm", "exit 3\n")
    with pytest.raises(SourceFailed) as caught:
        sources_of(tmp_path, config_of(helm={"chart": "web", "values": ["my values.yaml"]}), search=search)
    assert caught.value.hint.endswith(f"--values '{tmp_path}/my values.yaml'")


@pytest.mark.parametrize(
    "helm",
    [
        {"chart": "web", "repo": "https://me:canary-4711@example.com/charts", "version": "1.2.3"},
        {"chart": "oci://me:canary-4711@example.com/web", "version": "1.2.3"},
    ],
)
def test_the_password_in_the_url_of_a_chart_is_redacted(tmp_path: Path, helm: dict[str, Any]) -> None:
    environment = environment_of(tmp_path, search=program(tmp_path, "helm", "exit 3\n"))
    with pytest.raises(SourceFailed) as caught:
        list(read_sources(config_of(helm=helm), "shop", "prod", ProjectFolder(tmp_path, tmp_path), environment))
    assert "me:[redacted]@example.com" in environment.redactor.text(caught.value.hint)


def test_hooks_of_a_chart_are_an_error(tmp_path: Path) -> None:
    folder_of(tmp_path, {"web/Chart.yaml": "name: web\n"})
    job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, annotations: {helm.sh/hook: pre-upgrade}}\n"
    search = program(tmp_path, "helm", f"cat <<EOF\n{job}EOF\n")
    with pytest.raises(SourceFailed) as caught:
        sources_of(tmp_path, config_of(helm="web"), search=search)
    assert caught.value.what == "has hooks, which are not run: Job/migrate (pre-upgrade)"
    assert len(sources_of(tmp_path, config_of(helm={"chart": "web", "hooks": False}), search=search)) == 1


@pytest.mark.parametrize(
    ("keys", "what"), [({"helm": "web"}, "needs helm"), ({"kustomize": "web"}, "needs kustomize or kubectl")]
)
def test_a_missing_tool_is_named(tmp_path: Path, keys: dict[str, Any], what: str) -> None:
    with pytest.raises(SourceFailed, match=what):
        sources_of(tmp_path, config_of(**keys), search=str(tmp_path))


def test_no_program_runs_in_an_untrusted_project(tmp_path: Path) -> None:
    folder_of(tmp_path, BASE | {"web/Chart.yaml": "name: web\n"})
    search = program(tmp_path, "kustomize", f"touch {tmp_path}/ran\n")
    with pytest.raises(SourceFailed, match="--untrusted does not allow"):
        sources_of(tmp_path, config_of(kustomize="prod"), search=search, is_untrusted=True)
    assert not (tmp_path / "ran").exists()
    config = config_of(kustomize="prod", helm="web")
    found = list(source_problems(config.kustomize, config.helm, ProjectFolder(tmp_path, tmp_path, tmp_path)))
    assert [keys for keys, _, _ in found] == [("kustomize",), ("helm",)]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"kustomize": "missing"}, (("kustomize",), "there is no folder missing")),
        ({"kustomize": "web"}, (("kustomize",), "web holds no kustomization.yaml")),
        ({"helm": "missing"}, (("helm", "chart"), "there is no file or folder missing")),
        ({"helm": "base"}, (("helm", "chart"), "base holds no Chart.yaml")),
        ({"helm": {"chart": "web", "values": ["web/Chart.yaml", "none.yaml"]}}, (("helm", "values", 1), "there is no file none.yaml")),
    ],
)  # fmt: skip
def test_missing_files_of_a_source_are_mistakes_of_deploy_yml(
    tmp_path: Path, keys: dict[str, Any], problem: tuple[Any, str]
) -> None:
    folder = folder_of(tmp_path, BASE | {"web/Chart.yaml": "name: web\n"})
    config = config_of(**keys)
    assert [found[:2] for found in source_problems(config.kustomize, config.helm, folder)] == [problem]


VALUE = {
    "spec": {
        "image": "a",
        "jobs": [{"image": "b"}, {"name": "x"}],
        "by": {"one": {"image": "c"}},
        "a.b": {"image": "d"},
    }
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("spec.image", ["a"]), ("spec.jobs[*].image", ["b"]), ("spec.by[*].image", ["c"]), ('spec["a.b"].image', ["d"]),
        ("spec.none.image", []), ("spec.image.deeper", []), ("spec.jobs.image", []),
    ],
)  # fmt: skip
def test_a_path_names_fields(path: str, found: list[str]) -> None:
    assert list(values_at(VALUE, path)) == found
    changed = replaced_at(VALUE, path, str.upper)
    assert list(values_at(changed, path)) == [text.upper() for text in found]
    assert (changed == VALUE) == (not found) and list(values_at(VALUE, path)) == found


POD = {
    "initContainers": [{"name": "i", "image": "shop/web:1"}],
    "containers": [{"name": "a", "image": "shop/web:1@sha256:" + "0" * 64}, {"name": "b", "image": "redis:8"}, {"name": "c", "image": "web"}],
    "ephemeralContainers": [{"name": "e", "image": "docker.io/shop/web"}],
    "volumes": [{"name": "v", "image": {"reference": "shop/web:2"}}, {"name": "w", "emptyDir": {}}],
}  # fmt: skip


@pytest.mark.parametrize(
    "above",
    [
        ("Pod", "spec"), ("PodTemplate", "template.spec"), ("CronJob", "spec.jobTemplate.spec.template.spec"),
        *((kind, "spec.template.spec") for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "Rollout")),
    ],
)  # fmt: skip
def test_images_of_every_kind_with_pods_are_pinned(above: tuple[str, str]) -> None:
    kind, path = above
    manifest: Any = POD
    for key in reversed(path.split(".")):
        manifest = {key: manifest}
    manifest = {"kind": kind, **manifest}
    assert sorted(image_names(manifest)) == sorted(
        ["shop/web:1", POD["containers"][0]["image"], "redis:8", "web", "docker.io/shop/web", "shop/web:2"]  # type: ignore[index]
    )
    repositories = {"web": parse_reference("shop/web").name}
    changed = pin_images(manifest, lambda text: "PINNED" if image_for(text, repositories) else None)
    assert list(image_names(changed)).count("PINNED") == 5 and "redis:8" in image_names(changed)


def test_images_of_custom_resources_are_pinned_by_rules() -> None:
    fields = config_of(
        manifests=["k8s"], images=[{"kind": "Function", "path": "spec.jobs[*].image"}, {"path": "spec.image"}]
    ).image_fields
    assert fields == (ImageField("Function", "spec.jobs[*].image"), ImageField(None, "spec.image"))
    function, other = {"kind": "Function", **VALUE}, {"kind": "Other", **VALUE}
    assert list(image_names(function, fields)) == ["b", "a"] and list(image_names(other, fields)) == ["a"]
    pinned = pin_images(function, lambda text: {"a": "A", "b": "B"}.get(text), fields)
    assert list(image_names(pinned, fields)) == ["B", "A"]
    assert pin_images({"kind": "Function", "spec": {"image": {"tag": "x"}}}, lambda text: None, fields)["spec"][
        "image"
    ] == {"tag": "x"}
