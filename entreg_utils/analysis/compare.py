"""Is the difference real? Runs beside runs, by image and seed; matched entropies; choices."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from entreg_utils import metrics
from entreg_utils.analysis.tables import intervals, require
from entreg_utils.experiments import Run, plans, run, store
from entreg_utils.experiments.config import Config
from entreg_utils.fields import known, plain, plain_numbers, shown
from entreg_utils.training.evaluate import column_of


def _at(threshold):  # of the hits (N, T) of a run, those at this threshold of it
    return lambda r: r.outcomes["hits"][:, column_of(threshold(r))]


_fixed, _carried = _at(lambda r: r.config.sigma), _at(lambda r: r.metrics["box_threshold"])
# Scores, each as what one image (of pixels: one map) adds to it: (N,), or (N, T) where the
# threshold is the best of T on these images. Under their names they are the metrics of a run; those
# of pixels, which a run pools, are means over maps instead, and have names of their own.
OUTCOMES = {
    "accuracy": lambda r: r.outcomes["right"],
    "max_box_acc": lambda r: r.outcomes["hits"],
    "max_box_acc_carried": _carried,
    "gt_known": _fixed,
    "top1_loc": lambda r: _fixed(r) & r.outcomes["right"],
    "top1_loc_carried": lambda r: _carried(r) & r.outcomes["right"],
    "max_box_acc_max_carried": lambda r: r.outcomes["hits_max"],
    "max_box_acc_pas_carried": lambda r: r.outcomes["hits_pas"],
    "max_box_acc_ivr_carried": lambda r: r.outcomes["hits_ivr"],
    "centre_box": lambda r: r.outcomes["centre_box"],
    "map_pxap": lambda r: r.outcomes["pixel_ap"],
    "map_precision": lambda r: r.outcomes["lit"][:, 0, 0],
    "map_recall": lambda r: r.outcomes["lit"][:, 0, 1],
    "map_precision_carried": lambda r: r.outcomes["lit"][:, 1, 0],
    "map_recall_carried": lambda r: r.outcomes["lit"][:, 1, 1],
    "box_area": lambda r: r.outcomes["box_area"][:, 0],
    "box_area_carried": lambda r: r.outcomes["box_area"][:, 1],
}


def stored(configs: str | Sequence[Config]) -> list[Run]:
    """Those runs of a plan (its name) or of ``configs`` that are in the store; none is trained."""
    configs = plans.load(configs).configs if isinstance(configs, str) else configs
    return [run(config) for config in configs if store.find(config) is not None]


def outcomes(runs: Sequence[Run], score: str) -> np.ndarray:
    """(S, N), or (S, N, T) for an oracle threshold: what each image or map adds, by seed; bool, of
    pixels and areas float32, NaN where a map has none.

    Raises:
        ValueError: an unknown score, not one run a seed, or runs whose records do not hold it.
    """
    known("score", score, OUTCOMES)
    runs = _by_seed(runs)
    try:
        found = np.stack([OUTCOMES[score](one) for one in runs])
    except KeyError as error:
        raise ValueError(
            f"the records of these runs hold no outcomes of {score}: their images have no boxes or "
            "masks, or they were scored before these were kept"
        ) from error
    return found.astype(np.float32) if found.dtype.kind == "f" else found


def _by_seed(runs: Sequence[Run]) -> list[Run]:
    seeds = [one.config.seed for one in runs]
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"one run a seed is needed, and these have the seeds {seeds}")
    return sorted(runs, key=lambda one: one.config.seed)


def change(plain: Sequence[Run], treated: Sequence[Run], score: str, against: str = "") -> dict:
    """Change of a score from ``plain`` to ``treated``, runs of the same seeds, with 95 % intervals.

    ``score``: of :data:`OUTCOMES`, or any metric of the runs, such as ``pxap``, which is pooled
    over images and so has an interval over seeds alone. ``against`` is the score of ``plain``,
    where it is another one (``centre_box``).

    Returns:
        ``plain``, ``treated``, ``change``: means over seeds, 0..1. ``low``, ``high``: paired
        bootstrap over images and seeds (``metrics.paired_bootstrap``), of pixels over the maps that
        have the score in all runs; NaN of a metric that is pooled. ``half``: half-width of
        Student's interval over the seeds' differences, which knows nothing of the images.
        ``seeds``: how many.

    Raises:
        ValueError: different seeds, a score that some run does not have, or as :func:`outcomes`.
    """
    seeds = [sorted(one.config.seed for one in runs) for runs in (plain, treated)]
    if seeds[0] != seeds[1]:
        raise ValueError(f"pairs need the same seeds on both sides, not {seeds[0]} and {seeds[1]}")
    if not against and not (isinstance(score, str) and score in OUTCOMES):
        common = set.intersection(*(set(run.metrics) for run in (*plain, *treated)))
        known("score", score, sorted(common | set(OUTCOMES)))
        sides = plain, treated
        each = [np.array([one.metrics[score] for one in _by_seed(runs)]) for runs in sides]
        interval = {"low": np.nan, "high": np.nan}
    else:
        pair = outcomes(plain, against or score), outcomes(treated, score)
        before, after = pair
        if before.ndim < after.ndim:  # one box for all beside the best of many thresholds
            before = np.repeat(before[..., None], after.shape[-1], axis=-1)
        if after.dtype.kind == "f":
            counted = np.isfinite(before + after).all(axis=0)
            before, after = before[:, counted], after[:, counted]
        interval = metrics.paired_bootstrap(before, after)._asdict()
        del interval["estimate"]
        each = [own.mean(axis=1).reshape(len(own), -1).max(axis=1) for own in (before, after)]
    half = metrics.seed_interval(each[1] - each[0]).half_width if len(each[0]) > 1 else np.nan
    found = {"plain": each[0].mean(), "treated": each[1].mean()}
    found["change"] = (each[1] - each[0]).mean()
    return found | interval | {"half": half, "seeds": len(each[0])}


def changes(
    plain: Sequence[Run], treated: dict[str, Sequence[Run]], scores: Sequence[str]
) -> pd.DataFrame:
    """:func:`change` of each score for each group of runs; indexed by (group, score)."""
    rows = {(name, s): change(plain, runs, s) for name, runs in treated.items() for s in scores}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["group", "score"])


def points(found: Mapping) -> str:
    """A :func:`change` in points with its intervals, of bootstrap and of Student over the seeds:
    ``+1.8 (-0.1 to +3.7; seeds ±2.2)``; of a pooled metric ``+1.8 (seeds ±2.2)``."""
    change, low, high, half = (100 * found[name] for name in ("change", "low", "high", "half"))
    both = [f"{low:+.1f} to {high:+.1f}"] if np.isfinite(low) else []
    both += [f"seeds ±{half:.1f}"] if np.isfinite(half) else []
    return f"{change:+.1f} ({'; '.join(both)})" if both else f"{change:+.1f}"


def clear(found: Mapping) -> int:
    """1 or -1 where both intervals of a :func:`change`, those that it has, leave zero out on that
    side; else 0."""
    ends = [(found["low"], found["high"])] if np.isfinite(found["low"]) else []
    ends.append((found["change"] - found["half"], found["change"] + found["half"]))
    return int(all(low > 0 for low, _ in ends)) - int(all(high < 0 for _, high in ends))


def by(runs: Sequence[Run], *fields: str) -> dict[tuple, list[Run]]:
    """Runs in groups of equal values of ``fields`` (of ``Config``, or ``epsilon``), in order.
    ValueError: a field that is no name; AttributeError: a name of none."""
    fields = [plain("field", str, field) for field in fields]
    groups: dict[tuple, list[Run]] = {}
    for one in runs:
        groups.setdefault(tuple(getattr(one.config, f) for f in fields), []).append(one)
    return groups


@plain_numbers
def complete(plan: str, *fields: str, seeds: int = 3) -> tuple[dict[tuple, list[Run]], str]:
    """The stored runs of a plan in groups of equal ``fields``, those with all their seeds.

    Beside the groups, as :func:`by`, a sentence on what is not among them, empty where nothing is
    missing. Nothing is trained.
    """
    wanted = plans.load(plan).configs
    here = stored(wanted)
    groups = {key: own for key, own in by(here, *fields).items() if len(own) >= seeds}
    missing, alone = len(wanted) - len(here), len(here) - sum(map(len, groups.values()))
    said = f"{missing} of {len(wanted)} runs not run here: python -m entreg_utils sweep {plan}"
    said = said if missing else f"{plan}: all runs are here"
    said += f"; {alone} that are here lack a seed beside them" * bool(alone)
    return groups, said if missing or alone else ""


@plain_numbers
def at_entropy(table: pd.DataFrame, score: str, entropy: float) -> pd.Series:
    """A score at a given entropy (nats), seed by seed, linear between the two strengths around it.

    Two regularisers are compared fairly at equal entropy, since their strengths mean different
    things.

    Args:
        table: rows of runs with ``seed``, ``entropy`` and ``score``, such as ``tables.final``.

    Returns:
        Indexed by seed; NaN where the seed's runs lie all on one side: nothing is extrapolated.

    Raises:
        ValueError: no rows, or none of these columns; an entropy that is no number.
    """
    require(table, "seed", "entropy", score)

    def one(rows: pd.DataFrame) -> float:
        rows = rows.sort_values("entropy")
        return float(np.interp(entropy, rows["entropy"], rows[score], left=np.nan, right=np.nan))

    return table.groupby("seed")[["entropy", score]].apply(one)


RULES = ("last", "validation", "test")  # by which an epoch is kept


def by_checkpoint(history: pd.DataFrame, score: str, criterion: str = "") -> pd.DataFrame:
    """A score on test at the epoch that each rule keeps; the earliest where epochs are equal.

    The largest of several noisy numbers is too large, on average: it is chosen for its luck as
    well. So a score should not be reported on the images by which the checkpoint was chosen.

    Args:
        history: of ``tables.history``, with ``val_<criterion>``, ``test_<criterion>`` and
            ``test_<score>`` at every epoch.
        criterion: what the epoch is chosen by; ``score`` itself if empty.

    Returns:
        Indexed by (epsilon, seed): the score at the ``last`` epoch, and at the ones that are best
        on ``validation`` and on ``test``.

    Raises:
        ValueError: some epochs have no test scores: the runs did not watch test.
    """
    criterion = plain("criterion", str, criterion) or score
    require(history, "epsilon", "seed", "epoch")
    needed = [f"val_{criterion}", f"test_{criterion}", f"test_{score}"]
    absent = [name for name in needed if name not in history or history[name].isna().any()]
    if absent:
        raise ValueError(
            f"{', '.join(map(shown, absent))} is not there at every epoch: was test watched?"
        )

    def kept(own: pd.DataFrame) -> pd.Series:
        own = own.sort_values("epoch", ignore_index=True)
        epochs = [len(own) - 1, own[needed[0]].idxmax(), own[needed[1]].idxmax()]
        return pd.Series(own[needed[2]].to_numpy()[epochs], list(RULES))

    return history.groupby(["epsilon", "seed"])[[*dict.fromkeys(needed), "epoch"]].apply(kept)


def optimism(rules: pd.DataFrame) -> pd.DataFrame:
    """What choosing on test adds to a score of :func:`by_checkpoint`, seed by seed.

    Returns:
        Indexed by (epsilon, against), ``against`` being ``last`` or ``validation``: ``mean`` and
        ``half``, the half-width of the 95 % Student interval over seeds.
    """
    gains = {against: rules["test"] - rules[against] for against in RULES[:2]}
    gains = pd.concat(gains, names=["against"])
    return pd.DataFrame(intervals(gains.groupby(level=["epsilon", "against"])))
