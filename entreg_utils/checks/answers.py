"""What each exercise's right answer is and what the usual slips give, in the notebooks' order.

Every check takes the student's answer, then what the exercise gives, and prints one sentence of
``words.toml``: :mod:`entreg_utils.checks.check`.
"""

import itertools
import math

import numpy as np
import pandas as pd
import torch
from scipy.special import stdtrit

from entreg_utils import losses, theory
from entreg_utils.checks.check import (
    WORDS,
    claim,
    differentiation,
    function,
    number,
    numbers,
    reads,
)
from entreg_utils.checks.critique import pair, review

# Boxes with their IoU worked out by hand, both ends of a side included.
IOU_CASES = (
    ([0, 0, 9, 9], [0, 0, 9, 9], 1.0, "a box with itself"),
    ([0, 0, 9, 9], [0, 0, 4, 9], 0.5, "a box with its left half"),
    ([0, 0, 9, 9], [9, 9, 18, 18], 1 / 199, "two boxes that share one pixel"),
    ([0, 0, 4, 4], [20, 20, 24, 24], 0.0, "two boxes far apart"),
    ([0, 0, 4, 4], [0, 20, 4, 24], 0.0, "two boxes one above the other"),
    ([3, 2, 8, 11], [1, 5, 6, 7], 12 / 66, "two boxes that cross, the second further left"),
)


@reads(function("two boxes", float))
def iou(own):
    """01: a function of two boxes that gives their intersection over union."""
    for first, second, wanted, case in IOU_CASES:
        found = own(first, second, on=f" on {case}")
        if not math.isclose(found, wanted, abs_tol=1e-9):
            rows = {"unclipped": wanted == 0, "order": second[0] < first[0], "ends": wanted < 1}
            shown = {"first": first, "second": second, "case": case}
            return rows | shown | {"wanted": wanted, "found": found}
    return {"right": True, "cases": len(IOU_CASES)}


@reads(number)
def expected_accuracy(value, reliability, num_classes):
    """01: best accuracy from one cue, max(r, (1 - r) / (C - 1))."""
    other = (1 - reliability) / (num_classes - 1)
    if other > reliability:
        return {"against": other, "reliability": reliability}
    return {"right": reliability}


@reads(number)
def blanked(value, dataset):
    """01: accuracy, 0..1, of "mark if painted, else body"."""
    cues, labels = np.asarray(dataset.cues), np.asarray(dataset.labels)
    used = np.where(cues[:, 0] < 0, cues[:, 1], cues[:, 0])
    right, mark = ((shown == labels).mean() for shown in (used, cues[:, 0]))
    return {"right": right, "mark": mark, "above": value > 1}


@reads(function("logits", lambda given: torch.as_tensor(given).detach().double()))
def penalty_gradient(own):
    """02: a function of logits (N, C) that gives the gradient of KL(p||u), (N, C), by a formula."""
    generator = torch.Generator().manual_seed(7)
    logits = 2 * torch.randn(4, 5, generator=generator, dtype=torch.float64)
    wanted = logits.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(losses.kl_to_uniform(wanted).sum(), wanted)
    with differentiation() as used:
        given, extreme = own(logits.clone()), own(torch.tensor([[1e4, 0.0, -1e4]]))
    if used():
        return {"automatic": True}
    if given.shape != wanted.shape:
        return {"shape": True, "needed": tuple(wanted.shape), "given": tuple(given.shape)}
    gap, other, sums = (
        float(values.abs().max()) for values in (given - wanted, given + wanted, given.sum(1))
    )
    return {
        "infinite": gap <= 1e-6 and not bool(extreme.isfinite().all()),
        "right": gap <= 1e-6,
        "bound": "1e-12" if gap < 1e-12 else "1e-6",
        "turned": other <= 1e-6,
        "balanced": sums < 1e-6,
    }


