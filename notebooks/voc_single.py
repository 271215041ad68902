"""The photographs of VOC 2012 that show one class alone, as a folder of one's own with masks.

    python notebooks/voc_single.py [ROOT] [TARGET]      default: data data/voc_single
    python -m entreg_utils sweep --plan voc_single --root data

``folder:voc_single`` then has ``train``, ``val`` and ``test`` like ``data.load("voc")``, which says
where they come from; classes with fewer than 20 photographs to train on are left out. The masks are
the official ones, in whose palettes 255 is ignored. Files are linked, or copied where that fails.
"""

import contextlib
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

from entreg_utils import data

LEAST = 20  # photographs of a class to train on


def main(root: str = "data", target: str = "data/voc_single") -> int:
    """Build the folder; prints how many photographs each split has."""
    splits = {split: data.load("voc", split, root=root) for split in ("train", "val", "test")}
    enough = [c for c, n in Counter(single(splits["train"]).values()).items() if n >= LEAST]
    for split, dataset in splits.items():
        chosen = {i: c for i, c in single(dataset).items() if c in enough}
        for index, label in chosen.items():
            photo, name = dataset.photos[index], dataset.class_names[label]
            link(photo.path, Path(target, split, name, photo.path.name))
            for mask in photo.mask_files:
                link(mask, Path(target, "masks", split, name, mask.name))
        print(f"{split}: {len(chosen)} photographs of {len(enough)} classes")
    return 0


def single(dataset) -> dict[int, int]:
    """{image: class} of the photographs that show one class alone."""
    alone = (dataset.labels.sum(1) == 1).nonzero()[:, 0].tolist()
    return {i: int(dataset.labels[i].argmax()) for i in alone}


def link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        os.link(source.resolve(), target)
        return
    shutil.copyfile(source, target)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
