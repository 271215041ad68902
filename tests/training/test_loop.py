"""The loop: what a step does, how it resumes with every method, and how it stops."""

import errno
import io
import math
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from entreg_utils import data, models
from entreg_utils.erasing import METHODS, Erasing, preset
from entreg_utils.files import StorageError, read_checked, write_checked
from entreg_utils.training import Best, Recipe, TrainingError, fit, loop
from entreg_utils.training.guard import unpack


class Colours:
    """Twelve 4x4 images whose label is their brightest channel; what a data set has to have."""

    def __init__(self, count=12):
        generator = torch.Generator().manual_seed(3)
        self.labels = torch.arange(count) % 3
        noise = torch.randint(0, 60, (count, 3, 4, 4), generator=generator)
        noise[torch.arange(count), self.labels] += 150
        self.images = noise.to(torch.uint8)

    def __len__(self):
        return len(self.labels)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.norm = nn.BatchNorm2d(3)
        self.head = nn.Linear(3, 3)
        with torch.no_grad():
            self.head.weight.copy_(torch.randn(3, 3, generator=generator))
            self.head.bias.zero_()

    def forward(self, images):
        return self.head(self.norm(images).mean((2, 3)))


RECIPE = Recipe("kl_uniform", 0.5, epochs=4, batch_size=4, learning_rate=0.05)


def bits(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def one_cycle(recipe, total, step):
    """Learning rate and momentum after ``step`` steps, from PyTorch's scheduler itself."""
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], recipe.learning_rate, recipe.momentum)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total)
    for _ in range(step):
        optimizer.step()
        scheduler.step()
    return optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]


# ---- what is trained


def test_one_step_by_hand():
    # Nesterov's first step: w -= rate (1 + momentum) g.
    data, model = Colours(3), Net()
    recipe = Recipe(epochs=1, batch_size=3, learning_rate=0.1, weight_decay=0.0, flip=False)
    by_hand = Net().train()
    loss = nn.functional.cross_entropy(by_hand(data.images / 255), data.labels)
    (gradient,) = torch.autograd.grad(loss, by_hand.head.weight)
    before = model.head.weight.detach().clone()
    history = fit(model, data, recipe)
    assert history == [{"epoch": 1, "loss": pytest.approx(loss.item(), rel=1e-5)}]
    rate, momentum = one_cycle(recipe, 1, 0)
    expected = before - rate * (1 + momentum) * gradient
    torch.testing.assert_close(model.head.weight.detach(), expected, rtol=1e-5, atol=1e-7)


def test_rows_join_what_after_epoch_measures():
    calls, shown = [], []

    def after_epoch(epoch, model):
        calls.append(epoch)
        return {"bias": model.head.bias.sum().item()}

    steps = []
    history = fit(
        *(Net(), Colours(), RECIPE, None, 0, after_epoch, None, shown.append),
        after_step=lambda *told: steps.append(told),
    )
    assert calls == [1, 2, 3, 4] == [row["epoch"] for row in history]
    assert shown == history and set(history[0]) == {"epoch", "loss", "bias"}
    count = len(steps) // 4  # of an epoch
    assert [told[:2] for told in steps] == [(i + 1, 4 * count) for i in range(4 * count)]
    first = [loss for _, _, loss in steps[:count]]
    assert history[0]["loss"] == pytest.approx(sum(first) / count, rel=1e-6)


# ---- resumed


def finished(path):
    fit(Net(), Colours(), RECIPE, checkpoint=path)
    return path


def test_numbers_of_numpy_and_torch_do_not_stop_a_resumption(tmp_path):
    def after_epoch(epoch, model):
        return {"mean": np.float32(0.5) * epoch, "maps": np.ones((1, 2)), "bias": torch.ones(())}

    path = tmp_path / "partial"
    fit(Net(), Colours(), replace(RECIPE, epochs=4), after_epoch=after_epoch, checkpoint=path)
    seen = []
    history = fit(Net(), Colours(), RECIPE, checkpoint=path, progress=seen.append)
    assert not seen and history[1]["mean"] == 1.0 and history[1]["maps"] == [[1.0, 1.0]]


