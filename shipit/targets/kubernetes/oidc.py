"""The legacy auth provider `oidc` of a kubeconfig: its token, and a new one from the issuer when it has expired.

Source: client-go, plugin/pkg/client/auth/oidc; OpenID Connect Discovery 1.0, section 4; OpenID Connect Core 1.0, section 12.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote_plus

from shipit.clock import Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import RemoteError
from shipit.files import Unreadable, read_text
from shipit.http.fields import Field
from shipit.http.messages import Answer
from shipit.http.redirects import located
from shipit.http.statuses import refusal
from shipit.http.tls import Tls
from shipit.http.transport import Transport
from shipit.json_text import parse_json
from shipit.targets.kubernetes.login import Provider
from shipit.targets.kubernetes.saved_tokens import save_tokens

# A token that expires sooner than this is renewed, as in client-go.
_EARLY_S = 10.0
_LOG_IN = "log in again with the program that wrote this kubeconfig"


def is_current(token: str) -> bool:
    """True while an ID token stays valid for ten seconds more."""
    return _expiry_s(token) - _EARLY_S > time.time()


def current_token(provider: Provider, environment: ProcessEnvironment, deadline: Deadline) -> str:
    """The ID token of the kubeconfig, or a new one from the issuer, which is saved there.

    Raises: RemoteError when it has expired and can't be renewed; DeadlinePassed, Interrupted.
    """
    settings = provider.settings
    token, refresh = settings.get("id-token", ""), settings.get("refresh-token", "")
    if is_current(token):
        return token
    if not refresh:
        raise _failed(provider, "the OpenID Connect token has expired, and there is no refresh-token", _LOG_IN)
    if environment.is_untrusted:
        hint = "log in with kubectl before"
        raise _failed(
            provider, "the OpenID Connect token has expired, and --untrusted does not allow to renew it", hint
        )
    for key in ("idp-issuer-url", "client-id"):
        if not settings.get(key):
            raise _failed(provider, f"config.{key} should be there", _LOG_IN)
    new, new_refresh = _renewed(provider, environment, deadline)
    environment.redactor.add((new, new_refresh))
    try:
        save_tokens(provider, {"id-token": new, **({"refresh-token": new_refresh} if new_refresh else {})})
    except (OSError, RemoteError) as error:
        # The old refresh token is used up: the next program would fail without a reason.
        if new_refresh and new_refresh != refresh:
            why = error.what if isinstance(error, RemoteError) else (error.strerror or "it can't be written")
            raise _failed(provider, f"the new tokens could not be saved: {why}", _LOG_IN) from None
    return new


def _renewed(provider: Provider, environment: ProcessEnvironment, deadline: Deadline) -> tuple[str, str]:
    """A new ID token, and the refresh token that replaces the old one: empty where that stays."""
    settings = provider.settings
    with _tls(provider) as tls, contextlib.closing(Transport(environment, deadline, tls=tls)) as transport:
        issuer = settings["idp-issuer-url"].rstrip("/")
        discovery = transport.send("GET", f"{issuer}/.well-known/openid-configuration")
        url = located(discovery, _json(discovery)["token_endpoint"].required())
        form = (("grant_type", "refresh_token"), ("refresh_token", settings["refresh-token"]))
        client, secret = settings["client-id"], settings.get("client-secret", "")
        both = f"{quote_plus(client)}:{quote_plus(secret)}"
        basic = {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}
        answer = transport.send("POST", url, form=form, headers=basic, led_by=discovery)
        if answer.status in (400, 401):
            # As golang.org/x/oauth2 does: an issuer may want the client's name and secret in the form.
            more = (("client_id", client), *((("client_secret", secret),) if secret else ()))
            answer = transport.send("POST", url, form=(*form, *more), led_by=discovery)
        told = _json(answer)
    token = told["id_token"].text()
    if not token:
        hint = "request the scope openid when you log in, or use an exec plugin such as kubelogin"
        raise _failed(provider, "the issuer gives no id_token for the refresh-token", hint)
    return token, told["refresh_token"].text()


def _json(answer: Answer) -> Field:
    hint = _LOG_IN
    if answer.status != 200:
        raise refusal(answer, what=_reason(answer), hint=hint)
    try:
        part = Field(answer.json(), answer.request.shown, hint="check idp-issuer-url in the kubeconfig")
    except ValueError:
        raise RemoteError("the answer should be JSON", where=answer.request.shown, hint=hint) from None
    part.map()
    return part


def _reason(answer: Answer) -> str:
    """The error of an issuer. Source: RFC 6749, section 5.2."""
    try:
        part = Field(answer.json(), answer.request.shown)
        return ": ".join(filter(None, (part["error"].text(), part["error_description"].text())))
    except (ValueError, RemoteError):
        return ""


@contextlib.contextmanager
def _tls(provider: Provider) -> Iterator[Tls | None]:
    """The certificates of the issuer's authority; None for those that everybody trusts."""
    settings = provider.settings
    data, file = settings.get("idp-certificate-authority-data"), settings.get("idp-certificate-authority")
    if not data and not file:
        yield None
        return
    key = "idp-certificate-authority-data" if data else "idp-certificate-authority"
    try:
        path = Path(provider.where).parent / (file or "")
        text = base64.b64decode(data).decode("ascii") if data else read_text(path)
    except (binascii.Error, ValueError):
        raise _failed(provider, f"config.{key} should be base64 of PEM", _LOG_IN) from None
    except Unreadable as error:
        raise _failed(provider, f"config.{key} {error.what}", _LOG_IN) from None
    with tempfile.TemporaryDirectory(prefix="shipit-") as folder:
        kept = Path(folder) / "issuer.pem"
        kept.write_text(text)
        yield Tls(ca_file=str(kept))


def _expiry_s(token: str) -> float:
    """When a JSON Web Token expires, in seconds since 1970; 0 for other text.

    Source: RFC 7519, section 4.1.4; it is the server that checks the token, so nothing of it is verified here.
    """
    parts = token.split(".")
    try:
        claims: Mapping[str, float] = parse_json(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError, OverflowError):
        return 0.0


def _failed(provider: Provider, what: str, hint: str) -> RemoteError:
    return RemoteError(f"{provider.path}: {what}", where=provider.where, hint=hint)
