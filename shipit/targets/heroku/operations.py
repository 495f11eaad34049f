"""What can be done with an app beside a deploy: past releases, scale, restart, logs, commands."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from shipit.errors import RemoteError
from shipit.events import LogLine
from shipit.past_release import PastRelease
from shipit.release import Repository, Seen, Step, Verdict
from shipit.targets.heroku.app_place import AppPlace
from shipit.targets.heroku.connection import client_of
from shipit.targets.heroku.observed import RELEASE, HerokuObserved, parse_owned
from shipit.targets.heroku.reading import read_app
from shipit.targets.session import Session

if TYPE_CHECKING:
    from shipit.targets.heroku.recalled import HerokuRecalled
    from shipit.targets.history import RunningImage
    from shipit.targets.log_query import LogQuery
    from shipit.targets.orders import RestartOrder, ScaleOrder
    from shipit.targets.remote import Command, Remote, Started

# The number of releases that are read for the images of an earlier one.
_MOST_RELEASES = 100


class Operations(AppPlace):
    """The protocols of targets/verbs.py and targets/history.py."""

    def past_releases(self, most: int, session: Session, *, tells_current: bool = True) -> Sequence[PastRelease]:
        from shipit.targets.heroku.past import past_releases

        return past_releases(client_of(session, self.app).releases(most))

    def past_images(self, past: PastRelease) -> Collection[str]:
        from shipit.targets.heroku.past import past_images

        return past_images(past)

    def recall(self, release: PastRelease, session: Session) -> HerokuRecalled:
        """Reads the releases for the images, and the config vars of the one."""
        from shipit.targets.heroku.past import recalled_of

        client = client_of(session, self.app)
        releases = client.releases(_MOST_RELEASES)
        found = next((own for own in releases if f"v{own.version}" == release.version), None)
        if found is None:
            what = f"the app has no release {release.version} among its newest {_MOST_RELEASES}"
            raise RemoteError(what, where=self.place.identity, hint="shipit history lists the releases")
        config = client.release_config(found.version)
        names = {*self.project.secrets_for(self.name), *(parse_owned(config) - self.project.env_for(self.name).keys())}
        session.environment.redactor.add(value for name, value in config.items() if name in names)
        marks = {name: session.mark(value) for name, value in config.items()}
        return recalled_of(found, releases, marks, parse_owned(config))

    def recall_from(self, release: PastRelease, repositories: Sequence[Repository], session: Session) -> HerokuRecalled:
        """The images of process types that still run them are not looked for."""
        from shipit.targets.heroku.push_again import find_sources

        recalled = self.recall(release, session)
        now = read_app(client_of(session, self.app))
        running = {name: facts.short for name, facts in now.formation.items()}
        lost = {name: short for name, short in recalled.images.items() if running.get(name) != short}
        sources = find_sources(self.processes, lost, release, repositories, now, session)
        images = {**recalled.images, **{name: source.config_digest.short for name, source in sources.items()}}
        return recalled._replace(images=images, gone=release.gone, sources=sources)

    def plan_return(self, recalled: HerokuRecalled, observed: HerokuObserved) -> tuple[Step, ...]:
        from shipit.targets.heroku.past import plan_return

        return plan_return(recalled, observed)

    def return_notes(self, recalled: HerokuRecalled, observed: HerokuObserved) -> Sequence[str]:
        from shipit.targets.heroku.past import return_notes

        return return_notes(recalled, observed)

    def judge_return(self, recalled: HerokuRecalled, observed: HerokuObserved, seen: Seen) -> Verdict:
        from shipit.targets.heroku.past import judge_return

        return judge_return(recalled, observed, seen, pending_s=self.config.pending)

    def running_images(self, recalled: HerokuRecalled, observed: HerokuObserved) -> Sequence[RunningImage]:
        return self.processes.running(recalled.images, observed.formation)

    def workloads(self) -> Sequence[str]:
        return tuple(name for name in self.config.processes if name != RELEASE)

    def declared_scale(self) -> Mapping[str, int | None]:
        return {name: self.config.processes[name].quantity for name in self.workloads()}

    def plan_scale(self, order: ScaleOrder, observed: HerokuObserved) -> tuple[Step, ...]:
        from shipit.targets.heroku.verbs import plan_order_of_scale

        return plan_order_of_scale(order, observed)

    def judge_scale(self, order: ScaleOrder, observed: HerokuObserved, seen: Seen) -> Verdict:
        from shipit.targets.heroku.verbs import judge_scale

        return judge_scale(order, observed, seen, pending_s=self.config.pending)

    def plan_restart(self, order: RestartOrder, observed: HerokuObserved) -> tuple[Step, ...]:
        from shipit.targets.heroku.verbs import plan_restart

        return plan_restart(order, observed)

    def judge_restart(self, order: RestartOrder, observed: HerokuObserved, seen: Seen) -> Verdict:
        from shipit.targets.heroku.verbs import judge_restart

        return judge_restart(order, observed, seen, pending_s=self.config.pending)

    def run_once(self, workload: str, command: Command, session: Session, size: str) -> Remote:
        from shipit.targets.heroku.one_off import run_dyno

        return run_dyno(client_of(session, self.app), workload, command, size)

    def start_once(self, workload: str, command: Command, session: Session, size: str) -> Started:
        from shipit.targets.heroku.one_off import start_dyno

        return start_dyno(client_of(session, self.app), workload, command, size)

    def logs(self, workload: str, wanted: LogQuery, session: Session) -> Iterator[LogLine]:
        from shipit.targets.heroku.log_read import ProcessLog

        return ProcessLog(self.name, workload, client_of(session, self.app)).lines(wanted)
