"""Is the difference real? Runs beside runs, by image and seed; regularisers at equal entropy.

A ``tables`` maps the name of a regulariser to rows of its runs (``analysis.final``): ``epsilon``,
``seed``, ``entropy`` and scores. The runs without regularisation belong to each, as strength 0.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from entreg_utils import metrics
from entreg_utils.analysis.tables import at_entropy, half_width, intervals
from entreg_utils.experiments import Run, plans, run, store
from entreg_utils.experiments.config import Config
from entreg_utils.fields import known, plain, plain_numbers
from entreg_utils.training.evaluate import column_of

ER = "kl_uniform"
NAMES = {
    ER: "ER, label smoothing",  # the same gradients at equal epsilon: training.regularised_loss
    "confidence_penalty": "confidence penalty",
    "jeffreys": "Jeffreys",
    "jsd": "JSD",
}
INSIDE, MISSED = "contains 0", "not reached"
_WORDS = {  # of a verdict, where it holds
    "higher": "higher than ER at {} nats",
    "lower": "lower than ER at {} nats",
    INSIDE: "interval contains 0 at {} nats",
    MISSED: "{} nats not reached",
}


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
    plain, treated = _by_seed(plain), _by_seed(treated)
    seeds = [[one.config.seed for one in runs] for runs in (plain, treated)]
    if seeds[0] != seeds[1]:
        raise ValueError(f"pairs need the same seeds on both sides, not {seeds[0]} and {seeds[1]}")
    if not against and not (isinstance(score, str) and score in OUTCOMES):
        common = set.intersection(*(set(run.metrics) for run in (*plain, *treated)))
        known("score", score, sorted(common | set(OUTCOMES)))
        each = [np.array([one.metrics[score] for one in runs]) for runs in (plain, treated)]
        low = high = np.nan
    else:
        before, after = outcomes(plain, against or score), outcomes(treated, score)
        if before.ndim < after.ndim:  # one box for all beside the best of many thresholds
            before = np.repeat(before[..., None], after.shape[-1], axis=-1)
        if after.dtype.kind == "f":
            counted = np.isfinite(before + after).all(axis=0)
            before, after = before[:, counted], after[:, counted]
        _, low, high = metrics.paired_bootstrap(before, after)
        each = [own.mean(axis=1).reshape(len(own), -1).max(axis=1) for own in (before, after)]
    gain = each[1] - each[0]
    found = {"plain": each[0].mean(), "treated": each[1].mean(), "change": gain.mean()}
    return found | {"low": low, "high": high, "half": half_width(gain), "seeds": len(gain)}


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
    return f"{change:+.1f}" + f" ({'; '.join(both)})" * bool(both)


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


def differences_by_seed(
    tables: Mapping[str, pd.DataFrame], scores: Iterable[str], entropies: Iterable[float]
) -> pd.DataFrame:
    """Scores at given entropies (nats), seed by seed, beside ER's at the same entropy and seed.

    Returns:
        A row a pair: ``score``, ``entropy``, ``regularizer``, ``seed``, ``value`` and ``change``,
        the difference to ER (0 for ER itself). Only seeds in which both sides reach the entropy;
        with fewer than two of them the regulariser has no row.
    """
    rows, entropies = [], list(entropies)
    for place in ((score, entropy) for score in scores for entropy in entropies):
        known = at_entropy(tables[ER], *place)
        for name in (ER, *(name for name in tables if name != ER)):
            values = at_entropy(tables[name], *place)
            both = pd.DataFrame({"value": values, "change": values - known}).dropna()
            if len(both) > 1:
                rows += [(*place, name, *row) for row in both.itertuples()]
    columns = ["score", "entropy", "regularizer", "seed", "value", "change"]
    return pd.DataFrame(rows, columns=columns)


def differences(
    tables: Mapping[str, pd.DataFrame], scores: Sequence[str], entropies: Sequence[float]
) -> pd.DataFrame:
    """Mean of :func:`differences_by_seed` over the seeds, with its interval and a verdict.

    Returns:
        Indexed by (score, entropy, regularizer), ER first: ``value`` and ``change``, means;
        ``half``, half-width of the change's 95 % Student interval; ``seeds``, how many pairs;
        ``verdict``: ``higher``, ``lower``, :data:`INSIDE`, :data:`MISSED` where there are no pairs
        (the numbers are NaN), and empty for ER.
    """
    place = ["score", "entropy", "regularizer"]
    groups = differences_by_seed(tables, scores, entropies).groupby(place)
    names = [ER, *(name for name in tables if name != ER)]
    found = intervals(groups.change)
    found = {"value": groups.value.mean(), "change": found["mean"], "half": found["half"]}
    index = pd.MultiIndex.from_product([scores, entropies, names], names=place)
    table = pd.DataFrame(found | {"seeds": groups.size()}).reindex(index)
    own = index.get_level_values("regularizer") == ER
    known = [own, table.seeds.isna(), table.change.abs() <= table.half, table.change > 0]
    table["verdict"] = np.select(known, ["", MISSED, INSIDE, "higher"], "lower")
    table.loc[own, "half"] = np.nan
    return table.fillna({"seeds": 0}).astype({"seeds": int})


def tally(table: pd.DataFrame) -> str:
    """How many intervals of :func:`differences` leave out zero, and how many would by chance."""
    rivals = table.drop(ER, level="regularizer")
    counted = rivals[rivals.verdict != MISSED]
    apart, missed = int((counted.verdict != INSIDE).sum()), len(rivals) - len(counted)
    said = (
        f"Of {len(counted)} paired differences to ER {apart} have an interval without zero; "
        f"without any difference one expects {0.05 * len(counted):.1f}."
    )
    return said + (f" {missed} could not be taken: that entropy was not reached." if missed else "")


def verdicts(table: pd.DataFrame, score: str, names: Mapping[str, str] = NAMES) -> list[str]:
    """A line a regulariser of :func:`differences`: where its interval leaves out zero, and how.

    ``names``: regulariser -> how it is called; what is not in it keeps its own name.
    """
    rivals, lines = table.loc[score].drop(ER, level="regularizer"), []
    for name, rows in rivals.groupby(level="regularizer", sort=False):
        places = rows.groupby("verdict").groups
        said = [
            words.format(", ".join(f"{entropy:.2f}" for entropy, _ in places[verdict]))
            for verdict, words in _WORDS.items()
            if verdict in places
        ]
        lines.append(f"{names.get(name, name)}: {'; '.join(said)}")
    return lines


def readable(
    table: pd.DataFrame, titles: Mapping[str, str], names: Mapping[str, str] = NAMES
) -> pd.DataFrame:
    """:func:`differences` as text, by (nats, regulariser): the value, in brackets the paired
    difference and its half-width. ``titles``: score -> title of its column; ``names`` as of
    :func:`verdicts`.
    """
    cells = {}
    for (score, entropy, name), row in table.loc[list(titles)].iterrows():
        change = "" if name == ER else f" ({row.change:+.3f} ± {row.half:.3f})"
        text = MISSED if row.verdict == MISSED else f"{row.value:.3f}{change}"
        cells.setdefault((f"{entropy:.2f}", names.get(name, name)), {})[titles[score]] = text
    return pd.DataFrame.from_dict(cells, orient="index").rename_axis(["nats", "regulariser"])
