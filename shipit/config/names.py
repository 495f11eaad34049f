"""The names that `${...}` can refer to, and a tree with all of them replaced."""

from collections.abc import Mapping
from dataclasses import dataclass

from shipit.config.document import TEXT_MAPS, Mapping_, Scalar, Sequence_, Value
from shipit.config.git import Git
from shipit.config.interpolate import InterpolationError, Lookup, interpolate
from shipit.config.local_command import is_local_command
from shipit.config.position import Keys
from shipit.config.secret_names import is_secret_name
from shipit.config.source import Source
from shipit.errors import ConfigError

# The most mistakes that are reported of one text.
_MOST = 20
GIT_FACTS = ("sha", "short", "branch", "tag", "dirty")


@dataclass(frozen=True)
class Names:
    """Looks up a name: facts of the run and of git, and variables. None when it is not set."""

    variables: Mapping[str, str]
    git: Git
    app: str | None
    environment: str

    def __call__(self, name: str) -> str | None:
        if name == "app":
            return self.app
        if name == "environment":
            return self.environment
        if name.startswith("git."):
            fact = name.removeprefix("git.")
            return self.git.lookup(fact) if fact in GIT_FACTS else None
        return self.variables.get(name)


def interpolated(
    tree: Mapping_, lookup: Lookup, source: Source, *, may_be_unset: bool = False
) -> tuple[Mapping_, list[ConfigError], frozenset[Keys]]:
    """The tree with each `${...}` in its values replaced, the mistakes, and the paths of values that could not be replaced.

    Overlays that are not chosen stay as they are, and so do the user's own keys. A command that this machine runs stays
    as it is written, and its variables are only looked for. `may_be_unset` tells nothing of variables that are not set.
    """
    mistakes: list[ConfigError] = []
    failed: set[Keys] = set()

    def walk(value: Value, keys: tuple[str | int, ...]) -> Value:
        if isinstance(value, Mapping_):
            items = {k: (at, v if _is_users(k, keys) else walk(v, (*keys, k))) for k, (at, v) in value.items.items()}
            return Mapping_(items, value.at)
        if isinstance(value, Sequence_):
            return Sequence_(tuple(walk(item, (*keys, i)) for i, item in enumerate(value.items)), value.at)
        if "${" not in value.text:
            return value
        text, errors = _replaced(value.text, lookup)
        for error in errors:
            number = value.text.count("${", 0, error.offset)
            what = _without_text(error) if any(is_secret_name(str(key)) for key in keys) else str(error)
            failed.add(keys)
            if not (may_be_unset and error.unset):
                mistake = source.problem(keys, what, _hint(error), variable=number)
                mistake.is_for_deploy = bool(error.unset) and _is_for_deploy(keys)
                mistakes.append(mistake)
        return value if is_local_command(keys) else Scalar(text, False, value.at, value.text)

    walked = {
        key: (at, value if key == "environments" or _is_users(key, ()) else walk(value, (key,)))
        for key, (at, value) in tree.items.items()
    }
    return Mapping_(walked, tree.at), mistakes, frozenset(failed)


def _is_for_deploy(keys: Keys) -> bool:
    """Whether a value is a variable or a build argument: of no use to a command that only looks at what runs.

    A target, workload or image may be called `env` or `args`, too: its values say what the command acts on.
    """
    if keys[0] in ("image", "images"):
        return keys[-3:-1] == ("build", "args")
    # The keys are ("env", NAME), ("targets", TARGET, "env", NAME) or ("targets", TARGET, WORKLOADS, WORKLOAD, "env", NAME).
    is_env = keys[-2:-1] == ("env",) and len(keys) % 2 == 0
    return is_env and (len(keys) == 2 or keys[0] == "targets")


def _is_users(key: str, above: Keys) -> bool:
    """Whether a key is the user's own, which shipit ignores. In a map of text it is an ordinary name."""
    return key.startswith("x-") and not any(name in TEXT_MAPS for name in above)


def _replaced(text: str, lookup: Lookup) -> tuple[str, list[InterpolationError]]:
    """A text with its variables replaced, or an empty one and its mistakes. A name that is not set is reported once."""
    errors: list[InterpolationError] = []
    unset: set[str] = set()

    def known(name: str) -> str | None:
        # Not empty, so that ${NAME:?message} reports nothing.
        return "-" if name in unset else lookup(name)

    while len(errors) < _MOST:
        try:
            result = interpolate(text, known)
        except InterpolationError as error:
            errors.append(error)
            if not error.unset or error.unset in unset:
                break
            unset.add(error.unset)
        else:
            return ("", errors) if errors else (result, [])
    return "", errors


def _without_text(error: InterpolationError) -> str:
    """The mistake without any of the text, which may be a secret."""
    if error.unset:
        return f"{error.unset} is not set"
    return "a variable should be written as ${NAME}, ${NAME:-default} or ${NAME:?message}, a literal ${ as $${"


def _hint(error: InterpolationError) -> str:
    if error.unset.startswith("git."):
        if error.unset.removeprefix("git.") not in GIT_FACTS:
            return f"facts here: {', '.join(f'git.{fact}' for fact in GIT_FACTS)}"
        return "it is set in a git repository with a commit; otherwise give a default: ${NAME:-default}"
    return "set it, or give a default: ${NAME:-default}" if error.unset else ""
