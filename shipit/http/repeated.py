"""Headers whose names may repeat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class HeaderPairs(dict[str, str]):
    """Headers as a mapping, whose `items` has each pair of a name that repeats: http.client sends what `items` has."""

    def __init__(self, headers: Mapping[str, str], repeated: Iterable[tuple[str, str]]) -> None:
        super().__init__(headers)
        self._pairs = (*headers.items(), *repeated)
        self.update(repeated)

    def items(self) -> Iterable[tuple[str, str]]:  # type: ignore[override]
        return self._pairs
