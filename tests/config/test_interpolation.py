"""Variables in values: the braced forms, as Compose has them, and what is left to the shell."""

from __future__ import annotations

import pytest

from shipit.config.interpolate import InterpolationError, interpolate

VARIABLES = {"SET": "value", "EMPTY": ""}
# The names of the specification's own cases.
COMPOSE = {"FOO": "first", "BAR": ""}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${SET}", "value"), ("a ${SET} b", "a value b"), ("${EMPTY}", ""), ("$SET stays", "$SET stays"), ("$${SET}", "${SET}"),
        ("${SET:-d}", "value"), ("${EMPTY:-d}", "d"), ("${EMPTY-d}", ""), ("${NOT-d}", "d"), ("${NOT:-}", ""),
        ("${SET:+alt}", "alt"), ("${EMPTY:+alt}", ""), ("${EMPTY+alt}", "alt"), ("${NOT+alt}", ""), ("${SET:?no}", "value"),
        ("${NOT:-${SET}}", "value"), ("${NOT:-${ALSO_NOT:-deep}}", "deep"), ("${NOT:-a}b}", "ab}"), ("100%", "100%"),
        ("", ""), ("$", "$"), ("$$", "$$"), ("a$b$", "a$b$"), ("$(date)", "$(date)"), ("$$${SET}", "$${SET}"), ("}${SET}{", "}value{"),
    ],
)  # fmt: skip
def test_interpolation(text: str, result: str) -> None:
    assert interpolate(text, VARIABLES.get) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("foo", "foo"), ("$${foo}", "${foo}"), ("ok ${FOO}", "ok first"), ("ok ${BAR}", "ok "),
        ("ok ${missing:-def}", "ok def"), ("ok ${missing-def}", "ok def"), ("ok ${BAR:-def}", "ok def"), ("ok ${BAR-def}", "ok "),
        ("ok ${FOO:-def}", "ok first"), ("ok ${FOO-def}", "ok first"), ("ok ${missing:-}", "ok "), ("ok ${missing-}", "ok "),
        ("ok ${FOO:+presence_value}", "ok presence_value"), ("ok ${FOO+presence_value}", "ok presence_value"),
        ("ok ${BAR:+presence_value}", "ok "), ("ok ${BAR+presence_value}", "ok presence_value"),
        ("ok ${UNSET_VAR:+presence_value}", "ok "), ("ok ${UNSET_VAR+presence_value}", "ok "),
        ("ok ${BAR:-/non:-alphanumeric}", "ok /non:-alphanumeric"), ("ok ${BAR:-1-2}", "ok 1-2"), ("ok ${BAR:-a?b+c}", "ok a?b+c"),
        ("ok ${UNSET_VAR-myerr?msg}", "ok myerr?msg"), ("ok ${UNSET_VAR-bar:?baz}", "ok bar:?baz"), ("ok ${FOO:?err-msg}", "ok first"),
        ("ok ${UNSET_VAR-${FOO}}", "ok first"), ("ok ${UNSET_VAR-${FOO} ${FOO}}", "ok first first"), ("ok ${BAR+${FOO}}", "ok first"),
        ("ok ${BAR:-${UNSET_VAR:-${FOO}}}", "ok first"), ("ok ${UNSET_VAR:-${BAR:-deep}}", "ok deep"),
        ("ok ${UNSET_VAR:-${FOO:+${BAR:-x}}}", "ok x"), ("${BAR:-${FOO}}/${FOO}", "first/first"), ("${FOO}${FOO}", "firstfirst"),
        ("ok ${UNSET_VAR:-(inside)}", "ok (inside)"), ("ok ${UNSET_VAR:-a b  c}", "ok a b  c"), ("[${FOO}, ${BAR:-2}]", "[first, 2]"),
        ("${UNSET_VAR:-http://example.com:80/?a=b}", "http://example.com:80/?a=b"), ("${UNSET_VAR:-$FOO}", "$FOO"),
    ],
)  # fmt: skip
def test_the_braced_forms_of_compose(text: str, result: str) -> None:
    assert interpolate(text, COMPOSE.get) == result


@pytest.mark.parametrize(
    ("text", "what", "offset"),
    [
        ("x ${NOT}", "NOT is not set", 2),
        ("${NOT:?give it}", "NOT is not set: give it", 0),
        ("${NOT:?bar-baz}", "NOT is not set: bar-baz", 0),
        ("${NOT?}", "NOT is not set: it is required", 0),
        ("${EMPTY:?empty}", "EMPTY is not set: empty", 0),
        ("${NOT:?${SET} is a reason}", "NOT is not set: value is a reason", 0),
        ("ab ${NOT:-${ALSO}}", "ALSO is not set", 10),
        ("${SET:-${never looked at}} ${NOT}", "NOT is not set", 27),
        ("${", "${ is never closed: a } is missing, or write $${ for a literal ${", 0),
        ("${SET", "${ is never closed: a } is missing, or write $${ for a literal ${", 0),
        ("${}", "${} should begin with a variable's name", 0),
        ("${ }", "${ } should begin with a variable's name", 0),
        ("${ foo}", "${ foo} should begin with a variable's name", 0),
        ("${foo }", "${foo } should be ${foo}, ${foo:-default} or ${foo:?message}", 0),
        ("${foo!}", "${foo!} should be ${foo}, ${foo:-default} or ${foo:?message}", 0),
        ("${1A}", "${1A} should begin with a variable's name", 0),
        ("${SET/x}", "${SET/x} should be ${SET}, ${SET:-default} or ${SET:?message}", 0),
        ("${SET:x}", "${SET:x} should be ${SET}, ${SET:-default} or ${SET:?message}", 0),
    ],
)
def test_interpolation_errors(text: str, what: str, offset: int) -> None:
    with pytest.raises(InterpolationError) as caught:
        interpolate(text, VARIABLES.get)
    assert (str(caught.value), caught.value.offset) == (what, offset)


def test_a_required_variable_that_is_empty_is_taken_without_a_colon() -> None:
    assert interpolate("${EMPTY?}", VARIABLES.get) == ""
