"""Heroku: container releases through its registry and Platform API."""

from shipit.targets.kind import Kind

KIND = Kind(
    names=("heroku",),
    config="shipit.targets.heroku.config:HerokuConfig",
    target="shipit.targets.heroku.target:create",
    steps=("shipit.targets.heroku.steps",),
    capabilities=frozenset(
        [
            "checks_images",
            "checks_login",
            "destroys",
            "diagnoses",
            "examines",
            "has_history",
            "has_logs",
            "has_workloads",
            "logs_in",
            "notes",
            "probes",
            "pushes_again",
            "reissues",
            "renders",
            "restarts",
            "returns",
            "reverts",
            "runs_once",
            "scales",
            "serves",
            "tells_images",
            "tells_past_images",
        ]
    ),
    login="shipit.targets.heroku.login:check_login",
    draft="shipit.targets.heroku.draft:DRAFT",
    guide="heroku",
    workloads_key="processes",
    instead={
        "stop": "shipit scale TARGET/TYPE=0",
        "start": "shipit scale TARGET/TYPE=N",
        "exec": "Heroku has no exec for container images: shipit run starts a one-off dyno of the same release",
        "forward": "a dyno has no port that can be forwarded: shipit open opens the URL of the app",
    },
    parts={"`processes.TYPE` of Heroku": "shipit.targets.heroku.config:ProcessConfig"},
)
