"""What a command other than deploy wants of a place, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shipit.printable import Name


class ScaleOrder(NamedTuple):
    """Workload -> the number of instances that it should have."""

    quantities: Mapping[Name, int]


class StopOrder(NamedTuple):
    """Workloads that are to be stopped, or started again."""

    workloads: tuple[Name, ...]


class RestartOrder(NamedTuple):
    """Workloads whose instances are to be replaced. `at` is when that was asked for, RFC 3339 in UTC."""

    workloads: tuple[Name, ...]
    at: str
