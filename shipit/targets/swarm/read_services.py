"""Reads the services of a target: of its keys, or of its stack file. No engine is asked, and no value of a secret is needed."""

from __future__ import annotations

from collections.abc import Sequence

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import ConfigError, ConfigErrors, DeployFailed
from shipit.targets.engine.owner import Owner
from shipit.targets.swarm.config import SwarmConfig
from shipit.targets.swarm.create import contents_of, names_of, problems_of
from shipit.targets.swarm.stack_file import read_stack
from shipit.targets.swarm.stack_wanted import StackServices, problems_in_stack, stack_name
from shipit.targets.swarm.wanted import Services


def read_services(name: str, config: SwarmConfig, project: Project, environment: ProcessEnvironment) -> Services:
    """Raises: ConfigErrors for what this kind can't do with deploy.yml, or with the stack file."""
    services, problems = (_of_stack if config.file else _of_keys)(name, config, project, environment)
    if problems:
        raise ConfigErrors(problems)
    return services


def check_files(
    name: str, config: SwarmConfig, project: Project, environment: ProcessEnvironment
) -> Sequence[ConfigError]:
    """The mistakes alone."""
    try:
        read_services(name, config, project, environment)
    except ConfigErrors as error:
        return error.problems
    return ()


def _of_keys(
    name: str, config: SwarmConfig, project: Project, environment: ProcessEnvironment
) -> tuple[Services, list[ConfigError]]:
    contents, problems = contents_of(name, config, project)
    return Services(name, config, project, contents), [*problems, *problems_of(name, config, project)]


def _of_stack(
    name: str, config: SwarmConfig, project: Project, environment: ProcessEnvironment
) -> tuple[Services, list[ConfigError]]:
    """Raises: ConfigErrors."""
    stack = stack_name(Owner(project.app, project.environment, name), config)
    file = read_stack(name, config.file or "", stack, project, environment)
    try:
        services = StackServices(name, config, project, file)
    except DeployFailed as error:
        raise ConfigErrors([project.problem(("targets", name, "file"), error.what, error.hint)]) from None
    return services, [*names_of(name, services.names, project), *problems_in_stack(services)]
