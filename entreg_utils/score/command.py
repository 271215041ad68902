"""``python -m entreg_utils score``: numbers for maps that exist, and what the public evaluation
script prints for its own options."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from tyro.conf import Positional, arg

from entreg_utils import metrics, score
from entreg_utils.data.decoding import read_all
from entreg_utils.files import StorageError, atomic_write, expand
from entreg_utils.metrics.contours import threshold_list
from entreg_utils.metrics.maps import warn_invalid
from entreg_utils.metrics.overlap import iou_list
from entreg_utils.score.pairs import paired, read_truth
from entreg_utils.score.scores import SIGMA, Scores, outcome

_flag = functools.partial(arg, help_behavior_hint="")
_said = functools.partial(_flag, metavar="PATH")
_TRUTH = (
    "boxes (.csv, COCO .json, folder of VOC .xml), a folder of masks as PNG, or one of the public "
    "evaluation code's lists"
)
_MASKS = "masks beside boxes, or the folder in which public lists name theirs"
_FROM = "the JSON of score on validation maps: its best threshold is carried over"
_COMPARE = "in place of MAPS, two sets of the same images, and the change from A to B"


def main(argv: list[str]) -> int:
    """``python -m entreg_utils score``."""
    if any(word.partition("=")[0] == "--dataset_name" for word in argv):
        return public_script(argv)

    def command(
        maps: Positional[
            Annotated[Path | None, _said(help="a folder or .npz", metavar="MAPS")]
        ] = None,
        *,
        truth: Annotated[Path, _said(help=_TRUTH)],
        masks: Annotated[Path | None, _said(help=_MASKS)] = None,
        images: Annotated[Path | None, _said(help="pictures, for boxes without a size")] = None,
        classes: Annotated[Path | None, _said(help="CSV value,name of the classes")] = None,
        predictions: Annotated[Path | None, _said(help="CSV image,class_1,..,class_5")] = None,
        threshold: Annotated[float, arg(help="the fixed one, a share of the maximum")] = SIGMA,
        threshold_from: Annotated[Path | None, _said(help=_FROM)] = None,
        compare: Annotated[tuple[Path, Path] | None, _said(help=_COMPARE, metavar="A B")] = None,
        partial: Annotated[bool, _flag(help="score what has both map and truth")] = False,
        thresholds: Annotated[int, arg(help="how many")] = 1000,
        samples: Annotated[int, arg(help="of the bootstrap over images")] = 1000,
        size: Annotated[int, arg(help="side to which maps and truth are brought")] = 224,
        json: Annotated[Path | None, _said(help="write scores and notes there")] = None,
        csv: Annotated[Path | None, _said(help="write the table there")] = None,
        curve: Annotated[Path | None, _said(help="write a PNG of BoxAcc there")] = None,
    ) -> int:
        """Score maps against boxes, masks or both, beside the centred box and the constant map.

        MAPS holds one array (h, w) an image, named as the image: .npy, .npz or grey .png
        files, or one .npz. Values are in 0..1; low and high are the ends of a 95 % bootstrap
        over images. A threshold is fixed beforehand, carried from other images, or an oracle:
        chosen on the images that are scored. Examples: score maps --truth boxes.csv --images
        photos; score --compare old new --truth metadata/CUB/test. The options of the public
        evaluation script do what it does: score --scoremap_root maps --dataset_name CUB
        --split test.
        """
        if (maps is None) == (compare is None):
            raise ValueError("give MAPS or --compare A B: they say what is scored")
        read = (maps, *(compare or ()), truth, masks, images, classes, predictions, threshold_from)
        _check_files({"--json": json, "--csv": csv, "--curve": curve}, read)
        of = functools.partial(
            score.score,
            truth=read_truth(truth, masks, images, classes, size),
            predictions=predictions,
            threshold=threshold,
            carried=threshold_from,
            thresholds=thresholds,
            partial=partial,
            samples=samples,
        )
        found = of(maps) if compare is None else score.compare(*map(of, compare))
        picture = None if curve is None else _picture(found)
        print(found)
        files = (json, found.to_json()), (csv, found.table.to_csv(index=False)), (curve, picture)
        for path, content in files:
            if path is not None:
                atomic_write(path, content)
        return 0

    config = (tyro.conf.FlagCreatePairsOff,)
    return tyro.cli(command, prog="python -m entreg_utils score", args=argv, config=config)


def _check_files(written: dict[str, Path | None], read: Iterable[Path | None]) -> None:
    """ValueError: a file that would be written twice, or over what is read."""
    taken = {path.expanduser().resolve() for path in read if path is not None}
    for option, path in written.items():
        if path is not None and (place := path.expanduser().resolve()) in taken:
            raise ValueError(f"{option} would overwrite {path}: name another file")
        taken |= set() if path is None else {place}


def _picture(found: Scores) -> bytes:
    """BoxAcc over the thresholds as PNG, with the thresholds of the table and the centred box."""
    if found.curve is None:
        raise ValueError("--curve draws BoxAcc of one set of maps with boxes: leave it out")
    import matplotlib

    matplotlib.use("Agg")
    from entreg_utils.figures.style import png, use_style

    with matplotlib.rc_context():
        use_style()
        axes = found.curve.plot(
            style=["-", ":", "--", "-."],
            figsize=(8.5, 4.2),
            xlim=(0, 1),
            ylim=(0, 1),
            xlabel="threshold (share of the map's maximum)",
            ylabel=f"BoxAcc, {found.table.num_images.iloc[0]} images",
        )
        for row in found.table[found.table.score.eq("gt_known")].itertuples():
            axes.axvline(row.threshold, color="0.6", lw=0.9)
            mark = f" {row.rule} {row.threshold:g}: {row.value:.3f}"
            axes.text(row.threshold, 1.0, mark, rotation=90, va="top", ha="right", size=8)
        label = "centred box, its best side, IoU 0.5"
        axes.axhline(found.value("centre_box"), color="black", lw=0.9, label=label)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
        return png(axes.figure)


def public_script(argv: list[str]) -> int:
    """The options, defaults and output of ``evaluation.py`` of clovaai/wsolevaluation (Choe et al.,
    CVPR 2020); scores in percent; maps of other images are not looked at.

    The script scores maps as they are stored: 224x224, 0 and 1 both attained. Resize and min-max
    leave those as they are, and bring others into that form.
    """
    about = "Maps scored with the options, defaults and output of the public evaluation script."
    parser = argparse.ArgumentParser("python -m entreg_utils score", description=about)
    switch = {"type": _yes, "nargs": "?", "const": True, "default": False}
    add = parser.add_argument
    add("--scoremap_root", default="train_log/scoremaps/", help="folder of IMAGE_ID.npy")
    add("--metadata_root", default="metadata/", help="folder of DATASET/SPLIT/image_ids.txt ..")
    add("--mask_root", default="dataset/", help="folder of OpenImages/..png")
    add("--dataset_name", required=True, choices=("CUB", "ILSVRC", "OpenImages"))
    add("--split", required=True, choices=("train", "val", "test"))
    add("--cam_curve_interval", type=float, default=0.01, help="step of thresholds, score bins")
    add("--multi_contour_eval", help="boxes of all contours, not the largest one's", **switch)
    add("--multi_iou_eval", help="mean over --iou_threshold_list, not IoU 50", **switch)
    add("--iou_threshold_list", nargs="+", type=int, default=[30, 50, 70], help="in percent")
    given = parser.parse_args(argv)
    if not 0 < (step := given.cam_curve_interval) <= 1:
        raise ValueError(f"--cam_curve_interval {step}: give 0 to 1")
    lists = expand(given.metadata_root) / given.dataset_name / given.split
    if not (lists / "image_ids.txt").exists():
        raise StorageError(f"{lists / 'image_ids.txt'} is not there: give --metadata_root")
    truth = read_truth(lists, expand(given.mask_root) / "OpenImages")
    pairs, _ = paired(given.scoremap_root, truth, more=True)
    rule = "all" if given.multi_contour_eval else "largest"
    deltas = iou_list(np.array(given.iou_threshold_list if given.multi_iou_eval else [50]) / 100)
    taus = threshold_list(np.arange(0, 1, step))
    print("Loading and evaluating cams.")
    size = truth.size
    read = functools.partial(outcome, size=size, taus=taus, step=step, rules=[rule], ious=deltas)
    hits, counts, _, invalid = zip(*read_all(pairs, read, "maps"), strict=True)
    warn_invalid(sum(invalid), len(pairs))
    if given.dataset_name == "OpenImages":
        pool = metrics.PixelAveragePrecision(step)
        pool.foreground, pool.background = np.sum(counts, axis=0, dtype=np.int64)
        found = pool.compute() * 100
        print(f"Mask AUC on split {given.split}: {found}")
    else:
        right = np.sum(hits, axis=0)[0]
        found = float(np.average((right * 100.0 / len(pairs)).max(axis=1)))
    print(f"localization: {found}")
    return 0


def _yes(word: str) -> bool:
    if word.lower() not in ("yes", "true", "t", "y", "1", "no", "false", "f", "n", "0"):
        raise argparse.ArgumentTypeError(f"{word!r} is neither true nor false")
    return word.lower()[0] in "yt1"
