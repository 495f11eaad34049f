"""Checks of everything that a deploy uses; changes nothing."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shipit.config.present import missing_build_files
from shipit.delivery.images import build_options
from shipit.errors import Interrupted, RemoteError, ShipitError
from shipit.http.skew import AGREES, CLOCK, judge_skew
from shipit.image.build import read_dockerfile
from shipit.image.choice import choose_builder
from shipit.image.context.folder import read_context
from shipit.image.context.likely_secrets import likely_secrets
from shipit.parallel import settle
from shipit.pipeline.lock_keepers import lock_keepers
from shipit.pipeline.secret_findings import build_secret_findings, secret_findings
from shipit.pipeline.steps import check_clean
from shipit.printable import human_bytes, printable_line
from shipit.reference import parse_reference
from shipit.release import Finding, ImageUse
from shipit.targets.base import Target, examines
from shipit.targets.locks import NoLock

if TYPE_CHECKING:
    from shipit.config.process_environment import ProcessEnvironment
    from shipit.config.project import Project
    from shipit.delivery.delivery import Delivery
    from shipit.pipeline.run import Run
    from shipit.registry.registries import Registries
    from shipit.targets.session import Session

LOW_BYTES, FULL_BYTES = 2 * 1024**3, 200 * 1024**2

# Files that a finding names.
_MOST_NAMED = 5


def examine(run: Run) -> list[Finding]:
    """Every finding, in the order of what a deploy does: the file, this machine, images, registries, targets.

    A check that fails is a finding; only an interruption is raised.
    """
    uses = [use for target in run.targets for use in target.images()]
    # Without targets `build` and `push` make every image.
    images = {use.image for use in uses} if run.project.targets else set(run.project.images)
    secrets = {name for target in run.targets for name in run.project.secrets_for(target.name)}
    hosts = sorted({parse_reference(use.repository).registry for use in uses if use.publish})
    built = sorted(name for name in images if run.project.images[name].use is None)
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "disk": partial(_disk, run.environment),
        "proxy": partial(_proxies, run.environment),
        "git": partial(_git, run.project),
        "secrets": partial(secret_findings, secrets, run.project, run.environment),
        **{f"image {name}": partial(_image, name, run.delivery) for name in built},
        **{f"registry {host}": partial(_registry, run.registries, host, _repository_at(host, uses)) for host in hosts},
        **{f"target {target.name}": partial(_target, run, target) for target in run.targets},
    }
    results = settle({name: partial(_all, check) for name, check in checks.items()}, run.clock)
    found: list[Finding] = []
    unreachable: dict[tuple[str, str], str] = {}
    for name, result in results.items():
        if isinstance(result, Interrupted):
            raise result
        if isinstance(result, ShipitError):
            error = run.redactor.error(result)
            # A registry that can't be reached is one finding, not one more for each target that needs it.
            earlier = unreachable.setdefault((_host(error), error.what), name)
            if isinstance(error, RemoteError) and earlier != name:
                found.append(Finding("failure", name, f"not checked: see {earlier}", error.hint))
            else:
                found.append(Finding("failure", name, _said(error), error.hint))
        elif isinstance(result, Exception):
            raise result
        else:
            found += [run.redactor.value(finding) for finding in result]
    return list(_one_clock_row(list(dict.fromkeys(found))))


def _one_clock_row(findings: list[Finding]) -> Iterator[Finding]:
    """The findings, with the servers that agree with this machine's clock in one row."""
    agreeing = [finding for finding in findings if finding.subject == CLOCK and finding.level == "ok"]
    for finding in findings:
        if finding not in agreeing:
            yield finding
        elif finding is agreeing[0]:
            servers = ", ".join(other.what.removeprefix(AGREES) for other in agreeing)
            yield finding._replace(what=f"{AGREES}{servers}")


def _host(error: ShipitError) -> str:
    """The host of an error at `METHOD host/path`."""
    return error.where.partition(" ")[2].partition("/")[0]


def _said(error: ShipitError) -> str:
    """An error without its hint; a line for each of its details."""
    return "\n".join(printable_line(line) for line in (str(error), *(f"  {line}" for line in error.detail)))


def examine_machine(environment: ProcessEnvironment) -> list[Finding]:
    """The findings that need no deploy.yml."""
    return [*_disk(environment), *_proxies(environment)]


