"""Options and arguments as data. typer gets them where it has to read a command line, and is imported only then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Declared(NamedTuple):
    """An option or an argument: the flags of an option, and what typer calls its settings."""

    is_option: bool
    flags: tuple[str, ...]
    settings: dict[str, Any]

    def for_typer(self) -> Any:
        """typer's own form of it."""
        import typer

        settings = dict(self.settings)
        if (check := settings.pop("check", None)) is not None:
            settings["callback"] = _callback(check)
        if "completes" in settings:
            settings["autocompletion"] = settings.pop("completes")
        return typer.Option(*self.flags, **settings) if self.is_option else typer.Argument(**settings)


def option(
    *flags: str,
    check: Callable[[str], object] | None = None,
    completes: Callable[..., Any] | None = None,
    **settings: Any,
) -> Declared:
    """An option. `check` raises ValueError for a value that it refuses, and `completes` gives the values that begin with a text."""
    return Declared(True, flags, _with_functions(settings, check, completes))


def argument(*, completes: Callable[..., Any] | None = None, **settings: Any) -> Declared:
    """An argument, which has no flag."""
    return Declared(False, (), _with_functions(settings, None, completes))


def _with_functions(settings: dict[str, Any], check: Any, completes: Any) -> dict[str, Any]:
    given = {"check": check, "completes": completes}
    return {**settings, **{name: value for name, value in given.items() if value is not None}}


def _callback(check: Callable[[str], object]) -> Callable[[str], str]:
    import typer

    def checked(value: str) -> str:
        try:
            check(value)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        return value

    return checked
