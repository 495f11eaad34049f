"""The images of repositories as text for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.printable import counted, human_bytes, printable_line
from shipit.release import Pruning, Repository, StoredImage
from shipit.report.status_text import age, render_table

_HEADS = ("TAGS", "DIGEST", "COMMIT", "SIZE", "AGE", "RUNS")
_MOST_TAGS = 4


def render_repository(found: Repository, now_s: float) -> Iterator[str]:
    """A table of the images, the newest first. `now_s` is in seconds since the epoch."""
    yield printable_line(f"{found.image}  {found.repository}")
    if not found.images:
        yield "nothing is there"
        return
    yield from render_table(_HEADS, [_row(image, now_s) for image in found.images], always=("TAGS", "DIGEST"))
    if found.left_out:
        more = "" if found.is_whole else " or more"
        yield f"{counted(found.left_out, 'tag')}{more} not shown"


def render_pruning(found: Pruning, now_s: float) -> Iterator[str]:
    """The images that would be deleted, without the records of their runs, and why others stay that are not among the newest."""
    removed = [image for image in found.removed if not image.is_record]
    yield printable_line(f"{found.repository}  {counted(len(removed), 'image')} to delete, {found.kept} kept")
    if removed:
        yield from render_table(_HEADS, [_row(image, now_s) for image in removed], always=("TAGS", "DIGEST"))
    yield from map(printable_line, found.notes)


def _row(image: StoredImage, now_s: float) -> tuple[str, ...]:
    tags = list(image.tags)
    shown = [*tags[:_MOST_TAGS], *([f"and {len(tags) - _MOST_TAGS} more"] if len(tags) > _MOST_TAGS else [])]
    return (
        ", ".join(shown) or "no tag",
        image.manifest_digest.short,
        image.commit[:7],
        "" if image.size_bytes is None else human_bytes(image.size_bytes),
        age(image.created or image.committed, now_s),
        ", ".join(image.runs),
    )
