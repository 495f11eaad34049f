"""`shipit status`."""

from __future__ import annotations

from functools import partial
from typing import Any

from shipit.cli.ending import ending
from shipit.cli.options import TargetOptions
from shipit.cli.running import targets_run
from shipit.cli.say import result, result_json
from shipit.printable import printable_line

HELP = "Reads every target and changes nothing."
EXAMPLES = ("shipit status", "shipit status k8s --output json")


def run(options: TargetOptions) -> None:
    with ending(options.verbose, options.output), targets_run(options) as run:
        from shipit.pipeline.parallel import together
        from shipit.pipeline.prepare import observe_target

        observed = together(
            {target.name: partial(observe_target, run, target) for target in run.targets},
            run.clock,
        )
        rows: list[dict[str, Any]] = []
        for target in run.targets:
            lines = run.redactor.lines(target.describe(observed[target.name]))
            rows.append(
                {
                    "target": target.name,
                    "kind": target.place.kind,
                    "place": run.redactor.text(target.place.identity),
                    "runs": list(lines),
                }
            )
        if options.output == "json":
            result_json(rows)
            return
        for row in rows:
            result(printable_line(f"{row['target']}  {row['place']}"))
            for line in row["runs"] or ["nothing runs there"]:
                result(printable_line(f"  {line}"))
