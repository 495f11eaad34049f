"""Changes to the objects of a workload, for fields that have no key.

Source: Kubernetes documentation, "Update API Objects in Place Using kubectl patch"; RFC 6902.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from shipit.config.units import Misplaced

_OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")
_SAID = "should be fields to merge, or a list of JSON Patch operations"
_KINDS_SAID = "should be a map of kinds, such as {Deployment: {spec: {minReadySeconds: 5}}}"


def _patches(value: Any) -> Any:
    """Kind -> fields to merge, or operations. Raises: Misplaced at the part that is wrong."""
    if not isinstance(value, dict):
        raise ValueError(_KINDS_SAID)
    for kind, patch in value.items():
        if isinstance(patch, list):
            for index, operation in enumerate(patch):
                _check_operation(operation, (kind, index))
        elif not isinstance(patch, dict):
            raise Misplaced(_SAID, kind)
        else:
            _check_identity(patch, kind)
    return value


def _check_operation(operation: Any, where: tuple[str | int, ...]) -> None:
    if not isinstance(operation, Mapping):
        raise Misplaced("should be an operation such as {op: add, path: /spec/paused, value: true}", *where)
    name = operation.get("op")
    if name not in _OPERATIONS:
        raise Misplaced(f"should have op: one of {', '.join(_OPERATIONS)}", *where)
    if unknown := next((key for key in operation if key not in ("op", "path", "from", "value")), ""):
        raise Misplaced(
            "is not a key of a JSON Patch operation", *where, unknown, hint="keys here: op, path, from, value"
        )
    for key in ("path", *(("from",) if name in ("move", "copy") else ())):
        if not isinstance(operation.get(key), str) or not operation[key].startswith("/"):
            raise Misplaced(f"should have {key}: a JSON Pointer such as /spec/template", *where)
    if name in ("add", "replace", "test") and "value" not in operation:
        raise Misplaced("should have value:", *where)


def _check_identity(patch: Mapping[str, Any], kind: str) -> None:
    for key in ("apiVersion", "kind"):
        if key in patch:
            raise Misplaced("can't be changed", kind, key, hint="remove it")
    metadata = patch.get("metadata")
    head = metadata if isinstance(metadata, Mapping) else {}
    for key in ("name", "namespace"):
        if key in head:
            raise Misplaced("can't be changed", kind, "metadata", key, hint="remove it")


Patches = Annotated[
    dict[str, Any],
    BeforeValidator(_patches),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"type": ["object", "array"], "errorMessage": _SAID},
            "errorMessage": _KINDS_SAID,
        }
    ),
]
