"""The Secrets that shipit writes. Pure.

Source: Kubernetes API reference, v1 Secret; Kubernetes, "Pull an Image from a Private Registry".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from shipit.docker.config_file import host_key
from shipit.targets.kubernetes.render import (
    COPIED_ANNOTATION,
    MANAGED_BY,
    PREVIOUS_LABEL,
    SECRETS_ANNOTATION,
    Manifest,
    Setting,
    head_of,
)


def render_secret(setting: Setting, marks: Mapping[str, str]) -> Manifest:
    """The Secret of the env's secrets; name -> keyed hash in place of each value."""
    head = head_of("v1", "Secret", setting.secret_name, setting, {SECRETS_ANNOTATION: setting.secret_mark})
    return {**head, "type": "Opaque", "data": {name: marks[name] for name in sorted(marks)}}


def render_previous(secret: Manifest, app: str, copied_from: str, name: str) -> Manifest:
    """A copy of a Secret as it was at the resourceVersion `copied_from`. Its type is Opaque, which has no required keys."""
    labels = {
        "app.kubernetes.io/part-of": app,
        "app.kubernetes.io/managed-by": MANAGED_BY,
        PREVIOUS_LABEL: "true",
    }
    own = {"name": name, "labels": labels, "annotations": {COPIED_ANNOTATION: copied_from}}
    namespace = secret["metadata"].get("namespace")
    metadata = {**own, **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "data": dict(secret.get("data") or {}),
    }


def render_pull_secret(setting: Setting, logins: Mapping[str, tuple[str, str]]) -> Manifest:
    """The Secret that lets the cluster pull: registry host -> (user, password)."""
    auths = {
        host_key(host): {
            "username": user,
            "password": password,
            "auth": base64.b64encode(f"{user}:{password}".encode()).decode(),
        }
        for host, (user, password) in logins.items()
    }
    data = {".dockerconfigjson": base64.b64encode(json.dumps({"auths": auths}, sort_keys=True).encode()).decode()}
    head = head_of("v1", "Secret", setting.pull_secret or "", setting, {SECRETS_ANNOTATION: setting.secret_mark})
    return {**head, "type": "kubernetes.io/dockerconfigjson", "data": data}
