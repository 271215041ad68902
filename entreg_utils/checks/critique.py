"""A checklist for claims about localisation, the capstone that asks for one, and the errata of
formulas in print. What a claim must say is what the course's own tables say: see :data:`ITEMS`.
"""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from entreg_utils.checks.check import WORDS, checks_of

# The baseline that sees no image, by the metric that it stands beside.
BLIND = WORDS["blind"]
# item: its values, and what is wrong with those that are said but weak
RULES = {"metric": dict.fromkeys(BLIND, "")} | WORDS["checklist"]
ITEMS = (*RULES, "seeds", "interval", "baselines", "gain")
FEWEST_SEEDS = 3  # below, an interval over seeds says next to nothing
# How the runs of the capstone's claim were made and scored: what it may say of them.
CLAIMED = {
    "metric": ("BoxAcc", "MaxBoxAcc"),
    "threshold": ("carried",),
    "checkpoint": ("last",),
    "choices": ("none", "validation"),  # eps was given, the threshold chosen on validation
    "normalisation": ("min-max",),
    "cam_class": ("true",),
}


def errata(decides: Mapping[int, str]) -> pd.DataFrame:
    """Each erratum of ``words.toml`` beside what was computed: ``printed``, ``holds``, ``check``.

    Raises:
        ValueError: an erratum without its check, or a check of none.
    """
    known = {int(number): said for number, said in WORDS["errata"].items()}
    if odd := set(decides) ^ set(known):
        numbers = ", ".join(map(str, sorted(odd)))
        raise ValueError(f"one check an erratum is needed, and not so for {numbers}")
    rows = {number: [*said, decides[number]] for number, said in known.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["printed", "holds", "check"])
    return table.rename_axis("no.")


def review(claims: Mapping) -> pd.DataFrame:
    """Each item of the checklist: what is claimed, ``sound``, ``weak`` or ``missing``, and why.

    Args:
        claims: ``metric``, ``threshold``, ``checkpoint``, ``choices`` (where hyperparameters were
            picked), ``normalisation``, ``cam_class``: see :data:`RULES`; ``seeds``, how many;
            ``gain`` over the plain model and its ``interval`` (low, high), in one unit;
            ``baselines``, names. What is absent or None is missing.

    Returns:
        Indexed by :data:`ITEMS`; columns ``claimed``, ``verdict``, ``why``.
    """
    claims = {item: claims.get(item) for item in ITEMS}
    rows = {item: _among(claims[item], known) for item, known in RULES.items()}
    blind = BLIND[claims["metric"]] if rows["metric"][0] == "sound" else None
    if blind == "constant map" and claims["threshold"] is None:
        rows["threshold"] = ("sound", "PxAP ranks all thresholds")
    rows["seeds"] = _seeds(claims["seeds"])
    ends = pair(claims["interval"])
    told = "give the gain's interval as (low, high)"
    rows["interval"] = ("sound", "") if ends else ("missing", told)
    rows["baselines"] = _baselines(claims["baselines"], blind)
    rows["gain"] = _gain(claims["gain"], ends)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["verdict", "why"])
    table.insert(0, "claimed", [_shown(claims[item]) for item in rows])
    return table


def honest_claim(value, measured):
    # gain and interval, of either kind, are in points
    table = review(value)
    absent = table[table.verdict == "missing"].why
    if len(absent):
        return {"absent": True, "missing": "\n".join(f"  {k}: {why}" for k, why in absent.items())}
    untrue = [item for item, true in CLAIMED.items() if value[item] not in true]
    untrue += ["seeds"] * (value["seeds"] != int(measured["seeds"]))
    gain, half, low, high = (100 * measured[key] for key in ("change", "half", "low", "high"))
    stated = np.array([value["gain"], *pair(value["interval"])], float)
    kinds = np.array([(gain, low, high), (gain, gain - half, gain + half)])  # of interval
    gaps = {scale: np.abs(scale * stated - kinds).max(axis=1).min() for scale in (1, 100)}
    weak = table.index[table.verdict == "weak"]
    return {
        "untrue": bool(untrue),
        "told": ", ".join(f"{item} {table.claimed[item]}" for item in untrue),
        "as_share": gaps[1] > 0.1 >= gaps[100],
        "other": gaps[1] > 0.1,
        "weak": len(weak) > 0,
        "items": ", ".join(weak),
    }


def pair(value) -> tuple[float, float] | None:
    """Two finite numbers in order, or None."""
    try:
        low, high = map(float, value)
    except (TypeError, ValueError):
        return None
    return (low, high) if -math.inf < low <= high < math.inf else None


def _among(value, known: Mapping[str, str]) -> tuple[str, str]:
    if value is None:
        return "missing", f"say which: {', '.join(sorted(known))}"
    if not isinstance(value, str) or value not in known:
        return "missing", f"{_shown(value)} is none of {', '.join(sorted(known))}"
    return ("weak" if known[value] else "sound"), known[value]


def _seeds(value) -> tuple[str, str]:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or value % 1 or not 1 <= value < math.inf:  # 3.0 is what a table of floats has
        return "missing", "say how many runs, as a whole number"
    if value < FEWEST_SEEDS:
        return "weak", f"{value:.0f} seed{'s' if value > 1 else ''}: the spread is unknown"
    return "sound", ""


def _baselines(value, blind: str | None) -> tuple[str, str]:
    named = [value] if isinstance(value, str) else list(value) if _listed(value) else []
    if blind is None:
        return "missing", "no known metric, no known baseline"
    if blind in named:
        return "sound", ""
    return ("weak" if named else "missing"), f"no {blind}: is the score above a blind guess?"


def _gain(value, ends: tuple[float, float] | None) -> tuple[str, str]:
    try:
        gain = float(value)
    except (TypeError, ValueError):
        return "missing", "no comparison with the plain model"
    if not math.isfinite(gain) or ends is None:
        return "weak", "no interval to hold it against"
    return ("weak", "its interval holds zero") if ends[0] <= 0 <= ends[1] else ("sound", "")


def _listed(value) -> bool:
    return isinstance(value, (list, tuple, set))


def _shown(value) -> str:
    if value is None:
        return "-"
    if _listed(value):
        return ", ".join(map(_shown, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


CHECKS = checks_of(vars())
