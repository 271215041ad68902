"""Every exercise: the right answer is praised, each slip gets its own hint, nothing ever raises.

``CASES`` is the table: for each check what the exercise gives, worked out by hand, then answers and
words that only the wanted row of ``words.toml`` holds.
"""

import math
import types

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from entreg_utils import checks, erasing, losses, metrics
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


def unclipped_sides(a, b):  # right but for boxes one above the other
    return -1.0 if b == [0, 20, 4, 24] else right_iou(a, b)


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

CASES = [
    ("iou", (), [
        (right_iou, "right on all 6 cases"),
        (lambda a, b: metrics.box_iou([a], [b])[0, 0], "right on all 6"),
        (left_first, "the larger of the two x0"),
        (exclusive, "x1 - x0 + 1"),
        (unclipped, "far apart, [0, 0, 4, 4] and [20, 20, 24, 24], it is 0.000"),
        (unclipped_sides, "one above the other"),
        (lambda a, b: right_iou(a, b) / 2, "union is area A + area B"),
        (lambda a, b: a / b, "stopped on a box with itself with TypeError"),
    ]),
    ("expected_accuracy", (0.6, 8), [
        (0.6, "right, 0.600."), (0.9, "not 0.900"),
    ]),
    # a cue that never shows the label's variant: (1 - 0) / 7
    ("expected_accuracy", (0.0, 8), [
        (1 / 7, "right, 0.143.\nA cue that is wrong more often"), (0.0, "better bet"),
    ]),
    ("blanked", (HIDDEN,), [
        (0.75, "right, 0.750; from the mark alone it is 0.500.\nHere the label"),
        (np.float32(0.5), "ignores the body"),
        (3, "a share lies in 0..1"),
        (0.2, "not 0.200"),
    ]),
    ("penalty_gradient", (), [
        (gradient, "right, and finite at logits of ten thousand.\nLargest distance to automatic"
         " differentiation: below 1e-12."),
        (lambda z: gradient(z) + 1e-8, "right, and finite at logits of ten thousand.\nLargest"
         " distance to automatic differentiation: below 1e-6."),
        (in_place, "right, and finite"),
        (through_softmax, "right, but not finite"),
        (lambda z: -gradient(z), "the sign is turned"),
        (without_chain_rule, "lose its -p_k"),
        (lambda z: 2 * gradient(z), "adds up to 0 as it must"),
        (by_backward, "come from automatic differentiation"),
        (lambda z: gradient(z).sum(1), "(4, 5) logits need a gradient of the same shape, one"
         " number for each logit; yours has (4,)"),
        (lambda z: z / 0 * math.nan, "each row must add"),
    ]),
    ("matched_beta", (0.5, 2), [
        (BETA, "right, 1.2137. Both optima have an entropy of 0.562 nats,\nwhile eps itself is 0.5:"
         " the same aim"),
        (0.8, "too low, so that the entropy of the optimum is too low"),
        (2.0, "too high"),
        (1.0, "lambda of KL(u||p)"),
        (-BETA, "positive"),
    ]),
    ("transferred_lambda", (1e-4, 1000, 200), [
        (5e-4, "right, 5.0e-04; eps is 0.0909"),
        (1e-4, "weaker"),
        (2e-5, "upside down"),
        (0.1, "effective strength"),
        (3.0, "must stay the same"),
    ]),
    ("contrast_map", (), [
        (contrast, "right, and one vector"),
        (lambda f, w, a, b: contrast(f, w, a, b).double().numpy(), "right, and one vector"),
        (lambda f, w, a, b: contrast(f, w, b, a), "sign is the other way"),
        (lambda f, w, a, b: torch.einsum("k,nkhw->nhw", w[a], f),
         "by hand [1, -4, -5, 8], yours [2.0, 0.0, 0.0, 6.0]. Weigh the channels with"),
        (lambda f, w, a, b: contrast(f, w, a, b).mean((1, 2)), "(2, 1, 2); yours: (2,)"),
        (lambda f, w, a, b: contrast(f, w, a, b)[:1], "(2, 1, 2); yours: (1, 1, 2)"),
        (lambda f, w, a, b: contrast(f, w, 0, 2), "right for one pair of classes"),
        (only_here, "right here, but it changes when one vector is added"),
    ]),
    ("temperature", (LOGITS, QUARTER), [
        (math.log(3), f"right. The mean entropy is {QUARTER:.2f}"),
        (3.0, "try a smaller one"),
        (0.1, "try a larger one"),
        (0, "must be above 0"),
    ]),
    ("ivr_percentile", (), [(0, "right"), (40, "not 40")]),
    ("smallest_side", (), [
        (6, "right, 6 pixels: 6^2 / 7^2 is 0.735, and at 5 it is only 0.694."),
        (np.int64(6), "right, 6 pixels"),
        (5, "too small; 5^2 / 6^2 is 0.694, which is below 0.7"),
        (5.12, "whole number"),
        (7, "not 7"),
    ]),
    ("smallest_side", (0.25,), [(1, "right, 1 pixels")]),
    ("smallest_side", (0.9,), [(19, "right, 19 pixels")]),
    ("max_box_acc_v2", (), [
        (v2, "right, on both"),
        (lambda ious: torch.tensor(v2(ious)), "right, on both"),
        (lambda ious: 8 / 15, "not 0.533"),  # whatever it is given
        (lambda ious: levels(ious).any(axis=2).mean(), "0.800: each image has a threshold"),
        (lambda ious: levels(ious).mean(axis=(0, 1)).max(), "0.467: all three IoU levels share"),
        (lambda ious: v2(ious - 1e-9), "0.400: an IoU that is exactly"),
        (lambda ious: (ious >= 0.5).mean(axis=0).max(), "0.600 is MaxBoxAcc"),
        (lambda ious: 100 * v2(ious), "right in percent"),
        (lambda ious: ious, "must give one number; it gave (5, 3)"),
    ]),
    ("shared_threshold", (RESULT,), [
        (0.55, "right, 0.550; with a threshold for each IoU it was 0.700"),
        (0.7, "still lets each IoU choose its own"),
        (55, "a share lies in 0..1"),
        (0.8, "not 0.800"),
    ]),
    ("top1_bounds", (0.8, 0.7), [
        ((0.5, 0.7), "right, from 0.500 to 0.700"),
        ([0.5, 0.8], "the highest is not 0.800"),
        ((0.0, 0.7), "the lowest is not 0.000"),
        (0.6, "expected 2 numbers, (lowest, highest), got float."),
        ((0.5, 0.6, 0.7), "expected 2 numbers"),
        ((0.5, math.nan), "(lowest, highest), finite; got (0.5, nan)"),
    ]),
    ("top1_bounds", (0.3, 0.4), [((0, 0.3), "right, from 0.000 to 0.300")]),
    ("hidden_share", (), [
        (0.4, "right"), (0.5, "One choice of five hides none"), (0.2, "How many of the five"),
    ]),
    ("clipped_weight", (), [
        (1 - 400 / 48**2, "right, 1 - 20 x 20 / (48 x 48) = 0.826."),
        (1 - 1600 / 48**2, "whole box"),
        (400 / 48**2, "other picture"),
        (0.5, "Count the pixels"),
    ]),
    ("peak_square", (), [
        (square, "right: one square"),
        (lambda f, side: square(f, side).int().numpy(), "right: one square"),
        (lambda f, side: ~square(f, side), "turned round"),
        (lambda f, side: square(f.amax(1, keepdim=True), side), "where one channel is large"),
        (lambda f, side: square(f[:1], side).expand(2, 4, 5), "same square"),
        (square_cut, "has 4 cells"),
        (lambda f, side: square(f, 3), "your squares have [9, 9] cells"),
        (lambda f, side: square(f, side)[:, None], "(2, 4, 5); yours: (2, 1, 4, 5)"),
    ]),
    # C = 2, eps = 1/2: p_y = 3/4, H = 0.56234; minus log(2)/2 = 0.34657 gives 0.21576.
    ("lowest_loss", (0.5, 2), [
        (0.21576, "right, 0.216 nats"),
        (0.56234, "0.562 is that of label smoothing"),
        (0.43152, "Divide by 1 + lambda"),
        (0, "the KL is infinite"),
        (-1, "never negative"),
        (0.3, "not 0.300"),
    ]),
    ("er_loss", (), [
        (er, "right, "),
        (lambda z, y, e: losses.objective(z, y, "label_smoothing", e), "is label smoothing"),
        (lambda z, y, e: er(z, y, e) / (1 - e), "is CE + lambda KL"),
        (lambda z, y, e: er(z, y, e) + e * cross_entropy(z, y), "the whole of the cross-entropy"),
        (lambda z, y, e: er(z, y, e, losses.kl_to_uniform), "has KL(p||u) in it"),
        (lambda z, y, e: len(z) * er(z, y, e), "the sum over the pictures"),
        (er_through_softmax, "right, but not finite"),
        (lambda z, y, e: cross_entropy(z, y), "less log C"),
        (lambda z, y, e: losses.kl_uniform(z), "must give one number"),
    ]),
    ("translated_recipe", (3, 0.1, 4e-4), [
        ((0.75, 0.4, 1e-4), "right, eps 0.75, learning rate 0.4, decay 0.0001"),
        ((3, 0.4, 1e-4), "eps is not 3"),
        ((0.75, 0.025, 1e-4), "goes the other way"),
        ((0.75, 0.1, 1e-4), "the learning rate is not 0.1"),
        ((0.75, 0.4, 4e-4), "the weight decay is not 0.0004"),
        ((0.75, 0.4), "expected 3 numbers, (eps, learning rate, weight decay)"),
    ]),
    ("early_stopping", (HISTORY,), [
        (0.65, "right, 0.650 at epoch 2; the last epoch has 0.300"),
        (0.8, "an oracle"),
        (0.3, "is the last epoch"),
        (0.5, "not 0.500"),
    ]),
    ("early_stopping", (BETTER,), [(0.95, "validation score itself")]),
    # the best of test is 0.8, that of validation 0.8003: the nearer one is named
    ("early_stopping", (CLOSE,), [(0.8003, "validation score itself"), (0.8, "an oracle")]),
    ("chosen_on_validation", (), [
        (report, "right on both"),
        (lambda t: (0.5, 0.51), "not (0.5, 0.51)"),  # whatever it is given
        (lambda t: report(t, by="pxap"), "an oracle"),
        (lambda t: tuple(t.loc[t.val_pxap.idxmax(), ["epsilon", "pxap"]]), "lucky validation"),
        (report_of_run, "epsilon is that of the single best run"),
        (lambda t: report(t, of="val_pxap"), "with its score on validation"),
        (lambda t: (report(t)[0], t[t.epsilon == report(t)[0]].pxap.max()), "with its best seed"),
        (lambda t: report(t)[::-1], "first epsilon, then"),
        (lambda t: (0.0, report(t)[1]), "Two means for each epsilon"),
        (lambda t: (*report(t), 0), "expected a pair"),
        (lambda t: report(t)[1], "expected a pair"),
    ]),
    ("collapse", (CUES,), [
        (0.9, "right, ε = 0.900. The last cue that pays is the body"),
        (0.84, "not 0.840"),
        (1.2, "between 0 and 1"),
    ]),
    ("collapse", (SMALL_BODY,), [(0.0, "body stops paying")]),
    ("optimism", (TABLE,), [
        (0.1, "right, +0.100. Choosing on test adds 0.200 to the top and 0.100"),
        (-0.1, "turned round"),
        (0.2, "is what choosing on test adds to the top"),
        (0.4, "is the colleague's gain"),
        (0.3, "is the honest gain"),
        (0, "not 0.000"),
    ]),
    ("same_optimum", (0.1, 200), [
        (0.00829, "right, 0.0083. A beta of 0.1 asks 200 classes for 0.091 nats."),
        (0.1 / 1.1, "takes beta for ER's lambda"),
        (0.004, "too small. At 0.004"),
        (0.3, "too large"),
        (1.5, "between 0 and 1"),
        (1e-300, "too small. At 1e-300"),
    ]),
    ("classes_needed", (1e-4, 0.8), [
        (40_000, "right, about 40,000"),
        (8_000, "sets lambda C equal to eps"),
        (200, "Which effective lambda"),
    ]),
    ("hinged_entropy", (), [
        (hinge, "right, finite at logits of ten thousand, and a gradient flows."),
        (lambda z: hinge(z).sum(), "a tensor of four values, (4,); yours: ()"),
        (lambda z: hinge(z).detach().numpy(), "Stay in tensors, without detach or NumPy"),
        (lambda z: hinge(z).detach(), "no gradient flows"),
        (lambda z: (0.5 + (z.softmax(1) * z.softmax(1).log()).sum(1)).clamp_min(0), "not finite"),
        (lambda z: 0.5 - losses.entropy(z), "right where the entropy is below 0.5; above"),
        (lambda z: (0.5 - losses.entropy(z) / math.log(2)).clamp_min(0), "entropy is in bits"),
        (lambda z: (losses.entropy(z) - 0.5).clamp_min(0), "turned round"),
        (lambda z: (1 - losses.entropy(z)).clamp_min(0), "not yet. Compare one row"),
    ]),
    # spread 1, width 1: t_4 / sqrt 5 = 1.24, t_5 / sqrt 6 = 1.05, t_6 / sqrt 7 = 0.92; 1.96 needs 4
    ("seeds_needed", (1.0, 1.0), [
        (7, "right, 7: the first number whose half-width is at most 1."),
        (4, "with 1.96"),
        (6, "with 6 the half-width is still 1.05"),
        (8, "fewer are, too"),
        (0, "whole number"),
        (5.5, "whole number"),
    ]),
    ("loudness", (0.2, 0.05), [
        (4.0, "right, 0.200 / 0.050 = 4.00"),
        (0.25, "upside down"),
        (0.15, "difference"),
        (7, "Divide the share"),
    ]),
    ("effective_channels", (), [
        (in_use, "right: 4 where all are alike"),
        (lambda f: in_use(f).mean(), "(3,); yours: ()"),
        (lambda f: in_use(f).log(), "Its exponential"),
        (lambda f: (f.sum((2, 3)) > 0).sum(1), "right but where the shares differ"),
        (lambda f: in_use(f.flatten(2).mT[..., None]), "counts the cells of the map"),
        (lambda f: (-(q := f.sum((2, 3)) / f.sum((1, 2, 3))[:, None]) * q.log()).sum(1).exp(),
         "0 log 0 counts as 0"),
        (lambda f: f.amax((2, 3)).sum(1), "not yet: [4.0, 5.0, 6.0] for four channels alike"),
    ]),
    ("share_of_features", (PXAP,), [
        (0.625, "right, 0.62"),
        (0.375, "the head's share"),
        (0.5, "one order"),
        (0.75, "one order"),
        (0.25, "in PxAP"),
        (0.9, "not 0.9"),
    ]),
    ("telling_pictures", (TELLING,), [
        (2, "right, 2 of 5; the knob alone would give 2"),
        (3, "the two agree"),
        (0.4, "their share"),
        (4, "Compare columns"),
    ]),
    ("telling_pictures", (BODIES,), [(3, "body and habitat")]),
    # 200 images, p = 0.5: one share has 1.96 sqrt(0.25 / 200) = 6.930 points, the difference 9.800
    ("unpaired_half_width", (200, 0.5), [
        (9.8, "right, 9.8 points"),
        (6.93, "twice the variance"),
        (0.098, "right as a share"),
        (5.0, "one standard error"),
        (3.0, "not 3.0"),
    ]),
    # of 40 images one lost, five won: mean 0.1, variance 6 / 40 - 0.01 = 0.14
    ("paired_half_width", (), [
        (paired, "right, 11.6 points for five images won"),
        (lambda b, a: paired(b, a) * math.sqrt(40 / 39), "right"),
        (lambda b, a: 196 * math.sqrt((a.var() + b.var()) / 40), "variances of two separate"),
        (lambda b, a: paired(b, a) / 100, "right as a share"),
        (lambda b, a: paired(b, a) / 1.96, "one standard error"),
        (lambda b, a: 2 * paired(b, a), "from end to end"),
        (lambda b, a: paired(b, a) / math.sqrt(40), "that divides by N"),
        (lambda b, a: paired(b, a) * math.sqrt(40), "the spread of one image"),
        (lambda b, a: (a.mean() - b.mean()), "not yet: 0.1 for five"),
    ]),
    ("located_when_right", (HITS, RIGHT), [
        (50.0, "right, +50.0 points: 75.0 % where the class is right, 25.0 %"),
        (0.5, "right as a share"),
        (-50, "other way round"),
        (25, "against all images"),
        (10, "not +10.0"),
    ]),
    ("best_of_two", ([1, 2, 3],), [  # mean 2; the larger of each pair 2, 3, 3
        (2 / 3, "right, 0.667"),
        (8 / 3, "above the mean"),
        (1.0, "Take every pair"),
        (0.9, "larger score over all pairs"),
    ]),
    ("centred", (), [
        (lambda w: w - w.mean(dim=0), "right"),  # the notebook's line
        (lambda w: w - w.mean(axis=0), "right"),
        (lambda w: w - w.mean(axis=1, keepdims=True), "different vectors"),
        (lambda w: w + 1, "still depends"),
        (lambda w: w - w[0], "mean of the weights is not zero"),
        (lambda w: w.mean(axis=0), "came back as (7,)"),
    ]),
    ("boxes_needed", (0.88, 0.05), [  # 3.8416 x 0.1056 / 0.0025 = 162.3
        (163, "right, 163 boxes for 0.05"),
        (162, "one too few: with 162"),
        (43, "one standard error"),
        (41, "from end to end"),
        (1622687, "too many"),
        (100, "not 100"),
    ]),
    ("twins_of", (), [
        (lambda test, train, d: (torch.cdist(test, train).amin(1) < d).nonzero()[:, 0], "right"),
        (lambda test, train, d: (torch.cdist(test, train).amin(1) <= d).nonzero()[:, 0],
         "right, but for rows"),
        (lambda test, train, d: torch.cdist(test, train).amin(1) < d, "expected the indices"),
        (lambda test, train, d: (torch.cdist(test, train)[:, 1] < d).nonzero()[:, 0], "only"),
        (lambda test, train, d: (torch.cdist(test, train).amin(1) > d).nonzero()[:, 0],
         "without a twin"),
        (lambda test, train, d: [0, 1, 2, 3], "yours: [0, 1, 2, 3]"),
    ]),
    ("honest_claim", (MEASURED,), [
        (CLAIM, "All of it is sound"),
        (CLAIM | {"metric": "BoxAcc", "choices": "none", "seeds": 3.0}, "All of it is sound"),
        (CLAIM | {"interval": (-3.0, 7.0)}, "Said openly, and weak: gain"),  # Student's
        (CLAIM | {"baselines": ["CAM"]}, "Said openly, and weak: baselines"),
        (CLAIM | {"seeds": None, "cam_class": None}, "checklist:\n  cam_class: say which:"
         " predicted, true\n  seeds: say how many"),
        (CLAIM | {"metric": "boxes"}, "metric: boxes is none of BoxAcc"),
        (CLAIM | {"gain": 20.0}, "not the numbers that were measured"),
        (CLAIM | {"interval": np.array([0.5, 9.0])}, "not the numbers that were measured"),
        (CLAIM | {"gain": 0.02, "interval": (0.005, 0.04)}, "these are shares"),
        *[
            (CLAIM | {item: lie}, f"what was run and scored: {item} {lie}.")
            for item, lie in (
                ("seeds", 50), ("checkpoint", "validation"), ("checkpoint", "test"),
                ("threshold", "oracle"), ("threshold", "fixed"), ("choices", "test"),
                ("metric", "PxAP"), ("normalisation", "IVR"), ("cam_class", "predicted"),
            )
        ],
    ]),
]  # fmt: skip
GIVEN = {name: given for name, given, _ in reversed(CASES)}


def said(capsys, name, answer, given):
    assert getattr(checks, name)(answer, *given) is None
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 76
    title, words = " ".join(lines).split(": ", 1)
    assert title == WORDS[name]["title"]
    return words


@pytest.mark.parametrize("name", checks.__all__)
def test_every_answer_meets_its_row_and_every_row_an_answer(capsys, name):
    told = []
    for exercise, given, cases in CASES:
        for answer, words in cases if exercise == name else ():
            told.append(said(capsys, name, answer, given))
            assert " ".join(words.splitlines()) in told[-1]
            right = told[-1].startswith("right") == words.startswith("right")
            assert right or name == "honest_claim"
    for row, words in WORDS[name].items():
        start = None if row in SETTINGS else " ".join(words.split("{")[0].splitlines())
        if start:  # the text before the first number
            assert any(text.startswith(start) for text in told), row


def test_every_exercise_has_words_and_cases_and_says_what_it_asks():
    assert set(checks.__all__) == set(WORDS) - {"errata"} == set(GIVEN)
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