@reads(number)
def matched_beta(value, epsilon, num_classes):
    """02: beta whose confidence penalty has the optimum of label smoothing's eps."""
    entropy = losses.smoothed_optimum(epsilon, num_classes)[1]
    right = 1 / (-math.log(epsilon / num_classes) - entropy)
    side = "low" if value < right else "high"
    slips = {"negative": value <= 0, "lam": epsilon / (1 - epsilon)}
    return {"right": right, "entropy": entropy, "side": side} | slips


@reads(number)
def transferred_lambda(value, lam, source_classes, target_classes):
    """02: class-sum lambda for the target's classes with the eps of ``lam`` at the source's."""
    return {
        "right": lam * source_classes / target_classes,
        "eps": losses.epsilon_from_lambda(lam, source_classes, "class_sum"),
        "lam": lam,
        "inverse": lam * target_classes / source_classes,
        "effective": lam * source_classes,
    }


@reads(function("features, weights, a and b", lambda given: torch.as_tensor(given).double()))
def contrast_map(own):
    """03: ``f(features, weights, a, b) -> (N, h, w)``, the map of z_a - z_b."""
    # by hand: CAM_0 - CAM_2 = (2 - (-1)) A_1 + (0 - 1) A_2, two pictures of two channels of two
    # pixels; CAM_1 - CAM_0 = (5 - 2) A_1 + (5 - 0) A_2
    features = torch.tensor([[[[1.0, 0.0]], [[2.0, 4.0]]], [[[0.0, 3.0]], [[5.0, 1.0]]]])
    weights = torch.tensor([[2.0, 0.0], [5.0, 5.0], [-1.0, 1.0]])
    by_hand = torch.tensor([[[1.0, -4.0]], [[-5.0, 8.0]]], dtype=torch.float64)
    others = torch.tensor([[[13.0, 20.0]], [[25.0, 14.0]]], dtype=torch.float64)
    found, other = own(features, weights, 0, 2), own(features, weights, 1, 0)
    moved = own(features, weights + torch.tensor([7.0, -3.0]), 0, 2)
    shapes = {tuple(one.shape) for one in (found, other, moved)} - {tuple(by_hand.shape)}
    if shapes:
        return {"shape": True, "given": shapes.pop(), "first": found.shape == (1, 1, 2)}
    return {
        "turned": torch.allclose(found, -by_hand),
        "wrong": not torch.allclose(found, by_hand),
        "fixed": not torch.allclose(other, others),
        "right": torch.allclose(moved, found, atol=1e-5),
        "by_hand": by_hand.flatten().tolist(),
        "found": [round(each, 3) for each in found.flatten().tolist()],
    }


@reads(number)
def temperature(value, logits, target):
    """03: a factor s such that the mean entropy of ``s * logits`` is ``target`` nats."""
    scaled = value * torch.as_tensor(logits).detach().double()
    found = float(losses.entropy(scaled.clamp(-1e300, 1e300)).mean())
    right = abs(found - target) <= 0.01
    return {"negative": value <= 0, "right": right, "too_large": found < target, "found": found}


@reads(number)
def ivr_percentile(value):
    """03: the percentile at which IVR is min-max."""
    return {"right": 0}


@reads(number)
def smallest_side(value, iou=0.7):
    """04: smallest k with k^2 / (k + 1)^2 >= iou, a perfect k x k object in a box of k + 1."""

    def share(side):
        return side**2 / (side + 1) ** 2

    right = next(k for k in range(1, 10**6) if share(k) >= iou)
    shown = {"next": right + 1, "reached": share(right)}
    shown |= {"before": right - 1, "missed": share(right - 1)}
    slips = {"broken": value != int(value)}
    if 1 <= value < right:
        slips |= {"small": True, "more": value + 1, "found": share(value)}
    return {"right": right} | slips | shown


