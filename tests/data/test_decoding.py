"""Photographs of every kind, and the file of decoded images: whole, right, or not there."""

import threading

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from entreg_utils.data import decoding
from entreg_utils.data.decoding import UnreadableImage, cached_array, read_pixels, read_sizes
from entreg_utils.files import StorageError


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_the_resize_is_the_one_of_torchvision_on_pillow_images(tmp_path):
    Image.fromarray(noise(61, 40)).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        expected = transforms.Resize((24, 24))(image.convert("RGB"))
    expected = np.asarray(expected).transpose(2, 0, 1)
    read = read_pixels(tmp_path / "a.jpg", 24)
    assert read.flags["C_CONTIGUOUS"] and np.array_equal(read, expected)


def test_grey_palette_cmyk_and_transparent_files(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert np.array_equal(read_pixels(tmp_path / "grey.png"), np.stack([grey] * 3))

    palette = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    palette.save(tmp_path / "palette.png")
    assert read_pixels(tmp_path / "palette.png").transpose(1, 2, 0).tolist() == [
        [[10, 20, 30], [40, 50, 60]],
        [[70, 80, 90], [10, 20, 30]],
    ]

    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "cmyk.jpg")  # cyan
    red, green, blue = read_pixels(tmp_path / "cmyk.jpg").reshape(3, -1).mean(axis=1)
    assert red < 10 and green > 245 and blue > 245

    rgba = np.dstack([noise(4, 4), np.zeros((4, 4), np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    assert np.array_equal(read_pixels(tmp_path / "rgba.png"), rgba[..., :3].transpose(2, 0, 1))


RAMP = np.array([[0, 20000, 40000, 65535], [65535, 40000, 20000, 0]], np.uint16)
SHADES = [[0, 78, 156, 255], [255, 156, 78, 0]]  # by 257, rounded


@pytest.mark.parametrize(
    ("name", "mode", "pixels", "options"),
    [
        ("a.png", "I;16", RAMP, {}),
        ("a.tif", "I;16", RAMP, {}),
        ("a.tif", "I;16B", RAMP.astype(">u2"), {}),
        ("a.tif", "I", RAMP.astype(np.int32), {}),
        ("a.tif", "F", (RAMP / 65535).astype(np.float32), {}),
        ("a.tif", "I;16", 65535 - RAMP, {"tiffinfo": {262: 0}}),  # white is zero
    ],
)
def test_deep_files_are_scaled(tmp_path, name, mode, pixels, options):
    image = Image.frombytes(mode, pixels.shape[::-1], pixels.tobytes())
    image.save(tmp_path / name, **options)
    with Image.open(tmp_path / name) as image:
        assert image.mode == mode
    assert read_pixels(tmp_path / name).tolist() == [SHADES] * 3


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (RAMP // 16, "numbers in 0..4095 where 0..65535 with a largest one above 4095"),
        (RAMP.astype(np.int32) * 2, "numbers in 0..131070 where 0..65535"),
        (RAMP.astype(np.float32), "numbers in 0..65535 where 0..1 can be read: save it anew"),
        (np.array([[0.5, np.nan]], np.float32), "numbers in nan..nan where 0..1"),
    ],
)
def test_numbers_that_do_not_say_how_bright_they_are(tmp_path, pixels, message):
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    with pytest.raises(UnreadableImage, match=f"a.tif .{message}"):
        read_pixels(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P", "RGB"])
def test_what_is_transparent_in_an_own_photograph_is_grey(tmp_path, mode):
    # left black and transparent, right 200 and opaque
    if mode in ("P", "RGB"):
        image = Image.new(mode, (2, 1))
        if mode == "P":
            image.putpalette([0, 0, 0, 200, 200, 200])
        image.putpixel((1, 0), 1 if mode == "P" else (200,) * 3)
        image.save(tmp_path / "a.png", transparency=0 if mode == "P" else (0, 0, 0))
    else:
        bands = (200, 255) if mode == "LA" else (200, 200, 200, 255)
        image = Image.new(mode, (2, 1))
        image.putpixel((1, 0), bands)
        image.save(tmp_path / "a.png")
    assert read_pixels(tmp_path / "a.png", upright=True).tolist() == [[[128, 200]]] * 3
    assert read_pixels(tmp_path / "a.png").tolist() == [[[0, 200]]] * 3  # as published sets are


def test_the_first_frame_is_shown_and_said(tmp_path):
    frames = [Image.new("L", (4, 4), shade) for shade in (50, 200)]
    for name in ("a.gif", "a.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        with pytest.warns(UserWarning, match="have several frames: the first is shown"):
            assert read_pixels(tmp_path / name, upright=True).max() == 50


@pytest.mark.parametrize(
    ("name", "mode"),
    [(name, mode) for name in ("a.tif", "a.png") for mode in ("L", "RGB", "I;16")]
    + [("a.webp", "RGB")],
)
def test_own_photographs_are_turned_upright_and_others_stay_as_they_are(tmp_path, name, mode):
    pixels = np.arange(8, dtype=np.uint8).reshape(2, 4) * 36
    wide = pixels.astype(np.uint16) * 257 if mode == "I;16" else pixels
    image = Image.fromarray(np.dstack([wide] * 3) if mode == "RGB" else wide)
    exif = Image.Exif()
    exif[274] = 6  # a quarter, clockwise
    image.save(tmp_path / name, exif=exif, **{"lossless": True} if name == "a.webp" else {})
    assert (
        read_pixels(tmp_path / name, upright=True).tolist() == [np.rot90(pixels, -1).tolist()] * 3
    )
    assert read_sizes([tmp_path / name], upright=True).tolist() == [[2, 4]]
    if name != "a.tif":  # which Pillow turns itself
        assert read_pixels(tmp_path / name).tolist() == [pixels.tolist()] * 3
        assert read_sizes([tmp_path / name]).tolist() == [[4, 2]]


def test_all_unreadable_files_are_named_in_one_error(tmp_path):
    paths = [tmp_path / f"{name}.jpg" for name in ("good", "cut", "text", "absent", "empty")]
    Image.fromarray(noise(40, 40)).save(paths[0])
    paths[1].write_bytes(paths[0].read_bytes()[:700])
    paths[2].write_text("<html>404</html>")
    paths[4].write_bytes(b"")
    with pytest.raises(UnreadableImage, match=", .*cannot be read as images: fetch") as caught:
        cached_array(None, 5, (3, 8, 8), lambda i: read_pixels(paths[i], 8), "x")
    for path in paths[1:]:
        assert str(path) in str(caught.value)
    assert str(paths[0]) not in str(caught.value)
    with pytest.raises(StorageError, match="cannot be read as images"):  # a header may be whole
        read_sizes(paths[1:])
    with pytest.raises(UnreadableImage, match="text.jpg .* cannot be read as an image: fetch or"):
        read_pixels(paths[2])


def rows(index):
    return np.full((2, 3), index % 251, np.uint8)


def test_the_file_is_written_once_and_mapped_afterwards(tmp_path):
    path, calls = tmp_path / "deep" / "a.npy", []

    def read(index):
        calls.append(index)
        return rows(index)

    array = cached_array(path, 300, (2, 3), read, "x")
    assert sorted(calls) == list(range(300))
    assert np.array_equal(array, np.stack([rows(i) for i in range(300)]))
    assert np.array_equal(np.load(path), array)
    assert [p.name for p in path.parent.iterdir() if p.suffix != ".lock"] == ["a.npy"]
    again = cached_array(path, 300, (2, 3), read, "x")
    assert len(calls) == 300 and isinstance(again, np.memmap)
    torch.from_numpy(again)[0] = 99  # stays here, and is no crash
    assert np.load(path)[0].max() == 0


@pytest.mark.parametrize("damage", [lambda whole: whole[:-1], lambda whole: b""])
def test_a_damaged_file_is_made_anew(tmp_path, damage):
    path = tmp_path / "a.npy"
    array = np.array(cached_array(path, 5, (2, 3), rows, "x"))  # a copy: the file is cut
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert np.array_equal(cached_array(path, 5, (2, 3), rows, "x"), array)
    assert path.read_bytes() == whole
    assert cached_array(tmp_path / "none.npy", 0, (2, 3), rows, "x").shape == (0, 2, 3)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, UnreadableImage("a (torn)")])
def test_nothing_is_left_when_it_is_stopped(tmp_path, stop):
    def read(index):
        if index == 150:
            raise stop
        return rows(index)

    with pytest.raises((KeyboardInterrupt, UnreadableImage)):
        cached_array(tmp_path / "a.npy", 300, (2, 3), read, "x")
    assert [path.name for path in tmp_path.iterdir()] in ([], ["a.lock"])


def test_a_disk_that_takes_nothing_is_one_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(decoding.os, "fsync", full)
    with pytest.raises(StorageError, match="cannot use .*a.npy .cache=FOLDER .*No space left"):
        cached_array(tmp_path / "a.npy", 300, (2, 3), rows, "x")
    assert [path.name for path in tmp_path.iterdir()] in ([], ["a.lock"])


def test_of_two_at_once_one_works_and_the_other_waits(tmp_path):
    path, calls, results = tmp_path / "a.npy", [], []

    def read(index):
        calls.append(index)
        return rows(index)

    def make():
        results.append(cached_array(path, 400, (2, 3), read, "x").sum())

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 400 and len(set(results)) == 1 and len(results) == 3
