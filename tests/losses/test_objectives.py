"""The objective: identities, targets of each kind, autocast, refusals on the CPU and elsewhere."""

import math
import sys

import numpy as np
import pytest
import torch

from entreg_utils import losses
from entreg_utils.losses import divergences

LOG2 = math.log(2)
# softmax rows: (1/2, 1/4, 1/4) and (1/4, 1/4, 1/2)
LOGITS = torch.tensor([[LOG2, 0.0, 0.0], [0.0, 0.0, LOG2]], dtype=torch.float64)
STRENGTH = 0.3


def batch(rows=6, classes=7):
    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (rows,), generator=generator)
    soft = torch.rand(rows, classes, generator=generator, dtype=torch.float64)
    return logits, labels, soft / soft.sum(1, keepdim=True)


def value_and_gradient(logits, target, *arguments):
    logits = logits.clone().requires_grad_()
    value = losses.objective(logits, target, *arguments)
    return value.detach(), torch.autograd.grad(value, logits)[0]


# ---- cross-entropy


def test_cross_entropy_of_indices_by_hand():
    assert losses.cross_entropy(LOGITS, torch.tensor([0, 1])).tolist() == pytest.approx(
        [LOG2, 2 * LOG2]
    )
    assert losses.cross_entropy(LOGITS, torch.tensor([0, 1], dtype=torch.uint8)).shape == (2,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
def test_cross_entropy_of_multi_hot_targets_by_hand(dtype):
    hot = torch.tensor([[1, 1, 1], [0, 0, 1]]).to(dtype)
    # the three ones become thirds: (log 2 + 2 log 4)/3
    assert losses.cross_entropy(LOGITS, hot).tolist() == pytest.approx([5 / 3 * LOG2, LOG2])


def test_cross_entropy_is_pytorchs():
    logits, labels, soft = batch()
    for target in (labels, soft):
        expected = torch.nn.functional.cross_entropy(logits, target, reduction="none")
        torch.testing.assert_close(losses.cross_entropy(logits, target), expected)


# ---- objective


def test_objective_by_hand():
    target = torch.tensor([0, 1])
    ce, uniform, entropy = 1.5 * LOG2, 5 / 3 * LOG2, 1.5 * LOG2  # means over both rows
    log3 = math.log(3)
    expected = {
        "none": ce,
        "label_smoothing": 0.7 * ce + 0.3 * uniform,
        "confidence_penalty": ce - 0.3 * entropy,
        "kl_uniform": ce + 0.3 * (uniform - log3),
        "jeffreys": ce + 0.3 * (uniform - entropy),
    }
    for name, value in expected.items():
        assert losses.objective(LOGITS, target, name, 0.3).item() == pytest.approx(value)
    jsd = losses.objective(LOGITS, target, "jsd", 0.3).item()
    assert jsd == pytest.approx(ce + 0.3 * losses.jsd(LOGITS[:1]).item())


def test_objective_defaults_to_er_with_a_tenth():
    target = torch.tensor([0, 1])
    expected = losses.objective(LOGITS, target, "kl_uniform", 0.1)
    assert losses.objective(LOGITS, target).item() == expected.item()
    for tenth in (np.float64(0.1), np.array(0.1)):
        logits = LOGITS.clone().requires_grad_()
        value = losses.objective(logits, target, "kl_uniform", tenth)
        assert value.item() == expected.item() and value.requires_grad


@pytest.mark.parametrize("kind", ["labels", "soft", "multi_hot"])
@pytest.mark.parametrize("name", list(losses.REGULARIZERS))
def test_objective_gradients_are_the_closed_forms(name, kind):
    logits, labels, soft = batch()
    classes = logits.shape[1]
    t = torch.nn.functional.one_hot(labels, classes).double()
    target = labels
    if kind == "soft":
        target = t = soft
    elif kind == "multi_hot":
        target = ((t + t.roll(2, 1)) > 0).long()
        t = target.double() / 2
    p = logits.softmax(1)
    m = (p + 1 / classes) / 2
    to_uniform = p * (p.log() - (p * p.log()).sum(1, keepdim=True))
    to_middle = 0.5 * p * ((p / m).log() - (p * (p / m).log()).sum(1, keepdim=True))
    pull = {
        "none": 0 * p,
        "label_smoothing": t - 1 / classes,
        "confidence_penalty": to_uniform,
        "kl_uniform": p - 1 / classes,
        "jeffreys": p - 1 / classes + to_uniform,
        "jsd": to_middle,
    }[name]
    expected = (p - t + STRENGTH * pull) / len(logits)
    _, slope = value_and_gradient(logits, target, name, STRENGTH)
    torch.testing.assert_close(slope, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("lam", [1e-4, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("kind", ["labels", "soft"])
def test_er_is_label_smoothing(lam, kind):
    logits, labels, soft = batch()
    target = labels if kind == "labels" else soft
    er, er_slope = value_and_gradient(logits, target, "kl_uniform", lam)
    epsilon = losses.epsilon_from_lambda(lam, 7)
    ls, ls_slope = value_and_gradient(logits, target, "label_smoothing", epsilon)
    expected = (1 + lam) * ls - lam * math.log(7)
    torch.testing.assert_close(er, expected, rtol=1e-14, atol=1e-13)
    torch.testing.assert_close(er_slope, (1 + lam) * ls_slope, rtol=1e-13, atol=1e-14)


def test_class_sum_lambda_is_label_smoothing_too():
    logits, labels, _ = batch()
    lam = 0.02
    logits.requires_grad_()
    by_hand = (losses.cross_entropy(logits, labels) - lam * logits.log_softmax(1).sum(1)).mean()
    direction = torch.autograd.grad(by_hand, logits)[0]
    epsilon = losses.epsilon_from_lambda(lam, 7, "class_sum")
    _, slope = value_and_gradient(logits.detach(), labels, "label_smoothing", epsilon)
    torch.testing.assert_close(direction, slope / (1 - epsilon), rtol=0, atol=1e-13)


def test_label_smoothing_is_pytorchs_and_smooths_the_target():
    logits, labels, soft = batch()
    expected = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.3)
    assert losses.objective(logits, labels, "label_smoothing", 0.3).item() == pytest.approx(
        expected.item(), abs=1e-14
    )
    smoothed = losses.cross_entropy(logits, 0.7 * soft + 0.3 / 7).mean()
    assert losses.objective(logits, soft, "label_smoothing", 0.3).item() == pytest.approx(
        smoothed.item(), abs=1e-14
    )


@pytest.mark.parametrize("name", list(losses.REGULARIZERS))
def test_strength_zero_is_plain_cross_entropy(name):
    logits, labels, _ = batch()
    plain = losses.objective(logits, labels, "none").item()
    assert losses.objective(logits, labels, name, 0).item() == plain


@pytest.mark.parametrize("name", list(losses.REGULARIZERS))
def test_extreme_logits_in_float32_under_autocast(name):
    logits = torch.tensor([[1e4, -1e4, 0.0], [1e4, 1e4, -1e4], [-1e4, 1e4, 1e4]])
    target = torch.tensor([1, 0, 0])
    wide_value, wide_slope = value_and_gradient(logits.double(), target, name, STRENGTH)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, slope = value_and_gradient(logits, target, name, STRENGTH)
        soft = losses.objective(logits, torch.full((3, 3), 1 / 3), name, STRENGTH)
    assert value.dtype == torch.float32 and wide_value.dtype == torch.float64
    assert math.isfinite(soft)
    torch.testing.assert_close(value.double(), wide_value, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(slope.double(), wide_slope, rtol=0, atol=1e-6)


# ---- refusals

BAD_TARGETS = [
    (torch.tensor([0, 3]), r"label 3 of row 1 is outside 0\.\.2"),
    (torch.tensor([0, 9]), r"label 9 of row 1 is outside 0\.\.2"),
    (torch.tensor([-1, 0]), r"label -1 of row 0 is outside 0\.\.2"),
    (torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.2, 0.2]]), r"row 1 .* sum 0\.9\) .* normalise"),
    (torch.tensor([[1.5, -0.5, 0.0], [1.0, 0.0, 0.0]]), r"row 0 .*smallest -0\.5, sum 1\)"),
    (torch.tensor([[1, 0, 1], [0, 0, 0]]), r"row 1 .*sum 0\).* multi-hot"),
    (torch.tensor([[1.0, 0.0, 0.0], [math.nan, 0.0, 0.0]]), "row 1 .*nan"),
]


@pytest.mark.parametrize(("target", "sentence"), BAD_TARGETS)
def test_bad_targets_are_named(target, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        losses.objective(LOGITS, target)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("target", [target for target, _ in BAD_TARGETS])
@pytest.mark.parametrize("name", ["none", "label_smoothing", "jsd"])
def test_where_looking_would_stall_bad_targets_become_nan(target, name, monkeypatch):
    monkeypatch.setattr(divergences, "may_look", lambda tensor: False)
    assert math.isnan(losses.objective(LOGITS, target, name, STRENGTH))
    good = losses.objective(LOGITS, torch.tensor([0, 1]), name, STRENGTH).item()
    assert math.isfinite(good)


def test_validate_says_what_a_nan_loss_came_from():
    losses.validate(LOGITS, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="row 0, class 1 is nan"):
        losses.validate(torch.tensor([[0.0, math.nan]]))
    with pytest.raises(ValueError, match="label 3 of row 1"):
        losses.validate(LOGITS, torch.tensor([0, 3]))


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (torch.zeros(3, dtype=torch.int64), r"shape \(2,\) .* int64 of shape \(3,\)"),
        (torch.zeros(2), r"class indices \(integers\) .* float32 of shape \(2,\)"),
        (torch.zeros(2, 4), r"shape \(2, 3\), not float32 of shape \(2, 4\)"),
        (torch.zeros(2, dtype=torch.bool), r"not bool of shape \(2,\)"),
        ([0, 1], "must be a tensor, not list"),
    ],
)
def test_targets_of_the_wrong_shape(target, sentence):
    with pytest.raises(ValueError, match=sentence):
        losses.cross_entropy(LOGITS, target)


