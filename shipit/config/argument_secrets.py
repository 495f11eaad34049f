"""Secrets in the arguments of programs, which every user of the machine sees with `ps`. Pure.

Source: proc(5), /proc/PID/cmdline, which is readable by all users; /proc/PID/environ, by the process's own user.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set

from shipit.config.image import ImageConfig
from shipit.config.interpolate import referenced_names
from shipit.config.local_command import shell_text_index
from shipit.config.position import Keys
from shipit.config.secret_source import SecretSource
from shipit.config.source import Source
from shipit.errors import ConfigError

_HINT = (
    "let the program read it from its environment or standard input; in a command that is text a shell reads ${%s} from "
    'its environment, as in printf %%s "${%s}" | PROGRAM'
)


def secrets_in_arguments(
    secrets: Mapping[str, SecretSource], images: Mapping[str, ImageConfig], held: Set[str], source: Source
) -> list[ConfigError]:
    """A warning at each word of a command that a secret's variable puts its value into. `held`: variables of secrets.

    The text of a shell is no such word: there a variable stays a name, which the shell reads from its environment.
    """
    commands: list[tuple[Keys, SecretSource]] = [(("secrets", name), secret) for name, secret in secrets.items()]
    for image, config in images.items():
        own = config.build.secrets if config.build else {}
        commands += [(("images", image, "build", "secrets", name), secret) for name, secret in own.items()]
    return [warning for keys, secret in commands for warning in _warnings(keys, secret.command or (), held, source)]


def _warnings(keys: Keys, words: tuple[str, ...], held: Set[str], source: Source) -> Iterator[ConfigError]:
    text = shell_text_index(words) if words else -1
    for index, word in enumerate(words):
        if index != text and (variable := next(_held_in(word, held), "")):
            what = f"puts the value of {variable} into the arguments of {words[0]}, which every user of this machine can see"
            yield source.problem((*keys, "command", index), what, _HINT % (variable, variable))


def _held_in(word: str, held: Iterable[str]) -> Iterator[str]:
    return (name for name in referenced_names(word) if name in held)
