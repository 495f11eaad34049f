"""Holds back new layers until the config of their image passed its check."""

from __future__ import annotations

import threading
from collections.abc import Callable

from shipit.image.image import Layer


class Approval:
    """Passes layers on after the config is approved; earlier ones wait for that. Thread-safe.

    `check` raises an error for a config that must not be published.
    """

    def __init__(self, ready: Callable[[Layer], None], check: Callable[[bytes], None]) -> None:
        self._ready = ready
        self._check = check
        self._waiting: list[Layer] = []
        self._is_approved = False
        self._lock = threading.Lock()

    def add(self, layer: Layer) -> None:
        """Pass a layer on, or keep it until the config is approved."""
        with self._lock:
            if not self._is_approved:
                self._waiting.append(layer)
                return
        self._ready(layer)

    def check_config(self, config: bytes) -> None:
        """Check a config, whose layers may still be missing, then pass on the layers that wait."""
        self._check(config)
        with self._lock:
            waiting, self._waiting, self._is_approved = self._waiting, [], True
        for layer in waiting:
            self._ready(layer)
