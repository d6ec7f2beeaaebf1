"""What a source is called: live or not, and how its address is shown without its secrets."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

_STREAM = re.compile(r"(rtsps?|rtmps?|https?)://", re.IGNORECASE)
_ANY_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
# No leading zero: clips of UCSD Ped2, Avenue and others are folders called 01, 02, …
_CAMERA = re.compile(r"(?:/dev/video)?(0|[1-9][0-9]{0,2})")

# Up to the last @, as passwords are often written down without escaping their own @ and /. As a
# path, where one was asked for, an address has a single slash left.
_LOGIN = re.compile(r"(?<=[a-z]:/)(/?)\S*@", re.IGNORECASE)
# Also in a path: .../user=admin_password=x_channel=1_stream=0.sdp is the address of many cameras.
_SECRET = re.compile(
    r"([\w.%-]*?(?:user|usr|login|pass|pwd|token|key|secret|auth|sig|cred|session|sid|hash|pin)"
    r"[a-z\d.%-]*)=[^&;\s]*?(?=_[a-z]+=|[&;\s]|$)",
    re.IGNORECASE,
)
# A value with its key, or without one; a = that ends it is not that of a key. No possessive
# quantifiers: Python 3.11.2, which is Debian 12's, loses track of them.
_LONG = re.compile(r"(?<=[?&;])(?:([^=&;\s]*=)(?=[^=&;\s])|(?![^=&;\s]*=[^=&;\s]))[^&;\s]{16,}")

_LONGEST_NAME, _HASH_DIGITS = 64, 6


def is_live(source: str) -> bool:
    """Whether `source` names a stream or a camera rather than files.

    Streams start with ``rtsp://``, ``rtsps://``, ``rtmp://``, ``rtmps://``, ``http://`` or
    ``https://``; a camera is its index (``0``; not ``01``) or its device (``/dev/video0``).
    """
    return _STREAM.match(source) is not None or camera(source) is not None


def missing(path: str | Path) -> str:
    """What to say of what is neither a stream nor a camera, and not there as a file either."""
    # As text or as a path, which has one slash of two left.
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]+):/", str(path))
    if scheme is not None and _STREAM.match(f"{scheme[1]}://"):
        return (
            f"{redacted(str(path))} is not there as a file; a stream is for mnad watch or mnad "
            f"detect, and starts with {scheme[1]}://."
        )
    if scheme is not None:
        return (
            f"{scheme[1]!r} is no scheme of a stream: give rtsp, rtsps, rtmp, rtmps, http or https."
        )
    return f"{path} does not exist: check the path."


def camera(source: str) -> int | None:
    """Index of the camera that `source` names, or None."""
    match = _CAMERA.fullmatch(source)
    return int(match[1]) if match else None


def or_path(source: str) -> str:
    """What to say to one who gave a camera's index, and may have meant what is called like it.

    Returns:
        The end of a sentence; empty where no file or folder has that name. The index is a camera
        all the same: what it means must not hang on what lies there, such as an ``--out 0``.
    """
    if camera(source) is None or not source.isdecimal() or not Path(source).exists():
        return ""
    return f", or ./{source} if you mean the file or folder of that name"


def without_secrets(sentence: str) -> str:
    """A sentence that may repeat what was given where no address belongs, `redacted` if it does."""
    return redacted(sentence) if _ANY_ADDRESS.search(sentence) else sentence


def redacted(source: str) -> str:
    """An address, or any text that repeats addresses, with ``***`` for what may be secret.

    Hidden are user names and passwords, values whose key sounds like a secret, and any value of
    16 characters or more in a query.
    """
    return _LONG.sub(r"\1***", _without_credentials(source))


def _without_credentials(source: str) -> str:
    return _SECRET.sub(r"\1=***", _LOGIN.sub(r"\1***@", source))


def live_name(source: str) -> str:
    """A short name for a live source, fit for a file name and without credentials.

    Where it lacks a part of the address, it ends with a hash of it, as the cameras of a recorder
    may differ in that part alone.

    Returns:
        1 to 64 letters, digits, ``.``, ``_`` and ``-``, such as ``camera-0`` or ``10.0.0.7-cam``.
    """
    index = camera(source)
    if index is not None:
        return f"camera-{index}"
    address, shown = _without_credentials(source), redacted(source)
    text = _STREAM.sub("", shown.replace("***@", ""), count=1)
    name = re.sub(r"[^\w.]+", "-", text.replace("***", ""), flags=re.ASCII).strip("-.")
    if shown == address and len(name) <= _LONGEST_NAME:
        return name or "stream"
    # Of other credentials, or none, it is the same camera.
    whole = address.replace("***@", "").encode(errors="backslashreplace")
    begin = name[: _LONGEST_NAME - _HASH_DIGITS - 1].strip("-.") or "stream"
    return f"{begin}-{sha256(whole).hexdigest()[:_HASH_DIGITS]}"
