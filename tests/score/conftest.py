"""The maps of ``parity.npz``, whose numbers the public evaluation code gave, as files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FILE = Path(__file__).parents[1] / "metrics" / "data" / "parity.npz"


@pytest.fixture(scope="session")
def parity():
    with np.load(FILE) as stored:
        stored = dict(stored)
    numbers = [f"{index:02d}" for index in range(43)]
    own = {f"a/{n}": stored[f"cam_{n}"] for n in numbers}
    boxes = {f"a/{n}": stored[f"boxes_{n}"] for n in numbers}
    pixels = {name: np.unpackbits(stored[name], axis=-1) for name in ("masks", "ignore")}
    return stored | pixels | {"cams": own, "boxes": boxes}


@pytest.fixture(scope="session")
def lists(parity, tmp_path_factory):
    """A tree with maps/a/00.npy .., boxes.csv, masks/a/00.png .. and the public code's layout."""
    home = tmp_path_factory.mktemp("parity")
    rows = ["image,x0,y0,x1,y1,class,width,height"]
    for index, (name, cam) in enumerate(parity["cams"].items()):
        for place, content in (
            (f"maps/{name}.npy", cam),
            (f"masks/{name}.png", parity["masks"][index] * 255),
            (f"masks/{name}_ignore.png", parity["ignore"][index] * 255),
        ):
            path = home / place
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, content) if path.suffix == ".npy" else Image.fromarray(content).save(path)
        for box in parity["boxes"][name]:
            rows.append(f"{name}.jpg,{','.join(map(str, box))},kind {index % 3},224,224")
    (home / "boxes.csv").write_text("\n".join(rows))
    cells = [row.split(",") for row in rows[1:]]
    names = [f"{name}.jpg" for name in parity["cams"]]
    masks = [f"{name}.jpg,{name}.png,{name}_ignore.png" for name in parity["cams"]]
    for data, places in (("CUB", [",".join(cell[:5]) for cell in cells]), ("OpenImages", masks)):
        folder = home / "metadata" / data / "test"
        folder.mkdir(parents=True)
        for file, lines in {
            "image_ids": names,
            "class_labels": [f"{name},{index % 3}" for index, name in enumerate(names)],
            "image_sizes": [f"{name},224,224" for name in names],
            "localization": places,
        }.items():
            (folder / f"{file}.txt").write_text("\n".join(lines))
    (home / "dataset").mkdir()
    (home / "dataset" / "OpenImages").symlink_to(home / "masks")
    return home