def own_penalty(logits):
    return logits.pow(2).mean(1)


OTHER = "belongs to another recipe, model or training data"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [("byte", "is damaged"), ("cut", "is damaged")]
    + [(spoil, "is not a checkpoint") for spoil in ("foreign", "object")]
    + [(spoil, OTHER) for spoil in ("recipe", "function", "count", "pixels", "model", "old")],
)
def test_an_unusable_checkpoint_is_set_aside_and_nothing_of_it_is_read(tmp_path, spoil, sentence):
    path = finished(tmp_path / "partial")
    data, recipe = Colours(14 if spoil == "count" else 12), RECIPE
    raw, state = path.read_bytes(), unpack(read_checked(path), path)
    if spoil == "byte":
        path.write_bytes(raw[:500] + bytes([raw[500] ^ 1]) + raw[501:])
    elif spoil == "cut":
        path.write_bytes(raw[:-7])
    elif spoil == "foreign":
        write_checked(path, b"hello")
    elif spoil == "object":  # a checkpoint is data and never code
        save(path, {"model": Net()})
    elif spoil == "recipe":
        recipe = replace(RECIPE, strength=0.6)
    elif spoil == "function":
        recipe = replace(RECIPE, regularizer=own_penalty)
    elif spoil == "pixels":
        data.images = data.images.flip(3)
    elif spoil == "model":  # fits; the rest is missing
        save(path, state | {"model": {"norm.weight": torch.full((3,), 7.0)}})
    elif spoil == "old":
        save(path, {name: value for name, value in state.items() if name != "recipe"})
    spoilt = path.read_bytes()
    model, whole = Net(), Net()
    expected = fit(whole, data, recipe)
    with pytest.warns(UserWarning, match=f"training starts anew: .*{sentence}.*damaged") as caught:
        history = fit(model, data, recipe, checkpoint=path)
    assert len(caught) == 1 and history == expected and equal(bits(whole), bits(model))
    assert (tmp_path / "partial.damaged").read_bytes() == spoilt
    assert unpack(read_checked(path), path)["recipe"]["strength"] == recipe.strength


