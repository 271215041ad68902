"""The exercises that ask for numbers: the right ones and what the usual slips give, in the order
of the notebooks. What each asks for is said in ``words.toml``."""

import itertools
import math

import numpy as np
import torch
from scipy.special import stdtrit

from entreg_utils import losses, theory
from entreg_utils.checks.check import checks_of


def expected_accuracy(value, reliability, num_classes):
    other = (1 - reliability) / (num_classes - 1)
    return {"against": other} if other > reliability else {"right": reliability}


def blanked(value, dataset):
    cues, labels = np.asarray(dataset.cues), np.asarray(dataset.labels)
    used = np.where(cues[:, 0] < 0, cues[:, 1], cues[:, 0])
    right, mark = ((shown == labels).mean() for shown in (used, cues[:, 0]))
    return {"right": right, "mark": mark}


def matched_beta(value, epsilon, num_classes):
    entropy = losses.smoothed_optimum(epsilon, num_classes)[1]
    right = 1 / (-math.log(epsilon / num_classes) - entropy)
    side = "low" if value < right else "high"
    return {"right": right, "lam": epsilon / (1 - epsilon), "entropy": entropy, "side": side}


def transferred_lambda(value, lam, source_classes, target_classes):
    return {
        "right": lam * source_classes / target_classes,
        "eps": losses.epsilon_from_lambda(lam, source_classes, "class_sum"),
        "inverse": lam * target_classes / source_classes,
        "effective": lam * source_classes,
    }


def temperature(value, logits, target):
    scaled = value * torch.as_tensor(logits).detach().double()
    entropy = float(losses.entropy(scaled.clamp(-1e300, 1e300)).mean())
    right, too_large = abs(entropy - target) <= 0.01, entropy < target
    return {"right": right, "too_large": too_large, "entropy": entropy}


def ivr_percentile(value):
    return {"right": 0}


def smallest_side(value, iou=0.7):
    def share(side):
        return (side / (side + 1)) ** 2

    right = next(k for k in itertools.count(1) if share(k) >= iou)
    shown = {"next": right + 1, "reached": share(right)}
    shown |= {"before": right - 1, "missed": share(right - 1)}
    shown |= {"more": value + 1, "share": share(max(value, 1))}
    return {"right": right, "small": 1 <= value < right} | shown


def shared_threshold(value, result):
    own, right = result.max_box_acc_v2, result.curve.mean(axis=0).max()
    return {"right": right, "own": own}


def top1_bounds(value, accuracy, gt_known):
    low, high = max(0.0, accuracy + gt_known - 1), min(accuracy, gt_known)
    slips = {"highest": abs(value[1] - high) > 5e-4, "lowest": abs(value[0] - low) > 5e-4}
    return slips | {"low": low, "high": high}


def hidden_share(value):
    return {"right": 4 / 5 * 0.5, "rate": 0.5}


def clipped_weight(value):
    pasted = 20 * 20 / 48**2
    return {"right": 1 - pasted, "whole": 1 - 4 * pasted, "other": pasted}


def lowest_loss(value, epsilon, num_classes):
    smoothed = losses.smoothed_optimum(epsilon, num_classes)[1]
    right = smoothed - epsilon * math.log(num_classes)
    return {"right": right, "smoothed": smoothed, "undivided": right / (1 - epsilon)}


def translated_recipe(value, lam, rate, decay):
    right = lam / (1 + lam), rate * (1 + lam), decay / (1 + lam)
    eps, rate_off, decay_off = ~np.isclose(value, right, rtol=1e-3, atol=0)
    inverse = math.isclose(value[1], rate / (1 + lam), rel_tol=1e-3)
    return {"eps": eps, "inverse": inverse, "rate": rate_off, "decay": decay_off}


def early_stopping(value, history, epsilon=0.0):
    path = history[history.epsilon == epsilon].groupby("epoch").mean(numeric_only=True)
    test, epoch = path.test_pxap, path.val_pxap.idxmax()
    slips = {"oracle": test.max(), "validation": path.val_pxap.max(), "last": test.iloc[-1]}
    return {"right": test[epoch], "epoch": epoch} | slips


