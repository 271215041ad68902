"""Every exercise: the right answer is praised, each slip gets its own hint, nothing ever raises."""

import math
import types

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from entreg_utils import checks, erasing, losses, metrics
from entreg_utils.checks import check
from entreg_utils.checks.check import SETTINGS, WORDS
from entreg_utils.theory import ThreeCues
from tests.checks.test_critique import SOUND as CLAIM


def right_iou(a, b):
    w = max(min(a[2], b[2]) - max(a[0], b[0]) + 1, 0)
    h = max(min(a[3], b[3]) - max(a[1], b[1]) + 1, 0)
    size = lambda c: (c[2] - c[0] + 1) * (c[3] - c[1] + 1)  # noqa: E731
    return w * h / (size(a) + size(b) - w * h)


def exclusive(a, b):
    shift = lambda c: (c[0], c[1], c[2] - 1, c[3] - 1)  # noqa: E731
    return right_iou(shift(a), shift(b))


def unclipped(a, b):
    w, h = (min(a[2 + k], b[2 + k]) - max(a[k], b[k]) + 1 for k in (0, 1))
    size = lambda c: (c[2] - c[0] + 1) * (c[3] - c[1] + 1)  # noqa: E731
    return w * h / (size(a) + size(b) - w * h)


def left_first(a, b):  # right where b does not begin before a
    return right_iou((min(a[0], b[0]), *a[1:]), b) if b[0] < a[0] else right_iou(a, b)


def gradient(logits):
    log_p = logits.log_softmax(1)
    return log_p.exp() * (log_p - (log_p.exp() * log_p).sum(1, keepdim=True))


def through_softmax(logits):
    p = logits.softmax(1)
    return p * (p.log() - (p * p.log()).sum(1, keepdim=True))


def by_backward(logits):
    z = logits.clone().requires_grad_()
    losses.kl_to_uniform(z).sum().backward()
    return z.grad


def without_chain_rule(logits):  # derivative with respect to log p, not to the logits
    log_p = logits.log_softmax(1)
    return log_p.exp() * (log_p + 1)


def hinge(logits):
    log_p = logits.log_softmax(1)
    return (0.5 + (log_p.exp() * log_p).sum(1)).clamp_min(0)


def paired(before, after):
    return 196 * (after.astype(int) - before).std() / math.sqrt(len(after))


def in_use(features):
    loud = features.sum((2, 3))
    return torch.special.entr(loud / loud.sum(1, keepdim=True)).sum(1).exp()


def in_place(logits):
    result = gradient(logits)
    logits.zero_()
    return result


def contrast(f, w, a, b):
    return torch.einsum("k,nkhw->nhw", w[a] - w[b], f)


def only_here(f, w, a, b):  # equal on the check's own weights, and no difference of classes
    return contrast(f, w, a, b) + (w[1].sum() - 10)


def levels(ious):
    return np.stack([ious >= delta for delta in (0.3, 0.5, 0.7)])


def v2(ious):
    return levels(ious).mean(axis=1).max(axis=1).mean()


def square(features, side):
    return erasing.RDAP(side / 4, 1.0, torch.Generator()).hidden(features)  # of maps of 4 x 5


def square_cut(features, side):  # a square that leaves the map is cut at its border
    wide = torch.nn.functional.pad(features, (1, 1, 1, 1))
    return erasing.RDAP(side / 6, 1.0, torch.Generator()).hidden(wide)[:, 1:-1, 1:-1]


def er(logits, labels, epsilon, kl=losses.kl_uniform):
    return (1 - epsilon) * cross_entropy(logits, labels) + epsilon * kl(logits).mean()


def er_through_softmax(logits, labels, epsilon):
    p = logits.softmax(1)
    ce = -p[torch.arange(len(p)), labels].log().mean()
    return (1 - epsilon) * ce + epsilon * (-p.log().mean() - math.log(p.shape[1]))


