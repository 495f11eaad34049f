"""The local cache, emptied by hand."""

from __future__ import annotations

from shipit.cli.exits import can_ask, confirm
from shipit.cli.options import ProjectOptions
from shipit.cli.printing import read_environment, result, result_event
from shipit.errors import ShipitError
from shipit.printable import human_bytes


def empty_cache(options: ProjectOptions, *, is_sure: bool) -> None:
    """Show the size and the bound of the cache, ask, and remove its files. Raises: UsageError for a no; ShipitError."""
    from shipit.events import CachePruned
    from shipit.image.store.cache_bound import cache_size, clear
    from shipit.pipeline.confirm import not_confirmed

    environ = read_environment(options.untrusted)
    root, most = environ.cache_dir, environ.cache_max
    before = cache_size(root)
    size = f"{root}  {human_bytes(before)} of at most {human_bytes(most)}"
    if options.output != "json":
        result(size)
    if before:
        if not is_sure and not (
            can_ask() and confirm(f"The next builds and deploys fetch and build again. Empty {root}?")
        ):
            raise not_confirmed(size)
        if not clear(root):
            raise ShipitError("another shipit uses the cache", where=str(root), hint="run it again when that has ended")
    after = cache_size(root)
    if options.output == "json":
        result_event(CachePruned(str(root), before, after, most))
    else:
        result(f"removed {human_bytes(before - after)}")
