"""A training under a button: its steps are counted, it can be stopped, its outcome is drawn."""

import asyncio
import threading
import time

import convert
import matplotlib.pyplot as plt
import pytest

from entreg_utils import figures, live, sliders
from entreg_utils.live import Progress, Stopped, Trainer

STEPS = 40


def draw(found, rate):
    assert threading.current_thread() is threading.main_thread()  # pyplot is not for threads
    return plt.figure(figsize=(1, 1)), f"rate {rate:g}: {found or 'not trained'}"


def learn(progress, rate):
    """Two seconds, unless it is stopped."""
    try:
        for step in range(1, STEPS + 1):
            time.sleep(0.05)
            progress(step, STEPS, rate / step)
    except Stopped:
        return f"stopped at {progress.done}"
    return f"{progress.done} steps"


def made(train=learn, limit=60.0):
    rate = sliders.FloatSlider(value=1, min=0, max=2, description="rate")
    return Trainer(train, draw, limit=limit, rate=rate)


def test_nothing_is_trained_before_the_button_is_pressed_and_then_it_is_drawn():
    lab = made(lambda progress, rate: progress(3, 3, 0.5) or "three steps")
    assert "rate 1: not trained" in lab.view.value and lab.bar.value == 0
    lab.start.click()  # no loop runs here, so it waits
    assert "rate 1: three steps" in lab.view.value and lab.bar.value == 1
    assert lab.said.value.startswith("done: step 3 of 3") and "loss 0.50" in lab.said.value
    lab.controls["rate"].value = 2  # another value was not trained, and says so
    assert "rate 2: not trained" in lab.view.value
    lab.controls["rate"].value = 1
    assert "rate 1: three steps" in lab.view.value


def test_the_loop_is_free_while_it_trains_and_stop_ends_it_between_steps():
    lab = made()

    async def session():
        lab.start.click()
        while not lab.bar.value:  # the loop turns while the thread trains
            await asyncio.sleep(0.01)
        assert lab.controls["rate"].disabled and lab.bar.value < 1
        task = lab._task
        lab.start.click()  # a second press begins no second training
        assert lab._task is task
        lab.stop.click()
        await task

    asyncio.run(session())
    done = lab._progress.done
    assert 0 < done < STEPS and f"rate 1: stopped at {done}" in lab.view.value
    assert lab.said.value.startswith(f"stopped: step {done} of {STEPS}")
    assert not lab.controls["rate"].disabled


def test_it_stops_by_itself_when_its_time_is_up():
    lab = made(limit=0.2)
    lab.start.click()
    assert "stopped at" in lab.view.value and lab._progress.done < STEPS


def test_an_error_in_the_thread_is_said_and_the_controls_come_back():
    lab = made(lambda progress, rate: 1 / 0)
    lab.start.click()
    assert lab.said.value == "The training came to nothing: division by zero"
    assert "not trained" in lab.view.value and not lab.controls["rate"].disabled


def test_the_last_step_is_never_a_stop():
    progress = Progress(limit=0)
    progress.stop = True
    progress(2, 2, 0.1)
    with pytest.raises(Stopped, match="stopped after 1 of 2 steps"):
        progress(1, 2, 0.1)
    assert (progress.done, progress.total, progress.loss) == (1, 2, 0.1)


@plt.rc_context()  # the notebook sets matplotlib's defaults; they end with the test
def test_the_cue_lab_trains_the_world_of_its_sliders_and_says_what_it_trained(
    monkeypatch, one_thread
):
    cells = convert.read(convert.HERE / "src" / "01_wsol_preliminaries.py").cells
    cells = [cell.source for cell in cells if cell.cell_type == "code"]
    begin = next(i for i, cell in enumerate(cells) if "entreg_utils.live" in cell)
    end = next(i for i, cell in enumerate(cells) if "\nTrainer(" in cell)
    made, names = [], {}
    monkeypatch.setattr(live, "Trainer", lambda *a, **k: made.append(Trainer(*a, **k)))
    for cell in (cells[0], *cells[begin : end + 1]):
        exec(cell, names)
    (lab,) = made
    knobs = {"part": 0.5, "body": 1.0, "context": 0.3}
    for cue, value in knobs.items():
        lab.controls[cue].value = value
    assert "Your world (mark 0.50, body 1.00, habitat 0.30): not trained" in lab.view.value
    progress = Progress()
    progress.stop = True
    found = names["learn"](progress, **knobs)
    assert (progress.done, progress.total) == (1, 240) and found["map"].shape == (12, 12)
    figure, sentence = names["lab"](found, **knobs)
    assert "habitat 0.30), 1,000 images, 0.1 of 12 epochs in" in sentence
    bars = [patch.get_width() for axes in figure.axes for patch in axes.patches]
    assert bars[3:] == [found[f"reliance_{cue}"] for cue in knobs] != bars[:3]
    assert len(figures.png(figure)) > 10_000
