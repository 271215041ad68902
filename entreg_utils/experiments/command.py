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
from entreg_utils.training.evaluation import IOU, SIGMA

# Key of Run.metrics: what it is, and the rule by which it was measured.
RULES = {
    "accuracy": ("accuracy", "share of images whose class is right"),
    "entropy": ("entropy", "nats, mean over images"),
    "pxap": ("PxAP", "all thresholds, pixels pooled over the split"),
    "max_box_acc": ("MaxBoxAcc", f"oracle: threshold chosen on test; IoU {IOU}"),
    "max_box_acc_carried": ("BoxAcc", f"threshold chosen on validation, carried over; IoU {IOU}"),
    "box_threshold": ("its threshold", "share of the map's maximum, chosen on validation"),
    "max_box_acc_v2": ("MaxBoxAccV2", "oracle: one threshold per IoU 0.3, 0.5, 0.7; all contours"),
    "gt_known": ("GT-known Loc", f"fixed threshold {SIGMA}; IoU {IOU}"),
    "top1_loc": ("Top-1 Loc", f"as GT-known Loc, and the class right ({SIGMA})"),
    "top1_loc_carried": ("Top-1 Loc, carried", "as BoxAcc, and the class right"),
    "part": ("evidence: part", "mean normalised score on the mark"),
    "body": ("evidence: body", "mean normalised score on the rest of the fish"),
    "context": ("evidence: context", "mean normalised score on the habitat"),
    "reliance_part": ("worth of the part", "logits lost when it is repainted wrong"),
    "reliance_body": ("worth of the body", "logits lost when it is repainted wrong"),
    "reliance_context": ("worth of the context", "logits lost when it is repainted wrong"),
    "val_pxap": ("PxAP, validation", "for choices; not measured on test"),
    "val_accuracy": ("accuracy, validation", "for choices; not measured on test"),
}


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
    """The scores as a table, a line each with its rule, under what holds for all of them."""
    config, origin = result.config, result.provenance
    lines = [
        f"{config.regularizer}, ε = {config.epsilon:g} (strength {config.strength:g}), seed "
        f"{config.seed}: " + ("loaded" if was_there else "trained now"),
        f"split: test ({SPLITS['test']} images); checkpoint: last (epoch {config.epochs}); maps: "
        "CAM of the true class, min-max per image",
        "",
        *(
            f"{title:22}{result.metrics[name]:8.3f}  {rule}"
            for name, (title, rule) in RULES.items()
            if name in result.metrics
        ),
        "",
        f"record: {path}",
        f"trained in {origin['seconds']:g} s on {origin['device']} ({origin['threads']} threads), "
        f"torch {origin['torch']}, commit {origin['commit']}",
    ]
    return "\n".join(lines)


def _as_json(result: Run, path: Path, was_there: bool) -> dict:
    return {
        "config": result.config.to_dict(),
        "epsilon": result.config.epsilon,
        "split": "test",
        "checkpoint": "last",
        "loaded": was_there,
        "metrics": result.metrics,
        "rules": {name: ": ".join(RULES[name]) for name in result.metrics if name in RULES},
        "record": str(path),
        "weights_sha256": result.weights_sha256,
        "provenance": result.provenance,
    }