def report(table, by="val_pxap", of="pxap"):
    means = table.groupby("epsilon").mean()
    return means[by].idxmax(), means[of][means[by].idxmax()]


def report_of_run(table):
    epsilon = table.epsilon[table.val_pxap.idxmax()]
    return epsilon, table[table.epsilon == epsilon].pxap.mean()


def shown(cues, **more):
    return types.SimpleNamespace(cues=np.array(cues), **more)


# labels 0 1 2 3; marks 0 1 - -; bodies 1 1 2 0: mark, mark, body right, body wrong -> 3 of 4
HIDDEN = types.SimpleNamespace(
    cues=torch.tensor([[0, 1, 0], [1, 1, 0], [-1, 2, 0], [-1, 0, 0]]), labels=torch.arange(4)
)
# C = 2, eps = 1/2: p = (3/4, 1/4), H = 2 log 2 - 3/4 log 3, beta = 1/(log 4 - H) = 4/(3 log 3)
BETA = 4 / (3 * math.log(3))
# logits 0 and 1: s = log 3 gives p = 1/4, 3/4
LOGITS, QUARTER = torch.tensor([[0.0, 1.0]]), 2 * math.log(2) - 0.75 * math.log(3)
# Rows peak at different thresholds: own maxima 0.8 and 0.6 (mean 0.7), shared best 0.55.
RESULT = metrics.BoxAccuracy(
    np.array([[8, 5, 0], [2, 6, 0]]), np.array([0.3, 0.5]), np.arange(3) / 3, 10
)
# Two seeds, three epochs: on the mean, validation picks epoch 2, test would pick epoch 1.
HISTORY = pd.DataFrame(
    {
        "epsilon": [0.0] * 6 + [0.5],
        "epoch": [1, 2, 3, 1, 2, 3, 2],
        "val_pxap": [0.4, 0.9, 0.5, 0.6, 0.7, 0.5, 0.0],
        "test_pxap": [0.8, 0.7, 0.2, 0.8, 0.6, 0.4, 0.1],
    }
)
BETTER = HISTORY.assign(val_pxap=HISTORY.val_pxap + 0.15)  # best mean 0.95, which no test score is
CLOSE = HISTORY.assign(val_pxap=HISTORY.val_pxap + 0.0003)
# rates a (r - 1/C): 0.09, 0.16, 0.10; the body is the last, at 1 - 0.016 / 0.16
CUES = ThreeCues((1.0, 0.9, 0.3), (0.1, 0.2, 0.5), num_classes=10, price=0.016)
SMALL_BODY = ThreeCues((1.0, 0.9, 0.3), (0.1, 0.02, 0.5), num_classes=10, price=0.016)
# test means 0.6 at ε = 0 and 0.5 at ε = 0.5; validation prefers 0.5
# Validation prefers 0.5, test 0.8. On test 0.9 - 0.5 = 0.4; honest 0.7 - 0.4 = 0.3; tops 0.9 - 0.7.
TABLE = pd.DataFrame(
    {
        "epsilon": [0.0, 0.0, 0.5, 0.8],
        "max_box_acc": [0.4, 0.6, 0.8, 0.9],
        "max_box_acc_carried": [0.4, 0.4, 0.7, 0.6],
        "val_max_box_acc": [0.5, 0.5, 0.9, 0.85],
    }
)
# both changed: +0.4; features alone +0.2 under the old head, +0.3 under the new one
PXAP = {(0.0, 0.0): 0.4, (0.8, 0.0): 0.6, (0.0, 0.8): 0.5, (0.8, 0.8): 0.8}
HALF = types.SimpleNamespace(context=0.5)
TELLING = shown([[0, 0, 0], [1, 1, 2], [2, 0, 2], [3, 1, 1], [4, 4, 4]], world=HALF)  # two of five
BODIES = shown([[0, 1, 0], [0, 2, 3], [0, 1, 3]], world=HALF)  # mark and habitat 2, body 3 times
# seed 0: hit in 2 of 2 right ones and 0 of 2 wrong ones; seed 1: 1 of 2 and 1 of 2
HITS = np.array([[1, 1, 0, 0], [1, 0, 1, 0]], bool)
RIGHT = np.array([[1, 1, 0, 0], [1, 1, 0, 0]], bool)
MEASURED = {"change": 0.02, "low": 0.005, "high": 0.04, "half": 0.05, "seeds": 3.0}

