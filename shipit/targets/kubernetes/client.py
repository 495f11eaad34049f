"""Objects of a cluster: read, listed, applied and deleted. Answers are values.

Source: Kubernetes API concepts, "Server-Side Apply", "API discovery", "Retrieving large results sets in chunks", "Preconditions".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from shipit.clock import Deadline
from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.http.messages import Answer
from shipit.http.retry import NO_MORE, retrying
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.pages import PAGE, Listed, read_pages
from shipit.targets.kubernetes.parse import parse_live
from shipit.targets.kubernetes.refusal import is_temporary
from shipit.targets.kubernetes.render import MANAGED_BY, Manifest
from shipit.targets.kubernetes.request_body import request_body
from shipit.targets.kubernetes.server import ApiServer, Query, Resource, checked, error_of, parsed

if TYPE_CHECKING:
    from shipit.events import Emit

T = TypeVar("T")
ATTEMPTS = 4
# Writes are tried until the deadline: a control plane may be away for a while, in the middle of a deploy.
WRITE_ATTEMPTS = 1000
_THROTTLED = (429,)
# A gateway whose control plane is away is asked for about 20 s; a server that nobody reaches at all is down, more likely.
_AWAY = dict.fromkeys((502, 503, 504), 8)
CONFLICT = 409
_APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_METADATA_KIND = "PartialObjectMetadata"
_SHORT = f"application/json;as={_METADATA_KIND};g=meta.k8s.io;v=v1,application/json"
_AS_SHIPIT: Query = {"fieldManager": MANAGED_BY, "force": "true", "fieldValidation": "Strict"}
_DRY: Query = {"dryRun": "All", "fieldValidation": "Strict"}


class UnknownKind(RemoteError):
    """The cluster has no such kind."""


class KubernetesClient:
    """Speaks to one API server, within one deadline. Requests are tried `attempts` times: all of them are safe to repeat.

    While the server throttles us (429), a request is sent again until the deadline; one that a gateway answers for it, for a while.
    """

    def __init__(self, server: ApiServer, deadline: Deadline, emit: Emit, attempts: int = ATTEMPTS) -> None:
        self.server = server
        self.deadline = deadline
        self.emit = emit
        self.attempts = attempts

    def namespace(self, name: str) -> Field | None:
        return self.find(f"/api/v1/namespaces/{name}")

    def read(self, manifest: Mapping[str, Any], namespace: str) -> Live | None:
        """The live object that a manifest names; None where there is none."""
        found = self.find(self.path(manifest, namespace))
        return None if found is None else _named(found, manifest, namespace)

    def listed(
        self, api: str, plural: str, namespace: str, parse: Callable[[Field], T], selector: str = "", fields: str = ""
    ) -> list[T]:
        """Objects of a namespace, by label and field selector. `api` is such as `api/v1` or `apis/apps/v1`."""
        return self.read_list(f"/{api}/namespaces/{namespace}/{plural}", selectors(selector, fields), parse).items

    def read_list(self, path: str, query: Query, parse: Callable[[Field], T]) -> Listed[T]:
        """The objects of a path, by the selectors of a query."""
        return read_pages(self._page, path, {**query, "limit": PAGE}, parse)

    def listed_metadata(self, path: str, selector: str, parse: Callable[[Field], T]) -> list[T]:
        """The objects of a list by label selector, of which only `metadata` is read: no values of Secrets."""

        def page(path: str, query: Query) -> Answer:
            return self._page(path, query, _METADATA)

        return read_pages(page, path, {"limit": PAGE, "labelSelector": selector}, parse).items

    def apply(self, manifest: Manifest, namespace: str) -> Live:
        """Server-side apply as field manager `shipit`, which takes fields over from others; the object as it is then.

        Raises: RemoteError, with 409 when the manifest has a resourceVersion that is not the current one.
        """
        answer = self.write("PATCH", self.path(manifest, namespace), request_body(manifest), _AS_SHIPIT, _APPLY)
        return _named(answer, manifest, namespace)

    def try_apply(self, manifest: Manifest, namespace: str, *, is_short: bool = False) -> Answer:
        """The answer to a dry run of `apply`: the object, or a refusal; with `is_short` its metadata, which takes the server a fifth less.

        Raises: RemoteError for a temporary failure.
        """
        query, accept = {**_AS_SHIPIT, **_DRY}, _SHORT if is_short else "application/json"
        return self.answer("PATCH", self.path(manifest, namespace), manifest, _APPLY, query, accept)

    def try_create(self, manifest: Manifest, namespace: str) -> Answer:
        """The answer to a dry run that creates a manifest under another name."""
        name = manifest["metadata"]["name"]
        own = {key: value for key, value in manifest["metadata"].items() if key not in ("name", "resourceVersion")}
        renamed = {**manifest, "metadata": {**own, "generateName": f"{name[:40]}-"}}
        path = self.path(manifest, namespace).rpartition("/")[0]
        return self.answer("POST", path, renamed, query={"fieldManager": MANAGED_BY, **_DRY})

    def answer(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        query: Query | None = None,
        accept: str = "application/json",
    ) -> Answer:
        """The answer to a request with a body of JSON, of any status. Raises: RemoteError for a temporary failure."""
        data = None if body is None else request_body(body).encode()

        def once() -> Answer:
            answer = self.server.send(
                method, path, self.deadline, query=query, body=data, content_type=content_type, accept=accept
            )
            if answer.status >= 300 and is_temporary(answer):
                raise error_of(answer)
            return answer

        return self._again(once)

    def parsed_live(self, answer: Answer, manifest: Manifest, namespace: str) -> Live:
        """The object of an answer, which has to be the one of the manifest. Raises: RemoteError."""
        return _named(parsed(answer), manifest, namespace)

    def check_object(self, answer: Answer, manifest: Manifest, namespace: str) -> None:
        """Check that an answer is the object of the manifest, or its metadata. Nothing else is read. Raises: RemoteError."""
        _check_named(parsed(answer), manifest, namespace, _METADATA_KIND)

    def scale(self, manifest: Mapping[str, Any], namespace: str, uid: str, replicas: int) -> None:
        """Set the number of replicas of the object of a uid, by its scale subresource.

        Raises: RemoteError, with 409 when another object has its name now.
        """
        body = {"metadata": {"uid": uid}, "spec": {"replicas": replicas}}
        path = f"{self.path(manifest, namespace)}/scale"
        self.write("PATCH", path, request_body(body), {"fieldManager": f"{MANAGED_BY}-scale"}, MERGE)

    def merge(self, manifest: Mapping[str, Any], namespace: str, body: Mapping[str, Any], manager: str) -> None:
        """Change fields of an object, as a field manager. Raises: RemoteError."""
        path = self.path(manifest, namespace)
        self.write("PATCH", path, request_body(body), {"fieldManager": manager}, MERGE)

    def set_managed_fields(
        self, manifest: Manifest, namespace: str, rows: Sequence[Mapping[str, Any]], version: str
    ) -> None:
        """Set `managedFields` of the object of a version. Raises: RemoteError, with 409 when it has another one."""
        body = [
            {"op": "replace", "path": "/metadata/managedFields", "value": rows},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
        ]
        path = self.path(manifest, namespace)
        self.write("PATCH", path, request_body(body), {"fieldManager": MANAGED_BY}, "application/json-patch+json")

    def release_fields(self, manifest: Manifest, namespace: str, manager: str) -> None:
        """Remove the fields that a field manager applied and no other one owns.

        `manifest` is the live object. Raises: RemoteError, with 409 when it is gone: without its uid it would be created.
        """
        own = {key: value for key, value in manifest["metadata"].items() if key in ("name", "namespace", "uid")}
        body = {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": own}
        query = {**_AS_SHIPIT, "fieldManager": manager}
        answer = self.write("PATCH", self.path(manifest, namespace), request_body(body), query, _APPLY)
        _check_named(answer, manifest, namespace)

    def create(self, manifest: Manifest, namespace: str) -> bool:
        """Create an object; False where there is one of its name already, which may be our own from a moment ago."""
        path = self.path(manifest, namespace).rpartition("/")[0]
        try:
            self.write("POST", path, request_body(manifest), {"fieldManager": MANAGED_BY})
        except RemoteError as error:
            if error.status == 409:
                return False
            raise
        return True

    def path(self, manifest: Mapping[str, Any], namespace: str) -> str:
        """The URL path of an object, by what the server says of its kind.

        Raises: RemoteError when the cluster knows no such kind, or a name would lead to another path.
        """
        version, kind, metadata = manifest["apiVersion"], manifest["kind"], manifest["metadata"]
        _check_segments(metadata["name"])
        path = self.list_path(version, kind, metadata.get("namespace") or namespace)
        if not path:
            raise UnknownKind(
                f"the cluster knows no {kind} in {version}",
                where=f"{kind}/{metadata['name']}",
                hint="install what defines it, or check apiVersion",
            )
        return f"{path}/{quote(metadata['name'], safe='')}"

    def list_path(self, version: str, kind: str, namespace: str) -> str:
        """The URL path of the objects of a kind in a namespace; empty where the cluster has no such kind.

        Raises: RemoteError when a name would lead to another path.
        """
        _check_segments(*version.split("/"), namespace)
        prefix = f"/api/{quote(version)}" if "/" not in version else f"/apis/{quote(version)}"
        found = self.kinds(prefix).get(kind)
        if found is None:
            return ""
        middle = f"/namespaces/{quote(namespace, safe='')}" if found.is_namespaced else ""
        return f"{prefix}{middle}/{found.plural}"

    def resource(self, manifest: Mapping[str, Any], namespace: str) -> tuple[str, str, str]:
        """API group, plural and namespace of an object; the namespace empty for what belongs to the cluster.

        Raises: RemoteError when the cluster knows no such kind.
        """
        parts = self.path(manifest, namespace).split("/")
        group = manifest["apiVersion"].rpartition("/")[0]
        return group, parts[-2], parts[-3] if "namespaces" in parts[:-2] else ""

    def kinds(self, prefix: str, *, is_fresh: bool = False) -> Mapping[str, Resource]:
        """Kind -> resource of a group and version: that of ApiServer. Raises: RemoteError."""
        return self._again(lambda: self.server.resources(prefix, self.deadline, is_fresh=is_fresh))

    def date(self) -> str | None:
        """The API server's clock, as its `Date` header has it."""
        return self.server.send("GET", "/version", self.deadline).header("Date") or None

    def request_delete(self, manifest: Mapping[str, Any], namespace: str, options: Mapping[str, Any]) -> None:
        """Delete an object without waiting. Raises: RemoteError, with 409 when a precondition does not hold."""
        self.write("DELETE", self.path(manifest, namespace), request_body(options))

    def _page(self, path: str, query: Query, accept: str = "application/json") -> Answer:
        return self._again(lambda: checked(self.server.send("GET", path, self.deadline, query=query, accept=accept)))

    def find(self, path: str) -> Field | None:
        """The answer at a path; None where there is none. Raises: RemoteError."""
        try:
            return self._again(lambda: parsed(self.server.send("GET", path, self.deadline)))
        except RemoteError as error:
            if error.status == 404:
                return None
            raise

    def write(
        self, method: str, path: str, body: str, query: Query | None = None, content_type: str = "application/json"
    ) -> Field:
        """Send a request with a body; its answer. Raises: RemoteError."""

        def once() -> Field:
            return parsed(
                self.server.send(
                    method, path, self.deadline, query=query, body=body.encode(), content_type=content_type
                )
            )

        return self._again(once)

    def _again(self, call: Callable[[], T]) -> T:
        most, more = self.attempts, _AWAY if self.attempts > 1 else NO_MORE
        return retrying(call, deadline=self.deadline, emit=self.emit, attempts=most, borne=_THROTTLED, more=more)


