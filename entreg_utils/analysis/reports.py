"""What runs and sweeps found, as text: of the command line, of README and of ``make tutorial``."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from entreg_utils import metrics
from entreg_utils.analysis.tables import choose, criterion, final, over_seeds
from entreg_utils.experiments import Config, Run, presets
from entreg_utils.experiments.config import DEFAULTS

# The headline: column of the metrics, and how a reader calls it with its rules.
HEADLINE = {
    "accuracy": "accuracy",
    "entropy": "entropy (nats)",
    "pxap": "PxAP",
    "max_box_acc": "MaxBoxAcc (oracle)",
    "max_box_acc_carried": "BoxAcc (carried)",
    "gt_known": "GT-known Loc (0.15)",
    "top1_loc": "Top-1 Loc (0.15)",
}
# Score: what it is called, and the rule by which it was measured. {sigma} is the config's.
RULES = {
    "accuracy": ("accuracy", "share of images whose class is right"),
    "mean_ap": ("mAP of the classes", "mean over classes of average precision, no interpolation"),
    "entropy": ("entropy", "nats, mean over images"),
    "pxap": ("PxAP", "all thresholds, pixels pooled over the split"),
    "mpxap": ("mPxAP", "mean over classes of PxAP, pixels pooled within a class"),
    "constant_map": ("  a constant map", "PxAP or mPxAP without looking: share of object pixels"),
    "pixel_iou": ("pixel IoU", "of lit and object pixels; oracle: threshold chosen on test"),
    "pixel_iou_carried": ("pixel IoU, carried", "threshold chosen on validation, carried over"),
    "pixel_threshold": ("pixel threshold", "share of the map's maximum, chosen on validation"),
    "lit_precision": ("lit precision", "share of the lit pixels (>= {sigma:g}) that are object"),
    "lit_recall": ("lit recall", "share of the object's pixels that are lit (>= {sigma:g})"),
    "lit_area": ("lit area", "lit pixels (>= {sigma:g}) over object pixels; 1: as many"),
    "lit_precision_carried": ("lit precision, carried", "at the pixel threshold of validation"),
    "lit_recall_carried": ("lit recall, carried", "at the pixel threshold of validation"),
    "lit_area_carried": ("lit area, carried", "at the pixel threshold of validation"),
    "max_box_acc": ("MaxBoxAcc", "oracle: threshold chosen on test; IoU 0.5"),
    "max_box_acc_carried": ("BoxAcc", "threshold chosen on validation, carried over; IoU 0.5"),
    "box_threshold": ("its threshold", "share of the map's maximum, chosen on validation"),
    "max_box_acc_v2": ("MaxBoxAccV2", "oracle: one threshold per IoU 0.3, 0.5, 0.7; all contours"),
    "centre_box": ("  a centred box", "MaxBoxAcc without looking: side chosen on test; IoU 0.5"),
    "gt_known": ("GT-known Loc", "fixed threshold {sigma:g}; IoU 0.5"),
    "top1_loc": ("Top-1 Loc", "as GT-known Loc, and the class right ({sigma:g})"),
    "top5_loc": ("Top-5 Loc", "as GT-known Loc, and the class among five ({sigma:g})"),
    "top1_loc_carried": ("Top-1 Loc, carried", "as BoxAcc, and the class right"),
    "top1_loc_oracle": ("Top-1 Loc, oracle", "as MaxBoxAcc, and the class right"),
    "num_boxed": ("maps with boxes", "box scores are taken over these alone"),
    "num_masked": ("maps with masks", "pixel scores are taken over these alone"),
    "part": ("evidence: part", "mean normalised score on the mark"),
    "body": ("evidence: body", "mean normalised score on the rest of the fish"),
    "context": ("evidence: context", "mean normalised score on the habitat"),
    "reliance_part": ("worth of the part", "logits lost when it is repainted wrong"),
    "reliance_body": ("worth of the body", "logits lost when it is repainted wrong"),
    "reliance_context": ("worth of the context", "logits lost when it is repainted wrong"),
}
# Scores under other normalisations: for notebook 10, and too many for one screen.
_LEFT_OUT = ("max_box_acc_max", "max_box_acc_pas", "max_box_acc_ivr", "ivr_percentile")
_SHOWN = (
    *("accuracy", "mean_ap", "entropy", "pxap", "mpxap", "max_box_acc", "max_box_acc_carried"),
    *("max_box_acc_v2", "gt_known", "top1_loc", "constant_map", "centre_box"),
)


def rules_of(run: Run) -> dict[str, tuple[str, str]]:
    """Title and rule of each final score at the last checkpoint, those of validation last; an own
    metric's name is its title."""
    found, known = {}, [*RULES, *run.metrics]
    for name in sorted(run.metrics, key=lambda n: (n.startswith("val_"), known.index(n))):
        bare = name.removeprefix("val_")
        if name.endswith("_best") or name.startswith(_LEFT_OUT):
            continue
        title, rule = RULES.get(bare, (bare, "own metric"))
        if name.startswith("val_"):
            title, rule = f"{title.strip()}, validation", "for choices; not measured on test"
        found[name] = title, rule.format(sigma=run.config.sigma)
    return found


