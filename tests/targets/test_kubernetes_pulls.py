"""Why an image can't be pulled, in the words of the kubelet's runtimes."""

from __future__ import annotations

import pytest

from shipit.targets.kubernetes.pulls import pull_failure

RESOLVE = 'failed to pull and unpack image "r.example/shop:v1": failed to resolve reference "r.example/shop:v1": '


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (RESOLVE + "r.example/shop:v1: not found", "the registry does not have it"),
        ("reading manifest v1 in r.example/shop: manifest unknown", "the registry does not have it"),
        (RESOLVE + "unexpected status from HEAD request to https://r.example/v2/shop: 401 Unauthorized", "the registry refuses the login of the cluster, or wants one"),
        (RESOLVE + "unexpected status from HEAD request to https://r.example/v2/shop: 403 Forbidden", "the registry refuses the login of the cluster, or wants one"),
        (RESOLVE + "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
         "the registry refuses the login of the cluster, or wants one"),
        ('no match for platform in manifest: not found', "it is not built for the platform of this node"),
        ('failed to parse reference "Shop:v1": invalid reference format', "its name is invalid"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_what_trying_again_does_not_mend_is_told_with_its_cause(reason: str, message: str, cause: str) -> None:
    found = pull_failure(reason, message)
    assert found is not None and found.cause == cause and found.hint


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("ErrImagePull", RESOLVE + 'failed to do request: Head "https://r.example/v2/shop": dial tcp 10.0.0.1:443: connect: connection refused'),
        ("ErrImagePull", RESOLVE + "unexpected status from HEAD request to https://r.example/v2/shop: 503 Service Unavailable"),
        ("ErrImagePull", 'Head "https://r.example": dial tcp: lookup r.example: no such host'),
        ("ErrImagePull", ""),
        ("CrashLoopBackOff", "not found"),
        ("ContainerCreating", "401 Unauthorized"),
    ],
)  # fmt: skip
def test_what_may_pass_is_waited_for(reason: str, message: str) -> None:
    assert pull_failure(reason, message) is None