def collapse(value, world):
    last = theory.pays_until(world)
    cue = ("part", "body", "context")[last.argmax()]
    return {"right": last.max(), "cue": cue, "body": last[1]}


def optimism(value, table):
    means = table.groupby("epsilon")[["max_box_acc", "max_box_acc_carried", "val_max_box_acc"]]
    test, carried, val = means.mean().to_numpy().T
    top, plain = test.max() - carried[val.argmax()], test[0] - carried[0]
    gains = {"gain": test.max() - test[0], "honest": carried[val.argmax()] - carried[0]}
    return {"right": top - plain, "turned": plain - top, "top": top, "plain": plain} | gains


def same_optimum(value, beta, num_classes):
    if not 0 < value < 1:
        return {"outside": True}
    entropy = losses.smoothed_optimum(max(value, 1e-300), num_classes)[1]
    reached = losses.matched_strength("confidence_penalty", entropy, num_classes)
    return {
        "right": math.isclose(reached, beta, rel_tol=5e-3),
        "equal": math.isclose(value, beta / (1 + beta), rel_tol=1e-2),
        "entropy": entropy,
        "reached": reached,
        "side": "small" if reached < beta else "large",
    }


def classes_needed(value, lam, epsilon):
    return {"right": losses.lambda_from_epsilon(epsilon, 2) / lam, "unaveraged": epsilon / lam}


def seeds_needed(value, spread, width):
    def half(seeds):
        return stdtrit(seeds - 1, 0.975) * spread / math.sqrt(seeds)

    return {
        "right": next(n for n in itertools.count(2) if half(n) <= width),
        "normal": math.ceil((1.96 * spread / width) ** 2),
        "odd": value < 2 or value % 1 != 0,
        "more": half(max(value, 2)) <= width,
        "half": half(max(value, 2)),
    }


def loudness(value, share, area):
    return {"right": share / area, "inverse": area / share, "difference": share - area}


def share_of_features(value, pxap):
    low, high = sorted({features for features, _ in pxap})
    gain = pxap[high, high] - pxap[low, low]
    orders = pxap[high, low] - pxap[low, low], pxap[high, high] - pxap[low, high]
    right = sum(orders) / 2 / gain
    one_order = bool(np.isclose(value, np.divide(orders, gain), rtol=0, atol=0.005).any())
    undivided = math.isclose(value, right * gain, abs_tol=0.0005)
    return {"right": right, "head": 1 - right, "one_order": one_order, "undivided": undivided}


def telling_pictures(value, dataset):
    mark, body, habitat = np.asarray(dataset.cues).T
    right, count = (mark != habitat).sum(), len(mark)
    share = 0 < value < 1 and math.isclose(value, right / count, abs_tol=1e-3)
    slips = {"agree": count - right, "share": share, "body": (body != habitat).sum()}
    knob = (1 - dataset.world.context) * count
    return {"right": right, "count": count, "knob": knob} | slips


def unpaired_half_width(value, images, share):
    error = 100 * math.sqrt(2 * share * (1 - share) / images)
    right, one = 1.96 * error, 1.96 * error / math.sqrt(2)
    return {"right": right, "one": one, "as_share": right / 100, "error": error}


def located_when_right(value, hits, right):
    pairs = zip(np.asarray(hits), np.asarray(right), strict=True)
    shares = [(hit[ok].mean(), hit[~ok].mean(), hit.mean()) for hit, ok in pairs]
    given, wrong, overall = 100 * np.mean(shares, axis=0)
    shown = {"right": given - wrong, "given": given, "wrong": wrong}
    slips = {"turned": wrong - given, "overall": given - overall}
    return shown | slips | {"as_share": (given - wrong) / 100}


def best_of_two(value, scores):
    mean = np.mean(scores)
    score = np.mean([max(both) for both in itertools.combinations(scores, 2)])
    return {"right": score - mean, "score": score, "best": max(scores) - mean}


def boxes_needed(value, share, half_width):
    needed = 1.96**2 * share * (1 - share) / half_width**2
    right = math.ceil(needed)
    wrong = {"rounded": right - 1, "width": math.ceil(needed / 4), "points": value > 1e4}
    return {"right": right, "one": math.ceil(needed / 1.96**2)} | wrong


CHECKS = checks_of(vars())
