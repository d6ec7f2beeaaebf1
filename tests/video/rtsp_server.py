"""An RTSP server for tests, run by the system's Python, which has the bindings of GStreamer.

    /usr/bin/python3 rtsp_server.py PORT [--rate 25] [--size 160x120] [--start N] [--login U:P]

It prints a line when it listens. The pictures are grey; their top half carries the number of the
frame, counted from N, as 16 black or white squares (8 x 2, lowest bit first).
"""

from __future__ import annotations

import argparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


class Factory(GstRtspServer.RTSPMediaFactory):
    def __init__(self, rate: int, size: tuple[int, int], start: int) -> None:
        super().__init__()
        self.rate, self.size, self.count = rate, size, start
        self.set_shared(True)

    def do_create_element(self, url):
        width, height = self.size
        return Gst.parse_launch(
            f"( appsrc name=source is-live=true format=time do-timestamp=false caps=video/x-raw,"
            f"format=GRAY8,width={width},height={height},framerate={self.rate}/1 ! videoconvert ! "
            "video/x-raw,format=I420 ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max="
            f"{self.rate} bitrate=400 threads=1 ! rtph264pay name=pay0 pt=96 config-interval=1 )"
        )

    def do_configure(self, media):
        source = media.get_element().get_by_name("source")
        began = GLib.get_monotonic_time()
        sent = 0

        def push():
            nonlocal sent
            due = (GLib.get_monotonic_time() - began) * self.rate // 1_000_000
            while sent <= due:
                buffer = Gst.Buffer.new_wrapped(self.picture())
                buffer.pts = sent * Gst.SECOND // self.rate
                buffer.duration = Gst.SECOND // self.rate
                if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return False
                sent += 1
                self.count += 1
            return True

        GLib.timeout_add(1000 // (4 * self.rate), push)

    def picture(self) -> bytes:
        width, height = self.size
        square_w, square_h = width // 8, height // 4
        rows = [
            b"".join(
                (b"\xeb" if self.count >> (8 * row + bit) & 1 else b"\x10") * square_w
                for bit in range(8)
            )
            for row in (0, 1)
        ]
        return rows[0] * square_h + rows[1] * square_h + b"\x80" * (width * (height - 2 * square_h))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("--rate", type=int, default=25)
    parser.add_argument("--size", default="160x120")
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--login")
    args = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=args.port)
    factory = Factory(args.rate, tuple(map(int, args.size.split("x"))), args.start)
    if args.login:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*args.login.split(":")), token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("user", "media.factory.access", True)
        permissions.add_permission_for_role("user", "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/cam", factory)
    if not server.attach(None):
        raise SystemExit(f"port {args.port} cannot be used")
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
