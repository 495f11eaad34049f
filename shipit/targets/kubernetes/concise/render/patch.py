"""Patches on rendered objects: strategic merge, or JSON Patch. Pure.

Source: Kubernetes documentation, "Update API Objects in Place Using kubectl patch" (merge keys, `$patch`); RFC 6902; RFC 6901.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shipit.targets.kubernetes.render import Manifest

# List -> the keys by which its items are known. Lists that are not here are replaced.
# Source: Kubernetes API reference, "patch merge key" of each field.
_MERGE_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "port"),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
}
_DIRECTIVE, _DIRECTIVES = "$patch", ("merge", "replace", "delete")


class PatchFailed(ValueError):
    """A patch that does not fit its object. `keys` lead to it within `patch:`."""

    def __init__(self, what: str, *keys: str | int) -> None:
        super().__init__(what)
        self.keys = keys


class _UnknownDirective(ValueError):
    """A key that begins with `$` and can't be followed where it stands; the text says which."""


def patched(manifest: Manifest, patches: Mapping[str, Any]) -> Manifest:
    """The object with the patch of its kind. Raises: PatchFailed."""
    kind = str(manifest["kind"])
    patch = patches.get(kind)
    if patch is None:
        return manifest
    if isinstance(patch, Mapping) and patch.get(_DIRECTIVE) == "delete":
        raise PatchFailed("would delete the object: leave out what it is made of instead", kind)
    try:
        if not isinstance(patch, list):
            _check_directives(patch)
        out = _operated(manifest, patch, kind) if isinstance(patch, list) else merged(manifest, patch)
    except _UnknownDirective as error:
        raise PatchFailed(f"has {error}; known are $patch: merge, replace and delete", kind) from None
    if not isinstance(out, dict) or _identity(out) != _identity(manifest):
        raise PatchFailed("changes apiVersion, kind, name or namespace", kind)
    for key in ("labels", "annotations"):
        if not isinstance(out["metadata"].get(key) or {}, dict):
            raise PatchFailed(f"should leave metadata.{key} a map of keys", kind)
    return out


def _identity(manifest: Mapping[str, Any]) -> tuple[Any, ...]:
    metadata = manifest.get("metadata")
    own = metadata if isinstance(metadata, Mapping) else {}
    return manifest.get("apiVersion"), manifest.get("kind"), own.get("name"), own.get("namespace")


def merged(value: Any, patch: Any, key: str = "") -> Any:
    """A strategic merge: maps merge, null removes a key, items of known lists merge by their key, other values are replaced."""
    if isinstance(patch, Mapping):
        replaces, own = patch.get(_DIRECTIVE) == "replace", {n: item for n, item in patch.items() if n != _DIRECTIVE}
        if replaces:
            return own
        out = dict(value) if isinstance(value, Mapping) else {}
        for name, item in own.items():
            if item is None or (isinstance(item, Mapping) and item.get(_DIRECTIVE) == "delete"):
                out.pop(name, None)
            else:
                out[name] = merged(out.get(name), item, str(name))
        return out
    if isinstance(patch, list) and key in _MERGE_KEYS and all(isinstance(item, Mapping) for item in patch):
        return _merged_list(value if isinstance(value, list) else [], patch, _MERGE_KEYS[key])
    return patch


def _check_directives(patch: Any, key: str = "", *, is_item: bool = False) -> None:
    """Raises: _UnknownDirective for what no merge follows: other keys with `$`, and those of items of other lists."""
    if isinstance(patch, list):
        for item in patch:
            _check_directives(item, key, is_item=True)
    if not isinstance(patch, Mapping):
        return
    for name, item in patch.items():
        if str(name).startswith("$") and (name != _DIRECTIVE or item not in _DIRECTIVES):
            raise _UnknownDirective(name if name != _DIRECTIVE else f"{name}: {item}")
        _check_directives(item, str(name))
    directive = patch.get(_DIRECTIVE)
    if is_item and directive is not None and key not in _MERGE_KEYS:
        raise _UnknownDirective(f"{_DIRECTIVE}: {directive} in the list {key}, which is replaced as a whole")
    if is_item and directive == "replace" and len(patch) > 1:
        raise _UnknownDirective(f"{_DIRECTIVE}: replace beside other keys of an item, where it stands alone")


def _merged_list(items: Sequence[Any], patch: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[Any]:
    if any(item.get(_DIRECTIVE) == "replace" for item in patch):
        return [item for item in patch if item.get(_DIRECTIVE) != "replace"]
    out = list(items)
    for item in patch:
        index = next((place for place, own in enumerate(out) if _is_same(own, item, keys)), None)
        if item.get(_DIRECTIVE) == "delete":
            out = [own for place, own in enumerate(out) if place != index]
        elif index is None:
            out.append(merged({}, item))
        else:
            out[index] = merged(out[index], item)
    return out


def _is_same(own: Any, item: Mapping[str, Any], keys: Sequence[str]) -> bool:
    known = [key for key in keys if key in item]
    return isinstance(own, Mapping) and bool(known) and all(own.get(key) == item[key] for key in known)


def _operated(manifest: Manifest, operations: Sequence[Mapping[str, Any]], kind: str) -> Any:
    value: Any = manifest
    for index, operation in enumerate(operations):
        try:
            value = _operation(value, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            path = str(error.args[0]) if isinstance(error, _NoPath) else operation["path"]
            raise PatchFailed(f"does not fit the {kind}: nothing is at {path}", kind, index) from None
        if value is _DIFFERS:
            raise PatchFailed(f"does not fit the {kind}: {operation['path']} has another value", kind, index)
    return value


_DIFFERS = object()


class _NoPath(KeyError):
    """A path that leads to nothing."""


def _operation(value: Any, operation: Mapping[str, Any]) -> Any:
    name, path = operation["op"], _pointer(operation["path"])
    if name == "test":
        return value if _at(value, path) == operation["value"] else _DIFFERS
    if name == "remove":
        return _changed(value, path, None, "remove")
    if name in ("move", "copy"):
        source = _pointer(operation["from"])
        found = _at(value, source)
        rest = _changed(value, source, None, "remove") if name == "move" else value
        return _changed(rest, path, found, "add")
    return _changed(value, path, operation["value"], name)


def _pointer(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _at(value: Any, path: Sequence[str]) -> Any:
    for part in path:
        value = value[_index(value, part)]
    return value


def _changed(value: Any, path: Sequence[str], new: Any, name: str) -> Any:
    """A copy of a value with the item at a path added, replaced or removed."""
    part, *rest = path
    is_list = isinstance(value, list)
    if not is_list and not isinstance(value, dict):
        raise _NoPath("/" + part)
    out: Any = list(value) if is_list else dict(value)
    if rest:
        place = _index(value, part)
        out[place] = _changed(value[place], rest, new, name)
        return out
    if name == "add":
        if is_list:
            out.insert(len(out) if part == "-" else _place(part, len(out)), new)
        else:
            out[part] = new
        return out
    place = _index(value, part)
    if name == "remove":
        del out[place]
    else:
        out[place] = new
    return out


def _index(value: Any, part: str) -> Any:
    if isinstance(value, list):
        return _place(part, len(value) - 1)
    if not isinstance(value, dict) or part not in value:
        raise _NoPath("/" + part)
    return part


def _place(part: str, most: int) -> int:
    if not part.isdecimal() or int(part) > most:
        raise _NoPath("/" + part)
    return int(part)
