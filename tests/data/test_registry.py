"""The registry as it stands, against torchvision and the public lists, and some gone wrong."""

import hashlib
import json
from pathlib import Path

import pytest
from torchvision.datasets import Flowers102, OxfordIIITPet
from torchvision.datasets.voc import DATASET_YEAR_DICT

from entreg_utils.data.registry import is_inside, read_registry, read_source
from entreg_utils.files import StorageError

LISTS = Path(__file__).parents[2] / ".." / "shared" / "data" / "wsol_metadata"


def by_url():
    return {file.url: file for source in read_registry().values() for file in source.files}


def test_every_photographic_data_set_is_listed():
    assert list(read_registry()) == ["cub", "openimages", "flowers", "pets", "voc"]


def test_addresses_and_checksums_are_those_of_torchvision():
    published = {
        Flowers102._download_url_prefix + name: md5 for name, md5 in Flowers102._file_dict.values()
    }
    published |= dict(OxfordIIITPet._RESOURCES)
    voc = DATASET_YEAR_DICT["2012"]
    published[voc["url"]] = voc["md5"]
    files = by_url()
    assert len(published) == 6
    assert {url: files[url].md5 for url in published} == published
    file = files[voc["url"]]
    assert file.name == voc["filename"] and file.place(Path("r")) == Path("r") / voc["base_dir"]


@pytest.mark.skipif(not LISTS.exists(), reason="the public lists are not here")
def test_lists_have_the_size_and_checksum_of_the_public_ones():
    seen = 0
    for file in by_url().values():
        path = (
            LISTS / Path(file.unpack_to).relative_to("metadata") / file.name
            if (file.unpack_to.startswith("metadata/"))
            else None
        )
        if path is not None and path.exists():
            content = path.read_bytes()
            assert (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
            seen += 1
    assert seen == 18  # CUB 3 x 4; OpenImages 2 x 3, whose image_sizes.txt are empty


def test_probes_are_on_the_public_lists():
    if not LISTS.exists():
        pytest.skip("the public lists are not here")
    cub, images, masks = (*read_source("cub").manual, *read_source("openimages").manual)
    assert cub.probe in (LISTS / "CUB/val/image_ids.txt").read_text().split()
    assert images.probe.startswith("train/")  # of the training list, which is not kept here
    assert masks.probe in (LISTS / "OpenImages/val/localization.txt").read_text()


def test_no_archive_without_checksum_and_no_place_is_used_twice():
    files = by_url().values()
    assert all(file.sha256 or file.md5 for file in files if file.holds is not None)
    places = [file.place(Path("r")) for file in files]
    assert len(set(places)) == len(places)
    staged = [file.staged(Path("r")) for file in files]
    assert len(set(staged)) == len(staged)


def test_what_is_missing_and_where_it_goes(tmp_path):
    flowers = read_source("flowers")
    jpg, _, labels, _ = flowers.files
    assert jpg.staged(tmp_path) == tmp_path / "downloads" / "102flowers.tgz"
    assert jpg.place(tmp_path) == tmp_path / "flowers-102" / "jpg"
    assert labels.staged(tmp_path) == labels.place(tmp_path)
    jpg.place(tmp_path).mkdir(parents=True)
    assert [file.name for file in flowers.missing(tmp_path)[0]] == [
        "102segmentations.tgz",
        "imagelabels.mat",
        "setid.mat",
    ]
    assert flowers.extent == "548.5 MB to download"  # 344862509 + 203577493 + 502 + 14989
    # 1,150,585,339 bytes of the archive and 2,972,707 of the twelve lists
    assert read_source("cub").extent == "1,153.6 MB to download, 1 archive by hand"
    assert read_source("openimages").extent == "3.8 MB to download, 2 archives by hand"


FILE = {"url": "https://h/a.tgz", "name": "a.tgz", "unpack_to": "x", "holds": "b", "md5": "0" * 32}
MANUAL = {"name": "a", "link": "http://h/", "about": "", "unpack_to": "x", "probe": "b"}


def write(path, file=None, manual=None, **changed):
    words = {"about": "a", "licence": "l", "homepage": "h"}
    lists = {"files": [file or FILE], "manual": [manual] if manual else []}
    path.write_text(json.dumps({"birds": words | lists | changed}))
    return path


def test_a_registry_of_ones_own(tmp_path):
    source = read_registry(write(tmp_path / "r.json", manual=MANUAL))["birds"]
    assert source.files[0].check == "md5 " + "0" * 32 and source.files[0].bytes is None
    assert source.extent == "0.0 MB to download and 1 file of unknown size, 1 archive by hand"
    plain = {"url": "https://h/a.txt", "name": "a.txt", "unpack_to": "."}
    file = read_registry(write(tmp_path / "r.json", plain))["birds"].files[0]
    assert file.check == "no checksum published: not verified"
    assert file.place(tmp_path) == tmp_path / "a.txt"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unpack_to": "../x"}, "unpack_to '../x' of birds leaves the folder"),
        ({"unpack_to": "/x"}, "unpack_to '/x' of birds leaves the folder"),
        ({"holds": "C:\\x"}, "holds 'C:.*' of birds leaves the folder"),
        ({"name": "x/a.tgz"}, "name 'x/a.tgz' of birds is not a plain file name"),
        ({"url": "file:///etc/passwd"}, "'file:///etc/passwd' of birds is no http or https"),
        ({"md5": None}, "archive a.tgz of birds has no checksum"),
        ({"md5": "12"}, "md5 '12' of a.tgz is not 32 hex digits"),
        ({"sha256": "0" * 63}, "is not 64 hex digits"),
        ({"bytes": -1}, "bytes -1 of a.tgz is no size"),
        ({"size": 3}, "a file of birds has 'size', which is none of"),
    ],
)
def test_entries_that_cannot_be_used(tmp_path, change, message):
    with pytest.raises(StorageError, match=message):
        read_registry(write(tmp_path / "r.json", FILE | change))


@pytest.mark.parametrize("change", [{"files": 3}, {"files": [3]}, {"files": [{}]}, {"manual": 3}])
def test_entries_of_another_shape(tmp_path, change):
    with pytest.raises(StorageError, match="r.json cannot be used: "):
        read_registry(write(tmp_path / "r.json", **change))


def test_probes_of_manual_files_are_checked_too(tmp_path):
    with pytest.raises(StorageError, match="probe '../b' of birds leaves"):
        read_registry(write(tmp_path / "r.json", manual=MANUAL | {"probe": "../b"}))


def test_no_registry(tmp_path, monkeypatch):
    with pytest.raises(StorageError, match="is not there: .* point ENTREG_ROOT"):
        read_registry(tmp_path / "none.json")
    (tmp_path / "r.json").write_text("{")
    with pytest.raises(StorageError, match="r.json cannot be used"):
        read_registry(tmp_path / "r.json")
    with pytest.raises(StorageError, match="the registry lists no 'fish': it has cub, "):
        read_source("fish")


@pytest.mark.parametrize("name", ["a", "a/b", "./a", "a.b/..c", "."])
def test_paths_inside(name):
    assert is_inside(name)


@pytest.mark.parametrize("name", ["", "..", "a/..", "/a", "a\\..\\b", "C:", "C:a", "\\a", "a\0"])
def test_paths_outside(name):
    assert not is_inside(name)
