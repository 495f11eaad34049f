"""A token server like Docker Hub's: users, their rights, and tokens that expire soon."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.servers.certificates import Authority

ISSUER, SERVICE = "test tokens", "registry"
# docker-registry forgives a minute of clocks that differ.
_LEEWAY_S = 60


class TokenServer:
    """`users`: name -> password. `rights`: name -> repository -> actions such as `pull,push`; `""` is the anonymous user.

    `asked` are the scopes of every request, `given` counts tokens. A token dies `lifetime_s` after it was given, and
    says so.
    """

    def __init__(
        self,
        folder: Path,
        users: Mapping[str, str],
        rights: Mapping[str, Mapping[str, str]],
        lifetime_s: int = 5,
    ) -> None:
        authority = Authority(folder)
        authority.issue("tokens", "tokens")
        self.certificate = folder / "tokens.crt"
        self._key = serialization.load_pem_private_key((folder / "tokens.key").read_bytes(), None)
        self._der = x509.load_pem_x509_certificate(self.certificate.read_bytes()).public_bytes(
            serialization.Encoding.DER
        )
        self.users, self.rights, self.lifetime_s = users, rights, lifetime_s
        self.asked: list[tuple[str, ...]] = []
        self.given = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.realm = f"http://127.0.0.1:{self._server.server_address[1]}/token"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, scopes: tuple[str, ...], authorization: str) -> tuple[int, dict[str, Any]]:
        user = ""
        if authorization.startswith("Basic "):
            user, _, password = base64.b64decode(authorization[6:]).decode().partition(":")
            if self.users.get(user) != password:
                return 401, {"details": "incorrect username or password"}
        self.asked.append(scopes)
        self.given += 1
        token = self._token(user, [self._granted(user, scope) for scope in scopes])
        return 200, {"token": token, "expires_in": self.lifetime_s}

    def _granted(self, user: str, scope: str) -> dict[str, Any]:
        kind, name, actions = scope.split(":")
        allowed = self.rights.get(user, {}).get(name, "").split(",")
        return {"type": kind, "name": name, "actions": [action for action in actions.split(",") if action in allowed]}

    def _token(self, user: str, access: list[dict[str, Any]]) -> str:
        now = int(time.time())
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(self._der).decode()]}
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": SERVICE,
            "exp": now + self.lifetime_s - _LEEWAY_S,
            "nbf": now - 300,
            "iat": now - 300,
            "jti": str(self.given),
            "access": access,
        }
        signed = b".".join(_url64(json.dumps(part).encode()) for part in (header, claims))
        assert isinstance(self._key, rsa.RSAPrivateKey)
        signature = self._key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _url64(signature)).decode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                scopes = tuple(parse_qs(urlsplit(self.path).query).get("scope", []))
                status, body = server.answer(scopes, self.headers.get("Authorization", ""))
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                return

        return Handler


def _url64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
