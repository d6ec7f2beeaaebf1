"""The files that watching fills: scores, clips, pictures, the overlay video, what is seen now."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

from mnad.events.event import Event
from mnad.events.record import Recorder, with_files
from mnad.models.folder import Model
from mnad.reports.overlay import Overlay
from mnad.reports.pictures import embedded
from mnad.stream import FrameScore
from mnad.video.segments import SegmentedVideo
from mnad.video.sink import VideoSink
from mnad.video.source import FOLDER_RATE, Frame
from mnad.watch.now import Now
from mnad.watch.options import WatchOptions
from mnad.watch.pairs import Pair
from mnad.watch.picture import Painter, Picture
from mnad.watch.table import DailyTable, open_table, row_of


class Results:
    """What is written of every frame and of every event.

    Args:
        out: folder for it; it is there.
        name: of the source, without credentials.
        rate: frames per second of the source; None is taken as 25.
        options: what to write.
        started_at: wall-clock time of second 0 of a live source; None for a file.
        recorded: whether events are to have clips, if the options want any.
        model: what scores the frames.

    Raises:
        MnadError: the folder cannot be written.
    """

    def __init__(
        self,
        out: Path,
        name: str,
        rate: Fraction | None,
        options: WatchOptions,
        started_at: datetime | None,
        recorded: bool,
        model: Model,
    ) -> None:
        self._out, self._shown, self._started_at = out, rate or FOLDER_RATE, started_at
        self._options, live = options, started_at is not None
        self._table = open_table(out, started_at)
        # Scaled in its thread, new pictures keep no frame waiting when the report asks for them.
        self._recorder = (
            Recorder(out, self._shown, live=live, pictured=embedded)
            if recorded and options.clips
            else None
        )
        self._now = Now(out, name) if live and (options.clips or options.overlay) else None
        self._video: VideoSink | SegmentedVideo | None = None
        self.swap(model)

    def swap(self, model: Model) -> None:
        """Another model and threshold are drawn from now on."""
        self._painter = Painter(model, self._options.picture)
        self._overlay: Overlay | None = None

    def score(self, frame: Frame, scored: FrameScore, blinded: tuple[str, ...]) -> None:
        """Write down the score of a frame, and what blinds the camera meanwhile."""
        row = row_of(frame.index, float(frame.seconds), scored)
        if self._now is not None:
            self._now.follow(float(frame.seconds), scored.score)
        if isinstance(self._table, DailyTable):
            self._table.write(row, blinded)
        else:
            self._table.write(row)

    def picture(self, pair: Pair) -> Picture | None:
        """A frame as it is shown in clips and in the overlay video; None where there are neither.

        Live, the frames between those that are looked at are let go: of a camera of 25 frames per
        second and 1080 rows their pictures would take more than the scores do.
        """
        shown = self._options.overlay or self._recorder is not None
        if not shown or (pair.fitted is None and self._started_at is not None):
            return None
        return self._painter.paint(pair.frame, pair.latest, self._options.overlay)

    def record(
        self, events: tuple[Event, ...], picture: Picture | None, seconds: float
    ) -> tuple[Event, ...]:
        """Take in what is seen, and what is told at this second; the events name their files."""
        if self._recorder is None:
            return events
        events = tuple(with_files(event) for event in events)
        if events or picture is not None:
            self._recorder.push(picture, seconds, events)
        return events

    def draw(self, pair: Pair, picture: Picture | None, threshold: float | None) -> None:
        """Show a frame in the overlay video, and as what a camera sees now, where it is time to.

        Args:
            pair: the frame.
            picture: of it, if there is one.
            threshold: score from which on a frame is abnormal.
        """
        overlaid = self._options.overlay
        if picture is not None and overlaid:
            self._append(pair, picture, threshold)
        if self._now is None or pair.fitted is None or not self._now.due:
            return
        if picture is None or not overlaid:  # without the heat of normal frames
            picture = self._painter.paint(pair.frame, pair.latest, True)
        seconds = float(pair.frame.seconds)
        at = self._at(seconds)
        assert at is not None
        self._now.show(picture, pair.frame.index, seconds, at, pair.score, threshold)

    def _append(self, pair: Pair, picture: Picture, threshold: float | None) -> None:
        height, width = picture.shape[:2]
        if self._overlay is None or self._overlay.frame_size != (height, width):
            self._overlay = Overlay(height, width, threshold=threshold)
        if self._video is None:
            size = self._overlay.size
            self._video = (
                VideoSink(self._out / "overlay.mp4", self._shown, size)
                if self._started_at is None
                else SegmentedVideo(self._out / "overlay", self._shown, started_at=self._started_at)
            )
        seconds = float(pair.frame.seconds)
        at = self._at(seconds)
        drawn = self._overlay.draw(picture, pair.frame.index, seconds, pair.score, at=at)
        self._video.write(drawn, seconds)

    def _at(self, seconds: float) -> datetime | None:
        """The time of day of a live source, where the machine is."""
        if self._started_at is None:
            return None
        return (self._started_at + timedelta(seconds=seconds)).astimezone()

    def end_clips(self) -> None:
        """The stream is lost: clips end with what there is, and nothing is shown as now."""
        if self._now is not None:
            self._now.none()
        if self._recorder is not None:
            self._recorder.lost()

    def set_clock(self, started_at: datetime) -> None:
        """What comes now is dated from another second 0."""
        self._started_at = started_at
        if isinstance(self._table, DailyTable):
            self._table.started_at = started_at
        if isinstance(self._video, SegmentedVideo):
            self._video.started_at = started_at

    def close(self) -> None:
        """End all files.

        Raises:
            MnadError: one of a file's results could not be written to its end.
        """
        with ExitStack() as stack:
            # Each by itself: an overlay for which there is no room must not take the scores along.
            stack.callback(self._table.close)
            if self._now is not None:
                stack.callback(self._now.none)
            if self._video is not None:
                stack.callback(self._video.close)
            if self._recorder is not None:
                stack.callback(self._recorder.close)

    def lost(self) -> list[str]:
        """What could not be written, for people; meanwhile it went on."""
        lost: list[str] = []
        if isinstance(self._table, DailyTable) and not self._table.whole:
            lost.append("some of the scores")
        if self._recorder is not None and self._recorder.failed:
            lost.append(f"clips or pictures ({len(self._recorder.failed)})")
        if isinstance(self._video, SegmentedVideo) and self._video.lost:
            lost.append(f"segments of the overlay video ({self._video.lost})")
        return lost
