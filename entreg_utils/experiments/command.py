"""``python -m entreg_utils run``: one training, loaded or done now, with its scores and rules."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from entreg_utils.data.world import SPLITS
from entreg_utils.experiments import store
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.options import add_config_arguments, at_epsilon, given_fields
from entreg_utils.experiments.runs import Run, run
from entreg_utils.files import StorageError
from entreg_utils.training.photographs import IOU

# Key of Run.metrics: what it is, and the rule by which it was measured. {sigma} is the config's.
RULES = {
    "accuracy": ("accuracy", "share of images whose class is right"),
    "mean_ap": ("mAP of the classes", "mean over classes of average precision, no interpolation"),
    "entropy": ("entropy", "nats, mean over images"),
    "pxap": ("PxAP", "all thresholds, pixels pooled over the split"),
    "mpxap": ("mPxAP", "mean over classes of PxAP, pixels pooled within a class"),
    "constant_map": ("  a constant map", "PxAP or mPxAP without looking: share of object pixels"),
    "max_box_acc": ("MaxBoxAcc", f"oracle: threshold chosen on test; IoU {IOU}"),
    "max_box_acc_carried": ("BoxAcc", f"threshold chosen on validation, carried over; IoU {IOU}"),
    "box_threshold": ("its threshold", "share of the map's maximum, chosen on validation"),
    "max_box_acc_v2": ("MaxBoxAccV2", "oracle: one threshold per IoU 0.3, 0.5, 0.7; all contours"),
    "centre_box": ("  a centred box", f"MaxBoxAcc without looking: side chosen on test; IoU {IOU}"),
    "gt_known": ("GT-known Loc", f"fixed threshold {{sigma:g}}; IoU {IOU}"),
    "top1_loc": ("Top-1 Loc", "as GT-known Loc, and the class right ({sigma:g})"),
    "top5_loc": ("Top-5 Loc", "as GT-known Loc, and the class among five ({sigma:g})"),
    "top1_loc_carried": ("Top-1 Loc, carried", "as BoxAcc, and the class right"),
    "top1_loc_oracle": ("Top-1 Loc, oracle", "as MaxBoxAcc, and the class right"),
    "part": ("evidence: part", "mean normalised score on the mark"),
    "body": ("evidence: body", "mean normalised score on the rest of the fish"),
    "context": ("evidence: context", "mean normalised score on the habitat"),
    "reliance_part": ("worth of the part", "logits lost when it is repainted wrong"),
    "reliance_body": ("worth of the body", "logits lost when it is repainted wrong"),
    "reliance_context": ("worth of the context", "logits lost when it is repainted wrong"),
    "val_accuracy": ("accuracy, validation", "for choices; not measured on test"),
    "val_mean_ap": ("mAP, validation", "for choices; not measured on test"),
    "val_entropy": ("entropy, validation", "nats; not measured on test"),
    "val_pxap": ("PxAP, validation", "for choices; not measured on test"),
    "val_mpxap": ("mPxAP, validation", "for choices; not measured on test"),
    "val_max_box_acc": ("MaxBoxAcc, validation", "threshold chosen there; not measured on test"),
    "val_gt_known": ("GT-known, validation", "fixed threshold {sigma:g}; not measured on test"),
    "val_top1_loc": ("Top-1 Loc, validation", "fixed threshold {sigma:g}; not measured on test"),
}


def rules_of(config: Config) -> dict[str, tuple[str, str]]:
    """:data:`RULES` with the fixed threshold of ``config`` in them."""
    return {name: (title, rule.format(sigma=config.sigma)) for name, (title, rule) in RULES.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "example: run --epsilon 0.85 --seed 1. A run that is stored is loaded; one that was "
        "interrupted goes on from its last whole epoch. Results are written to results/, or where "
        "ENTREG_RESULTS points."
    )
    parser.add_argument(
        "--epsilon",
        type=float,
        default=argparse.SUPPRESS,
        metavar="E",
        help="instead of --strength: weight of the regularizer (kl_uniform if none is named) in "
        "the average with cross-entropy, lambda = E/(1 - E)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    add_fresh(parser)
    add_config_arguments(parser)


def add_fresh(parser: argparse.ArgumentParser) -> None:
    """The option ``--fresh``."""
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="leave out the records that come with the project (your own results still count)",
    )


@contextlib.contextmanager
def freshly(fresh: bool) -> Iterator[None]:
    """Within it the committed records are not read, here and in the processes of a sweep."""
    before = os.environ.get("ENTREG_FRESH")
    if fresh:
        os.environ["ENTREG_FRESH"] = "1"
    try:
        yield
    finally:
        if fresh:
            os.environ.pop("ENTREG_FRESH")
            os.environ.update({} if before is None else {"ENTREG_FRESH": before})


def config_of(args: argparse.Namespace) -> Config:
    """The config that the options of ``run`` describe.

    Raises:
        ValueError: both an epsilon and a strength, or a value that cannot work.
    """
    given = given_fields(args)
    if not hasattr(args, "epsilon"):
        return Config(**given)
    if "strength" in given:
        raise ValueError("--epsilon and --strength say the same thing: give one of them")
    return at_epsilon(args.epsilon, **given)


def record_path(config: Config) -> Path | None:
    """The file that ``store.find`` reads for ``config``, or None."""
    for folder in store.folders():
        path = folder / f"{config.name}.json"
        with contextlib.suppress(StorageError):  # damaged: find passes over it too
            if store.read(path) is not None:
                return path
    return None


def main(args: argparse.Namespace) -> int:
    """Load or train one run and print its scores; 0."""
    config = config_of(args)
    with freshly(args.fresh):
        was_there = record_path(config) is not None
        result = run(config, progress=not args.json)
        path = record_path(config)
    if args.json:
        print(json.dumps(_as_json(result, path, was_there), indent=1))
    else:
        print(report(result, path, was_there))
    return 0


def report(result: Run, path: Path, was_there: bool) -> str:
    """The scores as a table, a line each with its rule, under what holds for all of them.

    Where a best checkpoint was kept, its scores stand behind those of the last.
    """
    config, origin, chosen = result.config, result.provenance, result.selection
    images = f" ({SPLITS['test']} images)" if config.dataset == "toy" else f" of {config.dataset}"
    what = [config.model] if config.model != "toy" else []
    what += [config.method] if config.method != "cam" else []
    lines = [
        ", ".join([*what, config.regularizer]) + f", ε = {config.epsilon:g} (strength "
        f"{config.strength:g}), seed {config.seed}: " + ("loaded" if was_there else "trained now"),
        f"split: test{images}; checkpoint: last (epoch {config.epochs}); maps: "
        "CAM of the true class, min-max per image",
    ]
    if chosen is not None:
        lines.append(
            f"second column: checkpoint best by {chosen['criterion']} (epoch {chosen['epoch']})"
        )
    lines.append("")
    for name, (title, rule) in rules_of(config).items():
        if name in result.metrics:
            best = result.metrics.get(f"{name}_best")
            second = f"{best:8.3f}" if best is not None else " " * 8
            numbers = f"{result.metrics[name]:8.3f}" + (second if chosen is not None else "")
            lines.append(f"{title:22}{numbers}  {rule}")
    return "\n".join(
        [
            *lines,
            "",
            f"record: {path}",
            f"trained in {origin['seconds']:g} s on {origin['device']} ({origin['threads']} "
            f"threads), torch {origin['torch']}, commit {origin['commit']}",
        ]
    )


def _as_json(result: Run, path: Path, was_there: bool) -> dict:
    rules = {name: ": ".join(rule) for name, rule in rules_of(result.config).items()}
    content = {
        "config": result.config.to_dict(),
        "epsilon": result.config.epsilon,
        "split": "test",
        "checkpoint": "last",
        "loaded": was_there,
        "metrics": result.metrics,
        "rules": {name: rules[name] for name in result.metrics if name in rules},
        "record": str(path),
        "weights_sha256": result.weights_sha256,
        "provenance": result.provenance,
    }
    if result.selection is not None:  # the metrics that end in _best
        content["selection"] = result.selection
    return content
