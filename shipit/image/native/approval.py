"""Layers that wait until the config of their image is known to be fit for others."""

from __future__ import annotations

import threading
from collections.abc import Callable

from shipit.image.image import Layer


class Approval:
    """Hands layers on, those made before the config was approved not before that. Safe to use from several threads.

    `check` raises an error for a config that must not be published.
    """

    def __init__(self, ready: Callable[[Layer], None], check: Callable[[bytes], None]) -> None:
        self._ready = ready
        self._check = check
        self._waiting: list[Layer] = []
        self._is_given = False
        self._lock = threading.Lock()

    def layer_made(self, layer: Layer) -> None:
        """A layer is in the store."""
        with self._lock:
            if not self._is_given:
                self._waiting.append(layer)
                return
        self._ready(layer)

    def ask(self, config: bytes) -> None:
        """Check a config, whose layers may still be missing, and hand on what waits for it."""
        self._check(config)
        with self._lock:
            waiting, self._waiting, self._is_given = self._waiting, [], True
        for layer in waiting:
            self._ready(layer)
