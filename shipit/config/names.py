"""The names that `${...}` can refer to, and a tree with all of them replaced."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shipit.config.document import Mapping_, Region, Scalar, Sequence_, Value, is_users, region_below
from shipit.config.git import Git
from shipit.config.interpolate import InterpolationError, Lookup, closing_brace, interpolate
from shipit.config.local_command import is_local_command
from shipit.config.position import Keys
from shipit.config.secret_names import is_secret_name
from shipit.config.source import Source
from shipit.errors import ConfigError

# The most mistakes that are reported of one text.
_MOST = 20
_TYPED = re.compile(r"true|false|null|0|-?[1-9][0-9]{0,5}")
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

    def walk(value: Value, keys: Keys, region: Region) -> Value:
        if isinstance(value, Mapping_):
            items = {
                key: (at, own if is_users(key, region) else walk(own, (*keys, key), region_below(region, key)))
                for key, (at, own) in value.items.items()
            }
            return Mapping_(items, value.at)
        if isinstance(value, Sequence_):
            items_ = (walk(item, (*keys, index), region) for index, item in enumerate(value.items))
            return Sequence_(tuple(items_), value.at)
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
        if is_local_command(keys):
            return value
        is_typed = not errors and region == "data" and _is_typed(value.text, text)
        return Scalar(text, is_typed, value.at, value.text)

    walked = {
        key: (at, value)
        if key == "environments" or is_users(key, "keys")
        else (at, walk(value, (key,), region_below("keys", key)))
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


def _is_typed(written: str, text: str) -> bool:
    """True where a value of somebody else's data is one whole variable, and a truth value, null or a short whole number.

    These are what `helm --set` types. A version such as 1.10 is text, and so is a longer number, such as a commit's.
    """
    is_whole = written.startswith("${") and closing_brace(written, 0) == len(written) - 1
    return is_whole and bool(_TYPED.fullmatch(text))


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
