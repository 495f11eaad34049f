"""Which images of a repository are deleted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from shipit.delivery.stored_images import is_commit, made_at_s
from shipit.digest import Digest
from shipit.release import Pruning, Repository, StoredImage


def plan_pruning(
    repository: Repository,
    keep: int,
    own_tags: Collection[str],
    children: Collection[Digest] = (),
    for_rollback: Collection[Digest] = (),
) -> Pruning:
    """Delete what is older than the newest `keep` images, unless there is a reason to keep it.

    `own_tags` are those of the next deploy. `children` are manifests that an index names, `for_rollback` those that a
    rollback of a target needs.
    """
    dated = [image for image in repository.images if made_at_s(image) is not None]
    newest = {image.manifest_digest for image in dated[:keep]}
    removed, reasons = [], Counter[str]()
    for image in repository.images:
        if image.manifest_digest in newest:
            continue
        if reason := _reason_to_keep(image, own_tags, children, for_rollback):
            reasons[reason] += 1
        else:
            removed.append(image)
    notes = tuple(f"{count} kept: {reason}" for reason, count in sorted(reasons.items()))
    return Pruning(repository.repository, tuple(removed), len(repository.images) - len(removed), notes)


def _reason_to_keep(
    image: StoredImage, own_tags: Collection[str], children: Collection[Digest], for_rollback: Collection[Digest]
) -> str:
    """Why an image stays that is not among the newest; empty when it may go."""
    if image.runs:
        return "it runs somewhere"
    if image.manifest_digest in for_rollback:
        return "a rollback needs it"
    if not image.config_digest:
        return "it is an index, or no image"
    if image.manifest_digest in children:
        return "an index names it"
    if set(image.tags) & set(own_tags):
        return "the next deploy has its tag"
    if not image.tags or not all(is_commit(tag, image) for tag in image.tags):
        return "it has a tag that is not the name of a commit"
    if made_at_s(image) is None:
        return "neither its time nor that of its commit is known here"
    return ""
