"""Training under the reader's hand: an explorer with a button that trains, a bar, and one that
stops it.

The training has a thread of its own; widgets are touched and figures drawn on the kernel's loop
alone, which stays free, so that the stop button is heard between any two steps.
"""

import asyncio
import math
import time
from collections.abc import Callable

import ipywidgets

from entreg_utils.widgets import Explorer

POLL = 0.1  # seconds between two looks at how far the training is


class Stopped(Exception):
    """Leaves a training that was stopped, or has used up its time."""


class Progress:
    """How far a training is: called after each step, as ``after_step`` of ``training.fit``.

    Attributes:
        done, total: steps.  loss: a recent one, NaN before the first.
        seconds: since the button was pressed, up to the last step.
        stop: whether the training is to end at its next step.
    """

    def __init__(self, limit: float = math.inf):
        self.done = self.total = 0
        self.loss, self.seconds, self.stop = math.nan, 0.0, False
        self._limit, self._begun = limit, time.monotonic()

    def __call__(self, done: int, total: int, loss: float = math.nan) -> None:
        """Note it; raise :class:`Stopped` where the training is to end before its last step."""
        self.done, self.total, self.loss = done, total, loss
        self.seconds = time.monotonic() - self._begun
        self.stop |= done < total and self.seconds > self._limit
        if done < total and self.stop:
            raise Stopped(f"stopped after {done} of {total} steps")

    def __str__(self) -> str:
        loss = "" if math.isnan(self.loss) else f", loss {self.loss:.2f}"
        return f"step {self.done} of {self.total}, {self.seconds:.1f} s{loss}"


class Trainer(Explorer):
    """Controls, buttons to train and to stop, and the picture of what was trained for these values.

    Nothing is trained before the button is pressed.

    Args:
        train: called in a thread as ``train(progress, **values)``, ``progress`` being a
            :class:`Progress` to be called after each step. It may catch :class:`Stopped` and give
            what came out so far.
        draw: called as ``draw(result, **values)`` with what ``train`` gave for these values, None
            where it was not asked yet; gives ``(Figure, sentence)``.
        limit: seconds after which the training is stopped.
        controls: as of an explorer.

    Attributes:
        start, stop: the buttons.  bar: how far it is.  said: a line on what the training does.
    """

    def __init__(self, train: Callable, draw: Callable, limit: float = 8.5, **controls):
        self._train, self._limit, self._found, self._task = train, limit, {}, None
        self._progress = Progress()
        super().__init__(lambda **v: draw(self._found.get((*v.values(),)), **v), **controls)
        self.start = ipywidgets.Button(description="Train", icon="play")
        self.stop = ipywidgets.Button(description="Stop", icon="stop")
        self.bar = ipywidgets.FloatProgress(max=1, layout={"width": "12em"})
        self.said = ipywidgets.Label("nothing trained yet")
        self.start.on_click(self._begin)
        self.stop.on_click(lambda _: setattr(self._progress, "stop", True))
        buttons = [self.start, self.stop, self.bar, self.said]
        controls, view = self.children
        row = ipywidgets.HBox(buttons, layout={"flex_flow": "row wrap"})
        self.children = [controls, row, view]

    def _begin(self, _=None) -> None:
        if self._task is not None and not self._task.done():
            return  # one at a time
        try:
            self._task = asyncio.get_running_loop().create_task(self._run())
        except RuntimeError:  # no loop, as in a script: here and now
            asyncio.run(self._run())

    async def _run(self) -> None:
        """Train in a thread, look at it now and then, and draw what came out."""
        values = self._values()
        knobs = dict(zip(self.controls, values, strict=True))
        self._progress = progress = Progress(self._limit)
        self._lock(True)
        try:
            work = asyncio.ensure_future(asyncio.to_thread(self._train, progress, **knobs))
            while not (await asyncio.wait({work}, timeout=POLL))[0]:
                trained = progress.stop or progress.done == progress.total
                self._tell(progress, "measuring: " if trained else "")
            self._found[values] = work.result()
            self._tell(progress, "stopped: " if progress.done < progress.total else "done: ")
        except Exception as error:  # of a thread it would be lost
            self.said.value = f"The training came to nothing: {error}"
        finally:
            self._lock(False)
        self._state.cache_clear()
        self.redraw()

    def _tell(self, progress: Progress, how: str = "") -> None:
        self.bar.value = progress.done / max(progress.total, 1)
        self.said.value = f"{how}{progress}" if progress.total else "painting the images"

    def _lock(self, busy: bool) -> None:
        for control in self.controls.values():  # picture and controls stay those of one world
            control.disabled = busy
