"""One namespace of one cluster, as a target names it: its configuration, the wanted objects, and a client."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import ConfigErrors, RemoteError
from shipit.events import Warned
from shipit.release import Place
from shipit.targets.kubernetes import KIND
from shipit.targets.kubernetes.client import ATTEMPTS, KubernetesClient
from shipit.targets.kubernetes.concise.file_contents import read_files
from shipit.targets.kubernetes.config import KubernetesConfig
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.object_problems import check_labels, check_served, check_unique
from shipit.targets.kubernetes.observed import key_of
from shipit.targets.kubernetes.place import find_login, read_place
from shipit.targets.kubernetes.pods import Limits
from shipit.targets.kubernetes.server import ApiServer
from shipit.targets.kubernetes.source import SourceFailed
from shipit.targets.session import Session

if TYPE_CHECKING:
    from shipit.targets.kubernetes.manifest_objects import Written
    from shipit.targets.kubernetes.watches import Watches


def _identity(context: str, server: str, namespace: str) -> str:
    return f"context {context}, server {server}, namespace {namespace}"


class ClusterPlace:
    """The configuration, wanted objects and client that every method of a Kubernetes target needs."""

    kind = KIND

    def __init__(self, name: str, config: KubernetesConfig, project: Project, environment: ProcessEnvironment) -> None:
        self.name = name
        self.config = config
        self.project = project
        self.context, self.server, namespace = read_place(config, environment)
        self.namespace = config.namespace.name or namespace or "default"
        self.place = Place("kubernetes", _identity(self.context, self.server, self.namespace))
        sources = self._sources(environment)
        written = self._written(sources)
        places = {key_of(item.manifest, self.namespace): item.at for item in written}
        own = [config.namespace.manifest(self.namespace)] if config.namespace.create else []
        raw = [*own, *(item.manifest for item in written)]
        contents = {key: read_files(project.folder, one.files) for key, one in config.workloads.items() if one.files}
        secrets = project.secrets_for(name)
        self._desired = Desired(name, config, project, self.namespace, raw, secrets, places, contents, sources)
        check_unique(self._desired)
        check_labels(self._desired)
        check_served(self._desired)
        self._guard(project)

    def _sources(self, environment: ProcessEnvironment) -> dict[str, bytes]:
        """Name -> text of the manifests that are no files: rendered or downloaded now. Raises: ConfigErrors."""
        config = self.config
        if not (config.kustomize or config.helm or len(config.files) < len(config.manifests)):
            return {}
        from shipit.targets.kubernetes.manifest_texts import read_sources

        try:
            found = read_sources(config, self.project.app, self.namespace, self.project.folder, environment)
            return {source.name: source.data for source in found}
        except SourceFailed as error:
            problem = self.project.problem(("targets", self.name, *error.keys), error.what, error.hint)
            raise ConfigErrors([problem]) from None

    def _written(self, sources: Mapping[str, bytes]) -> Sequence[Written]:
        """The objects of the manifests. Raises: ConfigErrors."""
        if not (self.config.files or sources):
            return ()
        from shipit.targets.kubernetes.manifests import doubled_problems, objects_of, read_written

        folder = self.project.folder
        written = [*read_written(folder, self.config.files.values()), *objects_of(sources)]
        if problems := doubled_problems(folder, written, self.namespace, sources):
            raise ConfigErrors(problems)
        return written

    def guard(self, place: Place, session: Session) -> None:
        """Check that the kubeconfig still leads to the place of the plan. Raises: RemoteError."""
        name, server, namespace = read_place(self.config, session.environment)
        now = Place("kubernetes", _identity(name, server, self.config.namespace.name or namespace or "default"))
        if now != place:
            what = f"the place changed since the plan: it was {place.identity}, and is {now.identity}"
            raise RemoteError(what, where=self.name, hint="run it again to plan for where it leads now")

    @property
    def _kubectl(self) -> str:
        return f"{self._kubectl_here} -n {self.namespace}"

    @property
    def _kubectl_here(self) -> str:
        """The call of kubectl for this context, without a namespace, to be pasted into a shell."""
        wanted = self.config.impersonate
        words = ["kubectl", "--context", self.context]
        if wanted is not None:
            words += ["--as", wanted.user, *(word for group in wanted.groups for word in ("--as-group", group))]
        return shlex.join(words)

    @property
    def _user(self) -> str:
        """Whom the API server asks for rights, for people."""
        wanted, own = self.config.impersonate, f"the user of {self.context}"
        return own if wanted is None else f"{wanted.user}, as whom {own} acts,"

    @property
    def _limits(self) -> Limits:
        return Limits(self.config.restarts_allowed, self.config.pending)

    def _guard(self, project: Project) -> None:
        if self.config.server and self.config.server.rstrip("/") != self.server.rstrip("/"):
            what = f"the context {self.context} leads to {self.server}, not there"
            raise ConfigErrors(
                [project.problem(("targets", self.name, "server"), what, "choose another context, or correct server:")]
            )

    def _client(self, session: Session, within_s: float | None = None, attempts: int = ATTEMPTS) -> KubernetesClient:
        """A client with the deadline of this call; they share one server with its login and connections."""
        key = (ApiServer, self.server, self.config.context, repr(self.config.impersonate))
        server = session.clients.once(key, lambda: self._server(session))
        deadline = session.deadline if within_s is None else session.deadline.within(within_s)
        return KubernetesClient(server, deadline, session.emit, attempts if session.attempts > 1 else 1)

    def _watches(self, session: Session) -> Watches:
        """The watched lists of this target, which last for the run."""
        from shipit.targets.kubernetes.watches import Watches

        server = self._client(session).server
        key = (Watches, self.server, self.config.context, repr(self.config.impersonate), self.name)
        return session.clients.once(key, lambda: Watches(server, session.clock))

    def _server(self, session: Session) -> ApiServer:
        context = find_login(self.config, session.environment)
        if not context.is_verified and context.server.startswith("https:"):
            what = f"the certificate of {context.server} is not verified: the context has insecure-skip-tls-verify"
            session.emit(Warned(self.name, what))
        return ApiServer(context, session.environment)
