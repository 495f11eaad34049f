"""Values of secrets in other tools' files: which are found, and what is in their place."""

from __future__ import annotations

from time import monotonic

import pytest

from shipit.config.secret_names import is_secret_name
from shipit.drafts.files import Build, Command, FileFacts, Process, ProjectFacts, Runtime
from shipit.drafts.secret_values import hide_passwords, hide_values, hide_values_of
from shipit.drafts.variables import is_secret, sorted_variables
from shipit.setup.hidden_values import leave_out_arguments, without_values


@pytest.mark.parametrize(
    ("text", "hidden", "names"),
    [
        ("./m.sh --password=relpass", "./m.sh --password=TODO", ("--password",)),
        ("rake db --pass=zzz", "rake db --pass=TODO", ("--pass",)),
        ("TOKEN=procsecret node s.js", "TOKEN=TODO node s.js", ("TOKEN",)),
        ("x --db-password hunter2 -v", "x --db-password TODO -v", ("--db-password",)),
        ("x '--api-key=two words' y", "x '--api-key=TODO' y", ("--api-key",)),
        ("x --pw='a b' y", "x --pw=TODO y", ("--pw",)),
        ("java -Dstore.trustPassword=changeit -jar a", "java -Dstore.trustPassword=TODO -jar a", ("-Dstore.trustPassword",)),
        ("x --url postgres://me:s3cr@t@db/x", "x --url postgres://me:TODO@db/x", ("the password of a URL",)),
        ("redis://:pw@db", "redis://:TODO@db", ("the password of a URL",)),
        ("curl -H 'Authorization: Bearer abc' x", "curl -H 'Authorization: TODO' x", ("Authorization",)),
        ("curl 'http://x/?token=abc&y=1'", "curl 'http://x/?token=TODO&y=1'", ("token",)),
        ('{"private_key": "abc"}', '{"private_key": "TODO"}', ("private_key",)),
        ("Server=db;Password=abc;Port=1", "Server=db;Password=TODO;Port=1", ("Password",)),
        ("${DB_PASSWORD:-default77}", "${DB_PASSWORD:-TODO}", ("DB_PASSWORD",)),
        ("x --id ghp_0123456789abcdef", "x --id TODO", ("a token",)),
        ("eyJhbGciOiJI.eyJzdWIi.abc", "TODO", ("a token",)),
        ("SECRET_KEY_BASE=deadbeef0123 puma", "SECRET_KEY_BASE=TODO puma", ("SECRET_KEY_BASE",)),
        ("DB_PASSWORD_PROD=hunter22 x", "DB_PASSWORD_PROD=TODO x", ("DB_PASSWORD_PROD",)),
        ("API_KEY_V2=abc TOKEN_2=def x", "API_KEY_V2=TODO TOKEN_2=TODO x", ("API_KEY_V2", "TOKEN_2")),
        ("PASSWORD_SALT=abc x --hash-salt def", "PASSWORD_SALT=TODO x --hash-salt TODO", ("PASSWORD_SALT", "--hash-salt")),
        ("x --password -hunter2x", "x --password TODO", ("--password",)),
        ("curl -u a:b http://x", "curl -u a:TODO http://x", ("-u",)),
        ("curl -sSu a:'b c' -ua:d x", "curl -sSu a:TODO -ua:TODO x", ("-sSu", "-u")),
        ("curl --user=a:b --proxy-user 'a:b c' x", "curl --user=a:TODO --proxy-user 'a:TODO' x", ("--proxy-user", "--user")),
        ("curl -u ${ME:-me}:b -u :c", "curl -u ${ME:-me}:TODO -u :TODO", ("-u",)),
    ],
)  # fmt: skip
def test_a_value_of_a_secret_is_hidden_and_its_name_told(text: str, hidden: str, names: tuple[str, ...]) -> None:
    assert hide_values(text) == (hidden, names)
    assert hide_values(hidden) == (hidden, ())


@pytest.mark.parametrize(
    "text",
    [
        "gunicorn app:app --bind 0.0.0.0:$PORT",
        "x --password=$PW --token ${TOKEN} --pass=$$PASS --key=$(cat key)",
        "x --password-file /run/secrets/pw --tls-key server.pem --key=/etc/x.key",
        "x --auth=true --no-auth app.js",
        "postgres://me:${PW}@db/x",
        "https://example.com:8080/a@b",
        "${DB_PASSWORD:?is not set}",
        "a: b # c",
        "x --auth -v --password - --token --x",
        "x --password-path pw --token-ttl 60 --secret-dir=s --key-id=k --password-hash h --secret-name=n --passfile f",
        "TOKEN_FILE_2=a KEY_PATH_V2=b keyStoreType=JKS x --password-stdin registry",
        "PASSENGER_MIN_INSTANCES=2 x --tokenizer gpt2 --passthrough y",
        "docker run -u 1000:1000 --user ${U}:${G} x",
        "python -u -m app:main; x -u me --user=me a:b -u http://x:80/y",
    ],
)
def test_text_without_a_value_of_a_secret_stays(text: str) -> None:
    assert hide_values(text) == (text, ())
    assert hide_passwords(text) == text


