"""``python -m entreg_utils data``: make or fetch a data set, check it, and say where it lies."""

from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from entreg_utils import data
from entreg_utils.data.fetch import Source, fetch, read_source
from entreg_utils.data.scan import ENDINGS, walk
from entreg_utils.data.survey import survey
from entreg_utils.data.world import SPLITS
from entreg_utils.files import expand, own

DRAWN = {
    "toy": "the drawn world: fish on a reef, with exact boxes and masks",
    "shoal": "one to three fish of different species an image, with a box and a mask of each",
}


def main(argv: list[str]) -> int:
    """``python -m entreg_utils data``."""

    def command(
        name: Positional[str] = "",
        list: Annotated[bool, arg(help="name the data sets and stop")] = False,
        root: Path | None = None,
        dry_run: bool = False,
    ) -> int:
        """Make or fetch every split of a data set, check it, and say what is there.

        Photographs are downloaded, checked and unpacked (data cub); an interrupted call goes on
        where it stopped, and calling it again changes nothing. Of one's own photographs (data
        folder:PATH) it is said what was found, and what looks wrong. They lie in PATH/CLASS, or in
        PATH/train/CLASS, PATH/val/CLASS and PATH/test/CLASS; boxes, where there are some, in
        PATH/boxes.csv (image,x0,y0,x1,y1), masks as PNG in PATH/masks.

        Args:
            name: the data set, see --list, or folder:PATH.
            root: folder of all photographic data sets (default: data).
            dry_run: say what would be fetched and where, and stop.
        """
        if list:
            _list(expand(root or own("data")))
        elif name.startswith(data.FOLDER):
            print(survey(name.removeprefix(data.FOLDER), root))
        elif name in data.DATASETS:
            _bring(name, root, dry_run)
        else:
            known = f"{', '.join(data.DATASETS)}, {data.FOLDER}PATH"
            raise ValueError(f"name a data set ({known}), or ask for --list")
        return 0

    config = (tyro.conf.FlagCreatePairsOff,)
    return tyro.cli(command, prog="python -m entreg_utils data", args=argv, config=config)


def _list(root: Path) -> None:
    for name in data.DATASETS:
        if name in DRAWN:
            print(_drawn(name))
            continue
        source = read_source(name)
        state = f"{source.licence}; {source.extent}; {_share(source, root)}"
        print(f"{source.name}: {source.about} ({state})")


def _drawn(name: str) -> str:
    return f"{name}: {DRAWN[name]} (MIT, nothing is downloaded)"


def _share(source: Source, root: Path) -> str:
    """How much of a data set is here: its parts, and the pictures and masks in its folders."""
    here = {file: file.place(root).exists() for file in source.files}
    if not any(here.values()):
        return "not here"
    tops = {root / file.place(root).relative_to(root).parts[0] for file in source.files}
    pictures = sum(path.suffix in ENDINGS for top in tops if top.is_dir() for path in walk(top))
    said = f"{sum(here.values())} of {len(here)} parts here, {pictures:,} pictures and masks"
    if needed := [file.name for file, is_here in here.items() if not (is_here or file.optional)]:
        said += f"; it cannot be read without {', '.join(needed)}"
    return said


def _bring(name: str, root: Path | None, dry_run: bool) -> None:
    if name in DRAWN:
        print(_drawn(name))
    else:
        source, root = read_source(name), expand(root or own("data"))
        print(f"{name}: {source.about}\nlicence: {source.licence} ({source.homepage})")
        print(f"size: {source.extent}; folder: {root}")
        steps = [file.step(root) for file in source.files if not file.place(root).exists()]
        print(*steps or [f"nothing to fetch: each part is in {root}"], sep="\n")
        if not dry_run:
            fetch(source, root)
    for split in () if dry_run else SPLITS:
        dataset = data.load(name, split, root=root)
        print(f"{split:6}{len(dataset):6} images, {dataset.num_classes} classes")
