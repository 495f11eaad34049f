"""The ways in which an engine builds: BuildKit over HTTP, the classic builder, and `docker buildx`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from shipit.docker.client import SILENT_S, Engine
from shipit.errors import BuildError
from shipit.events import Emit, Log
from shipit.image.dockerfile.parse import Dockerfile
from shipit.image.engine.build_context import context_tar, copied_dockerfile
from shipit.image.engine.failure import explain_failure
from shipit.image.engine.progress import Progress, read_plain, read_row
from shipit.image.options import BuildOptions
from shipit.process import OutputLines, ProgramFailed, run_program


class ContextRefused(BuildError):
    """The engine's BuildKit cannot load the context from the request; another way may work."""


def build_by_request(
    engine: Engine, name: str, tag: str, dockerfile: Dockerfile, options: BuildOptions, emit: Emit, *, buildkit: bool
) -> str:
    """Build with POST /build and tag the result. Returns the image's id or tag in the engine.

    Raises: BuildError at the Dockerfile's line; ContextRefused.
    """
    progress = Progress(lambda line: emit(Log("", f"build {name}", line)))
    parameters = {
        "t": tag,
        "platform": options.platform,
        "buildargs": json.dumps(dict(options.args)),
        **({"version": "2"} if buildkit else {"rm": "true", "forcerm": "true"}),
        **({"target": options.stage} if options.stage else {}),
    }
    with context_tar(options, classic=not buildkit, syntax=bool(dockerfile.syntax)) as (body, inside):
        for row in engine.build({**parameters, "dockerfile": inside}, body, dockerfile.name):
            read_row(row, progress)
    progress.flush()
    failed = progress.failed
    if failed and failed.name.startswith("[internal] load remote build context"):
        raise ContextRefused(failed.error, where=str(engine.address))
    if failed or progress.error:
        raise explain_failure(progress, dockerfile)
    return progress.image_id or tag


def build_by_buildx(
    engine: Engine, name: str, tag: str, dockerfile: Dockerfile, options: BuildOptions, emit: Emit
) -> str:
    """Build with `docker buildx`, which loads the image into the engine. Returns its tag there.

    Secrets and build arguments are passed in the environment, not on the command line.
    Raises: BuildError at the Dockerfile's line.
    """
    progress = Progress(lambda line: emit(Log("", f"build {name}", line)))
    with copied_dockerfile(options) as copy:
        command, added = buildx_command(tag, copy, options)
        # With attestations, the result would be an index.
        variables = {**engine.variables, **added, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "BUILDKIT_PROGRESS": "plain"}
        code, last = _run(command, variables, progress)
    progress.flush()
    if code != 0:
        progress.error = progress.error or last
        raise explain_failure(progress, dockerfile)
    return tag


def export_cache(engine: Engine, dockerfile: Dockerfile, options: BuildOptions) -> None:
    """Export the build cache of the last build to a registry. Raises: BuildError."""
    progress = Progress(lambda line: None)
    with copied_dockerfile(options) as copy:
        command, added = buildx_command("", copy, options, exports_cache=True)
        code, last = _run(command, {**engine.variables, **added, "BUILDKIT_PROGRESS": "plain"}, progress)
    if code != 0:
        raise BuildError(progress.error or last.removeprefix("ERROR: "), where=options.cache)


def buildx_command(
    tag: str, dockerfile: Path, options: BuildOptions, *, exports_cache: bool = False
) -> tuple[list[str], dict[str, str]]:
    """The command, and the variables that it needs. With `exports_cache` it exports the cache only. Pure."""
    variables = {f"SHIPIT_BUILD_SECRET_{index}": value for index, value in enumerate(options.secrets.values())}
    command = ["docker", "buildx", "build", "--progress", "plain"]
    if exports_cache:
        command += ["--output", "type=cacheonly", "--cache-to", f"type=registry,ref={options.cache},mode=max"]
    else:
        command += ["--load", "--tag", tag]
    if options.cache:
        command += ["--cache-from", f"type=registry,ref={options.cache}"]
    command += ["--platform", options.platform, "--file", str(dockerfile)]
    if options.stage:
        command += ["--target", options.stage]
    for key in options.args:
        command += ["--build-arg", key]
    for index, key in enumerate(options.secrets):
        command += ["--secret", f"id={key},env=SHIPIT_BUILD_SECRET_{index}"]
    if options.ssh:
        command += ["--ssh", "default"]
    return [*command, str(options.context)], {**options.args, **variables}


def _run(command: list[str], variables: Mapping[str, str], progress: Progress) -> tuple[int, str]:
    """Run a command. Returns its exit code and the last line that it wrote. Raises: BuildError."""
    last = [""]

    def take(line: str) -> None:
        last[0] = line or last[0]
        read_plain(line, progress)

    lines = OutputLines(take)
    try:
        done = run_program(
            command, variables=variables, timeout_s=float("inf"), silent_s=SILENT_S, on_output=lines.take
        )
    except ProgramFailed as error:
        raise BuildError(f"docker {error.reason}", hint="is it on the PATH?" if error.is_missing else "") from None
    lines.flush()
    return done.code, last[0]