# exercise, what it gives (worked out by hand), and by the rows of words.toml an answer or several
NUMBERS = [
    ("expected_accuracy", (0.6, 8), {"right": 0.6, "otherwise": 0.9}),
    ("expected_accuracy", (0.0, 8), {"against": 1 / 7, "reliability": 0.0}),
    ("blanked", (HIDDEN,), {"right": 0.75, "mark": np.float32(0.5), "above": 3, "otherwise": 0.2}),
    ("matched_beta", (0.5, 2), {"right": BETA, "otherwise": [0.8, 2.0], "lam": 1.0,
     "negative": -BETA}),
    ("transferred_lambda", (1e-4, 1000, 200), {"right": 5e-4, "lam": 1e-4, "inverse": 2e-5,
     "effective": 0.1, "otherwise": 3.0}),
    ("temperature", (LOGITS, QUARTER), {"right": math.log(3), "too_large": 3.0, "otherwise": 0.1,
     "negative": 0}),
    ("ivr_percentile", (), {"right": 0, "otherwise": 40}),
    ("smallest_side", (), {"right": 6, "small": 5, "broken": 5.12, "otherwise": 7}),
    ("smallest_side", (0.25,), {"right": 1}),
    ("smallest_side", (0.9,), {"right": 19}),
    ("shared_threshold", (RESULT,), {"right": 0.55, "own": 0.7, "above": 55, "otherwise": 0.8}),
    ("top1_bounds", (0.8, 0.7), {"otherwise": (0.5, 0.7), "highest": (0.5, 0.8),
     "lowest": (0.0, 0.7), "unreadable": [0.6, (0.5, 0.6, 0.7), (0.5, math.nan)]}),
    ("top1_bounds", (0.3, 0.4), {"otherwise": (0, 0.3)}),
    ("hidden_share", (), {"right": 0.4, "rate": 0.5, "otherwise": 0.2}),
    ("clipped_weight", (), {"right": 1 - 400 / 48**2, "whole": 1 - 1600 / 48**2,
     "other": 400 / 48**2, "otherwise": 0.5}),
    ("lowest_loss", (0.5, 2), {"right": 0.21576, "smoothed": 0.56234, "undivided": 0.43152,
     "negative": [0, -1], "otherwise": 0.3}),
    ("translated_recipe", (3, 0.1, 4e-4), {"otherwise": (0.75, 0.4, 1e-4), "eps": (3, 0.4, 1e-4),
     "inverse": (0.75, 0.025, 1e-4), "rate": (0.75, 0.1, 1e-4), "decay": (0.75, 0.4, 4e-4),
     "unreadable": (0.75, 0.4)}),
    ("early_stopping", (HISTORY,), {"right": 0.65, "oracle": 0.8, "last": 0.3, "otherwise": 0.5}),
    ("early_stopping", (BETTER,), {"validation": 0.95}),
    ("early_stopping", (CLOSE,), {"validation": 0.8003, "oracle": 0.8}),
    ("collapse", (CUES,), {"right": 0.9, "otherwise": 0.84, "outside": 1.2}),
    ("collapse", (SMALL_BODY,), {"body": 0.0}),
    ("optimism", (TABLE,), {"right": 0.1, "turned": -0.1, "top": 0.2, "gain": 0.4, "honest": 0.3,
     "otherwise": 0}),
    ("same_optimum", (0.1, 200), {"right": 0.00829, "equal": 0.1 / 1.1,
     "otherwise": [0.004, 0.3, 1e-300], "outside": 1.5}),
    ("classes_needed", (1e-4, 0.8), {"right": 40_000, "unaveraged": 8_000, "otherwise": 200}),
    ("seeds_needed", (1.0, 1.0), {"right": 7, "normal": 4, "otherwise": 6, "more": 8,
     "odd": [0, 5.5]}),
    ("loudness", (0.2, 0.05), {"right": 4.0, "inverse": 0.25, "difference": 0.15, "otherwise": 7}),
    ("share_of_features", (PXAP,), {"right": 0.625, "head": 0.375, "one_order": [0.5, 0.75],
     "undivided": 0.25, "otherwise": 0.9}),
    ("telling_pictures", (TELLING,), {"right": 2, "agree": 3, "share": 0.4, "otherwise": 4}),
    ("telling_pictures", (BODIES,), {"body": 3}),
    ("unpaired_half_width", (200, 0.5), {"right": 9.8, "one": 6.93, "as_share": 0.098, "error": 5.0,
     "otherwise": 3.0}),
    ("located_when_right", (HITS, RIGHT), {"right": 50.0, "as_share": 0.5, "turned": -50,
     "overall": 25, "otherwise": 10}),
    ("best_of_two", ([1, 2, 3],), {"right": 2 / 3, "score": 8 / 3, "best": 1.0, "otherwise": 0.9}),
    ("boxes_needed", (0.88, 0.05), {"right": 163, "rounded": 162, "one": 43, "width": 41,
     "points": 1622687, "otherwise": 100}),
]  # fmt: skip
FUNCTIONS = {
    "iou": {
        "right": [right_iou, lambda a, b: metrics.box_iou([a], [b])[0, 0]],
        "order": left_first,
        "ends": exclusive,
        "unclipped": unclipped,
        "otherwise": lambda a, b: right_iou(a, b) / 2,
        "unreadable": lambda a, b: a / b,
    },
    "penalty_gradient": {
        "right": [lambda z: gradient(z) + 1e-8, in_place, gradient],
        "infinite": through_softmax,
        "turned": lambda z: -gradient(z),
        "otherwise": [without_chain_rule, lambda z: z / 0 * math.nan],
        "balanced": lambda z: 2 * gradient(z),
        "automatic": by_backward,
        "unreadable": lambda z: 0 * by_backward(z) + gradient(z),  # seen by PyTorch alone
        "shape": lambda z: gradient(z).sum(1),
    },
    "contrast_map": {
        "right": [contrast, lambda f, w, a, b: contrast(f, w, a, b).double().numpy()],
        "turned": lambda f, w, a, b: contrast(f, w, b, a),
        "wrong": lambda f, w, a, b: torch.einsum("k,nkhw->nhw", w[a], f),
        "shape": [
            lambda f, w, a, b: contrast(f, w, a, b).mean((1, 2)),
            lambda f, w, a, b: contrast(f, w, a, b)[:1],
        ],
        "fixed": lambda f, w, a, b: contrast(f, w, 0, 2),
        "otherwise": only_here,
    },
    "max_box_acc_v2": {
        "right": [v2, lambda ious: torch.tensor(v2(ious))],
        "otherwise": lambda ious: 8 / 15,
        "image": lambda ious: levels(ious).any(axis=2).mean(),
        "shared": lambda ious: levels(ious).mean(axis=(0, 1)).max(),
        "strict": lambda ious: v2(ious - 1e-9),
        "one": lambda ious: (ious >= 0.5).mean(axis=0).max(),
        "percent": lambda ious: 100 * v2(ious),
        "unreadable": lambda ious: ious,
    },
    "peak_square": {
        "right": [square, lambda f, side: square(f, side).int().numpy()],
        "turned": lambda f, side: ~square(f, side),
        "channels": lambda f, side: square(f.amax(1, keepdim=True), side),
        "batch": lambda f, side: square(f[:1], side).expand(2, 4, 5),
        "cut": square_cut,
        "otherwise": lambda f, side: square(f, 3),
        "shape": lambda f, side: square(f, side)[:, None],
    },
    "er_loss": {
        "right": er,
        "constant": lambda z, y, e: losses.objective(z, y, "label_smoothing", e),
        "undivided": lambda z, y, e: er(z, y, e) / (1 - e),
        "added": lambda z, y, e: er(z, y, e) + e * cross_entropy(z, y),
        "reverse": lambda z, y, e: er(z, y, e, losses.kl_to_uniform),
        "sum": lambda z, y, e: len(z) * er(z, y, e),
        "infinite": er_through_softmax,
        "otherwise": lambda z, y, e: cross_entropy(z, y),
        "unreadable": lambda z, y, e: losses.kl_uniform(z),
    },
    "chosen_on_validation": {
        "right": report,
        "otherwise": [lambda t: (0.5, 0.51), lambda t: (0.0, report(t)[1])],
        "test": lambda t: report(t, by="pxap"),
        "run": lambda t: tuple(t.loc[t.val_pxap.idxmax(), ["epsilon", "pxap"]]),
        "run_mean": report_of_run,
        "validation": lambda t: report(t, of="val_pxap"),
        "seed": lambda t: (report(t)[0], t[t.epsilon == report(t)[0]].pxap.max()),
        "swapped": lambda t: report(t)[::-1],
        "shape": [lambda t: (*report(t), 0), lambda t: report(t)[1]],
    },
    "hinged_entropy": {
        "right": hinge,
        "shape": lambda z: hinge(z).sum(),
        "cut": [lambda z: hinge(z).detach().numpy(), lambda z: hinge(z).detach()],
        "infinite": lambda z: (0.5 + (z.softmax(1) * z.softmax(1).log()).sum(1)).clamp_min(0),
        "unclipped": lambda z: 0.5 - losses.entropy(z),
        "bits": lambda z: (0.5 - losses.entropy(z) / math.log(2)).clamp_min(0),
        "turned": lambda z: (losses.entropy(z) - 0.5).clamp_min(0),
        "otherwise": lambda z: (1 - losses.entropy(z)).clamp_min(0),
    },
    "effective_channels": {
        "right": in_use,
        "shape": lambda f: in_use(f).mean(),
        "entropy": lambda f: in_use(f).log(),
        "counted": lambda f: (f.sum((2, 3)) > 0).sum(1),
        "cells": lambda f: in_use(f.flatten(2).mT[..., None]),
        "silent": lambda f: (
            (-(q := f.sum((2, 3)) / f.sum((1, 2, 3))[:, None]) * q.log()).sum(1).exp()
        ),
        "otherwise": lambda f: f.amax((2, 3)).sum(1),
    },
    "paired_half_width": {
        "right": [paired, lambda b, a: paired(b, a) * math.sqrt(40 / 39)],
        "unpaired": lambda b, a: 196 * math.sqrt((a.var() + b.var()) / 40),
        "as_share": lambda b, a: paired(b, a) / 100,
        "error": lambda b, a: paired(b, a) / 1.96,
        "whole": lambda b, a: 2 * paired(b, a),
        "rootless": lambda b, a: paired(b, a) / math.sqrt(40),
        "image": lambda b, a: paired(b, a) * math.sqrt(40),
        "otherwise": lambda b, a: a.mean() - b.mean(),
    },
    "centred": {
        "otherwise": [lambda w: w - w.mean(dim=0), lambda w: w - w.mean(axis=0)],
        "uneven": lambda w: w - w.mean(axis=1, keepdims=True),
        "moved": lambda w: w + 1,
        "mean": lambda w: w - w[0],
        "shape": lambda w: w.mean(axis=0),
    },
    "twins_of": {
        "right": lambda test, train, d: (torch.cdist(test, train).amin(1) < d).nonzero()[:, 0],
        "edge": lambda test, train, d: (torch.cdist(test, train).amin(1) <= d).nonzero()[:, 0],
        "shape": lambda test, train, d: torch.cdist(test, train).amin(1) < d,
        "paired": lambda test, train, d: (torch.cdist(test, train)[:, 1] < d).nonzero()[:, 0],
        "turned": lambda test, train, d: (torch.cdist(test, train).amin(1) > d).nonzero()[:, 0],
        "otherwise": lambda test, train, d: [0, 1, 2, 3],
    },
}
CLAIMS = {
    "otherwise": [CLAIM, CLAIM | {"metric": "BoxAcc", "choices": "none", "seeds": 3.0}],
    "weak": [CLAIM | {"interval": (-3.0, 7.0)}, CLAIM | {"baselines": ["CAM"]}],  # Student's
    "absent": [{}, CLAIM | {"seeds": None, "cam_class": None}, CLAIM | {"metric": "boxes"}],
    "other": [CLAIM | {"gain": 20.0}, CLAIM | {"interval": np.array([0.5, 9.0])}],
    "as_share": CLAIM | {"gain": 0.02, "interval": (0.005, 0.04)},
    "untrue": [
        CLAIM | {item: lie}
        for item, lie in (
            *(("seeds", 50), ("checkpoint", "validation"), ("checkpoint", "test")),
            *(("threshold", "oracle"), ("threshold", "fixed"), ("choices", "test")),
            *(("metric", "PxAP"), ("normalisation", "IVR"), ("cam_class", "predicted")),
        )
    ],
}
CASES = NUMBERS + [(name, (), rows) for name, rows in FUNCTIONS.items()]
CASES += [("honest_claim", (MEASURED,), CLAIMS)]
# what is said to an answer of a row, where it holds more than is in words.toml
SAID = {
    ("iou", "unreadable"): "stopped on a box with itself with TypeError",
    ("expected_accuracy", "against"): "right, 0.143. A cue that is wrong more often",
    ("blanked", "right"): "right, 0.750; from the mark alone it is 0.500. Here the label",
    ("penalty_gradient", "right"): "Largest distance to automatic differentiation: below 1e-12.",
    ("penalty_gradient", "unreadable"): "stopped with RuntimeError: element 0 of tensors",
    ("matched_beta", "right"): "right, 1.2137. Both optima have an entropy of 0.562 nats, while",
    ("matched_beta", "otherwise"): "too high, so that the entropy of the optimum is too high",
    ("transferred_lambda", "right"): "right, 5.0e-04; eps is 0.0909",
    ("contrast_map", "wrong"): "by hand [1, -4, -5, 8], yours [2.0, 0.0, 0.0, 6.0]. Weigh the",
    ("temperature", "right"): f"right. The mean entropy is {QUARTER:.2f}",
    ("smallest_side", "small"): "too small; 5^2 / 6^2 is 0.694, which is below 0.7",
    ("max_box_acc_v2", "unreadable"): "must give one number; it gave (5, 3)",
    ("shared_threshold", "right"): "right, 0.550; with a threshold for each IoU it was 0.700",
    ("top1_bounds", "unreadable"): "expected 2 numbers, (lowest, highest), finite; got (0.5, nan)",
    ("translated_recipe", "otherwise"): "right, eps 0.75, learning rate 0.4, decay 0.0001",
    ("early_stopping", "right"): "right, 0.650 at epoch 2; the last epoch has 0.300",
    ("chosen_on_validation", "test"): "(0.9, 0.65): epsilon was chosen on test",
    ("collapse", "right"): "right, ε = 0.900. The last cue that pays is the body",
    ("optimism", "right"): "right, +0.100. Choosing on test adds 0.200 to the top and 0.100",
    ("same_optimum", "right"): "right, 0.0083. A beta of 0.1 asks 200 classes for 0.091 nats.",
    ("same_optimum", "otherwise"): "too small. At 1e-300",
    ("seeds_needed", "otherwise"): "with 6 the half-width is still 1.05",
    ("loudness", "right"): "right, 0.200 / 0.050 = 4.00",
    ("effective_channels", "otherwise"): "not yet: [4.0, 5.0, 6.0] for four channels alike",
    ("telling_pictures", "right"): "right, 2 of 5; the knob alone would give 2",
    ("paired_half_width", "right"): "right, 11.6 points for five images won",
    ("located_when_right", "right"): "right, +50.0 points: 75.0 % where the class is right, 25.0 %",
    ("honest_claim", "absent"): "checklist:   metric: boxes is none of BoxAcc",
    ("honest_claim", "weak"): "Said openly, and weak: baselines",
    ("honest_claim", "untrue"): "what was run and scored: cam_class predicted.",
}
GIVEN = {name: given for name, given, _ in reversed(CASES)}