def scores_of(run: Run, was_there: bool) -> str:
    """The scores of a run, a line each with its rule; those of a best checkpoint stand behind."""
    config, chosen = run.config, run.selection
    settings = config.to_dict()
    unusual = [settings[n] for n in ("model", "method") if settings[n] != DEFAULTS[n]]
    what = ", ".join([*unusual, settings["regularizer"]])
    lines = [
        f"{what}, ε = {config.epsilon:g} (strength {config.strength:g}), seed {config.seed}: "
        + ("loaded" if was_there else "trained now"),
        f"split: test of {settings['dataset']}{_scored(run)}; checkpoint: last (epoch "
        f"{config.epochs}); maps: of the true class, min-max per image",
    ]
    lines += [f"preset: {said}" for said in [presets.named(config)] if said]
    if chosen is not None:
        lines.append(
            f"second column: checkpoint best by {chosen['criterion']} (epoch {chosen['epoch']})"
        )
    lines.append("")
    for name, (title, rule) in rules_of(run).items():
        best = run.metrics.get(f"{name}_best") if chosen is not None else None
        second = "" if chosen is None else " " * 8 if best is None else f"{best:8.3f}"
        lines.append(f"{title:22}{run.metrics[name]:8.3f}{second}  {rule}")
    return "\n".join(lines)


def _scored(run: Run) -> str:
    """How many images were scored, where the record tells; and maps with boxes, where fewer."""
    shown = len(run.outcomes.get("right", run.outcomes.get("logits", ())))
    boxed = run.metrics.get("num_boxed")
    return f", {shown} images" * bool(shown) + (f", boxes of {boxed:g}" if boxed else "")


