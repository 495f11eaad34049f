"""One module per command. Each has HELP (what `-h` says after the summary), EXAMPLES, and `run`.

To add a command: write its module, and name it below with its summary. Nothing else lists commands.
"""

from __future__ import annotations

from collections.abc import Mapping

# Group -> command -> summary, in the order of `shipit --help`. A module is imported when its command is used.
GROUPS: Mapping[str, Mapping[str, str]] = {
    "Start": {
        "init": "Create deploy.yml from the files of this project",
        "login": "Check a registry login and store it",
        "logout": "Remove a stored registry login",
        "help": "Show a topic of the guide, or list the topics",
    },
    "Ship": {
        "plan": "Show what a deploy would change",
        "render": "Print what a deploy sends to a target",
        "deploy": "Build, push, release and verify",
        "promote": "Release what another environment runs",
        "build": "Build images and print their digests",
        "push": "Push images without releasing them",
    },
    "Operate": {
        "status": "Show what runs in each target",
        "rollback": "Return targets to an earlier healthy release",
        "history": "List what was released, and what runs now",
        "show": "Show what a run did",
        "diff": "Show what differs between two releases",
        "images": "List the images of the repositories, and where they run",
        "prune": "Delete old images that run nowhere",
        "logs": "Show the logs of what runs in each target",
        "open": "Open the URL of a target in a browser",
        "exec": "Run a command in what runs",
        "run": "Run a one-off command with the same image and settings",
        "forward": "Forward local ports to what runs",
        "scale": "Change the number of pods, dynos or containers",
        "restart": "Restart what runs",
        "stop": "Stop services of Docker hosts and Compose projects",
        "start": "Start services that were stopped",
        "unlock": "Break the lock of a run that is gone",
        "destroy": "Remove what shipit made in each target",
    },
    "Check": {
        "validate": "Check deploy.yml under every environment",
        "doctor": "Check everything that a deploy needs",
        "schema": "Print the JSON Schema of deploy.yml or of --output json",
    },
}
SUMMARIES: Mapping[str, str] = {name: summary for group in GROUPS.values() for name, summary in group.items()}
