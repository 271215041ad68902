"""What stops a training: numbers that are none as an accelerator sees them, and memory."""

import math

import pytest
import torch
from torch import nn

from entreg_utils.training import Best, TrainingError
from entreg_utils.training.guard import Guard, enough_memory


def test_an_accelerator_looks_seldom_and_names_the_step_where_it_began(monkeypatch):
    """The guard as on an accelerator, where a bad target or logit gives a NaN and no exception."""
    device = torch.device("cuda")
    guard = Guard(1, 60, device, None)
    good, bad = torch.zeros(2, 3), torch.tensor([[0.0, math.nan, 0.0]] * 2)
    target = torch.tensor([0, 1])
    with pytest.raises(TrainingError) as caught:
        for step in range(1, 61):
            logits = bad if step >= 31 else good
            with guard.step(step / 1000, logits, target):
                guard.look(torch.tensor(math.nan if step >= 31 else 1.0))
    assert len(guard.losses) == 50  # looked at steps 25 and 50
    sentence = "training stopped at step 91 (epoch 2, learning rate 0.031): the logit of row 0, cl"
    assert str(caught.value).startswith(sentence)


def test_an_accelerator_gets_the_sentence_about_a_label_too():
    guard = Guard(0, 1, torch.device("cuda"), None)
    with pytest.raises(ValueError, match="label 3 of row 1 is outside 0..2"):
        with guard.step(0.1, torch.zeros(2, 3), torch.tensor([0, 3])):
            guard.look(torch.tensor(math.nan))
    guard = Guard(0, 1, torch.device("cuda"), None)
    with pytest.raises(TrainingError, match="step 1 .*the loss is not finite"):
        with guard.step(0.1, torch.zeros(2, 3), torch.tensor([0, 1])):
            guard.look(torch.tensor(math.inf))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
    ],
)
def test_memory_is_one_sentence_with_a_way_out(error):
    with pytest.raises(TrainingError, match="too little memory for a step: .*; epoch 2 is kept"):
        with enough_memory("a step", "epoch 2 is kept in x"):
            raise error


def test_other_errors_pass_as_they_are():
    with pytest.raises(RuntimeError, match="shapes differ") as caught:
        with enough_memory("a step"):
            raise RuntimeError("shapes differ")
    assert not isinstance(caught.value, TrainingError)


def test_the_best_is_the_earliest_of_the_largest_and_never_nan():
    best, model = Best("score"), nn.Linear(1, 1)
    for epoch, score in enumerate((math.nan, 0.3, 0.1, 0.3, 0.2), 1):
        with torch.no_grad():
            model.weight.fill_(epoch)
        best.see({"epoch": epoch, "score": score}, model)
    assert (best.epoch, best.score) == (2, 0.3)
    assert best.weights["weight"].item() == 2  # training went on; the copy did not