def _all(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    return list(check())


def _repository_at(host: str, uses: Iterable[ImageUse]) -> str:
    """A repository on this host that is pushed to."""
    return next(use.repository for use in uses if parse_reference(use.repository).registry == host)


def _disk(environment: ProcessEnvironment) -> Iterator[Finding]:
    folder = environment.cache_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    what = f"{human_bytes(free)} free at {environment.cache_dir}"
    if free < LOW_BYTES:
        hint = "make room, or set SHIPIT_CACHE_DIR to another disk"
        yield Finding("failure" if free < FULL_BYTES else "warning", "disk", what, hint)
        return
    yield Finding("ok", "disk", what)


def _proxies(environment: ProcessEnvironment) -> Iterator[Finding]:
    seen = dict.fromkeys(proxy for scheme in ("https", "http") if (proxy := environment.proxy(scheme)))
    if not seen:
        yield Finding("ok", "proxy", "none")
    hint = "correct HTTPS_PROXY, or unset it"
    for proxy in seen:
        try:
            parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        except ValueError:
            # The message of the error may quote a password.
            yield Finding("failure", "proxy", "should be a URL with a host and a port", hint)
            continue
        try:
            with socket.create_connection(address, timeout=5):
                pass
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            yield Finding("failure", "proxy", f"{address[0]} does not answer: {reason}", hint)
            continue
        exempt = f", not for {environment.no_proxy}" if environment.no_proxy else ""
        yield Finding("ok", "proxy", f"{address[0]}:{address[1]}{exempt}")


def _git(project: Project) -> Iterator[Finding]:
    check_clean(project)
    git = project.git
    if git.short is None:
        yield Finding(
            "ok", "git", "no git tree with a commit: images are tagged latest unless deploy.yml says otherwise"
        )
    elif git.changes() is None:
        yield Finding("warning", "git", "git can't tell whether the tree is clean", "install git, or check git status")
    else:
        yield Finding("ok", "git", f"{git.short}{', with changes' if git.is_dirty else ''}")


def _image(name: str, delivery: Delivery) -> Iterator[Finding]:
    yield from build_secret_findings(name, delivery.project, delivery.environment)
    config = delivery.project.images[name]
    if problems := list(missing_build_files(name, config.build, delivery.project)):
        yield from (Finding("failure", f"image {name}", str(problem), problem.hint) for problem in problems)
        return
    created = delivery.environment.get("SOURCE_DATE_EPOCH")
    options = build_options(delivery.project, name, config.platform, created)
    dockerfile = read_dockerfile(options.dockerfile, options.context)
    choice = choose_builder(dockerfile, options, delivery.engine)
    if choice.way != "native":
        yield Finding("ok", "engine", f"{delivery.engine().title} answers at {delivery.engine().address}")
    yield Finding("ok", f"image {name}", f"builder {choice}")
    if found := likely_secrets(path for path, entry in read_context(options).items() if entry.kind == "file"):
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        what = f"the build context has {', '.join(found[:_MOST_NAMED])}{more}, which can get into the image"
        yield Finding("warning", f"image {name}", what, "exclude them in .dockerignore if they hold secrets")


def _registry(registries: Registries, host: str, repository: str) -> Iterator[Finding]:
    ref = parse_reference(repository)
    credentials = registries.credentials(ref)
    subject = f"registry {host}"
    client = registries.client(ref)
    client.check()
    if credentials is None:
        if client.asks_for_login:
            yield Finding("failure", subject, "answers, and nobody is logged in", f"shipit login {host}")
        else:
            yield Finding("ok", subject, "answers, and asks for no login")
    else:
        yield Finding(
            "ok", subject, f"takes the login of {credentials.username or 'a token'}, from {credentials.origin}"
        )
    skew = judge_skew(host, client.date(), time.time())
    if skew is not None:
        yield skew


def _target(run: Run, target: Target) -> Iterator[Finding]:
    subject, session = f"target {target.name}", run.session(target)
    target.observe(session)
    yield Finding("ok", subject, f"{target.place.identity} can be read")
    yield _lock(run, target, session)
    if examines(target):
        yield from (finding._replace(subject=finding.subject or subject) for finding in target.examine(session))


def _lock(run: Run, target: Target, session: Session) -> Finding:
    """The finding about the lock that keeps two deploys apart."""
    subject = f"lock of {target.name}"
    without = "deploys from this folder exclude each other, others are noticed by what they release"
    if not run.project.keeps_state:
        without = "with state: none, nothing keeps two deploys apart"
    refused: NoLock | None = None
    for keeper in lock_keepers(run, target):
        try:
            keeper.read_lock(session)
        except NoLock as error:
            refused = error
        else:
            return Finding("ok", subject, f"a deploy locks it by the {keeper.lock_name()}")
    if run.state is not None and not run.state.keeps_locks:
        without = f"{run.state.title} keeps runs, and can keep no lock: {without}"
    if refused is not None:
        return Finding("warning", subject, f"{refused.what}: {without}", refused.hint)
    return Finding("ok", subject, f"the place keeps no lock: {without}")
