"""Files that a reader gets with some of their bytes wrong.

Of any file the package reads all of it, or raises its own error, which names the file; it never
unpickles, hangs or passes on what a decoder says.
"""

import io
import json
import shutil
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinds import SIDE
from PIL import Image
from test_functions import FUZZ, foreign

from entreg_utils import experiments
from entreg_utils.checks import marks
from entreg_utils.data import annotations, decoding, scan
from entreg_utils.experiments import plans, store
from entreg_utils.score import pairs, scores


def png() -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(content, "png")
    return content.getvalue()


def npz() -> bytes:
    content = io.BytesIO()
    np.savez(content, a=np.eye(3), b=np.ones((2, 2)))
    return content.getvalue()


def record() -> tuple[str, bytes]:
    config = experiments.er(0.5, epochs=2)
    path = Path(tempfile.mkdtemp(), f"{config.name}.json")
    return path.name, store.write({"config": config.to_dict(), "protocol": 5}, path).read_bytes()


def marked() -> str:
    """What checks.report() writes."""
    said = {"passed": True, "attempts": 2, "said": {"lam": 1, "right": 1}, "time": "2023"}
    body = {"name": "Ada", "notebook": "02", "exercises": {"matched_beta": said}}
    return json.dumps(body | {"digest": marks._digest(body)})


COCO = {"images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}]}
COCO |= {"annotations": [{"id": 1, "image_id": 1, "category_id": 2, "bbox": [1, 1, 4, 4]}]}
COCO |= {"categories": [{"id": 2, "name": "cat"}]}
VOC = "<annotation><size><width>9</width><height>9</height></size><object><name>cat</name><bndbox>"
VOC += "<xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>4</ymax></bndbox></object></annotation>"
BOXES = "image,x0,y0,x1,y1,class,width,height\na.png,0,0,4,4,c,8,8\nb.png,1,1,3.5,5,c,8,8\n"
PLAN = 'title = "a"\n[base]\nepochs = 2\n[grid]\nseed = [0, 1]\n[[runs]]\nepsilon = [0.1, 0.3]\n'
SCORED = {"scores": [{"score": "max_box_acc", "threshold": 0.2}]}
READERS = {  # a whole file, and what reads it
    "boxes.csv": (BOXES, annotations.read),
    "labels.csv": ("image,class\na,cat\n", partial(annotations.read, columns=annotations.LABELS)),
    "localization.txt": ("a.jpg,0,0,4,4\nb.jpg,1,1,3,3\n", annotations.read),
    "instances.json": (json.dumps(COCO), annotations.read),
    "a.xml": (VOC, lambda path: annotations.read(path.parent)),
    "classes.txt": ("value,name\n1,cat\n2,dog\n", scan.value_table),
    "truth.csv": (BOXES, partial(pairs.read_truth, size=SIDE)),
    "plan.toml": (PLAN, plans.load),
    "carried.json": (json.dumps(SCORED), scores.threshold_of),
    record()[0]: (record()[1], store.read),
    "Ada_02.json": (marked(), marks.read),
    "maps.npz": (npz(), lambda path: [read() for read in pairs.find(path).values()]),
    "a.png": (png(), decoding.read_pixels),
}
HUGE, DEEP = b"9" * 400, b"[" * 100_000
PIECES = st.sampled_from(
    [b"\0", b"\xef\xbb\xbf", b"\xff", b",", b";", b'"', b"\n", b"\r", b"[", b"{}", b"null", b"-1"]
    + [b"NaN", b"1e999", b"[[1]]", b"true", "ä☃".encode(), b"<a>", b"&x;", b"../..", HUGE, DEEP]
)


@st.composite
def mutated(draw, content: bytes) -> bytes:
    for _ in range(draw(st.integers(1, 3))):
        at, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        content = draw(
            st.sampled_from([content[:at], content[:at] + content[end:], content + content[at:end]])
            | PIECES.map(lambda new, c=content, a=at, e=end: c[:a] + new + c[min(e, a + 1) :])
            | PIECES.map(lambda new, c=content, a=at: c[:a] + new + c[a:])
            | st.just(content.decode("latin-1").encode("utf-16"))
            | st.binary(max_size=30)
        )
    return content


@pytest.mark.parametrize("name", READERS)
def test_a_mutated_file_is_read_or_refused_by_its_name(name):
    whole, read = READERS[name]
    whole = whole.encode() if isinstance(whole, str) else whole
    home = Path(tempfile.mkdtemp())
    path = home / name

    @FUZZ
    @given(st.data())
    def contract(data):
        drawn = [data.draw(mutated(whole)) for _ in range(20)]
        for content in (whole, DEEP, b"title = " + DEEP, *drawn):
            path.write_bytes(content)
            try:
                read(path)
                continue
            except (ValueError, RuntimeError, TypeError, LookupError, ArithmeticError) as error:
                refused = error
            assert content != whole and path.name in str(refused), (refused, content[:200])
            assert not foreign(refused)

    contract()
    shutil.rmtree(home)
