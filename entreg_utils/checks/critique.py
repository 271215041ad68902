"""A checklist for claims about localisation, and feedback on the exercises. Prints, never raises.

What a claim must say is what the course's own tables say: see :data:`ITEMS`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from entreg_utils.checks.answers import number

# Baselines that see no image, by the metric that they stand beside.
BLIND = {
    "MaxBoxAcc": "centred box",
    "MaxBoxAccV2": "centred box",
    "GT-known Loc": "centred box",
    "Top-1 Loc": "centred box",
    "PxAP": "constant map",
    "mPxAP": "constant map",
}
PIXELS = ("PxAP", "mPxAP")  # ranked over all thresholds: none is chosen
# item: (values that are sound, values that are said but weak with what is wrong about them)
RULES = {
    "threshold": (
        {"carried", "fixed", "none"},
        {
            "oracle": "chosen on the test boxes",
            "per image": "one threshold an image is no protocol",
        },
    ),
    "checkpoint": ({"last", "validation"}, {"test": "chosen on the images that it is scored on"}),
    "choices": ({"validation", "none"}, {"test": "tuned on the images that it is scored on"}),
    "normalisation": ({"min-max", "max", "PaS", "IVR"}, {}),
    "cam_class": ({"true", "predicted"}, {}),
}
ITEMS = ("metric", *RULES, "seeds", "interval", "baselines", "gain")
FEWEST_SEEDS = 3  # below, an interval over seeds says next to nothing

# Sentences and formulas that are met in print on this subject, and what holds instead.
ERRATA = {
    1: ("L = CE − λ KL(u‖p)", "the sign is plus: with a minus the loss has no lower bound"),
    2: ("KL(u‖p) = −(1/C) Σ log p", "− log C is missing"),
    3: ("the minus turns into +λ and pulls p to uniform", "it pushes p away from uniform"),
    4: ("label smoothing = CE − γ KL", "(1−ε) CE + ε KL(u‖p) + ε log C"),
    5: ("CE − λ H(p) = CE − λ KL(p‖u)", "= CE + λ KL(p‖u) − λ log C"),
    6: ("JSD = KL(u‖p) + KL(p‖u)", "that is Jeffreys' divergence"),
    7: (
        "that sum under the name of the bounded JSD",
        "Jeffreys has no bound, JSD stays below log 2",
    ),
    8: ("JSD is the square root of KL", "√JSD is a metric; it is no root of KL"),
    9: ("label smoothing lowers the entropy of the output", "it raises it"),
    10: ("label smoothing, with another source or year", "Szegedy et al., CVPR 2016"),
    11: ("not plain CAM but pooling like Grad-CAM", "for GAP + linear the same, up to 1/(HW)"),
    12: ("correct if IoU > 50 %", "the codes use ≥"),
    13: ("λ without its reduction over classes", "ε depends on it: report ε"),
    14: ("ADL drops the less discriminative part", "it drops the most discriminative one"),
}


def errata(decides: Mapping[int, str]) -> pd.DataFrame:
    """:data:`ERRATA` beside what was computed for each: ``printed``, ``holds``, ``check``.

    Raises:
        ValueError: an erratum without its check, or a check of none.
    """
    if set(decides) != set(ERRATA):
        odd = ", ".join(map(str, sorted(set(decides) ^ set(ERRATA))))
        raise ValueError(f"one check an erratum is needed, and not so for {odd}")
    rows = {number: (*said, decides[number]) for number, said in ERRATA.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["printed", "holds", "check"])
    return table.rename_axis("no.")


def review(claims: Mapping) -> pd.DataFrame:
    """Each item of the checklist: what is claimed, ``sound``, ``weak`` or ``missing``, and why.

    Args:
        claims: ``metric`` (a key of :data:`BLIND`); ``threshold``, ``checkpoint``, ``choices``
            (where hyperparameters were picked), ``normalisation``, ``cam_class``: see
            :data:`RULES`; ``seeds``, how many; ``gain`` over the plain model and its ``interval``
            (low, high), in one unit; ``baselines``, names. What is absent or None is missing.

    Returns:
        Indexed by :data:`ITEMS`; columns ``claimed``, ``verdict``, ``why``.
    """
    claims = dict(claims)
    metric = claims.get("metric") if isinstance(claims.get("metric"), str) else None
    rows = {"metric": _among(claims.get("metric"), set(BLIND), {})}
    for item, (sound, weak) in RULES.items():
        rows[item] = _among(claims.get(item), sound, weak)
    if metric in PIXELS and claims.get("threshold") is None:
        rows["threshold"] = ("sound", "PxAP ranks all thresholds")
    rows["seeds"] = _seeds(claims.get("seeds"))
    rows["interval"] = _interval(claims.get("interval"))
    rows["baselines"] = _baselines(claims.get("baselines"), BLIND.get(metric))
    rows["gain"] = _gain(claims.get("gain"), claims.get("interval"))
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["verdict", "why"])
    table.insert(0, "claimed", [_shown(claims.get(item)) for item in rows])
    return table.loc[list(ITEMS)]


def _among(value, sound: set, weak: Mapping) -> tuple[str, str]:
    if value is None:
        return "missing", f"say which: {', '.join(sorted([*sound, *weak]))}"
    if isinstance(value, str) and value in sound:
        return "sound", ""
    if isinstance(value, str) and value in weak:
        return "weak", weak[value]
    return "missing", f"{_shown(value)} is none of {', '.join(sorted([*sound, *weak]))}"


def _seeds(value) -> tuple[str, str]:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        return "missing", "say how many runs"
    if value < FEWEST_SEEDS:
        return "weak", f"{value} seed{'s' if value > 1 else ''}: the spread is unknown"
    return "sound", ""


def _pair(value) -> tuple[float, float] | None:
    try:
        low, high = (float(end) for end in value)
    except (TypeError, ValueError):
        return None
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low <= high else None


def _interval(value) -> tuple[str, str]:
    if _pair(value) is None:
        return "missing", "give the gain's interval as (low, high)"
    return "sound", ""


def _baselines(value, wanted: str | None) -> tuple[str, str]:
    named = [value] if isinstance(value, str) else list(value) if _listed(value) else []
    if wanted is None:
        return "missing", "no known metric, no known baseline"
    if wanted in named:
        return "sound", ""
    return ("weak" if named else "missing"), f"no {wanted}: is the score above a blind guess?"


def _gain(value, interval) -> tuple[str, str]:
    try:
        gain = float(value)
    except (TypeError, ValueError):
        return "missing", "no comparison with the plain model"
    ends = _pair(interval)
    if not math.isfinite(gain) or ends is None:
        return "weak", "no interval to hold it against"
    if ends[0] <= 0 <= ends[1]:
        return "weak", "its interval holds zero"
    return "sound", ""


def _listed(value) -> bool:
    return isinstance(value, (list, tuple, set, frozenset))


def _shown(value) -> str:
    if value is None:
        return "-"
    if _listed(value):
        return ", ".join(map(_shown, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def best_of_two(answer, scores) -> None:
    """Exercise: what the better of two runs of one thing is expected to add to their mean."""
    value = number(answer, "Best of two")
    if value is None:
        return
    scores = [float(one) for one in scores]
    pairs = [max(pair) for pair in itertools.combinations(scores, 2)]
    right = float(np.mean(pairs) - np.mean(scores))
    if math.isclose(value, right, abs_tol=5e-4):
        print(f"Best of two: right, {right:.3f} from nothing but a second try.")
    elif math.isclose(value, float(np.mean(pairs)), abs_tol=5e-4):
        print("Best of two: that is the expected score. By how much is it above the mean?")
    elif math.isclose(value, max(scores) - float(np.mean(scores)), abs_tol=5e-4):
        print("Best of two: that is the best of all the runs. Take every pair of them.")
    else:
        print(
            f"Best of two: not {value:.3f}. Average the larger score over all pairs of runs, then "
            "take the mean of all runs away."
        )


def centred(function) -> None:
    """Exercise: class weights (C, K) moved by one common vector so that their mean is zero."""
    if not callable(function):
        print("Centred: no answer yet. Write a function of the weights and run the cell again.")
        return
    weights = np.random.default_rng(0).normal(size=(5, 7))
    shift = np.linspace(-3, 3, 7)
    try:
        own, moved = (np.asarray(function(w.copy()), float) for w in (weights, weights + shift))
    except Exception as error:  # a student's function may do anything
        print(f"Centred: it stopped with {type(error).__name__}: {error}")
        return
    if own.shape != weights.shape:
        print(f"Centred: weights (5, 7) came back as {own.shape}.")
    elif not np.allclose(np.ptp(own - weights, axis=0), 0, atol=1e-9):
        print("Centred: the classes were moved by different vectors, and p changes with that.")
    elif not np.allclose(own, moved, atol=1e-9):
        print("Centred: it still depends on the common vector. What must be taken away?")
    elif not np.allclose(own.mean(axis=0), 0, atol=1e-9):
        print("Centred: one map for each classifier, but the mean of the weights is not zero.")
    else:
        print("Centred: right. One classifier, one set of weights, one map.")


def honest_claim(answer, gain: float, interval) -> None:
    """Exercise: a claim on which :func:`review` finds nothing missing, with the measured numbers.

    Args:
        gain, interval: what was measured for the claim, in points.
    """
    if not isinstance(answer, Mapping):
        print("Claim: no answer yet. Write a dict with the items of the checklist.")
        return
    table = review(answer)
    absent = table.index[table.verdict == "missing"]
    if len(absent):
        print(f"Claim: still missing: {', '.join(absent)}.")
        return
    stated, ends = float(answer["gain"]), _pair(answer["interval"])
    if (
        abs(stated - gain) > 0.1
        or max(abs(a - b) for a, b in zip(ends, interval, strict=True)) > 0.1
    ):
        print("Claim: complete, but these are not the numbers that were measured, in points.")
        return
    weak = table.index[table.verdict == "weak"]
    print(
        "Claim: complete, with the measured numbers."
        + (f" Said openly, and weak: {', '.join(weak)}." if len(weak) else " All of it is sound.")
    )