@reads(function("IoUs (N, T)", float))
def max_box_acc_v2(own):
    """04: ``f(ious) -> float``, MaxBoxAccV2 of the best IoUs (N, T) of images and thresholds."""
    rows = [[0.3, 0.7, 0.1], [0.5, 0.2, 0.1], [0.2, 0.1, 0.7], [0.35, 0.1, 0.6], [0.4, 0.45, 0.55]]
    found, other = own(np.array(rows)), own(np.full((2, 4), 0.6))  # by hand: 8/15 and 2/3
    near = {  # of 15 pairs of image and IoU level, the best thresholds find so many
        "right": 8, "image": 12, "shared": 7, "strict": 6, "one": 9, "percent": 800,
    }  # fmt: skip
    told = {name: math.isclose(found, hits / 15, abs_tol=1e-6) for name, hits in near.items()}
    told["right"] &= math.isclose(other, 2 / 3, abs_tol=1e-6)
    return told | {"found": found, "other": other}


@reads(number)
def shared_threshold(value, result):
    """04: best mean over the IoU levels at one threshold of all, of a ``metrics.BoxAccuracy``."""
    own, right = result.max_box_acc_v2, result.curve.mean(axis=0).max()
    return {"right": right, "own": own, "above": value > 1}


@reads(numbers("two", "lowest", "highest"))
def top1_bounds(value, accuracy, gt_known):
    """04: (lowest, highest) Top-1 Loc, given accuracy and GT-known Loc."""
    low, high = max(0.0, accuracy + gt_known - 1), min(accuracy, gt_known)
    return {
        "highest": not math.isclose(value[1], high, abs_tol=5e-4),
        "lowest": not math.isclose(value[0], low, abs_tol=5e-4),
        "low": low,
        "high": high,
    }


@reads(number)
def hidden_share(value):
    """05: expected share of hidden pixels, sides {none, 16, 32, 44, 56}, rate 1/2."""
    return {"right": 4 / 5 * 0.5, "rate": 0.5}


@reads(number)
def clipped_weight(value):
    """05: weight of the own label with 20 x 20 of 48 x 48 pixels pasted."""
    pasted = 20 * 20 / 48**2
    return {"right": 1 - pasted, "whole": 1 - 4 * pasted, "other": pasted}


@reads(function("features and a side", lambda given: torch.as_tensor(given).bool()))
def peak_square(own):
    """05: ``f(features (N, C, h, w), side) -> bool (N, h, w)``, the square that RDAP hides."""
    features = torch.zeros(2, 2, 4, 5)
    features[0, :, 1, 2], features[0, 0, 3, 4], features[1, :, 0, 4] = 2, 3, 1
    found, small = own(features.clone(), 3), own(features.clone(), 1)
    wanted = torch.zeros(2, 4, 5, dtype=torch.bool)
    wanted[0, :3, 1:4] = wanted[1, :3, 2:] = True
    if found.shape != wanted.shape:
        return {"shape": True, "given": tuple(found.shape)}
    return {
        "right": bool((found == wanted).all() and small.sum() == 2),
        "turned": bool((found == ~wanted).all()),
        "channels": bool(found[0, 3, 4]),
        "batch": bool((found[0] == found[1]).all()),
        "cut": bool((found[0] == wanted[0]).all() and 0 < found[1].sum() < 9),
        "cells": found.sum((1, 2)).tolist(),
    }


@reads(number)
def lowest_loss(value, epsilon, num_classes):
    """06: lowest (CE + lambda KL(u||p)) / (1 + lambda), nats: smoothed entropy - eps log C."""
    smoothed = losses.smoothed_optimum(epsilon, num_classes)[1]
    right = smoothed - epsilon * math.log(num_classes)
    slips = {"smoothed": smoothed, "undivided": right / (1 - epsilon), "negative": value <= 0}
    return {"right": right} | slips


