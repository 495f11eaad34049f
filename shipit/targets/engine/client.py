"""One Docker host: the requests for containers, images, networks and volumes, and their errors.

Source: Docker Engine API 1.41.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from shipit.clock import Clock, Deadline
from shipit.docker.client import Engine, WholeAnswer
from shipit.docker.dial import ByteStream
from shipit.docker.error_message import error_message
from shipit.docker.json_rows import json_rows
from shipit.errors import BuildError, RemoteError
from shipit.http.fields import Field
from shipit.json_text import parse_json
from shipit.reference import parse_reference
from shipit.registry.credentials import Credentials
from shipit.targets.engine.archive import only_file
from shipit.targets.engine.container_values import Restart
from shipit.targets.engine.frames import frames
from shipit.targets.engine.label_store import Labelled, age_s, config_labels
from shipit.targets.log_times import unix_time
from shipit.targets.remote import Command, Size

# The time limit of a request that is no pull and no stop.
_REQUEST_S = 60.0
# That of the beginning of an answer that goes on. Docker 25.0.0 to 25.0.3 send none before the first line of a log (moby #47448).
_BEGIN_S = 5.0
_TAIL = 20
_LARGEST_FILE = 1024 * 1024


class HostClient:
    """Raises: RemoteError from every method, with the status of the engine and its message."""

    def __init__(self, engine: Engine, host: str, deadline: Deadline) -> None:
        self.engine = engine
        self.host = host
        self.deadline = deadline

    def within(self, seconds: float) -> HostClient:
        """The same with a deadline of its own, also after that of the run, and when the run is cancelled."""
        clock = Clock()
        return HostClient(self.engine, self.host, Deadline(clock, clock.now() + seconds))

    @property
    def product(self) -> str:
        """`Docker` or `Podman`."""
        return "Podman" if self.engine.is_podman else "Docker"

    def containers(self, filters: str = "") -> list[Field]:
        query = {"all": "true", **({"filters": filters} if filters else {})}
        return list(self._json("GET", "/containers/json", query).rows())

    def container(self, name: str) -> Field | None:
        """The container of a name or id; None where there is none."""
        answer = self._answer("GET", f"/containers/{name}/json", accepted=(200, 404))
        return None if answer.status_code == 404 else self._parsed(answer, f"GET /containers/{name}/json")

    def create(self, name: str, body: Mapping[str, Any]) -> str:
        """The id of the new container; empty where the name is taken."""
        answer = self._answer("POST", "/containers/create", {"name": name}, body, accepted=(201, 409))
        return "" if answer.status_code == 409 else self._parsed(answer, "POST /containers/create")["Id"].required()

    def connect(self, network: str, container: str, aliases: Sequence[str]) -> None:
        body = {"Container": container, "EndpointConfig": {"Aliases": list(aliases)}}
        self._answer("POST", f"/networks/{network}/connect", body=body, accepted=(200,))

    def disconnect(self, network: str, container: str) -> None:
        """One that is not in the network is fine."""
        body = {"Container": container, "Force": True}
        self._answer("POST", f"/networks/{network}/disconnect", body=body, accepted=(200, 403, 404, 500))

    def exec(self, container: str, command: Command) -> str:
        """The id of a command that is ready to run in a container."""
        body = {
            "Cmd": list(command.words),
            "AttachStdin": command.has_input,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": command.terminal is not None,
        }
        answer = self._answer("POST", f"/containers/{container}/exec", body=body, accepted=(201,))
        return self._parsed(answer, "POST /exec")["Id"].required()

    def start_exec(self, identity: str, command: Command) -> ByteStream:
        """Start a command, and its streams."""
        body = {"Detach": False, "Tty": command.terminal is not None}
        return self._upgraded(f"/exec/{identity}/start", {}, body)

    def exec_state(self, identity: str) -> Field:
        return self._json("GET", f"/exec/{identity}/json", {})

    def attach(self, container: str, *, has_input: bool) -> ByteStream:
        """The streams of a container's own process."""
        query = {"stream": "1", "stdout": "1", "stderr": "1", **({"stdin": "1"} if has_input else {})}
        return self._upgraded(f"/containers/{container}/attach", query, None)

    def resize(self, path: str, size: Size) -> None:
        """Tell a terminal its size. `path` is that of a container, or of an exec."""
        query = {"w": str(size.columns), "h": str(size.rows)}
        self._answer("POST", f"{path}/resize", query, accepted=(200, 201, 404, 409, 500))

    def read_file(self, container: str, path: str) -> bytes | None:
        """A file of a container, at most 1 MiB; None where there is none, or the engine can't read it."""
        accepted = (200, 400, 403, 404, 409, 500)
        answer = self._answer("GET", f"/containers/{container}/archive", {"path": path}, accepted=accepted)
        return only_file(answer.content, _LARGEST_FILE) if answer.status_code == 200 else None

    def write_archive(self, container: str, folder: str, archive: bytes) -> None:
        """Unpack a tar in a folder of a container."""
        self._answer("PUT", f"/containers/{container}/archive", {"path": folder}, archive)

    def _upgraded(self, path: str, query: Mapping[str, str], body: Any) -> ByteStream:
        self.deadline.check(f"POST {path} of {self.host}")
        return self.engine.upgraded(path, query, body, max(1.0, min(_REQUEST_S, self.deadline.remaining_s())))

    def start(self, container: str) -> None:
        self._answer("POST", f"/containers/{container}/start", accepted=(204, 304))

    def stop(self, container: str, grace_s: float | None = None) -> None:
        """SIGTERM, and SIGKILL after the grace time: that of the container where none is given. One that is gone is fine."""
        query = {"t": str(int(grace_s))} if grace_s is not None else {}
        self._answer("POST", f"/containers/{container}/stop", query, accepted=(204, 304, 404), timeout_s=None)

    def set_restart(self, container: str, policy: Restart) -> None:
        """Change the restart policy of a container. Podman before 5 has no such request, and starts none again by this policy."""
        path = f"/containers/{container}/update"
        self._answer("POST", path, body={"RestartPolicy": policy.body}, accepted=(200, 404, 405))

    def restart(self, container: str) -> None:
        self._answer("POST", f"/containers/{container}/restart", accepted=(204,), timeout_s=None)

    def rename(self, container: str, name: str) -> None:
        self._answer("POST", f"/containers/{container}/rename", {"name": name}, accepted=(204, 404))

    def remove(self, container: str, *, keeps_volumes: bool = False) -> None:
        """Remove a container, running or not, with its anonymous volumes unless they are kept."""
        query = {"force": "true", **({} if keeps_volumes else {"v": "true"})}
        self._answer("DELETE", f"/containers/{container}", query, accepted=(204, 404, 409))

    def last_lines(self, container: str, most: int = _TAIL) -> tuple[str, ...]:
        """The last lines that a container wrote; empty where they can't be read."""
        query = {"stdout": "true", "stderr": "true", "tail": str(most)}
        answer = self._answer("GET", f"/containers/{container}/logs", query, accepted=(200, 404, 409, 500, 501))
        if answer.status_code != 200:
            return ()
        text = b"".join(data for _, data in frames([answer.content])).decode("utf-8", "replace")
        return tuple(text.splitlines()[-most:])

    def log(self, container: str, query: Mapping[str, str]) -> bytes:
        """The output of a container up to now, with times; empty where it is gone."""
        wanted = {"stdout": "true", "stderr": "true", "timestamps": "true", **query}
        try:
            answer = self._answer("GET", f"/containers/{container}/logs", wanted, accepted=(200, 404, 409))
        except RemoteError as error:
            if error.status == 501:
                error.hint = "the log is where the log driver sends it"
            elif not error.retryable:
                error.hint = error.hint or "read less of it: --tail N, or --since 10m"
            raise
        return b"".join(data for _, data in frames([answer.content])) if answer.status_code == 200 else b""

    def follow_log(self, container: str, query: Mapping[str, str]) -> ByteStream:
        """The output of a container with times, as it is written, until the container ends."""
        wanted = {"stdout": "true", "stderr": "true", "timestamps": "true", "follow": "true", **query}
        self.deadline.check(f"GET /containers/{container}/logs of {self.host}")
        return self.engine.download(f"/containers/{container}/logs", wanted, _BEGIN_S)

    def last_exit_code(self, container: str, until: str) -> int:
        """The exit code of the run that ended before a time, by the engine's events; negative where they do not say it."""
        if not (until_s := unix_time(until)):
            return -1
        wanted = json.dumps({"container": [container], "event": ["die"]})
        answer = self._answer("GET", "/events", {"since": "1", "until": until_s, "filters": wanted})
        rows = [Field(row, f"GET /events of {self.host}") for row in json_rows([answer.content])]
        codes = [row["Actor"]["Attributes"]["exitCode"].text() for row in rows]
        last = codes[-1] if codes else ""
        return int(last) if last.isascii() and last.isdigit() and len(last) < 6 else -1

    def images(self) -> Field:
        return self._json("GET", "/images/json", {})

    def has_image(self, image: str) -> bool:
        return self._answer("GET", f"/images/{image}/json", accepted=(200, 404)).status_code == 200

    def pull(self, image: str, platform: str, credentials: Credentials | None) -> None:
        """The credentials are sent with the request, and are not kept on the host."""
        login = (credentials.username, credentials.password, credentials.identity_token) if credentials else None
        try:
            self.engine.pull(parse_reference(image), platform, login, self.deadline)
        except BuildError as error:
            raise RemoteError(error.what, where=self.host, hint=error.hint, retryable=error.retryable) from None

    def remove_image(self, image: str) -> str:
        """One that something still uses stays: what the engine says of it; empty else."""
        answer = self._answer("DELETE", f"/images/{image}", accepted=(200, 404, 409))
        return error_message(answer.content, answer.status_code) if answer.status_code == 409 else ""

    def has_network(self, name: str) -> bool:
        answer = self._answer("GET", f"/networks/{name}", accepted=(200, 404))
        return answer.status_code == 200

    def network_ids(self, filters: str, scope: str = "") -> dict[str, str]:
        """Id -> name of networks. `scope` is `local` or `swarm`; empty for any: Podman has no filter for it."""
        rows = self._json("GET", "/networks", {"filters": filters}).rows()
        own = (row for row in rows if not scope or row["Scope"].text(scope) == scope)
        return {row["Id"].required(): row["Name"].required() for row in own}

    def network_names(self, filters: str) -> tuple[str, ...]:
        """The names of networks."""
        return tuple(sorted(self.network_ids(filters).values()))

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        body = {"Name": name, "Driver": "bridge", "CheckDuplicate": True, "Labels": dict(labels)}
        self._answer("POST", "/networks/create", body=body, accepted=(201, 409))

    def remove_network(self, name: str) -> None:
        """One that a container still uses stays."""
        self._answer("DELETE", f"/networks/{name}", accepted=(204, 403, 404, 409))

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """One of this name that exists already stays as it is."""
        self._answer("POST", "/volumes/create", body={"Name": name, "Labels": dict(labels)}, accepted=(201, 200))

    def volume(self, name: str) -> Field | None:
        answer = self._answer("GET", f"/volumes/{name}", accepted=(200, 404))
        return None if answer.status_code == 404 else self._parsed(answer, f"GET /volumes/{name}")

    def volumes(self, filters: str) -> list[Labelled]:
        answer = self._answer("GET", "/volumes", {"filters": filters})
        date = answer.headers.get("Date", "")
        return [
            Labelled(row["Name"].required(), row["Labels"].texts(), age_s(row["CreatedAt"].text(), date))
            for row in self._parsed(answer, "GET /volumes")["Volumes"].rows()
        ]

    def remove_volume(self, name: str) -> bool:
        """Remove a volume; True when it was there."""
        answer = self._answer("DELETE", f"/volumes/{name}", accepted=(204, 404))
        return answer.status_code == 204

    def put(self, name: str, labels: Mapping[str, str]) -> None:
        """The store of labels of a Docker host has empty volumes."""
        self.create_volume(name, labels)

    def find_labels(self, name: str) -> Mapping[str, str] | None:
        found = self.volume(name)
        return found["Labels"].texts() if found else None

    def list_labelled(self, filters: str) -> Sequence[Labelled]:
        return self.volumes(filters)

    def drop(self, name: str) -> bool:
        return self.remove_volume(name)

    def info(self) -> Field:
        return self._json("GET", "/info", {})

    def swarm_rows(self, path: str, filters: str = "") -> list[Field]:
        """The list at GET `path` of the swarm; empty on an engine that manages none. Raises: RemoteError, also for a locked swarm."""
        answer = self._swarm_answer(path, filters)
        return list(self._parsed(answer, f"GET {path}").rows()) if answer else []

    def labelled_configs(self, filters: str) -> list[Labelled]:
        """The configs of the swarm that a filter selects; empty on an engine that manages none."""
        answer = self._swarm_answer("/configs", filters)
        return config_labels(self._parsed(answer, "GET /configs"), answer.headers.get("Date", "")) if answer else []

    def _swarm_answer(self, path: str, filters: str) -> WholeAnswer | None:
        query = {"filters": filters} if filters else {}
        answer = self._answer("GET", path, query, accepted=(200, 404, 503))
        if answer.status_code == 200:
            return answer
        state = self.info()["Swarm"]["LocalNodeState"].text() if answer.status_code == 503 else ""
        if state in ("locked", "error"):
            hint = f"docker --host {self.host} swarm unlock"
            raise RemoteError(f"the swarm is {state}: what it needs is not known", where=self.host, hint=hint)
        return None

    def build_cache_bytes(self) -> int:
        """The size of what the engine keeps for its own builds; 0 where it does not tell it."""
        answer = self._answer("GET", "/system/df", {"type": "build-cache"}, accepted=(200, 400, 404, 500, 501))
        if answer.status_code != 200:
            return 0
        return sum(row["Size"].whole() for row in self._parsed(answer, "GET /system/df")["BuildCache"].rows())

    def _json(self, method: str, path: str, query: Mapping[str, str]) -> Field:
        return self._parsed(self._answer(method, path, query), f"{method} {path}")

    def _parsed(self, answer: WholeAnswer, where: str) -> Field:
        try:
            return Field(parse_json(answer.content), f"{where} of {self.host}")
        except ValueError:
            raise RemoteError("the engine's answer is not JSON", where=f"{where} of {self.host}") from None

    def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        accepted: Sequence[int] = (200,),
        timeout_s: float | None = _REQUEST_S,
        headers: Mapping[str, str] | None = None,
    ) -> WholeAnswer:
        self.deadline.check(f"{method} {path} of {self.host}")
        limit_s = max(1.0, min(timeout_s or float("inf"), self.deadline.remaining_s()))
        limit = None if limit_s == float("inf") else limit_s
        answer = self.engine.call(method, path, query=query, body=body, timeout_s=limit, headers=headers)
        if answer.status_code not in accepted:
            raise RemoteError(
                error_message(answer.content, answer.status_code),
                where=f"{method} {path} of {self.host}",
                status=answer.status_code,
            )
        return answer
