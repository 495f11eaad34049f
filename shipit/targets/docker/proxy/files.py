"""The addresses that the routes of a target lead to, in files of the proxy's container.

Caddy reads such a file for each request. A switch therefore changes no configuration: with a new configuration, Caddy
replaces its HTTP server, and every connection that has not sent its request yet is closed.
Source: caddyserver.com/docs/conventions#placeholders, `{file.*}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from shipit.docker.exchange import exchange
from shipit.errors import RemoteError
from shipit.targets.docker.proxy.route import FOLDER, folder
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.frames import frames

_LIMIT_S = 30.0
_DONE = "done"
_OLD = "Caddy before 2.8 can't read addresses in files"
_CHECK = f"""case "$(caddy version)" in v2.[0-7].*) echo "{_OLD}"; exit;; esac
echo {_DONE}"""
_NO_SH = "use the official image of Caddy, or one made from it: shipit needs caddy, nc and sh in it"
# The words are: the folder of all, the beginning of the folders that are asked for.
_READ = f"""cd "$1" 2>/dev/null || {{ echo {_DONE}; exit; }}
for file in "$2"*/[0-9]*; do
  [ -f "$file" ] || continue
  read -r dial < "$file" || :
  printf '%s %s\\n' "$file" "$dial"
done
echo {_DONE}"""
# The words are: the folder of a route, its addresses. A rename is seen whole or not at all.
_WRITE = f"""set -e
mkdir -p "$1"
cd "$1"
shift
number=0
for dial in "$@"; do
  printf %s "$dial" > ".new.$number"
  mv ".new.$number" "$number"
  number=$((number + 1))
done
echo {_DONE}"""
# The words are folders.
_REMOVE = f'rm -rf "$@" && echo {_DONE}'
_LINE = re.compile(r"([^/\s]{1,300}/[0-9]{1,5}) (\S{1,300})")


def check_files(client: HostClient, container: str) -> None:
    """Raises: RemoteError where Caddy can't read addresses in files, or nothing can write them."""
    run_script(client, container, _CHECK, [])


def read_dials(client: HostClient, container: str, prefix: str) -> dict[str, str]:
    """Path -> address, of the routes whose @id begins with `prefix`. Raises: RemoteError."""
    name = folder(prefix).rpartition("/")[2]
    return parse_dials(run_script(client, container, _READ, [FOLDER, name]), name)


def parse_dials(lines: Iterable[str], name: str) -> dict[str, str]:
    """Path -> address, in folders whose name begins so. Other lines are left out."""
    found = (_LINE.fullmatch(line) for line in lines)
    return {f"{FOLDER}/{match[1]}": match[2] for match in found if match and match[1].startswith(name)}


def write_dials(client: HostClient, container: str, route: str, dials: Sequence[str]) -> None:
    """Lead a route to these addresses, from the next request on. Raises: RemoteError."""
    run_script(client, container, _WRITE, [folder(route), *sorted(dials)])


def remove_folders(client: HostClient, container: str, paths: Sequence[str]) -> None:
    """Raises: RemoteError."""
    if paths:
        run_script(client, container, _REMOVE, paths)


def run_script(client: HostClient, container: str, script: str, words: Sequence[str]) -> list[str]:
    """The lines that a script prints in the container before its last one, `done`. Raises: RemoteError where that does not come."""
    where = f"files of the proxy on {client.host}"
    client.deadline.check(where)
    limit_s = max(1.0, min(_LIMIT_S, client.deadline.remaining_s()))
    output = exchange(client.engine, container, ["sh", "-c", script, "sh", *words], b"", limit_s)
    *lines, last = b"".join(data for _, data in frames([output])).decode("utf-8", "replace").splitlines() or [""]
    if last != _DONE:
        said = " ".join([*lines, last]).strip()[-300:] or "sh printed nothing"
        is_missing = "executable file not found" in said or "no such file" in said
        hint = _NO_SH if is_missing else "set proxy: {image: IMAGE} to one of Caddy 2" if said == _OLD else ""
        raise RemoteError(said, where=where, hint=hint, retryable=not hint)
    return lines