def test_unknown_regularizer_lists_the_known_ones():
    with pytest.raises(ValueError, match="unknown regularizer 'kl': known are none, label_s"):
        losses.objective(LOGITS, torch.tensor([0, 1]), "kl")


def squared(logits):
    """An own regulariser, R(z) = |z|^2 a row, which the tests below name in two ways."""
    return logits.square().sum(1)


def mean_of_all(logits):
    return logits.mean()


@pytest.fixture
def on_the_path(monkeypatch):
    """This file as a module that ``own_regularizers:NAME`` finds."""
    monkeypatch.setitem(sys.modules, "own_regularizers", sys.modules[__name__])


@pytest.mark.parametrize("regularizer", [squared, "own_regularizers:squared"])
def test_an_own_regularizer_by_function_or_by_name(regularizer, on_the_path):
    target = torch.tensor([0, 1])
    expected = 1.5 * LOG2 + 0.3 * LOG2**2  # |z|^2 = log(2)^2 in both rows
    value, slope = value_and_gradient(LOGITS, target, regularizer, 0.3)
    assert value.item() == pytest.approx(expected, abs=1e-15)
    _, plain = value_and_gradient(LOGITS, target, "none", 0.3)
    torch.testing.assert_close(slope - plain, 0.3 * 2 * LOGITS / 2, rtol=0, atol=1e-15)
    half = losses.objective(LOGITS.bfloat16(), target, regularizer, 0.3)
    assert half.dtype == torch.float32  # what is handed over is wide enough to sum


