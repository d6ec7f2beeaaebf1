"""Alarms as signed HTTP POST requests.

The body is JSON: the fields of `mnad.events.event.Event`, ``key``, and ``thumbnail_jpeg`` (base64)
where that was asked for and there is one. The header ``Idempotency-Key`` holds ``key`` too: a
second request with the same one is the same message. With a secret, two more headers:

- ``X-Mnad-Timestamp``: whole seconds since 1970, of this attempt;
- ``X-Mnad-Signature``: ``sha256=`` and the hexadecimal HMAC-SHA256, keyed with the secret, of the
  timestamp, a full stop and the body as received.

A receiver checks both with `verify` before it parses the body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
import time
from pathlib import Path
from urllib.parse import quote

from mnad.alarms.address import Address
from mnad.alarms.channel import Message, Never, NotNow
from mnad.errors import UsageError

THUMBNAIL_BYTES = 200_000
"""A thumbnail is made smaller than this to be sent along."""
THUMBNAIL_SECONDS = 2.0
"""It is written moments after the message: so long it is waited for."""

# Client errors that pass: timeout, too early, too many requests (RFC 9110, 8470, 6585).
_PASSING = (408, 425, 429)


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The signature of a request, as in its header: ``sha256=`` and 64 hexadecimal digits.

    Args:
        secret: shared with the receiver.
        timestamp: the text of ``X-Mnad-Timestamp``.
        body: the bytes of the request.
    """
    signed = timestamp.encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def verify(
    secret: str,
    timestamp: str | None,
    body: bytes,
    signature: str | None,
    now: float,
    tolerance: float = 300,
) -> bool:
    """For a receiver: whether a request comes from one who knows the secret, and is fresh.

    Nothing that stands in a request raises an error.

    Args:
        secret: shared with the sender; one that is empty everybody knows, and nothing passes.
        timestamp: the header ``X-Mnad-Timestamp``; None where there is none.
        body: the bytes of the request, untouched.
        signature: the header ``X-Mnad-Signature``, likewise.
        now: the receiver's clock, seconds since 1970.
        tolerance: seconds by which the timestamp may differ from `now`; an older request is
            taken for a recorded one that is played again.
    """
    if not secret or timestamp is None or signature is None:
        return False
    try:
        fresh = abs(now - int(timestamp)) <= tolerance
    except (ValueError, OverflowError):  # no number, or one of hundreds of digits
        return False
    # compare_digest takes the same time for any wrong signature, and non-ASCII text only as bytes;
    # servers give bytes that are no text as surrogates.
    given = signature.encode(errors="surrogatepass")
    return hmac.compare_digest(sign(secret, timestamp, body).encode(), given) and fresh


class Webhook:
    """A channel of the outbox: POST to an HTTP server, delivered when it answers 200 to 299.

    Redirects are not followed: the alarm goes where its owner said, or stays. A proxy that the
    environment names (HTTPS_PROXY, …) is used. The certificate of https is checked against those of
    the package certifi, or those that the environment variable SSL_CERT_FILE names.

    Args:
        address: of the receiver; its user and password are sent as basic authentication.
        secret: signs the requests; None for unsigned ones.
        folder: where the paths of thumbnails start; None to send none.
        connect: seconds to wait for a connection.
        read: seconds to wait for each part of the answer.

    Raises:
        UsageError: the address is not one that can be sent to, or not with the proxy or the
            certificates that the environment names.
    """

    name = "webhook"
    tries: int | None = None

    def __init__(
        self,
        address: Address,
        secret: str | None = None,
        folder: Path | None = None,
        connect: float = 5,
        read: float = 10,
    ) -> None:
        import httpx

        self._address = address
        self._secret = secret
        self._folder = folder
        try:
            self._url = httpx.URL(address.url)
        except httpx.InvalidURL as error:
            raise UsageError("webhook is not an address that can be sent to.") from error
        # httpx logs whole addresses, and services put tokens into paths.
        httpx_log = logging.getLogger("httpx")
        httpx_log.setLevel(max(httpx_log.level, logging.WARNING))
        try:
            self._client = httpx.Client(
                auth=None if address.user is None else (address.user, address.password or ""),
                timeout=httpx.Timeout(read, connect=connect),
                # Alarms are rare: a connection kept for the next one would be dead by then.
                limits=httpx.Limits(max_keepalive_connections=0),
                follow_redirects=False,
            )
        except (httpx.InvalidURL, ImportError, OSError, ValueError) as error:
            said = re.sub("//[^/]*@", "//", str(error))  # of a proxy, which may have a password
            raise UsageError(
                "webhook cannot be sent to with the proxy or the certificates that the environment "
                f"names ({said}): correct HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, "
                "SSL_CERT_FILE and SSL_CERT_DIR, or unset them."
            ) from None

    def deliver(self, message: Message) -> None:
        """POST a message; see `mnad.alarms.channel.Channel`."""
        import httpx

        body = json.dumps(self._with_thumbnail(message)).encode()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": quote(message.key, safe="/:+", errors="replace"),
        }
        if self._secret is not None:
            timestamp = str(int(time.time()))
            headers["X-Mnad-Timestamp"] = timestamp
            headers["X-Mnad-Signature"] = sign(self._secret, timestamp, body)
        try:
            # Streamed, as only the status matters: an endless answer must not fill the memory.
            with self._client.stream("POST", self._url, content=body, headers=headers) as answer:
                status = answer.status_code
        except httpx.HTTPError as error:
            # What an address may hold, such as a token, the system and TLS know nothing of.
            why = f" ({error})" if isinstance(error, httpx.ConnectError) else ""
            raise NotNow(f"{self._address}: {type(error).__name__}{why}") from error
        if 200 <= status < 300:
            return
        refused = 400 <= status < 500 and status not in _PASSING
        hint = ", a redirect, which is not followed" if 300 <= status < 400 else ""
        raise (Never if refused else NotNow)(f"{self._address} answers {status}{hint}")

    def _with_thumbnail(self, message: Message) -> dict[str, object]:
        name = message.payload.get("thumbnail")
        if self._folder is None or not name:
            return message.payload
        picture = _small(_soon(self._folder / str(name)))
        if picture is None:
            return message.payload
        return {**message.payload, "thumbnail_jpeg": base64.b64encode(picture).decode()}

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _soon(file: Path) -> bytes:
    """What is in a file that is about to be written, whole or not at all; nothing if it is not."""
    last = time.monotonic() + THUMBNAIL_SECONDS
    while True:
        try:
            return file.read_bytes()
        except FileNotFoundError:
            if time.monotonic() > last:  # gone to make room, or never written
                return b""
            time.sleep(0.02)
        except OSError:
            return b""


def _small(jpeg: bytes) -> bytes | None:
    """The picture, halved until it is small enough; None if it is none."""
    if not jpeg.startswith(b"\xff\xd8"):
        return None
    import cv2
    import numpy as np

    while len(jpeg) >= THUMBNAIL_BYTES:
        half = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_REDUCED_COLOR_2)
        if half is None:
            return None
        jpeg = cv2.imencode(".jpg", half)[1].tobytes()
    return jpeg