def save(path, state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_checked(path, buffer.getvalue())


def test_a_full_disk_stops_with_the_last_whole_epoch_kept(tmp_path, monkeypatch):
    path, plain = tmp_path / "partial", os.fsync

    def no_room(handle):
        if epochs[-1] == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain(handle)

    epochs = []
    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(StorageError, match="no room for partial"):
        count = lambda epoch, _: epochs.append(epoch) or {}  # noqa: E731
        fit(Net(), Colours(), RECIPE, after_epoch=count, checkpoint=path)
    monkeypatch.undo()
    assert len(unpack(read_checked(path), path)["history"]) == 2
    whole, resumed = Net(), Net()
    fit(whole, Colours(), RECIPE)
    fit(resumed, Colours(), RECIPE, checkpoint=path)
    assert equal(bits(whole), bits(resumed))


# ---- stopped by a number that is not one


def poison_at(monkeypatch, step, poison):
    """Apply ``poison(logits, target)`` in the given step, counted from 1."""
    plain, count = loop.regularised_loss, []

    def poisoned(logits, target, recipe):
        count.append(1)
        if len(count) == step:
            poison(logits, target)
        return plain(logits, target, recipe)

    monkeypatch.setattr(loop, "regularised_loss", poisoned)


def set_nan(logits, _):
    logits.data[2, 1] = math.nan


def test_nan_logits_stop_with_step_rate_and_the_kept_checkpoint(tmp_path, monkeypatch):
    poison_at(monkeypatch, 8, set_nan)
    rate, _ = one_cycle(RECIPE, 12, 7)
    path = tmp_path / "partial"
    with pytest.raises(TrainingError) as caught:
        fit(Net(), Colours(), RECIPE, checkpoint=path)
    sentence = str(caught.value)
    start = f"training stopped at step 8 (epoch 3, learning rate {rate:.3g}): "
    assert sentence.startswith(start + "the logit of row 2, class 1 is nan: the model has diverged")
    assert sentence.endswith(f"; epoch 2 is kept in {path}")
    assert len(unpack(read_checked(path), path)["history"]) == 2


def test_what_is_kept_is_said_as_it_is(monkeypatch):
    poison_at(monkeypatch, 2, set_nan)
    with pytest.raises(TrainingError, match="step 2 .*no epoch was finished, so there is nothing"):
        fit(Net(), Colours(), RECIPE)
    monkeypatch.undo()
    poison_at(monkeypatch, 4, set_nan)
    with pytest.raises(TrainingError, match="step 4 .*1 epochs were finished, none was kept"):
        fit(Net(), Colours(), RECIPE)


def test_a_huge_learning_rate_diverges_in_one_sentence():
    with pytest.raises(TrainingError, match=r"training stopped at step \d+ .* lower the learning"):
        fit(Net(), Colours(), replace(RECIPE, learning_rate=1e38))


def test_weights_that_the_last_step_spoilt_do_not_become_a_checkpoint(tmp_path, monkeypatch):
    # One step an epoch: its loss is finite, what the step makes of the weights is not.
    plain = loop.regularised_loss
    monkeypatch.setattr(loop, "regularised_loss", lambda *a: 1e30 * plain(*a))
    recipe = replace(RECIPE, batch_size=12, epochs=1, learning_rate=1e30)
    with pytest.raises(TrainingError, match="step 1 .*it left weights that are not finite"):
        fit(Net(), Colours(), recipe, checkpoint=tmp_path / "partial")
    assert not list(tmp_path.iterdir())


# ---- refused before it starts


def test_a_label_without_a_class_is_named_before_the_first_step():
    data, model = Colours(), Net()
    data.labels[7] = 3
    before = bits(model)
    with pytest.raises(ValueError, match="label 3 of training image 7 is outside 0..2: renumber"):
        fit(model, data, RECIPE)
    assert equal(before, bits(model))


# ---- every method, loss and way to train


@pytest.fixture(scope="module")
def world():
    return data.load("toy", "train", num_images=24, image_size=32, cache=False)


def toy():
    torch.manual_seed(0)
    return models.build("toy", 8, width=4)


SHORT = Recipe(epochs=3, batch_size=8, learning_rate=0.05)


def steps_of(recipe, world, erasing=None):
    model = toy()
    history = fit(model, world, recipe, erasing)
    return bits(model), [row["loss"] for row in history]


def interrupt(row):
    if row["epoch"] == 2:
        raise KeyboardInterrupt


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_run_equals_an_unbroken_one_with_every_method(method, world, tmp_path):
    """ADL and RDAP draw in each forward pass: the draws of epoch 2 must not depend on epoch 1."""
    erasing = preset(method, "toy", "toy")
    expected, losses_ = steps_of(SHORT, world, erasing)
    with pytest.raises(KeyboardInterrupt):
        fit(toy(), world, SHORT, erasing, checkpoint=tmp_path / "partial", progress=interrupt)
    model = toy()
    history = fit(model, world, SHORT, erasing, checkpoint=tmp_path / "partial")
    assert equal(expected, bits(model)) and [row["loss"] for row in history] == losses_
    plain, _ = steps_of(SHORT, world)
    assert equal(plain, expected) == (method == "cam")


def test_erasing_ends_with_training_and_a_point_that_is_missing_is_named(world):
    model = toy()
    fit(model, world, replace(SHORT, epochs=1), preset("adl", "toy", "toy"))
    assert not any(module._forward_hooks for module in model.modules())
    wrong = Erasing("adl", gamma=0.9, rate=0.5, points=("stage4.0",))
    with pytest.raises(ValueError, match="cannot go behind 'stage4.0'.*stage1, last"):
        fit(model, world, SHORT, wrong)


def test_a_gradient_is_clipped_to_its_length(world):
    """One step of plain SGD moves all weights together by rate times the clipped length."""
    plain = {"schedule": "cosine", "momentum": 0.0, "weight_decay": 0.0, "learning_rate": 0.5}
    recipe = Recipe(epochs=1, batch_size=24, grad_clip=0.01, **plain)
    before, model = toy(), toy()
    fit(model, world, recipe)
    moved = [
        (a - b).flatten() for a, b in zip(model.parameters(), before.parameters(), strict=True)
    ]
    assert torch.cat(moved).norm().item() == pytest.approx(0.5 * 0.01, rel=1e-3)


def test_half_precision_trains_the_same_network_a_little_otherwise(world):
    full, first = steps_of(SHORT, world)
    half, second = steps_of(replace(SHORT, precision="bf16"), world)
    assert second == pytest.approx(first, rel=0.05) and second != first
    assert all(value.dtype == full[name].dtype for name, value in half.items())


def test_compiled_networks_erase_what_is_theirs_whatever_was_compiled_before(world, monkeypatch):
    """Graphs are taken by the real compiler; only the code that it would write is left out."""
    plain_compile = torch.compile
    monkeypatch.setattr(torch, "compile", lambda m: plain_compile(m, backend="eager"))
    seen = {}
    for method in ("cam", "adl", "rdap", "has", "cam"):
        erasing = preset(method, "toy", "toy")
        _, seen[method] = steps_of(SHORT, world, erasing)
        state, compiled = steps_of(replace(SHORT, compile=True), world, erasing)
        assert compiled == pytest.approx(seen[method], rel=1e-5)
        assert list(state) == list(toy().state_dict())  # no prefix of a compiled module
    assert abs(seen["adl"][-1] - seen["cam"][-1]) > 1e-3 < abs(seen["rdap"][-1] - seen["cam"][-1])


def test_several_classes_an_image_by_softmax_and_by_sigmoid(several, tmp_path):
    for kind in ("softmax", "sigmoid"):
        for method in ("cam", "has", "cutmix", "adl"):
            recipe = replace(RECIPE, multilabel=kind, epochs=8)
            torch.manual_seed(0)
            model = models.build("toy", 4, width=4)
            history = fit(model, several, recipe, preset(method, "toy", "toy"))
            assert history[-1]["loss"] < history[0]["loss"]


def test_the_best_epoch_is_kept_and_survives_a_kill(world, tmp_path):
    scores, weights = {1: 0.2, 2: 0.7, 3: 0.7}, {}

    def after_epoch(epoch, model):
        weights[epoch] = bits(model)
        return {"score": scores[epoch]}

    path = tmp_path / "partial"
    keep = {"after_epoch": after_epoch, "checkpoint": path}
    with pytest.raises(KeyboardInterrupt):
        fit(toy(), world, SHORT, progress=interrupt, best=Best("score"), **keep)
    best, model = Best("score"), toy()
    fit(model, world, SHORT, best=best, **keep)
    assert (best.epoch, best.score) == (2, 0.7)  # the earlier of equals
    assert equal(best.weights, weights[2]) and not equal(best.weights, bits(model))
    with pytest.warns(UserWarning, match="belongs to another recipe"):
        other = {"after_epoch": lambda e, m: {"other": 0.0}, "best": Best("other")}
        fit(toy(), world, SHORT, checkpoint=path, **other)


def test_no_memory_is_one_sentence_that_names_the_knobs(world, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(loop, "regularised_loss", full)
    sentence = "too little memory for a training step: lower batch_size, crop.*precision='bf16'"
    with pytest.raises(TrainingError, match=sentence):
        fit(toy(), world, SHORT)