def test_an_own_regularizer_that_cannot_be_used_is_named(on_the_path):
    target = torch.tensor([0, 1])
    for own, sentence in (
        (mean_of_all, r"mean_of_all must give one value a row, a tensor of shape \(2,\), not \(\)"),
        ("own_regularizers:nothing", "own_regularizers has no 'nothing'"),
        ("no_such_module:f", "cannot be imported"),
    ):
        with pytest.raises(ValueError, match=sentence):
            losses.objective(LOGITS, target, own, 0.3)
    with pytest.raises(ValueError, match="strength of .*squared must be finite and >= 0, not -1"):
        losses.objective(LOGITS, target, squared, -1)


@pytest.mark.parametrize(
    ("name", "strength", "sentence"),
    [
        ("label_smoothing", 1.0, r"eps must lie in \[0, 1\), not 1\.0"),
        ("label_smoothing", -0.1, r"eps must lie in \[0, 1\), not -0\.1"),
        ("label_smoothing", math.nan, r"eps must lie in \[0, 1\), not nan"),
        ("kl_uniform", -1e-4, "strength of kl_uniform must be finite and >= 0, not -0.0001"),
        ("jsd", math.inf, "strength of jsd must be finite and >= 0, not inf"),
        ("confidence_penalty", math.nan, "strength of confidence_penalty must be finite"),
    ],
)
def test_strength_out_of_range(name, strength, sentence):
    with pytest.raises(ValueError, match=sentence):
        losses.objective(LOGITS, torch.tensor([0, 1]), name, strength)


@pytest.mark.parametrize("a", [0.1, 0.6])
def test_maxsup_is_label_smoothing_where_the_prediction_is_right(a):
    z = torch.tensor([[3.0, 1.0, -1.0, 0.5], [0.0, 2.0, 1.5, -2.0]], dtype=torch.float64)
    z.requires_grad_()

    def gradient(target, regularizer):
        loss = losses.objective(z, torch.tensor(target), regularizer, a)
        return torch.autograd.grad(loss, z)[0]

    right, wrong = [0, 1], [1, 3]
    own, known = (gradient(right, name) for name in ("maxsup:maxsup", "label_smoothing"))
    torch.testing.assert_close(own, known)  # at eps = a; training divides both terms by 1 + a
    own, known = (gradient(wrong, name) for name in ("maxsup:maxsup", "label_smoothing"))
    apart = torch.zeros(2, 4, dtype=torch.float64)
    for row, (top, label) in enumerate(zip(right, wrong, strict=True)):
        apart[row, top], apart[row, label] = a / 2, -a / 2  # it lowers the top, and not the label
    torch.testing.assert_close(own - known, apart)
