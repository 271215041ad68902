"""``python -m entreg_utils score``: numbers for maps that exist."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from entreg_utils import score
from entreg_utils.files import atomic_write
from entreg_utils.score import public
from entreg_utils.score.scores import SIGMA, Scores
from entreg_utils.score.truth import read_truth

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
    if public.OPTIONS & {word.partition("=")[0] for word in argv}:
        return public.main(argv)

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
        of = functools.partial(
            score.score,
            truth=read_truth(truth, masks, images, classes, size),
            predictions=predictions,
            threshold=threshold,
            carried=threshold_from,
            thresholds=thresholds,
            partial=partial,
        )
        if compare is None:
            found = of(maps, samples=samples)
        else:
            old, found = (of(one, samples=0) for one in compare)
            table, notes = (
                score.compare(old, found, samples),
                dict.fromkeys(old.notes + found.notes),
            )
        picture = None if curve is None else _picture(found)
        if compare is not None:
            found = dataclasses.replace(found, table=table, notes=tuple(notes))
        print(found)
        files = (json, found.to_json()), (csv, found.table.to_csv(index=False)), (curve, picture)
        for path, content in files:
            if path is not None:
                atomic_write(path.expanduser(), content)
        return 0

    config = (tyro.conf.FlagCreatePairsOff,)
    return tyro.cli(command, prog="python -m entreg_utils score", args=argv, config=config)


def _picture(found: Scores) -> bytes:
    """BoxAcc over the thresholds as PNG, with the thresholds of the table and the centred box."""
    if found.curve is None:
        raise ValueError("--curve draws BoxAcc, and there are no boxes: leave it out")
    import matplotlib

    matplotlib.use("Agg")
    from entreg_utils.figures.style import png, use_style

    with matplotlib.rc_context():
        use_style()
        axes = found.curve.plot(style=["-", ":", "--", "-."], figsize=(8.5, 4.2))
        for row in found.table[found.table.score.eq("gt_known")].itertuples():
            axes.axvline(row.threshold, color="0.6", lw=0.9)
            mark = f" {row.rule} {row.threshold:g}: {row.value:.3f}"
            axes.text(row.threshold, 1.0, mark, rotation=90, va="top", ha="right", size=8)
        label = "centred box, its best side, IoU 0.5"
        axes.axhline(found.value("centre_box"), color="black", lw=0.9, label=label)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="threshold (share of the map's maximum)")
        axes.set_ylabel(f"BoxAcc, {found.table.num_images.iloc[0]} images")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
        return png(axes.figure)