@reads(function("logits, labels and epsilon", float))
def er_loss(own):
    """06: ``f(logits (N, C), labels (N,), epsilon) -> float``, the averaged ER loss in nats."""
    z = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]], dtype=torch.float64)
    labels, epsilon = torch.tensor([0, 1]), 0.3
    log_p = z.log_softmax(1)
    ce, smooth, log_c = -log_p[[0, 1], labels].mean(), -log_p.mean(), math.log(3)
    reverse = (log_p.exp() * log_p).sum(1).mean() + log_c  # KL(p||u)
    right = 0.7 * ce + 0.3 * (smooth - log_c)
    found, far = own(z, labels, epsilon), own(1e4 * z, labels, epsilon)
    near = {
        "right": right, "constant": right + 0.3 * log_c, "undivided": right / 0.7, "sum": 2 * right,
        "reverse": 0.7 * ce + 0.3 * reverse, "added": ce + 0.3 * (smooth - log_c),
    }  # fmt: skip
    told = {name: math.isclose(found, value, abs_tol=1e-6) for name, value in near.items()}
    infinite = told["right"] and not math.isfinite(far)
    return {"infinite": infinite} | told | {"found": found, "wanted": float(right)}


@reads(numbers("three", "eps", "learning rate", "weight decay"))
def translated_recipe(value, lam, rate, decay):
    """06: label smoothing that moves as CE + lam KL(u||p) does under SGD of this rate and decay.

    Label smoothing at lam/(1 + lam) with rate (1 + lam) and decay / (1 + lam).
    """
    rates = {"eps": lam / (1 + lam), "rate": rate * (1 + lam), "decay": decay / (1 + lam)}
    sure = [math.isclose(*both, rel_tol=1e-3) for both in zip(value, rates.values(), strict=True)]
    slips = {name: not right for name, right in zip(rates, sure, strict=True)}
    return slips | {"inverse": math.isclose(value[1], rate / (1 + lam), rel_tol=1e-3)}


@reads(number)
def early_stopping(value, history, epsilon=0.0):
    """06: test PxAP, mean over seeds, at the epoch that validation PxAP picks."""
    path = history[history.epsilon == epsilon].groupby("epoch").mean(numeric_only=True)
    test, epoch = path.test_pxap, path.val_pxap.idxmax()
    slips = {"oracle": test.max(), "validation": path.val_pxap.max(), "last": test.iloc[-1]}
    return {"right": test[epoch], "epoch": epoch} | slips


@reads(function("a long table", lambda given: tuple(float(one) for one in given)))
def chosen_on_validation(own):
    """07: ``f(table) -> (epsilon, PxAP)``: epsilon by mean validation PxAP, its mean on test."""
    runs = {  # means on validation 0.4, 0.7, 0.6, 0.55, on test 0.2, 0.51, 0.55, 0.65
        "epsilon": [0.5, 0.0, 0.8, 0.9, 0.8, 0.5, 0.9, 0.0],
        "val_pxap": [0.65, 0.5, 0.9, 0.6, 0.3, 0.75, 0.5, 0.3],
        "pxap": [0.2, 0.1, 0.7, 0.6, 0.4, 0.82, 0.7, 0.3],
    }
    table = pd.DataFrame(runs)
    found, other = own(table.copy()), own(table.assign(val_pxap=1 - table.val_pxap))
    near = {
        "right": (0.5, 0.51), "test": (0.9, 0.65), "run": (0.8, 0.7), "run_mean": (0.8, 0.55),
        "validation": (0.5, 0.7), "seed": (0.5, 0.82), "swapped": (0.51, 0.5),
    }  # fmt: skip
    told = {name: len(found) == 2 and np.allclose(found, pair) for name, pair in near.items()}
    told["right"] &= len(other) == 2 and np.allclose(other, (0.0, 0.2))
    return {"pair": len(found) != 2} | told | {"found": found}


@reads(number)
def collapse(value, world):
    """07: the epsilon beyond which no cue of a ``theory.ThreeCues`` pays its price."""
    last = theory.pays_until(world)
    cue = ("part", "body", "context")[last.argmax()]
    return {"right": last.max(), "cue": cue, "body": last[1], "outside": not 0 <= value <= 1}


@reads(number)
def optimism(value, table):
    """07: how much larger a gain in BoxAcc over epsilon 0 is with threshold and epsilon chosen on
    test instead of validation; ``table`` has one row a run."""
    means = table.groupby("epsilon")[["max_box_acc", "max_box_acc_carried", "val_max_box_acc"]]
    test, carried, val = means.mean().to_numpy().T
    top, plain = test.max() - carried[val.argmax()], test[0] - carried[0]
    gains = {"gain": test.max() - test[0], "honest": carried[val.argmax()] - carried[0]}
    return {"right": top - plain, "turned": plain - top, "top": top, "plain": plain} | gains


