"""What the user of a context may do, by what the API server says.

Source: Kubernetes API reference, authorization.k8s.io/v1 SelfSubjectAccessReview, SelfSubjectRulesReview;
authentication.k8s.io/v1 SelfSubjectReview.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from shipit.errors import RemoteError
from shipit.targets.kubernetes.access import Rule
from shipit.targets.kubernetes.client import KubernetesClient


def may(client: KubernetesClient, group: str, resource: str, namespace: str, verb: str) -> bool:
    """Whether the user of this context may do something."""
    name, _, part = resource.partition("/")
    attributes = {"group": group, "resource": name, "subresource": part, "namespace": namespace, "verb": verb}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    answer = client.write("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json.dumps(body))
    return answer["status"]["allowed"].flag()


def refused(
    client: KubernetesClient, group: str, resource: str, namespace: str, verbs: Sequence[str]
) -> tuple[str, ...]:
    """The verbs that this user may not do with a resource."""
    return tuple(verb for verb in verbs if not may(client, group, resource, namespace, verb))


def rules(client: KubernetesClient, namespace: str) -> tuple[Rule, ...]:
    """What this user may do in a namespace, with one request; not all of it where an authorizer can't list its rules."""
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    try:
        answer = client.write("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", json.dumps(body))
    except RemoteError as error:
        if error.status in (403, 404, 405):
            return ()
        raise
    return tuple(
        Rule(*(tuple(item.text() for item in row[key].rows()) for key in ("verbs", "apiGroups", "resources")))
        for row in answer["status"]["resourceRules"].rows()
    )


def user_name(client: KubernetesClient) -> str:
    """The name of this user, as the API server knows it; empty where it does not tell."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        answer = client.write("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", json.dumps(body))
    except RemoteError as error:
        # Kubernetes before 1.28 has no such kind.
        if error.status in (403, 404, 405):
            return ""
        raise
    return answer["status"]["userInfo"]["username"].text()
