"""What is pushed for an image. Pure.

Source: OCI distribution-spec 1.1, "Pushing Manifests"; Docker Hub API, PATCH /v2/namespaces/{namespace}/repositories/{repository}.
"""

from __future__ import annotations

from collections.abc import Iterator

from shipit.reference import parse_reference
from shipit.release import Image, RenderedPart


def render_image(image: Image) -> Iterator[RenderedPart]:
    """The manifest by its digest, after the blobs that it names, and then by each tag."""
    repository = parse_reference(image.repository)
    body = {
        "image": image.name,
        "repository": image.repository,
        "manifest_digest": image.manifest_digest,
        "config_digest": image.config_digest,
    }
    for reference in (image.manifest_digest, *image.use.tags_of(image.config_digest)):
        yield RenderedPart(f"PUT /v2/{repository.repository}/manifests/{reference}", body)


def render_description(repository: str, text: str) -> RenderedPart:
    namespace, _, name = parse_reference(repository).repository.partition("/")
    return RenderedPart(f"PATCH /v2/namespaces/{namespace}/repositories/{name}", {"full_description": text})
