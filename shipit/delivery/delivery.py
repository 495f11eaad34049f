"""What building and pushing need, for one run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.config.secret_values import SecretValues
from shipit.delivery.background_uploads import BackgroundUploads, BuildKey
from shipit.delivery.blob_uploads import BlobUploads
from shipit.delivery.inventory import Inventory
from shipit.delivery.push_access import PushAccess
from shipit.events import Emit, Warned
from shipit.image.store.content_store import ContentStore
from shipit.registry.registries import Registries

if TYPE_CHECKING:
    from shipit.docker.client import Engine
    from shipit.image.image import BuiltImage


class Delivery:
    """The images of a run, on their way from a Dockerfile to their repositories. `close` ends its threads.

    `built` are the images that this run has built or resolved.
    """

    def __init__(
        self,
        project: Project,
        environment: ProcessEnvironment,
        clock: Clock,
        emit: Emit,
        store: ContentStore,
        registries: Registries,
        secrets: SecretValues,
    ) -> None:
        self.project, self.environment, self.clock, self.emit = project, environment, clock, emit
        self.store, self.registries, self.secrets = store, registries, secrets
        self.inventory = Inventory(registries)
        self.uploads = BlobUploads(registries, self.inventory, store, emit)
        self.background = BackgroundUploads(self.inventory, self.uploads)
        self.access = PushAccess(registries)
        self.built: dict[BuildKey, BuiltImage] = {}
        # Cleared while places are read: an engine starts to build only when every place could be read.
        self.may_build = threading.Event()
        self.may_build.set()
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    def engine(self) -> Engine:
        """The Docker engine that the environment names. Waits until `may_build`.

        Raises: RemoteError where a push will need a login and there is none.
        """
        Deadline(self.clock).wait(self.may_build.wait, "the places of the targets to be read")
        self.access.require()
        with self._lock:
            if self._engine is None:
                from shipit.docker.address import find_engine
                from shipit.docker.client import Engine

                variables, home = self.environment.variables, self.environment.home
                address = find_engine(variables, home, lambda text: self.emit(Warned("", text)))
                self._engine = Engine(address, variables)
            return self._engine

    def close(self) -> None:
        """Wait until the uploads that are under way have ended, and close the connections to the engine."""
        self.access.close()
        self.background.close()
        self.uploads.close()
        self.inventory.close()
        if self._engine is not None:
            self._engine.close()
