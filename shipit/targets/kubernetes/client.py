"""The wire to a cluster: credentials by the `kubernetes` package, requests and answers as plain dicts.

Source: Kubernetes API concepts, "Server-Side Apply", "API discovery".
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import urllib3

from shipit.clock import Clock, Deadline
from shipit.config.environment import Environment
from shipit.errors import RemoteError
from shipit.events import Emit
from shipit.http.failures import TEMPORARY, shown
from shipit.http.proxy import proxy_for
from shipit.http.retry import parse_retry_after, retrying
from shipit.targets.kubernetes.place import SERVICE_ACCOUNT, is_in_cluster, kubeconfig_paths
from shipit.targets.kubernetes.render import MANAGED_BY, Manifest

_JSON = {"Accept": "application/json"}


class KubernetesClient:
    """Speaks to one API server. Reads are tried again; so are applies, which are safe to repeat."""

    def __init__(self, environment: Environment, context: str | None, clock: Clock, emit: Emit) -> None:
        self.clock = clock
        self.emit = emit
        self.context = context
        self._lock = threading.Lock()
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}
        self._load(environment)

    def _load(self, environment: Environment) -> None:
        from kubernetes import client, config

        configuration = client.Configuration()
        try:
            if is_in_cluster(environment) and self.context is None:
                loader = config.incluster_config.InClusterConfigLoader(
                    token_filename=str(SERVICE_ACCOUNT / "token"),
                    cert_filename=str(SERVICE_ACCOUNT / "ca.crt"),
                    environ=dict(environment.variables),
                )
                loader.load_and_set(configuration)
            else:
                config.load_kube_config(
                    kubeconfig_paths(environment), self.context, configuration, persist_config=False
                )
        except (config.ConfigException, OSError, ValueError, KeyError, TypeError) as error:
            raise RemoteError(
                f"the kubeconfig can't be used: {error}",
                where=kubeconfig_paths(environment),
                hint="check it with kubectl config view, and KUBECONFIG and context: here",
            ) from None
        configuration.proxy = proxy_for(configuration.host, environment)
        configuration.no_proxy = environment.no_proxy or None
        if configuration.ssl_ca_cert is None and environment.ca_bundle:
            configuration.ssl_ca_cert = environment.ca_bundle
        self.server = str(configuration.host).rstrip("/")
        self._redactor = environment.redactor
        self._configuration: Any = configuration
        self._pool: Any = client.ApiClient(configuration).rest_client.pool_manager

    def namespace(self, name: str) -> Manifest | None:
        return self._maybe(f"/api/v1/namespaces/{name}")

    def read(self, manifest: Mapping[str, Any], namespace: str) -> Manifest | None:
        """The live object that a manifest names; None where there is none."""
        return self._maybe(self.path(manifest, namespace))

    def listed(self, api: str, plural: str, namespace: str, selector: str = "") -> list[Manifest]:
        """Objects of a namespace by label selector. `api` is such as `api/v1` or `apis/apps/v1`."""
        query = f"?{urlencode({'labelSelector': selector})}" if selector else ""
        return list(self._read(f"/{api}/namespaces/{namespace}/{plural}{query}").get("items") or [])

    def apply(self, manifest: Manifest, namespace: str) -> Manifest:
        """Server-side apply as field manager `shipit`, taking over what others own."""
        query = urlencode({"fieldManager": MANAGED_BY, "force": "true"})
        path = f"{self.path(manifest, namespace)}?{query}"
        body = json.dumps(manifest).encode()
        headers = {"Content-Type": "application/apply-patch+yaml"}
        return self._retried("PATCH", path, body, headers)

    def delete(self, manifest: Manifest, namespace: str) -> None:
        """Delete an object and wait until it is gone; one that is not there is fine."""
        path = self.path(manifest, namespace)
        body = json.dumps({"propagationPolicy": "Background"}).encode()
        try:
            self._retried("DELETE", path, body, {"Content-Type": "application/json"})
        except RemoteError as error:
            if error.status != 404:
                raise
        while self._maybe(path) is not None:
            self.clock.sleep(0.3)

    def logs(self, namespace: str, pod: str, container: str, *, previous: bool, lines: int) -> list[str]:
        """The last lines of a container, or of its previous run; empty when there are none."""
        query = urlencode({"container": container, "tailLines": lines, "previous": str(previous).lower()})
        try:
            answer = self._send(
                "GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log?{query}", None, {"Accept": "*/*"}
            )
        except RemoteError:
            return []
        return answer.data.decode("utf-8", "replace").splitlines() if answer.status == 200 else []

    def path(self, manifest: Mapping[str, Any], namespace: str) -> str:
        """The URL path of an object, by what the server says of its kind.

        Raises: RemoteError when the cluster knows no such kind.
        """
        version, kind = manifest["apiVersion"], manifest["kind"]
        metadata = manifest["metadata"]
        prefix = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        found = self._resources(prefix).get(kind)
        if found is None:
            raise RemoteError(
                f"the cluster knows no {kind} in {version}",
                where=f"{kind}/{metadata['name']}",
                hint="install what defines it, or check apiVersion",
            )
        plural, namespaced = found
        middle = f"/namespaces/{metadata.get('namespace') or namespace}" if namespaced else ""
        return f"{prefix}{middle}/{plural}/{quote(metadata['name'])}"

    def resource(self, manifest: Mapping[str, Any], namespace: str) -> tuple[str, str, str]:
        """API group, plural and namespace of an object; the namespace empty for what belongs to the cluster.

        Raises: RemoteError when the cluster knows no such kind.
        """
        parts = self.path(manifest, namespace).split("/")
        group = manifest["apiVersion"].rpartition("/")[0]
        return group, parts[-2], parts[-3] if "namespaces" in parts[:-2] else ""

    def may(self, group: str, resource: str, namespace: str, verb: str) -> bool:
        """Whether the user of this context may do something, by what the API server says of itself."""
        name, _, part = resource.partition("/")
        attributes = {"group": group, "resource": name, "subresource": part, "namespace": namespace, "verb": verb}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }
        path, headers = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"Content-Type": "application/json"}
        answer = self._retried("POST", path, json.dumps(body).encode(), headers)
        return bool((answer.get("status") or {}).get("allowed"))

    def refused(self, group: str, resource: str, namespace: str, verbs: Sequence[str]) -> tuple[str, ...]:
        """The verbs that this user may not do with a resource."""
        return tuple(verb for verb in verbs if not self.may(group, resource, namespace, verb))

    def date(self) -> str | None:
        """The API server's clock, as its `Date` header has it."""
        found = self._send("GET", "/version", None, {}).headers.get("Date")
        return str(found) if found else None

    def _resources(self, prefix: str) -> dict[str, tuple[str, bool]]:
        with self._lock:
            if prefix not in self._kinds:
                rows = (self._maybe(prefix) or {}).get("resources") or []
                self._kinds[prefix] = {
                    row["kind"]: (row["name"], bool(row["namespaced"])) for row in rows if "/" not in row["name"]
                }
            return self._kinds[prefix]

    def _read(self, path: str) -> Manifest:
        return self._retried("GET", path, None, {})

    def _maybe(self, path: str) -> Manifest | None:
        try:
            return self._read(path)
        except RemoteError as error:
            if error.status == 404:
                return None
            raise

    def _retried(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Manifest:
        def once() -> Manifest:
            answer = self._send(method, path, body, headers)
            if not 200 <= answer.status < 300:
                raise self._error(method, path, answer)
            try:
                found = json.loads(answer.data)
            except ValueError:
                raise RemoteError(
                    "the answer should be JSON", where=shown(method, self.server + path), hint="is this the API server?"
                ) from None
            return found if isinstance(found, dict) else {}

        return retrying(once, deadline=Deadline(self.clock), emit=self.emit, attempts=4)

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Any:
        url = self.server + path
        try:
            merged = {**_JSON, **headers, **self._authorization()}
            return self._pool.request(
                method, url, body=body, headers=merged, timeout=urllib3.Timeout(connect=5, read=30), retries=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _unreachable(error, method, url) from error

    def _authorization(self) -> dict[str, str]:
        """What the kubeconfig says to send: a bearer token, refreshed by its own rules, or a basic login."""
        headers = {}
        for setting in self._configuration.auth_settings().values():
            if setting.get("in") == "header" and setting.get("value"):
                headers[setting["key"]] = self._redactor.learn(setting["value"])
        return headers

    def _error(self, method: str, path: str, answer: Any) -> RemoteError:
        """The error for an answer, with the API server's own message."""
        try:
            message = str(json.loads(answer.data).get("message", ""))
        except (ValueError, AttributeError):
            message = ""
        status = int(answer.status)
        hint = {
            401: "the credentials of this context are not accepted: log in again",
            403: f"ask for the right to {method} there, or use another context",
            409: "someone changed it at the same time: deploy again",
            422: "correct the field it names",
        }.get(status, "")
        told = parse_retry_after(answer.headers.get("Retry-After")) if status in TEMPORARY else None
        where = shown(method, self.server + path)
        return RemoteError(
            message or f"answered {status}",
            where=where,
            hint=hint,
            retryable=status in TEMPORARY,
            status=status,
            retry_after_s=told,
        )


def _unreachable(error: Exception, method: str, url: str) -> RemoteError:
    where, host = shown(method, url), urlsplit(url).netloc
    text = str(error)
    if isinstance(error, urllib3.exceptions.SSLError) or "CERTIFICATE_VERIFY_FAILED" in text:
        return RemoteError(
            f"the certificate of {host} can't be trusted",
            where=where,
            hint="check certificate-authority in the kubeconfig",
        )
    slow = isinstance(error, urllib3.exceptions.TimeoutError) and not isinstance(
        error, urllib3.exceptions.NewConnectionError
    )
    if slow:
        return RemoteError(
            "the cluster did not answer in time", where=where, hint="is it running, and the VPN up?", retryable=True
        )
    return RemoteError(
        "the cluster can't be reached",
        where=where,
        hint="is it running? check it with kubectl cluster-info",
        retryable=True,
    )
