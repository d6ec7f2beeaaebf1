"""An address that may hold credentials, taken apart so that they never get printed."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from mnad.errors import UsageError


@dataclass(frozen=True)
class Address:
    """Where to send to; ``str()`` of it is safe to print.

    The path and the query are kept out of what is printed: many services put a token there.

    Args:
        scheme: lower case, such as ``https``.
        host: name or number.
        port: None for the scheme's own.
        path: of the URL, maybe empty.
        url: the whole of it without user and password.
        user: None without one.
        password: None without one.
    """

    scheme: str
    host: str
    port: int | None
    path: str = field(repr=False)
    url: str = field(repr=False)
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)

    @classmethod
    def parse(cls, url: str, name: str, schemes: tuple[str, ...]) -> Address:
        """Take a URL apart.

        Args:
            url: ``scheme://[user[:password]@]host[:port][/path][?query]``; special characters of
                user and password percent-encoded.
            name: of the option, for the error.
            schemes: the allowed ones.

        Raises:
            UsageError: not such a URL; the sentence does not repeat it.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
            host.encode("idna")
        except (UnicodeError, ValueError):
            host, port = "", None
        blank = any(letter.isspace() or not letter.isprintable() for letter in url)
        if not host or blank or parts.scheme not in schemes:
            wanted = " or ".join(f"{scheme}://HOST:PORT" for scheme in schemes)
            raise UsageError(
                f"{name} is not an address of the form {wanted}: correct it (special characters "
                "of a password must be percent-encoded)."
            )
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        return cls(
            parts.scheme,
            host,
            port,
            parts.path,
            urlunsplit(bare),
            None if parts.username is None else unquote(parts.username),
            None if parts.password is None else unquote(parts.password),
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port is None else f":{self.port}")
