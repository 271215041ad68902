"""The options of the public evaluation script and what it prints, for maps that were made for it.

``evaluation.py`` of clovaai/wsolevaluation (Choe et al., CVPR 2020). It scores maps as they are
stored: 224x224, 0 and 1 both attained. Resize and min-max leave those as they are, and bring others
into that form.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from entreg_utils import metrics
from entreg_utils.data.decoding import read_all
from entreg_utils.files import StorageError
from entreg_utils.score.maps import paired
from entreg_utils.score.truth import read_truth


def _yes(word: str) -> bool:
    if word.lower() not in ("yes", "true", "t", "y", "1", "no", "false", "f", "n", "0"):
        raise argparse.ArgumentTypeError(f"{word!r} is neither true nor false")
    return word.lower()[0] in "yt1"


def parser() -> argparse.ArgumentParser:
    about = "Maps scored with the options, defaults and output of the public evaluation script."
    made = argparse.ArgumentParser("python -m entreg_utils score", description=about)
    switch = {"type": _yes, "nargs": "?", "const": True, "default": False}
    add = made.add_argument
    add("--scoremap_root", default="train_log/scoremaps/", help="folder of IMAGE_ID.npy")
    add("--metadata_root", default="metadata/", help="folder of DATASET/SPLIT/image_ids.txt ..")
    add("--mask_root", default="dataset/", help="folder of OpenImages/..png")
    add("--dataset_name", required=True, choices=("CUB", "ILSVRC", "OpenImages"))
    add("--split", required=True, choices=("train", "val", "test"))
    add("--cam_curve_interval", type=float, default=0.01, help="step of thresholds, score bins")
    add("--multi_contour_eval", help="boxes of all contours, not the largest one's", **switch)
    add("--multi_iou_eval", help="mean over --iou_threshold_list, not IoU 50", **switch)
    add("--iou_threshold_list", nargs="+", type=int, default=[30, 50, 70], help="in percent")
    return made


OPTIONS = {w for action in parser()._actions for w in action.option_strings} - {"-h", "--help"}


def main(argv: list[str]) -> int:
    """Print what the script prints, scores in percent; maps of other images are not looked at."""
    given = parser().parse_args(argv)
    if not 0 < given.cam_curve_interval <= 1:
        raise ValueError(f"--cam_curve_interval {given.cam_curve_interval}: give 0 to 1")
    lists = Path(given.metadata_root).expanduser() / given.dataset_name / given.split
    if not (lists / "image_ids.txt").exists():
        raise StorageError(f"{lists / 'image_ids.txt'} is not there: give --metadata_root")
    truth = read_truth(lists, Path(given.mask_root, "OpenImages"))
    pairs, _ = paired(given.scoremap_root, truth, more=True)
    taus = np.arange(0, 1, given.cam_curve_interval)
    print("Loading and evaluating cams.")
    if given.dataset_name == "OpenImages":
        pool = metrics.PixelAveragePrecision(given.cam_curve_interval)

        def pixels(pair):
            own = metrics.PixelAveragePrecision(given.cam_curve_interval)
            own.update(pair.read(), *truth.mask_of(pair.image, None))
            return own

        read_all(pairs, pixels, use=pool.merge)
        score = pool.compute() * 100
        print(f"Mask AUC on split {given.split}: {score}")
    else:
        rule = "all" if given.multi_contour_eval else "largest"
        deltas = np.array(given.iou_threshold_list if given.multi_iou_eval else [50]) / 100

        def boxes(pair):
            own = [truth.boxes_of(pair.image, None)]
            return metrics.box_accuracy([pair.read()], own, rule, deltas, taus)

        found = sum(read_all(pairs, boxes))
        score = float(np.average((found.counts * 100.0 / found.num_images).max(axis=1)))
    print(f"localization: {score}")
    return 0
