"""`shipit login heroku`: the account and the source of the token, or what to do."""

from __future__ import annotations

from shipit.rehearsal.heroku import HerokuStandIn
from tests.shipit import Shipit


def test_login_shows_the_account_and_the_source_of_a_valid_token(shipit: Shipit, heroku: HerokuStandIn) -> None:
    done = shipit.run("login", "heroku")
    assert done.returncode == 0, done.stderr
    assert "heroku takes the token of " in done.stdout and ", from HEROKU_API_KEY" in done.stdout
    assert "token-of-heroku" not in done.stdout + done.stderr


def test_a_token_that_heroku_does_not_take_is_an_error(shipit: Shipit, heroku: HerokuStandIn) -> None:
    shipit.env["HEROKU_API_KEY"] = "another-token"
    done = shipit.run("login", "heroku")
    assert done.returncode == 1 and "the token from HEROKU_API_KEY is wrong or expired" in done.stderr
    assert "another-token" not in done.stdout + done.stderr


def test_without_a_token_the_hint_says_how_to_get_one(shipit: Shipit, heroku: HerokuStandIn) -> None:
    shipit.env["HEROKU_API_KEY"] = ""
    done = shipit.run("login", "heroku")
    assert done.returncode == 2 and "there is no Heroku token" in done.stderr
    assert "hint: set HEROKU_API_KEY (heroku authorizations:create prints one), or heroku login" in done.stderr
