"""When a cronjob runs.

Source: Kubernetes documentation, "CronJob", schedule syntax.
"""

from typing import Annotated

from shipit.config.units import matching

_FIELD = r"[-*/,?#0-9A-Za-z]+"
Schedule = Annotated[
    str,
    matching(
        rf"^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|{_FIELD}( +{_FIELD}){{4}})$",
        'should be five fields such as "0 3 * * *", or a word such as @daily',
    ),
]
TimeZone = Annotated[str, matching(r"^[A-Za-z]+(/[-+_A-Za-z0-9]+)*$", "should be a time zone such as Europe/Berlin")]