@pytest.mark.parametrize(
    ("command", "hidden", "names"),
    [
        (("x", "--pw", "a b", "--token=c d"), ("x", "--pw", "TODO", "--token=TODO"), ("--pw", "--token")),
        (("sh", "-c", "PASS=x node --inspect"), ("sh", "-c", "PASS=TODO node --inspect"), ("PASS",)),
        (("x", "--password", "--verbose", "--token", "$T"), ("x", "--password", "--verbose", "--token", "$T"), ()),
        ("x --pass y", "x --pass TODO", ("--pass",)),
        (("x", "--password", "-hunter2x", "--key", "-v"), ("x", "--password", "TODO", "--key", "-v"), ("--password",)),
        (("curl", "-u", "a:b c", "--user=a:b"), ("curl", "-u", "a:TODO", "--user=a:TODO"), ("-u", "--user")),
        (
            ("x", "-u", "1:1", "--user", "a:$B", "-u", "http://x:80"),
            ("x", "-u", "1:1", "--user", "a:$B", "-u", "http://x:80"),
            (),
        ),
    ],
)
def test_words_of_a_list_are_taken_as_they_are(command: Command, hidden: Command, names: tuple[str, ...]) -> None:
    assert hide_values_of(command) == (hidden, names)


@pytest.mark.parametrize("text", ["-u ", ",-u", "-u a", ",--user=a", "-u${", "--a ", "--password ", "a_", "-", "A"])
def test_hostile_text_takes_no_long(text: str) -> None:
    start = monotonic()
    hide_values(text * 20_000)
    assert monotonic() - start < 5


NAMES = (
    "APP_KEY STRIPE_KEY JWT AUTH MYSQL_PWD SESSION_KEY OPENAI_KEY PIN SENTRY_DSN APIKEY KEY_BASE SALT PORT LOG_LEVEL"
)


@pytest.mark.parametrize("name", NAMES.split())
def test_each_name_of_a_secret_in_deploy_yml_is_one_for_init(name: str) -> None:
    assert is_secret(name, "x") or not is_secret_name(name)


def test_values_that_hold_a_secret_are_secrets() -> None:
    values = {"A": "x --password=y", "B": "redis://:pw@h", "C": "sk_live_0123456789abcdef", "D": "plain", "E": ""}
    assert sorted_variables(dict(values)) == ((("D", "plain"), ("E", "")), ("A", "B", "C"), ())


def test_commands_and_health_checks_of_a_file_lose_values_with_a_todo_for_each() -> None:
    process = Process("web", None, "node --token=abc", health="/up?key=abc")
    found = without_values(FileFacts("fly.toml", processes=(process,), release=("rake", "--pass", "x"), todo=("a",)))
    how = "name it under secrets, and let the program read it from its environment"
    assert found.processes == (process._replace(command="node --token=TODO", health=""),)
    assert found.release == ("rake", "--pass", "TODO")
    assert found.todo == (
        "a",
        f"the release command: TODO is in place of the value of --pass: {how}",
        f"the command of web: TODO is in place of the value of --token: {how}",
        "the health check of web has the value of key, and is left out",
    )


def test_build_arguments_that_are_secrets_or_take_one_are_left_out() -> None:
    args = (
        ("NPM_TOKEN", "a"),
        ("URL", "https://u:p@h"),
        ("X", "${DB_PASSWORD}"),
        ("Y", "${SHARED}"),
        ("Z", "${VERSION}"),
    )
    project = ProjectFacts(
        "app", {"app": Build(args=args)}, {}, {}, {}, "", "", (), ("SHARED",), (), (), "", "", Runtime(), ("before",)
    )  # fmt: skip
    found = leave_out_arguments(project)
    assert found.images == {"app": Build(args=(("Z", "${VERSION}"),))}
    one = leave_out_arguments(project._replace(images={"app": Build(args=(("SORT_KEY", "a"),))}))
    assert one.todo[1].startswith(
        "Dockerfile: build argument SORT_KEY: its value may be a secret, and is left out: use "
    )
    assert found.todo == (
        "before",
        "Dockerfile: build arguments NPM_TOKEN, URL, X and Y: their values may be secrets, and are left out: use build.secrets: "
        "NPM_TOKEN: {env: NPM_TOKEN} there, and RUN --mount=type=secret,id=NPM_TOKEN in the Dockerfile",
    )