@reads(number)
def same_optimum(value, beta, num_classes):
    """08: eps of ER with the optimum of the confidence penalty of strength beta."""
    if not 0 < value < 1:
        return {"outside": True}
    if value / num_classes == 0:  # underflows, and has no logarithm
        return {"tiny": True}
    entropy = losses.smoothed_optimum(value, num_classes)[1]
    found = losses.matched_strength("confidence_penalty", entropy, num_classes)
    right = math.isclose(found, beta, rel_tol=5e-3)
    equal = math.isclose(value, beta / (1 + beta), rel_tol=1e-2)
    side = "small" if found < beta else "large"
    return {"right": right, "equal": equal, "entropy": entropy, "found": found, "side": side}


@reads(number)
def classes_needed(value, lam, epsilon):
    """08: number of classes at which the class-sum ``lam`` is ``epsilon``."""
    return {"right": losses.lambda_from_epsilon(epsilon, 2) / lam, "unaveraged": epsilon / lam}


@reads(function("logits", lambda given: given))
def hinged_entropy(own):
    """08: a function of logits (N, C) that gives max(0, 0.5 - H(p)), (N,), nats."""
    logits = [
        [0.0, 0.0, 0.0, 0.0],
        [9.0, 0.0, 0.0, 0.0],
        [2.0, 5.0, 1.0, 0.0],
        [0.0, 1e4, 0.0, -1e4],
    ]
    found = own(torch.tensor(logits, requires_grad=True))
    if not isinstance(found, torch.Tensor):
        return {"shape": True, "given": type(found).__name__}
    if found.shape != (4,):
        return {"shape": True, "given": tuple(found.shape)}
    entropy = losses.entropy(torch.tensor(logits))
    short, bits = 0.5 - entropy, 0.5 - entropy / math.log(2)
    wanted = {"right": short.clamp_min(0), "unclipped": short, "bits": bits.clamp_min(0)}
    wanted["turned"] = (-short).clamp_min(0)
    rows = {name: torch.allclose(found.detach().float(), row) for name, row in wanted.items()}
    return rows | {"infinite": not bool(found.isfinite().all()), "cut": not found.requires_grad}


@reads(number)
def seeds_needed(value, spread, width):
    """08 and 10: fewest seeds n >= 2 with t_{n-1, 0.975} spread / sqrt(n) <= width.

    ``spread`` is the standard deviation of the paired differences, in the unit of ``width``.
    """

    def half(seeds):
        return stdtrit(seeds - 1, 0.975) * spread / math.sqrt(seeds)

    right = next(n for n in range(2, 10_000) if half(n) <= width)
    normal = next(n for n in range(1, 10_000) if 1.96 * spread / math.sqrt(n) <= width)
    odd = value < 2 or value != int(value)
    found = {"right": right, "normal": normal, "odd": odd, "more": value > right}
    return found if odd else found | {"half": half(value)}


@reads(number)
def loudness(value, share, area):
    """09: energy in a region, in multiples of an even map: ``share`` of it on ``area``."""
    return {"right": share / area, "inverse": area / share, "difference": share - area}


@reads(function("features", lambda given: torch.as_tensor(given).detach().double()))
def effective_channels(own):
    """09: features (N, K, h, w) -> (N,), exp of the entropy of the channels' energy shares."""
    features = torch.zeros(3, 4, 2, 3)
    features[0], features[1, 2, 0, 1] = 1.0, 5.0  # all alike; one alone
    features[2, 0], features[2, 1, 0, :2] = 3.0, 3.0  # energies 18 and 6
    found = own(features)
    if found.shape != (3,):
        return {"shape": True, "given": tuple(found.shape)}
    right = torch.tensor([4.0, 1.0, 4 / 3**0.75], dtype=torch.float64)
    cells = torch.tensor([6.0, 1.0, 4 * 2**0.5], dtype=torch.float64)
    near = {"right": right, "entropy": right.log(), "cells": cells}
    near["counted"] = torch.tensor([4.0, 1.0, 2.0], dtype=torch.float64)
    rows = {name: torch.allclose(found, row, atol=1e-3) for name, row in near.items()}
    shown = {"found": [round(value, 3) for value in found.tolist()]}
    return rows | {"silent": not bool(found.isfinite().all())} | shown


