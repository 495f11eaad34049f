"""Variables of a stack file: `$NAME`, `${NAME}` and its forms, and `$$`. Pure.

A secret of deploy.yml is never put into the text: where it is the whole value of a variable, the value refers to it.
A default is expanded, too, as the Compose specification has it; docker stack deploy leaves `$NAME` in one as it is.
Source: docs.docker.com/reference/compose-file/interpolation; docker/cli, cli/compose/template/template.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from shipit.config.document import Mapping_, Scalar, Sequence_, Value
from shipit.config.interpolate import InterpolationError, interpolate
from shipit.config.position import Position
from shipit.config.secret_names import is_secret_name

# The whole value of a variable, also behind NAME= in a list.
_WHOLE = re.compile(r"(?P<before>(?:[A-Za-z_][A-Za-z0-9_.-]*=)?)\$(?:(?P<bare>\w+)|\{(?P<braced>\w+)(?::?\?[^}]*)?\})")
# Origins of scalars. A scalar that could not be expanded has its mistake already.
_REFERS, _EXPANDED, _NOT_EXPANDED = "secret: ", "expanded", "not expanded"


class Variables(NamedTuple):
    """`own` are those of deploy.yml, `outside` those of the process and of .env files; `secrets` names of deploy.yml."""

    own: Mapping[str, str]
    outside: Mapping[str, str]
    secrets: Collection[str]

    def lookup(self, name: str) -> str | None:
        """Raises: ValueError for a secret, and for a variable that is named like one and that deploy.yml does not know."""
        if name in self.secrets:
            raise SecretInText(name)
        if name in self.own:
            return self.own[name]
        found = self.outside.get(name)
        if found is not None and is_secret_name(name):
            raise UnnamedSecret(name)
        return found


class SecretInText(ValueError):
    """A secret of deploy.yml as a part of a text."""


class UnnamedSecret(ValueError):
    """A variable that is named like a secret, and is none of deploy.yml."""


def secret_of(scalar: Scalar) -> str:
    """The secret of deploy.yml that a value refers to; empty for none."""
    return scalar.origin.removeprefix(_REFERS) if scalar.origin.startswith(_REFERS) else ""


def is_expanded(scalar: Scalar) -> bool:
    """Whether variables in a value were replaced."""
    return scalar.origin == _EXPANDED


def has_failed(scalar: Scalar) -> bool:
    """Whether variables in a value could not be replaced, which has been told."""
    return scalar.origin == _NOT_EXPANDED


def filled(value: Value, variables: Variables, wrong: Callable[[Position, str, str], None]) -> Value:
    """The tree with the values of variables. `wrong` takes the position, what is wrong, and a hint."""
    if isinstance(value, Mapping_):
        items = {key: (at, filled(item, variables, wrong)) for key, (at, item) in value.items.items()}
        return value._replace(items=items)
    if isinstance(value, Sequence_):
        return value._replace(items=tuple(filled(item, variables, wrong) for item in value.items))
    if "$" not in value.text:
        return value
    whole = _WHOLE.fullmatch(value.text)
    if whole and (name := whole["bare"] or whole["braced"]) in variables.secrets:
        return value._replace(text=whole["before"], plain=False, origin=_REFERS + name)
    return _filled(value, variables, wrong)


def _filled(value: Scalar, variables: Variables, wrong: Callable[[Position, str, str], None]) -> Scalar:
    try:
        text = interpolate(value.text, variables.lookup, has_bare_names=True)
        return value._replace(text=text, plain=False, origin=_EXPANDED)
    except SecretInText as error:
        what = f"{error} is a secret of deploy.yml, which can only be the whole value of a variable"
        wrong(value.at, what, "make the whole value a secret of deploy.yml")
    except UnnamedSecret as error:
        what = f"{error} is named like a secret, and would be shown in plans"
        wrong(value.at, what, f"add it to deploy.yml: secrets: {{{error}: {{env: {error}}}}}")
    except InterpolationError as error:
        hint = f"set it, or write ${{{error.unset}:-}} for no text" if error.unset else "write $$ for a $"
        wrong(value.at, str(error), hint)
    return value._replace(text="", plain=False, origin=_NOT_EXPANDED)
