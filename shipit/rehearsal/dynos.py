"""The dynos of the stand-in's apps: started from its registry, checked, and stopped."""

from __future__ import annotations

import json

from shipit.rehearsal.app import App, Dyno, now_text
from shipit.rehearsal.dyno import Line, Runner, Running, free_port, listens
from shipit.rehearsal.registry import EmbeddedRegistry


class Dynos:
    """Starts and stops dynos as the formation of an app says."""

    def __init__(self, registry: EmbeddedRegistry, runner: Runner) -> None:
        self.registry = registry
        self.runner = runner

    def manifest(self, app: str, process: str, config_digest: str) -> str | None:
        """The digest of the manifest with the released config, found without tags."""
        for (name, digest), (_, data) in list(self.registry.manifests.items()):
            if name == f"{app}/{process}" and json.loads(data)["config"]["digest"] == config_digest:
                return digest
        return None

    def restart(self, app: App, processes: list[str]) -> None:
        """Stop the dynos of process types, and start as many as the formation says, as of the newest release."""
        self.stop(app, processes)
        version = app.releases[-1]["version"]
        for process in [name for name in processes if name in app.formation and name != "release"]:
            row = app.formation[process]
            manifest = self.manifest(app.name, process, row["image"])
            for index in range(row["quantity"] if manifest else 0):
                dyno = Dyno(f"{process}.{index + 1}", process, version, free_port(), since=now_text())
                app.dynos.append(dyno)
                self._start(app, dyno, str(manifest))

    def restart_one(self, app: App, name: str) -> bool:
        """Replace a dyno by one of the same name; False where there is none."""
        old = next((dyno for dyno in app.dynos if dyno.name == name and dyno.process in app.formation), None)
        manifest = self.manifest(app.name, old.process, app.formation[old.process]["image"]) if old else None
        if old is None or manifest is None:
            return False
        if old.running:
            old.running.stop()
        new = Dyno(name, old.process, app.releases[-1]["version"], free_port(), since=now_text())
        app.dynos[app.dynos.index(old)] = new
        self._start(app, new, manifest)
        return True

    def stop(self, app: App, processes: list[str]) -> None:
        for dyno in [dyno for dyno in app.dynos if dyno.process in processes]:
            if dyno.running:
                dyno.running.stop()
            app.dynos.remove(dyno)

    def run(self, app: App, process: str, image: str, line: Line) -> Running:
        """Start a one-off dyno, such as the release command."""
        manifest = self.manifest(app.name, process, image)
        assert manifest is not None, f"{process} was released without its image"
        name = f"{app.name}/{process}"
        return self.runner.start(self.registry, name, manifest, dict(app.config), free_port(), line)

    def refresh(self, app: App) -> None:
        """Update the states of an app's dynos."""
        for dyno in app.dynos:
            code = dyno.running.exit_code() if dyno.running else 1
            if code is not None:
                if dyno.state != "crashed":
                    app.write(f"heroku[{dyno.name}]", f"Process exited with status {code}")
                dyno.state = "crashed"
            elif dyno.process != "web" or listens(dyno.port):
                dyno.state = "up"

    def _start(self, app: App, dyno: Dyno, manifest: str) -> None:
        def line(text: str) -> None:
            app.write(f"app[{dyno.name}]", text)

        try:
            name = f"{app.name}/{dyno.process}"
            app.write(f"heroku[{dyno.name}]", f"Starting process with command `{dyno.process}`")
            dyno.running = self.runner.start(self.registry, name, manifest, app.config, dyno.port, line)
        except Exception as error:
            # Whatever the error is: the app has a dyno that did not start.
            line(f"can't be started: {error}")