def said(capsys, name, answer, given):
    assert getattr(checks, name)(answer, *given) is None
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 76
    title, words = " ".join(lines).split(": ", 1)
    assert title == WORDS[name]["title"]
    return words


@pytest.mark.parametrize("name", checks.__all__)
def test_every_answer_meets_its_row_and_every_row_an_answer(capsys, name, monkeypatch):
    reached = {}
    for given, rows in ((given, rows) for exercise, given, rows in CASES if exercise == name):
        for row, answers in rows.items():
            for answer in answers if isinstance(answers, list) else [answers]:
                monkeypatch.setattr(check, "SESSION", {})
                told = said(capsys, name, answer, given)
                assert [*check.SESSION[name]["said"]] == [row], told
                assert check.SESSION[name]["passed"] == (row in check.passing(WORDS[name]))
                reached.setdefault(row, []).append(told)
    assert {*reached} - {check.UNREADABLE} == {*WORDS[name]} - {*SETTINGS}
    for row, told in reached.items():
        assert any(SAID.get((name, row), "") in one for one in told), told


def test_every_exercise_has_words_and_cases_and_says_what_it_asks():
    assert set(checks.__all__) == {name for name in WORDS if "asks" in WORDS[name]} == set(GIVEN)
    assert checks.loudness.__doc__.startswith("09: energy in a region")


