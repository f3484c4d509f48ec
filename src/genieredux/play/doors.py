"""Who is let in. Another site's page may try to reach us through the person's own browser: by a name that resolves to
this machine (the Host check) or by a plain websocket, which no same-origin rule stops (the Origin check). From another
machine a token is needed besides. Knows headers, no dream.
"""

import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from genieredux.checking import require

LOOPBACK = "127.0.0.1"
_LOCAL = (LOOPBACK, "localhost")
_ANY = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Doors:
    """host: the address that is listened on. token: what visitors must say; None: nothing, which is for loopback."""

    host: str = LOOPBACK
    token: str | None = None

    def __post_init__(self) -> None:
        """Raises UserError for an address that is none, and for one that is open to others without a token."""
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            address = None
        require(address is not None or self.host == "localhost", "host", self.host, "an address such as 127.0.0.1")
        require(self.is_local or bool(self.token), "token", self.token, "a word where host is not this machine alone")

    @property
    def is_local(self) -> bool:
        """Whether this machine alone can reach the page."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    def knows_host(self, host: str) -> bool:
        """Whether a Host header names this server. Listening on every address, any address of ours will do, but no
        name, which somebody else may have made point here."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in (self.host, *_LOCAL):
            return True
        if self.host not in _ANY:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def admits(self, headers: Mapping[str, str], query: str) -> bool:
        """Whether whoever sent these headers and this query may steer: a page of ours, or a program that is no browser
        (those send no origin), with the token where one is needed."""
        return self._own_page(headers.get("origin"), headers.get("host", "")) and self._has_token(query)

    def _own_page(self, origin: str | None, host: str) -> bool:
        if origin is None:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:  # such as http://[
            return False
        return parts.scheme in ("http", "https") and parts.netloc == host and self.knows_host(host)

    def _has_token(self, query: str) -> bool:
        if self.token is None:
            return True
        said = parse_qs(query, max_num_fields=8).get("token", [""])[0] if len(query) < 1000 else ""
        return secrets.compare_digest(said.encode(), self.token.encode())
