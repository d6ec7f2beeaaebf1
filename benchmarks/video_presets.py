"""What x264's presets cost: time, size, and distance to the original, of one clip.

    python benchmarks/video_presets.py CLIP

Processor time a frame, busy machine, 150 frames of the sample videos car-detection (768 x 432) and
bottle-detection (640 x 360): veryfast 20: 13.4 ms, 450 kB, 44.5 dB and 6.9 ms, 101 kB, 42.6 dB;
ultrafast 23: 4.2 ms, 541 kB, 44.0 dB and 2.3 ms, 196 kB, 42.7 dB.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from script import run

FRAMES = 150


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", help="a video file")
    with av.open(parser.parse_args().clip) as source:
        frames = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)][:FRAMES]
    for preset, crf in (("veryfast", 20), ("ultrafast", 20), ("ultrafast", 23)):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "clip.mp4"
            began = time.process_time()
            with av.open(str(file), "w") as container:
                options = {"crf": str(crf), "preset": preset}
                stream: VideoStream = container.add_stream("libx264", rate=25, options=options)
                stream.height, stream.width = frames[0].shape[:2]
                stream.pix_fmt = "yuv420p"
                for frame in frames:
                    container.mux(stream.encode(VideoFrame.from_ndarray(frame, "rgb24")))
                container.mux(stream.encode(None))
            spent = 1e3 * (time.process_time() - began) / len(frames)
            with av.open(str(file)) as coded:
                again = [frame.to_ndarray(format="rgb24") for frame in coded.decode(video=0)]
            error = np.mean(
                [np.square(a - b.astype(float)).mean() for a, b in zip(again, frames, strict=True)]
            )
            print(
                f"{preset} {crf}: {spent:.1f} ms, {file.stat().st_size // 1000} kB, "
                f"{10 * np.log10(255**2 / error):.1f} dB"
            )


if __name__ == "__main__":
    run(main)