@reads(number)
def share_of_features(value, pxap):
    """09: share of the gain that the features bring, mean of both orders of exchange.

    ``pxap`` maps (epsilon of the features, epsilon of the head) to PxAP, for two epsilons.
    """
    low, high = sorted({features for features, _ in pxap})
    gain = pxap[high, high] - pxap[low, low]
    first = (pxap[high, low] - pxap[low, low]) / gain
    last = (pxap[high, high] - pxap[low, high]) / gain
    right = (first + last) / 2
    return {
        "right": right,
        "head": 1 - right,
        "one_order": any(math.isclose(value, one, abs_tol=0.005) for one in (first, last)),
        "undivided": math.isclose(value, right * gain, abs_tol=0.0005),
    }


@reads(number)
def telling_pictures(value, dataset):
    """09: in how many pictures do mark and habitat speak for different species?"""
    mark, body, habitat = np.asarray(dataset.cues).T
    right, count = (mark != habitat).sum(), len(mark)
    share = 0 < value < 1 and math.isclose(value, right / count, abs_tol=1e-3)
    slips = {"agree": count - right, "share": share, "body": (body != habitat).sum()}
    knob = (1 - dataset.world.context) * count
    return {"right": right, "count": count, "knob": knob} | slips


@reads(number)
def unpaired_half_width(value, images, share):
    """10: 95 % half-width, points, of a difference of independent shares p of N images."""
    error = 100 * math.sqrt(2 * share * (1 - share) / images)
    as_share = math.isclose(value, 1.96 * error / 100, abs_tol=6e-4)
    one = 1.96 * error / math.sqrt(2)
    return {"right": 1.96 * error, "one": one, "as_share": as_share, "error": error}


@reads(function("two rows of hits", float))
def paired_half_width(own):
    """10: two rows of hits (N,), bool -> 95 % half-width of the mean change, paired, in points."""
    before = np.arange(40) % 2 == 0
    after = before ^ np.isin(np.arange(40), (0, 1, 3, 5, 7, 9))  # one lost, five won
    found, gain = own(before, after), after.astype(int) - before
    sides = (side.var() for side in (before, after))
    right, unpaired = (100 * 1.96 * math.sqrt(v / 40) for v in (gain.var(), sum(sides)))
    wanted = {"right": right, "unpaired": unpaired, "as_share": right / 100, "error": right / 1.96}
    wanted |= {
        "whole": 2 * right,
        "rootless": right / math.sqrt(40),
        "image": right * math.sqrt(40),
    }
    # with N - 1 in place of N the spread is 1.3 % larger, and as good
    rows = {name: math.isclose(found, row, rel_tol=0.014) for name, row in wanted.items()}
    return rows | {"found": found, "half": right}


@reads(number)
def located_when_right(value, hits, right):
    """10: P(hit | class right) - P(hit | class wrong), points, mean over seeds; (S, N) bool."""
    pairs = zip(np.asarray(hits), np.asarray(right), strict=True)
    shares = [(hit[ok].mean(), hit[~ok].mean(), hit.mean()) for hit, ok in pairs]
    given, wrong, overall = 100 * np.mean(shares, axis=0)
    return {
        "right": given - wrong,
        "as_share": math.isclose(value, (given - wrong) / 100, abs_tol=6e-4),
        "turned": wrong - given,
        "overall": given - overall,
        "given": given,
        "wrong": wrong,
    }


