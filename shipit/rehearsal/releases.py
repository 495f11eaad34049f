"""The releases of the stand-in's apps: images, config vars, a removed process type, a rollback.

Each runs the app's release command, and takes effect when that succeeds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shipit.rehearsal.app import App
from shipit.rehearsal.dynos import Dynos

UNCHANGED = "The process type {} was not updated, because it is already running the specified docker image."
_PIECE = 256 * 1024
Images = Mapping[str, str | None]


class Output:
    """The output of a release command, for any number of readers."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._is_closed = False
        self._changed = threading.Condition()

    def add(self, line: str) -> None:
        with self._changed:
            self._data += f"{line}\n".encode()
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def follow(self, start: int) -> Iterator[bytes]:
        position = start
        while True:
            with self._changed:
                while len(self._data) <= position and not self._is_closed:
                    self._changed.wait(1)
                chunk, is_closed = bytes(self._data[position : position + _PIECE]), self._is_closed
            position += len(chunk)
            if chunk:
                yield chunk
            elif is_closed:
                return


class Releases:
    """Makes releases; `url` names the stream of one. The lock is the stand-in's, and is held by whoever calls.

    `rolls_config_back` is whether a rollback restores config vars, and `removal_releases` whether removing a process
    type makes a release: what Heroku does is unknown.
    """

    def __init__(self, dynos: Dynos, lock: threading.RLock, url: Callable[[str], str]) -> None:
        self.dynos = dynos
        self.outputs: dict[str, Output] = {}
        self.rolls_config_back = True
        self.removal_releases = True
        self._lock = lock
        self._url = url
        self._is_over = False

    def stop(self) -> None:
        """End release commands that still run."""
        self._is_over = True

    def images(self, app: App, images: Mapping[str, str]) -> str:
        """Release images; returns Heroku's warning when none is new, and so nothing is released.

        The image of a type's last release is not new, even when that release failed.
        """
        stale = {name: image for name, image in images.items() if app.requested.get(name) != image}
        warning = " ".join(UNCHANGED.format(name) for name in images if name not in stale)
        if stale:
            names = ", ".join(f"{name} ({image.removeprefix('sha256:')[:12]})" for name, image in sorted(stale.items()))
            app.requested |= stale
            self._make(app, f"Deployed {names}", stale)
        return warning

    def config(self, app: App, values: Mapping[str, str | None]) -> None:
        """Set config vars; None removes one. They stay when the release fails."""
        changed = {key: value for key, value in values.items() if app.config.get(key) != value}
        for key, value in changed.items():
            if value is None:
                app.config.pop(key, None)
            else:
                app.config[key] = value
        if changed:
            verb = "Remove" if all(value is None for value in changed.values()) else "Set"
            self._make(app, f"{verb} {', '.join(sorted(changed))} config vars", {})

    def removal(self, app: App, process: str) -> None:
        """Remove a process type."""
        app.requested.pop(process, None)
        if self.removal_releases:
            self._make(app, f"Removed {process}", {process: None})
        else:
            app.take({process: None})
            self.dynos.stop(app, [process])

    def rollback(self, app: App, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Release the images and config vars of an earlier release that succeeded."""
        images, config = app.past[wanted["id"]]
        if self.rolls_config_back:
            app.config = dict(config)
        app.requested = dict(images)
        gone = {name: None for name in app.formation if name not in images}
        return self._make(app, f"Rollback to v{wanted['version']}", {**images, **gone})

    def _make(self, app: App, description: str, images: Images) -> dict[str, Any]:
        """One release, pending while its release command runs."""
        command = images.get("release", app.images().get("release"))
        release = app.add_release(description, "pending" if command else "succeeded")
        if command:
            output = self.outputs[release["id"]] = Output()
            release["output_stream_url"] = self._url(release["id"])
            work = threading.Thread(target=self._phase, args=(app, release, command, images, output), daemon=True)
            work.start()
        else:
            self._succeed(app, release, images)
        return release

    def _phase(self, app: App, release: dict[str, Any], command: str, images: Images, output: Output) -> None:
        running = self.dynos.run(app, "release", command, output.add)
        while (code := running.exit_code()) is None and not self._is_over:
            time.sleep(0.05)
        running.stop()
        with self._lock:
            output.close()
            release["status"] = "succeeded" if code == 0 else "failed"
            if code == 0:
                self._succeed(app, release, images)

    def _succeed(self, app: App, release: dict[str, Any], images: Images) -> None:
        gone = [name for name, image in images.items() if image is None]
        self.dynos.stop(app, gone)
        app.take(images)
        self.dynos.restart(app, list(app.formation))
        app.keep(release)
