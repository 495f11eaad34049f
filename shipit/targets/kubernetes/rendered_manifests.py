"""Manifests that another tool renders: kustomizations and Helm charts."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping, Sequence

from shipit.config.folder import ProjectFolder
from shipit.config.position import Keys
from shipit.config.process_environment import ProcessEnvironment
from shipit.http.credentials_in import credentials_in
from shipit.process import ProgramFailed, run_program
from shipit.targets.kubernetes.manifest_objects import MAX_BYTES
from shipit.targets.kubernetes.manifest_sources import HelmConfig
from shipit.targets.kubernetes.source import Source, SourceFailed

# Charts and bases may be downloaded.
_TIMEOUT_S = 120.0


def rendered_kustomization(path: str, folder: ProjectFolder, environment: ProcessEnvironment) -> Source:
    """What `kustomize build` prints, or `kubectl kustomize` where kustomize is not installed. Raises: SourceFailed."""
    kustomize, kubectl = (_installed(name, environment) for name in ("kustomize", "kubectl"))
    if not kustomize and not kubectl:
        raise SourceFailed(
            ("kustomize",), "needs kustomize or kubectl, and neither is installed", "install one of them"
        )
    words = [kustomize, "build"] if kustomize else [kubectl, "kustomize"]
    data = _printed([*words, str(folder.file(path))], ("kustomize",), folder, environment)
    return Source(f"kustomize {path}", data)


def rendered_chart(
    helm: HelmConfig, name: str, namespace: str, folder: ProjectFolder, environment: ProcessEnvironment
) -> Source:
    """What `helm template` prints, with CRDs and without tests. Raises: SourceFailed."""
    program = _installed("helm", environment)
    if not program:
        raise SourceFailed(
            ("helm",), "needs helm, which is not installed", "install it: https://helm.sh/docs/intro/install"
        )
    environment.redactor.add(part for url in (helm.chart, helm.repo or "") for part in credentials_in({}, url))
    chart = str(folder.file(helm.chart)) if helm.is_local and folder.file(helm.chart).exists() else helm.chart
    words = [program, "template", helm.name or name, chart, "--namespace", namespace, "--include-crds", "--skip-tests"]
    words += [] if helm.hooks else ["--no-hooks"]
    for option, value in (("--version", helm.version), ("--repo", helm.repo)):
        words += [option, value] if value else []
    for file in helm.values:
        words += ["--values", str(folder.file(file))]
    # By stdin, so that no value stands in the list of processes.
    words += ["--values", "-"] if helm.set else []
    given = json.dumps(helm.set).encode() if helm.set else b""
    return Source(f"helm {helm.chart}", _printed(words, ("helm",), folder, environment, given))


def _installed(program: str, environment: ProcessEnvironment) -> str:
    return shutil.which(program, path=environment.variables.get("PATH")) or ""


def _printed(
    words: Sequence[str], keys: Keys, folder: ProjectFolder, environment: ProcessEnvironment, given: bytes = b""
) -> bytes:
    """The output of a program. Raises: SourceFailed with what it said."""
    if environment.is_untrusted:
        raise SourceFailed(keys, *UNTRUSTED)
    by_hand = shlex.join([words[0].rpartition("/")[2], *words[1:]])
    variables: Mapping[str, str] = environment.variables
    try:
        done = run_program(
            words, variables=variables, timeout_s=_TIMEOUT_S, folder=folder.path, given=given, max_bytes=MAX_BYTES
        )
    except ProgramFailed as error:
        raise SourceFailed(keys, f"runs {words[0]}, which {error.reason}", f"try it: {by_hand}") from None
    if done.code != 0:
        raise SourceFailed(keys, f"runs {words[0]}, which {done.how}{_reason(done.errors)}", f"try it: {by_hand}")
    return done.output


def _reason(errors: bytes) -> str:
    """The line that says why, to follow a message: hints may stand behind it."""
    said = errors.decode("utf-8", "replace").strip().splitlines()
    errors_said = [line for line in said if line.lower().startswith("error")]
    return f": {(errors_said or said)[-1]}" if said else ""


UNTRUSTED = (
    "runs a program, which --untrusted does not allow",
    "render it yourself, and name the file under manifests:",
)