@reads(number)
def best_of_two(value, scores):
    """11: what the better of two runs is expected to add to the mean of all."""
    mean = np.mean(scores)
    score = np.mean([max(both) for both in itertools.combinations(scores, 2)])
    return {"right": score - mean, "score": score, "best": max(scores) - mean}


@reads(function("the weights", lambda given: np.asarray(given, float)))
def centred(own):
    """11: class weights (C, K) moved by one common vector so that their mean is zero."""
    weights = torch.randn(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    given, again = own(weights.clone()), own(weights + torch.linspace(-3, 3, 7))
    weights = weights.numpy()
    if given.shape != weights.shape:
        return {"shape": True, "given": given.shape}
    return {
        "uneven": not np.allclose(np.ptp(given - weights, axis=0), 0, atol=1e-9),
        "moved": not np.allclose(given, again, atol=1e-9),
        "mean": not np.allclose(given.mean(axis=0), 0, atol=1e-9),
    }


# How the runs of the claim were made and scored: what it may say of them.
CLAIMED = {
    "metric": ("BoxAcc", "MaxBoxAcc"),
    "threshold": ("carried",),
    "checkpoint": ("last",),
    "choices": ("none", "validation"),  # eps was given, the threshold chosen on validation
    "normalisation": ("min-max",),
    "cam_class": ("true",),
}


@reads(claim)
def honest_claim(value, measured):
    """11: a claim with nothing missing, true of the runs and of ``measured``, an
    ``analysis.change`` of theirs; gain and interval, of either kind, in points."""
    table = review(value)
    absent = table[table.verdict == "missing"].why
    if len(absent):
        return {"absent": True, "missing": "\n".join(f"  {k}: {why}" for k, why in absent.items())}
    seeds, gain = int(measured["seeds"]), 100 * measured["change"]
    untrue = [item for item, true in CLAIMED.items() if value[item] not in true]
    untrue += ["seeds"] * (value["seeds"] != seeds)
    half = 100 * measured["half"]
    ends = (100 * measured["low"], 100 * measured["high"]), (gain - half, gain + half)
    stated = np.array([value["gain"], *pair(value["interval"])], float)
    gaps = np.array(
        [np.abs(scale * stated - [gain, *own]).max() for scale in (1, 100) for own in ends]
    )
    weak = table.index[table.verdict == "weak"]
    return {
        "untrue": bool(untrue),
        "told": ", ".join(f"{item} {table.claimed[item]}" for item in untrue),
        "as_share": gaps[:2].min() > 0.1 and gaps[2:].min() <= 0.1,
        "other": gaps[:2].min() > 0.1,
        "weak": bool(len(weak)),
        "items": ", ".join(weak),
    }


@reads(number)
def boxes_needed(value, share, half_width):
    """12: smallest n of boxes whose share p has a 95 % half-width, 1.96 sqrt(p (1 - p) / n)."""
    error = 1.96**2 * share * (1 - share) / half_width**2
    right = math.ceil(error)
    wrong = {"rounded": right - 1, "width": math.ceil(error / 4), "points": value > 1e4}
    return {"right": right, "one": math.ceil(error / 1.96**2)} | wrong


@reads(function("test and training thumbnails and a distance", lambda given: np.asarray(given)))
def twins_of(own):
    """12: indices of the rows of test (N, D) nearer than a distance to a row of train (M, D)."""
    train = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    test = torch.tensor([[3.0, 4.0], [10.0, 1.0], [4.9, 0.0], [-1.0, 0.0]])  # 5, 1, 4.9, 1 away
    found = own(test, train, 2.0)
    if found.dtype == bool or found.ndim != 1:
        return {"shape": True, "given": f"{found.dtype} {found.shape}"}
    found, right = sorted(found.tolist()), [1, 3]
    paired = found in ([1], [3])  # with one row of train only
    edge = sorted(own(test, train, 5.0).tolist())
    return {"paired": paired, "edge": found == right and edge != [1, 2, 3]} | {
        "right": found == right,
        "found": found,
        "turned": found == [0, 2],
    }


__all__ = [name for name in WORDS if name in globals()]
