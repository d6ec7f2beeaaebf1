"""The webhook against a real server that fails, stalls, hangs up and comes back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mnad.alarms import webhook
from mnad.alarms.address import Address
from mnad.alarms.channel import Message, Never, NotNow
from mnad.alarms.outbox import Backoff, Outbox
from mnad.alarms.webhook import Webhook, sign, verify

Eventually = Callable[..., None]
QUICK = Backoff(first=0.01, longest=0.05)


class Server:
    """Answers as told, then 200 for ever: a status, ``stall``, ``hang up`` or ``lose``."""

    def __init__(self, *answers: int | str, port: int = 0) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.accepted: list[str] = []
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
                answer = outer.answers.pop(0) if outer.answers else 200
                if answer == "stall":
                    outer.released.wait(5)
                if answer in (200, "lose"):
                    outer.accepted.append(json.loads(body)["key"])
                if isinstance(answer, int):
                    self.send_response(answer)
                    self.send_header("Location", "/elsewhere")
                    self.end_headers()
                self.close_connection = True

            def log_message(self, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._http.server_port
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def secure(self, context: ssl.SSLContext) -> None:
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)

    def stop(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*answers: int | str, port: int = 0) -> Server:
        servers.append(Server(*answers, port=port))
        return servers[-1]

    yield start
    for each in servers:
        each.stop()


def address(port: int, user: str = "") -> Address:
    return Address.parse(f"http://{user}127.0.0.1:{port}/hook?token=t0ken", "webhook", ("http",))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_every_message_arrives_once_or_with_its_own_key_whatever_the_server_does(
    server: Callable[..., Server], tmp_path: Path, eventually: Eventually
) -> None:
    # "lose" takes the message and hangs up without an answer: the sender cannot know.
    first = server(500, "stall", "hang up", 429, 200, 503, 408, 425, 200, "lose")
    outbox = Outbox(tmp_path, [Webhook(address(first.port), read=0.2)], QUICK)
    keys = [f"e{n}-start" for n in range(6)]
    for key in keys[:3]:
        outbox.put("webhook", key, {"key": key})
    eventually(lambda: outbox.waiting == 0)
    first.stop()
    for key in keys[3:]:
        outbox.put("webhook", key, {"key": key})
    eventually(lambda: bool(list(tmp_path.glob("*.json"))))
    back = server(502, 200, port=first.port)
    eventually(lambda: outbox.waiting == 0)
    outbox.close(1)

    assert first.accepted == [keys[0], keys[1], keys[2], keys[2]]
    assert back.accepted == keys[3:]
    for headers, body in first.requests + back.requests:
        assert headers["idempotency-key"] == json.loads(body)["key"]
    assert not list((tmp_path / "rejected").iterdir())


def test_answers_for_good_and_for_now(server: Callable[..., Server]) -> None:
    for status in (400, 401, 403, 404, 410, 422):
        hook = Webhook(address(server(status).port))
        with pytest.raises(Never, match=f"^http://127.0.0.1:[0-9]+ answers {status}$"):
            hook.deliver(Message("webhook", "k", {"key": "k"}))
        hook.close()
    for status in (301, 307, 408, 425, 429, 500, 503):
        redirecting = server(status)
        hook = Webhook(address(redirecting.port))
        with pytest.raises(NotNow, match=str(status)):
            hook.deliver(Message("webhook", "k", {"key": "k"}))
        assert len(redirecting.requests) == 1  # not followed
        hook.close()


def test_the_signature_is_what_openssl_computes(server: Callable[..., Server]) -> None:
    receiver = server()
    hook = Webhook(address(receiver.port), secret="s3cret é")
    hook.deliver(Message("webhook", "k", {"key": "k", "what": "é"}))
    hook.close()
    ((headers, body),) = receiver.requests
    stamp = headers["x-mnad-timestamp"]
    assert abs(int(stamp) - time.time()) < 60
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt"]
    key = "hexkey:" + "s3cret é".encode().hex()
    try:
        done = subprocess.run([*command, key], input=f"{stamp}.".encode() + body, stdout=-1)
        digest = done.stdout.decode().split()[-1]
    except FileNotFoundError:
        digest = hmac.digest("s3cret é".encode(), f"{stamp}.".encode() + body, "sha256").hex()
    assert headers["x-mnad-signature"] == f"sha256={digest}"
    assert verify("s3cret é", stamp, body, headers["x-mnad-signature"], time.time())


def test_a_known_signature() -> None:
    # By hand from RFC 2104: H(key ^ opad, H(key ^ ipad, text)).
    padded = b"key".ljust(64, b"\0")
    inner = hashlib.sha256(bytes(x ^ 0x36 for x in padded) + b"1700000000.{}").digest()
    outer = hashlib.sha256(bytes(x ^ 0x5C for x in padded) + inner).hexdigest()
    assert sign("key", "1700000000", b"{}") == f"sha256={outer}"


def test_verify_rejects_what_is_forged_changed_or_played_again() -> None:
    good = sign("secret", "1000", b"body")
    assert verify("secret", "1000", b"body", good, now=1300)
    assert verify("secret", "1000", b"body", good, now=700)
    assert not verify("secret", "1000", b"body", good, now=1301)
    assert not verify("secret", "1000", b"body", good, now=1011, tolerance=10)
    assert not verify("other", "1000", b"body", good, now=1000)
    assert not verify("secret", "1001", b"body", good, now=1000)
    assert not verify("secret", "1000", b"bodY", good, now=1000)
    assert not verify("secret", "soon", b"body", sign("secret", "soon", b"body"), now=1000)
    assert not verify("secret", "1000", b"body", "sha256=é", now=1000)
    assert not verify("secret", "1000", b"body", "", now=1000)


def test_nothing_in_a_request_makes_verify_raise() -> None:
    """Who knows no secret must not be able to break the receiver."""
    good = sign("secret", "1000", b"body")
    for stamp, signature in (
        *((None, good), ("1000", None), (None, None), ("9" * 400, good), ("9" * 5000, good)),
        *(("1000", "sha256=\udcff"), ("1000", "\ud800"), ("\udcff", good), ("1000", "\x00é")),
    ):
        assert not verify("secret", stamp, b"body", signature, now=1000.0)
    # A variable that is not set on the receiver's side: anybody can sign with nothing.
    assert not verify("", "1000", b"body", sign("", "1000", b"body"), now=1000)


def test_without_a_secret_nothing_is_signed_and_credentials_go_as_basic_authentication(
    server: Callable[..., Server], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO, logger="mnad")
    receiver = server(200, 404)
    to = address(receiver.port, user="ann:p%40ss@")
    outbox = Outbox(tmp_path, [Webhook(to)], QUICK)
    outbox.put("webhook", "k1", {"key": "k1"})
    outbox.put("webhook", "k2", {"key": "k2"})
    outbox.close(5)
    headers = receiver.requests[0][0]
    assert base64.b64decode(headers["authorization"].split()[1]) == b"ann:p@ss"
    assert "x-mnad-signature" not in headers
    assert f"http://127.0.0.1:{receiver.port} answers 404" in caplog.text
    for text in (caplog.text, str(to), repr(to)):
        assert not any(secret in text for secret in ("ann", "p@ss", "p%40ss", "t0ken"))


def test_thumbnails_that_are_there(
    server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "THUMBNAIL_SECONDS", 0.1)
    jpeg = b"\xff\xd8\xff" + bytes(199_996)
    (tmp_path / "small.jpg").write_bytes(jpeg)
    (tmp_path / "broken.jpg").write_bytes(jpeg + b"\0")
    (tmp_path / "other.png").write_bytes(b"\x89PNG")
    receiver = server()
    hook = Webhook(address(receiver.port), folder=tmp_path)
    for name in ("small.jpg", "broken.jpg", "other.png", "gone.jpg", None):
        hook.deliver(Message("webhook", "k", {"key": "k", "thumbnail": name}))
    hook.close()
    small, *others = [json.loads(body) for _, body in receiver.requests]
    assert base64.b64decode(small.pop("thumbnail_jpeg")) == jpeg
    assert small == {"key": "k", "thumbnail": "small.jpg"}
    assert len(others) == 4 and not any("thumbnail_jpeg" in each for each in others)


def test_a_large_thumbnail_is_made_smaller(server: Callable[..., Server], tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    assert cv2.imwrite(str(tmp_path / "large.jpg"), noise)
    assert (tmp_path / "large.jpg").stat().st_size > 2 * webhook.THUMBNAIL_BYTES
    receiver = server()
    hook = Webhook(address(receiver.port), folder=tmp_path)
    hook.deliver(Message("webhook", "k", {"key": "k", "thumbnail": "large.jpg"}))
    hook.close()
    sent = base64.b64decode(json.loads(receiver.requests[0][1])["thumbnail_jpeg"])
    assert len(sent) < webhook.THUMBNAIL_BYTES
    assert cv2.imdecode(np.frombuffer(sent, np.uint8), cv2.IMREAD_COLOR).shape in (
        (360, 640, 3),
        (180, 320, 3),
    )


def test_a_thumbnail_that_is_written_after_its_message_is_waited_for(
    server: Callable[..., Server], tmp_path: Path
) -> None:
    """As by the recorder, in a thread of its own."""
    receiver = server()
    hook = Webhook(address(receiver.port), folder=tmp_path)
    (tmp_path / "beside").write_bytes(b"\xff\xd8\xff")
    later = threading.Timer(0.3, lambda: (tmp_path / "beside").rename(tmp_path / "late.jpg"))
    later.start()
    hook.deliver(Message("webhook", "k", {"key": "k", "thumbnail": "late.jpg"}))
    hook.close()
    later.join()
    assert base64.b64decode(json.loads(receiver.requests[0][1])["thumbnail_jpeg"]) == (
        b"\xff\xd8\xff"
    )


def test_a_server_that_is_away_is_no_reason_to_give_up() -> None:
    hook = Webhook(address(free_port()))
    with pytest.raises(NotNow, match=r"ConnectError .*Connection refused") as caught:
        hook.deliver(Message("webhook", "k", {"key": "k"}))
    hook.close()
    assert "t0ken" not in str(caught.value)


def test_a_certificate_that_is_not_trusted_is_named_as_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    asked = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *asked.split(), *names, *files], check=True, capture_output=True)
    own = Server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    own.secure(context)
    there = Address.parse(f"https://localhost:{own.port}/t0ken", "webhook", ("https",))
    message = Message("webhook", "k", {"key": "k"})
    hook = Webhook(there)
    with pytest.raises(NotNow, match="self-signed certificate") as caught:
        hook.deliver(message)
    hook.close()
    assert "t0ken" not in str(caught.value)

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    hook = Webhook(there)
    hook.deliver(message)
    hook.close()
    own.stop()
    assert own.accepted == ["k"]