def selectors(labels: str = "", fields: str = "") -> Query:
    """A query with the selectors that are not empty."""
    return {key: text for key, text in (("labelSelector", labels), ("fieldSelector", fields)) if text}


def _check_segments(*names: str) -> None:
    """That each is a segment of a path by itself: `..` would be resolved before the request is sent.

    Source: Kubernetes, "Object Names and IDs", Path Segment Names.
    """
    for name in names:
        if name in ("", ".", ".."):
            raise RemoteError(f"{name!r} is no name of an object in Kubernetes", hint="choose another name")


def _named(found: Field, manifest: Mapping[str, Any], namespace: str) -> Live:
    """The object of an answer, which has to be the one that was asked for."""
    _check_named(found, manifest, namespace)
    return parse_live(found)


def _check_named(found: Field, manifest: Mapping[str, Any], namespace: str, *other_kinds: str) -> None:
    wanted, name, metadata = manifest["kind"], manifest["metadata"]["name"], found["metadata"]
    # An object that belongs to the whole cluster has no namespace.
    own = metadata["namespace"].text() or namespace
    is_same = own == (manifest["metadata"].get("namespace") or namespace)
    if not is_same or found["kind"].text() not in (wanted, *other_kinds) or metadata["name"].text() != name:
        raise found.wrong(f"should be {wanted}/{name}, and is another object")
