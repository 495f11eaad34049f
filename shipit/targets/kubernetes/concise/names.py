"""The names and counts of Kubernetes objects in deploy.yml."""

from typing import Annotated

from pydantic import Field

from shipit.config.units import Whole, matching

_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_WORDS = "should be at most 63 lower-case letters, digits and '-', not beginning or ending with '-'"

Name = Annotated[str, matching(_NAME, _WORDS)]
# The same in a JSON Schema, where a variable may stand for it.
NAME_SCHEMA = {"type": "string", "pattern": rf"{_NAME}|\$\{{", "patternErrorMessage": _WORDS}
# A variable may be empty: that is another place than none.
NotEmpty = Annotated[str, matching(r"^.+$", "should not be empty")]
# The empty name is the workload of keys right under the target.
WorkloadName = Annotated[str, matching(r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$", _WORDS)]
# The pod limit of the largest clusters: kubernetes.io, "Considerations for large clusters".
MOST_PODS = 150_000
Count = Annotated[Whole, Field(ge=0, le=MOST_PODS)]
