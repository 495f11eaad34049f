"""The objects of the text of a manifest: Lists flattened, their heads checked, and what only a server writes left out. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import yaml

from shipit.config.position import Position, lines_of
from shipit.config.yaml_text import decode, not_yaml, problem_in
from shipit.errors import ConfigError, ConfigErrors
from shipit.targets.kubernetes.field_position import field_position
from shipit.targets.kubernetes.go_yaml import Document, Misread, read_documents
from shipit.targets.kubernetes.json_events import Place
from shipit.targets.kubernetes.origin import NAMES as ORIGIN

MAX_BYTES = 16 * 1024 * 1024
# Files that are kept parsed, because each command reads the manifests several times.
_KEPT_FILES = 8192
# Fields that the API server writes in the metadata of every object.
_SERVER_METADATA = frozenset(
    {"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"}
)  # fmt: skip
_TOOL_ANNOTATIONS = frozenset(
    {"deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration", *ORIGIN}
)
_KUSTOMIZATION = "a kustomization? name its folder under kustomize:, and leave it out of manifests:"
# Name of a file that is no manifest -> what to do with it.
_SOURCE_HINTS = {
    "kustomization.yaml": _KUSTOMIZATION,
    "kustomization.yml": _KUSTOMIZATION,
    "Chart.yaml": "a chart? name its folder under helm:, and leave it out of manifests:",
}
_HAVE_SPEC = ("v1", "apps/v1", "batch/v1", "networking.k8s.io/v1", "autoscaling/v2")


class Written(NamedTuple):
    """An object of a manifest, its file relative to deploy.yml, where it begins there, and the fields that were left out."""

    file: str
    manifest: dict[str, Any]
    at: Position
    left_out: tuple[str, ...] = ()


@lru_cache(maxsize=_KEPT_FILES)
def parse_manifests(data: bytes, name: str) -> tuple[tuple[Written, ...], tuple[ConfigError, ...]]:
    """The objects of a file, and its problems at their lines."""
    text = ""
    try:
        text = decode(data, name, MAX_BYTES)
        documents = read_documents(text)
    except yaml.MarkedYAMLError as error:
        return (), tuple(not_yaml(error, text, name).problems)
    except Misread as error:
        return (), (
            problem_in(text, _position(error.at, name), error.what, _template_hint(text, error.at) or error.hint),
        )
    except ConfigErrors as error:
        return (), tuple(error.problems)
    except yaml.YAMLError as error:
        return (), (problem_in(text, Position(1, 1, 1, name), f"can't be read: {str(error).splitlines()[0]}"),)
    objects, problems = [], []
    for value, place in (item for document in documents for item in _flattened(document)):
        at = _position(place, name)
        if lack := _lack(value):
            what, hint, field = lack
            hint = _SOURCE_HINTS.get(name.rpartition("/")[2], hint)
            problems.append(problem_in(text, field_position(text, at, field), what, hint))
        else:
            manifest, left_out = _without_server_fields(value)
            objects.append(Written(name, manifest, at, left_out))
    return tuple(objects), tuple(problems)


def _template_hint(text: str, place: Place) -> str:
    """A hint where the line is that of a template; empty where it is not."""
    line = lines_of(text)[place.line]
    return "a template of a chart? name the chart under helm:" if "{{" in line else ""


def _position(place: Place, name: str) -> Position:
    return Position(place.line + 1, place.column + 1, 1, name)


def _flattened(document: Document) -> Iterator[tuple[Any, Place]]:
    """The object of a document, or those of a List, with where each begins.

    Source: apimachinery, unstructured.UnstructuredJSONScheme: items of a typed list take their kind from it.
    """
    if not _is_list(document.value):
        yield document.value, document.at
        return
    for index, item in enumerate(document.value["items"]):
        place = document.items[index] if index < len(document.items) else document.at
        yield from _items(item, document.value, place)


def _items(item: Any, above: Mapping[str, Any], place: Place) -> Iterator[tuple[Any, Place]]:
    kind = above["kind"].removesuffix("List")
    if isinstance(item, dict) and kind and not item.get("kind"):
        item = {"apiVersion": above.get("apiVersion"), "kind": kind, **item}
    if _is_list(item):
        for inner in item["items"]:
            yield from _items(inner, item, place)
    else:
        yield item, place


def _is_list(value: Any) -> bool:
    """True for a List, and for a list of one kind such as ConfigMapList."""
    return isinstance(value, dict) and str(value.get("kind")).endswith("List") and isinstance(value.get("items"), list)


def _without_server_fields(manifest: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """An object without the fields that only a server writes, and the names of those that had a value."""
    metadata = manifest["metadata"]
    annotations = metadata.get("annotations") or {}
    found = [f"metadata.{key}" for key in metadata if key in _SERVER_METADATA and metadata[key] is not None]
    found += [f"metadata.annotations[{key}]" for key in annotations if key in _TOOL_ANNOTATIONS]
    found += ["status"] if _has_value(manifest.get("status")) else []
    if found or "status" in manifest or not _SERVER_METADATA.isdisjoint(metadata):
        metadata = {key: value for key, value in metadata.items() if key not in _SERVER_METADATA}
        if not _TOOL_ANNOTATIONS.isdisjoint(annotations):
            metadata["annotations"] = {key: value for key, value in annotations.items() if key not in _TOOL_ANNOTATIONS}
        manifest = {key: value for key, value in manifest.items() if key != "status"} | {"metadata": metadata}
    return manifest, tuple(found)


def _has_value(value: Any) -> bool:
    """False for a status of empty values only, as generators of manifests write it."""
    if isinstance(value, dict | list):
        return any(_has_value(part) for part in (value.values() if isinstance(value, dict) else value))
    return value not in (None, "", 0)


def _lack(value: Any) -> tuple[str, str, str] | None:
    """A problem of an object, a hint, and the path of its field."""
    if not isinstance(value, dict):
        return "should be a Kubernetes object", "", ""
    metadata = value.get("metadata")
    head: dict[str, Any] = metadata if isinstance(metadata, dict) else {}
    missing = [key for key in ("apiVersion", "kind") if not isinstance(value.get(key), str) or not value[key]]
    name = head.get("name")
    if name is None and head.get("generateName") and not missing:
        what = "has generateName, so that each deploy would create another object"
        return what, "give it a name: metadata.name", "metadata.generateName"
    if isinstance(name, int | float):
        return "metadata.name should be text", "put quotes around it", "metadata.name"
    if not isinstance(name, str) or not name:
        missing.append("metadata.name")
    if missing:
        return f"lacks {', '.join(missing)}", "every object needs apiVersion, kind and metadata.name", ""
    return _wrong(value)


def _wrong(value: dict[str, Any]) -> tuple[str, str, str] | None:
    """A field with the wrong type, a hint, and its path."""
    metadata = value["metadata"]
    texts = [("metadata.labels", metadata.get("labels")), ("metadata.annotations", metadata.get("annotations"))]
    if value["apiVersion"] == "v1" and value["kind"] in ("ConfigMap", "Secret"):
        texts += [("data", value.get("data")), ("stringData", value.get("stringData"))]
    maps = [*texts, *((("spec", value.get("spec")),) if value["apiVersion"] in _HAVE_SPEC else ())]
    for path, found in maps:
        if found is not None and not isinstance(found, dict):
            return f"{path} should be a map of keys", "", path
    for path, found in texts:
        for key, part in (found or {}).items():
            if not isinstance(part, str | None):
                what = f"{path}: the value of {key} should be text, and is {_type(part)}"
                return what, "put quotes around it", f"{path}[{key}]"
    namespace = metadata.get("namespace")
    is_wrong = not isinstance(namespace, str | None)
    return ("metadata.namespace should be text", "put quotes around it", "metadata.namespace") if is_wrong else None


def _type(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", dict: "a map", list: "a list"}
    return names[type(value)]