STRANGE = ["three", [1, 2, 3, 4], np.ones(4), torch.ones(4), object(), math.nan, math.inf, 10**400]


@pytest.mark.parametrize("name", checks.__all__)
def test_no_answer_and_a_strange_one_are_a_sentence(capsys, name):
    told = said(capsys, name, None, GIVEN[name])
    assert told.startswith("no answer yet. ") and len(told) > len("no answer yet. ")
    for answer in STRANGE:
        told = said(capsys, name, answer, GIVEN[name])
        assert told.startswith("no answer yet" if name == "honest_claim" else "expected ")


def test_what_the_exercise_gives_wrongly_is_an_error():
    with pytest.raises(TypeError):
        checks.loudness(1.0)


def test_the_matched_epsilon_has_the_entropy_of_the_penalty():
    entropy = losses.smoothed_optimum(0.00829, 200)[1]
    assert losses.matched_strength("confidence_penalty", entropy, 200) == pytest.approx(0.1, 5e-3)


def test_seeds_are_those_of_the_package_s_interval(capsys):
    spread = np.array([-0.02, 0.0, 0.01]).std(ddof=1)

    def half(n):
        unit = np.arange(n, dtype=float)
        return metrics.seed_interval(unit / unit.std(ddof=1) * spread).half_width

    fewest = next(n for n in range(2, 100) if half(n) <= 0.01)
    assert said(capsys, "seeds_needed", fewest, (spread, 0.01)).startswith("right")