def groups(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs, each once, grouped by all that a headline keeps fixed: not strength and seed.

    Where several regularisers share the rest, each is a group of its own, and the runs without any
    are in all of them.
    """
    found: dict[Config, dict[str, list[Run]]] = {}
    for run in {run.config: run for run in runs}.values():
        fixed = replace(run.config, regularizer="none", strength=0.0, seed=0)
        found.setdefault(fixed, {}).setdefault(run.config.regularizer, []).append(run)
    listed = []
    for by_name in found.values():
        plain = by_name.pop("none", [])
        listed += [plain + own for own in by_name.values()] or [plain]
    return listed


def summary(runs: Sequence[Run]) -> str:
    """The headline of one group, its baselines among the columns, and the choice of validation."""
    settings = runs[0].config.to_dict()
    names = sorted({str(r.config.to_dict()["regularizer"]) for r in runs} - {"none"})
    plain = Config().to_dict() | {n: settings[n] for n in ("regularizer", "strength", "seed")}
    changed = [f"{name}={value}" for name, value in settings.items() if value != plain[name]]
    what = ", ".join(changed) or "default world and recipe"
    parts = [f"{', '.join(names) or 'no regularizer'}; {what}{_scored(runs[0])}"]
    rules = rules_of(runs[0])
    titles = {n: rules[n][0].strip() for n in _SHOWN if all(n in run.metrics for run in runs)}
    scores = final(runs)
    parts.append(headline(runs, titles).to_string())
    if scores.groupby("epsilon").seed.nunique().min() == 1:
        parts.append("One seed has no interval: give at least two --seeds for one.")
    chosen_by = criterion(runs)
    if scores.epsilon.nunique() > 1:
        best = choose(runs, chosen_by)
        parts.append(f"Best on validation ({chosen_by}, mean over seeds): ε = {best:g}.")
    return "\n".join(parts)


def headline(runs: Sequence[Run], titles: dict[str, str] = HEADLINE) -> pd.DataFrame:
    """Per epsilon, each of the scores that the runs have, as ``mean ± half-width`` of the 95 %
    interval over seeds (the mean alone for one seed), under its title. ValueError: no runs.
    """
    summary = over_seeds(final(runs))
    present = set(summary.columns.get_level_values(0))
    columns = {
        title: [_with_half(*row) for row in summary[name][["mean", "half"]].to_numpy()]
        for name, title in titles.items()
        if name in present
    }
    return pd.DataFrame(columns, index=summary.index.rename("ε"))


def _with_half(mean: float, half: float) -> str:
    return f"{mean:.3f}" + (f" ± {half:.3f}" if np.isfinite(half) else "")


def baselines(dataset) -> pd.DataFrame:
    """What needs no classifier: one centred box, and a constant map, on the same images.

    The side of the box is chosen on these images (an oracle, as for MaxBoxAcc); the constant map
    scores the share of object pixels as PxAP. The split has boxes and masks, at its own ``frame``.
    """
    size = dataset.frame
    box = metrics.centre_box_baseline(dataset.boxes_at(size), size).max_box_acc
    masks = [mask for mask, _ in dataset.masks_at(size)]
    pixels = metrics.constant_map_baseline(masks, size=size)
    rows = {
        "centred box": {"PxAP": "-", "MaxBoxAcc (oracle)": f"{box:.3f}"},
        "constant map": {"PxAP": f"{pixels:.3f}", "MaxBoxAcc (oracle)": "-"},
    }
    return pd.DataFrame(rows).T


def verdict(runs: Sequence[Run]) -> str:
    """One sentence on the claim: the best epsilon (chosen on validation) against none, on test.
    ValueError: no runs."""
    best, summary = choose(runs), over_seeds(final(runs))
    pxap, accuracy = summary["pxap"], summary["accuracy"]["mean"]
    plain, chosen = pxap.loc[0.0], pxap.loc[best]
    here, there = (_with_half(row["mean"], row["half"]) for row in (chosen, plain))
    apart = abs(chosen["mean"] - plain["mean"]) > chosen["half"] + plain["half"]
    last = pxap.index[-1]
    return (
        f"At ε = {best:g}, chosen on validation, PxAP is {here} against {there} at ε = 0; the "
        f"intervals {'do not touch' if apart else 'overlap'}; accuracy changes by "
        f"{accuracy[best] - accuracy[0.0]:+.3f}; at ε = {last:g} PxAP is {pxap['mean'][last]:.3f}."
    )


def markdown(table: pd.DataFrame) -> str:
    """A table as GitHub's Markdown, index first."""
    rows = [[table.index.name or "", *table.columns], ["---"] * (table.shape[1] + 1)]
    rows += [[index, *row] for index, row in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)


def report(runs: Sequence[Run], dataset) -> str:
    """The headline as Markdown: scores per epsilon, baselines in the same columns, the verdict."""
    scores = headline(runs)
    blind = baselines(dataset).reindex(columns=scores.columns, fill_value="-")
    table = pd.concat([scores.set_axis([f"{e:g}" for e in scores.index]), blind])
    return f"{markdown(table.rename_axis('ε'))}\n\n{verdict(runs)}"
