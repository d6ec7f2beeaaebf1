"""Whether something is wrong with the camera itself: covered, frozen, blurred, moved, relit.

Each state compares the mean picture of the last seconds with the learnt view, whose own spread
sets the limits. They are wide: while a state is on, anomalies are held back (but for another light
that is undone), so a false one costs more than a late one. Where two would fit, the first of
covered, moved, out of focus and lighting is reported, because the later ones cannot be judged then.
"""

from __future__ import annotations

from math import isclose

import numpy as np
from numpy.typing import NDArray

from mnad.camera.change import Change
from mnad.camera.likeness import Aligner, Background, Likeness, Shift
from mnad.camera.sight import Glance, Running, Stillness, glance, stride
from mnad.camera.view import View

HOLD = {"covered": 2.0, "moved": 2.0, "out of focus": 2.0, "lighting": 10.0, "frozen": 2.5}
"""Seconds that a state must last before it is reported, and be gone before its end is; frozen is
reported at once, for it has lasted by then."""

SAME, STOOD = 5.0, 15.0
"""Seconds after which a picture that repeats exactly, or but for noise, is frozen; or three times
what the normal footage has shown of it, if that is more."""

AGAIN = 0.5
"""Likewise: a picture that was frozen and has changed is not free if it stands still again for so
long. What freezes again within two seconds was never free."""

_Verdict = bool | None
"""Whether it is so; None if that cannot be judged."""


class Health:
    """Watches one camera.

    Args:
        view: what it normally shows. If its footage was so restless or so empty that no edges
            stand still in it, only freezing and lighting are judged.
        rate: frames per second; about 5 in a second are looked at.
        reach: seconds of frames that a score rests on. So long after a picture was frozen whatever
            moved meanwhile has leapt.
    """

    def __init__(self, view: View, rate: float, reach: float = 0.0) -> None:
        self._view, self._reach = view, reach
        self._stride = stride(rate)
        self._count = 0
        self._running, self._stillness = Running(), Stillness()
        self._background = Background(view.picture)
        self._aligner = Aligner(view.picture.edges)
        self._states = {what: _State(what, hold, hold) for what, hold in HOLD.items()}
        self._states["frozen"] = _State("frozen", 0.0, max(HOLD["frozen"], reach))

    def watches(self, view: View, rate: float, reach: float = 0.0) -> bool:
        """Whether it is this view that it watches, and at this rate, as far as that matters."""
        own, other = self._view.as_arrays(), view.as_arrays()
        # A grey camera has no colour: NaN.
        same = all(np.array_equal(own[name], other[name], equal_nan=True) for name in own)
        return same and self._stride == stride(rate) and isclose(self._reach, reach, rel_tol=0.1)

    @property
    def ill(self) -> tuple[str, ...]:
        """The states that are on."""
        return tuple(state.what for state in self._states.values() if state.on)

    def push(self, pixels: NDArray[np.uint8], seconds: float) -> tuple[Change, ...]:
        """Take in the next frame.

        Args:
            pixels: (H, W, C) uint8, C = 1 or 3 (RGB); of any size.
            seconds: since the start of the source, never falling.

        Returns:
            What began or ended with this frame, mostly nothing.
        """
        turn, skipped = divmod(self._count, self._stride)
        self._count += 1
        if skipped:
            return ()
        now = glance(pixels, self._view.size)
        mean = self._running.add(now, seconds)
        verdicts: dict[str, _Verdict] = {"frozen": self._frozen(now, seconds)}
        # Every second glance: the mean changes slowly, and this is what costs time.
        if turn % 2:
            verdicts = dict.fromkeys(self._states) | verdicts
            # A frozen picture is old: it says nothing about the camera's present.
            if not verdicts["frozen"]:
                verdicts |= self._judge(mean)
        changes = (self._states[what].update(found, seconds) for what, found in verdicts.items())
        return tuple(change for change in changes if change is not None)

    def _frozen(self, now: Glance, seconds: float) -> _Verdict:
        same, still = self._stillness.add(now.grey, seconds)
        if same >= max(SAME, 3 * self._view.same) or still >= max(STOOD, 3 * self._view.still):
            return True
        stands = same >= max(AGAIN, 3 * self._view.same)
        return None if stands and self._states["frozen"].on else False

    def _judge(self, mean: Glance) -> dict[str, _Verdict]:
        view, like = self._view, self._background.likeness(mean)
        verdicts: dict[str, _Verdict] = {}
        kept = like.match / max(view.middle.match, 1e-9)
        if view.middle.match >= 0.3:
            verdicts["covered"] = _covered(like, kept)
            if verdicts["covered"]:
                return verdicts
            # Far above any limit nothing can have moved, and the search is what costs.
            near = kept > 0.85
            verdicts["moved"] = not near and _moved(like, kept, self._aligner.find(mean.edges))
            if verdicts["moved"]:
                return verdicts
            verdicts["out of focus"] = _blurred(like, view)
            if verdicts["out of focus"]:
                return verdicts
        # With less of the learnt edges in sight something else hides the place.
        verdicts["lighting"] = kept > 0.4 and _relit(like, view)
        return verdicts


class _State:
    """Turns verdicts into changes."""

    def __init__(self, what: str, lasts: float, gone: float) -> None:
        self.what, self.on = what, False
        self._hold = {False: lasts, True: gone}
        self._since: float | None = None

    def update(self, verdict: _Verdict, seconds: float) -> Change | None:
        if verdict is None or verdict == self.on:
            self._since = None
            return None
        if self._since is None:
            self._since = seconds
        if seconds - self._since < self._hold[self.on]:
            return None
        self.on, self._since = verdict, None
        return Change(self.what, "start" if verdict else "end", seconds)


def _covered(like: Likeness, kept: float) -> bool:
    """Whether the picture is bare where the learnt one has detail."""
    empty = like.bare >= 0.65 or like.structure < 0.35
    return empty and kept < 0.5 and like.coarse < 0.7


def _moved(like: Likeness, kept: float, shift: Shift) -> bool:
    """Whether the picture has shifted or turned, or shows another place."""
    gain = shift.match - like.match
    # An absolute gain, too: of two poor matches the better one is no proof.
    if gain > 0.12 and gain > 0.25 * shift.match and shift.size > 0.008:
        return True
    return kept < 0.25 and (like.bare < 0.5 or like.coarse < 0.7)


def _blurred(like: Likeness, view: View) -> bool:
    return like.sharpness < 0.7 * view.low.sharpness


def _relit(like: Likeness, view: View) -> bool:
    """Whether the light has changed; the structure is known to be in place."""
    colour, usual = like.colour, view.picture.colour
    if usual > 8 and colour < 0.35 * view.low.colour:  # as by night or infrared
        return True
    if usual < 5 and colour > 12 + 3 * view.high.colour:  # as by day again
        return True
    if not view.low.brightness - 0.4 <= like.brightness <= view.high.brightness + 0.4:
        return True
    # Where parts have become bare, something hides them.
    hidden = like.bare > 0.4
    return not hidden and not view.low.contrast - 0.7 <= like.contrast <= view.high.contrast + 0.7
