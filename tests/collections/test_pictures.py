"""Every everyday kind of picture is read as upright RGB; every kind of broken file becomes a row with a reason."""

import json
import os

import cv2
import imagehash
import numpy as np
import pytest
from PIL import Image, ImageCms

from lib.collections.pictures import TRANSPOSE, inspect_job, inspect_picture, perceptual_hash, read_picture, read_thumbnail
from lib.compendium.errors import PictureError
from tests.collections.making import difference, save, scene


def sixteen_bit() -> np.ndarray:
    ramp = np.linspace(0, 65535, 40 * 60).reshape(40, 60).astype(np.uint16)
    return np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=2)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.TIFF", "a.webp"])
def test_lossless_files_come_back_pixel_for_pixel(tmp_path, name):
    """Formats without loss give exactly the saved pixels."""
    save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
    assert difference(read_picture(tmp_path / name), scene()) == 0


@pytest.mark.parametrize("mode, tolerance", [("CMYK", 0), ("LAB", 3), ("YCbCr", 2), ("P", 25), ("RGBA", 0)])
def test_colour_modes_look_like_the_original(tmp_path, mode, tolerance):
    """CMYK, LAB, YCbCr, palette and RGBA TIFF files give the same picture in RGB."""
    image = Image.fromarray(scene())
    if mode == "LAB":
        image = ImageCms.profileToProfile(image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB")
    else:
        image = image.convert(mode)
    image.save(tmp_path / "a.tif")
    read = read_picture(tmp_path / "a.tif")
    assert read.shape == scene().shape and np.abs(read.astype(int) - scene()).mean() <= tolerance
    assert inspect_picture(tmp_path / "a.tif")["mode"] == mode


def test_cmyk_jpeg_is_not_inverted(tmp_path):
    """Adobe's inverted CMYK in JPEG files is understood (against the RGB original)."""
    Image.fromarray(scene()).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert np.abs(read_picture(tmp_path / "a.jpg").astype(int) - scene()).mean() < 8


@pytest.mark.parametrize("name", ["grey.png", "grey.tif", "colour.png", "colour.tif"])
def test_sixteen_bits_agree_with_opencv(tmp_path, name):
    """16-bit grey and colour, PNG and TIFF, agree with OpenCV's own reading to one grey level, and with arithmetic."""
    values = sixteen_bit()[:, :, 0] if name.startswith("grey") else sixteen_bit()
    cv2.imwrite(str(tmp_path / name), values if values.ndim == 2 else values[:, :, ::-1])
    read = read_picture(tmp_path / name)
    theirs = cv2.imread(str(tmp_path / name), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert difference(read, theirs) <= 1
    assert difference(read, np.rint((values if values.ndim == 3 else values[:, :, None].repeat(3, 2)) / 257).astype(np.uint8)) <= 1


@pytest.mark.parametrize("full", [1.0, 255.0])
@pytest.mark.parametrize("colour", [True, False])
def test_float_tiff_is_brought_to_eight_bits(tmp_path, full, colour):
    """Decimal TIFF files running to 1 or to 255 give the picture; PIL cannot open the coloured ones, OpenCV can."""
    values = (sixteen_bit() if colour else sixteen_bit()[:, :, 0]).astype(np.float32) / 65535
    cv2.imwrite(str(tmp_path / "a.tif"), (values * full)[:, :, ::-1] if colour else values * full)
    expected = np.rint((values if colour else values[:, :, None].repeat(3, 2)) * 255).astype(np.uint8)
    assert difference(read_picture(tmp_path / "a.tif"), expected) <= 1
    assert inspect_picture(tmp_path / "a.tif")["format"] == "TIFF"


@pytest.mark.parametrize("mode", ["1", "L", "I", "F"])
def test_grey_kinds_give_three_equal_channels(tmp_path, mode):
    """1-bit, 8-bit, 32-bit and decimal grey pictures become RGB with equal channels."""
    Image.fromarray(scene()).convert("L").convert(mode).save(tmp_path / "a.tif")
    read = read_picture(tmp_path / "a.tif")
    assert read.shape == (60, 80, 3) and read.dtype == np.uint8
    assert (read[:, :, 0] == read[:, :, 2]).all()
    if mode != "1":
        assert difference(read[:, :, :1], np.asarray(Image.fromarray(scene()).convert("L"))[:, :, None]) == 0


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_become_white(tmp_path, mode):
    """Where a picture is transparent it is white, whatever colour hides there."""
    image = Image.new("RGBA", (40, 30), (10, 20, 30, 255))
    image.paste((200, 0, 0, 0), (0, 0, 20, 30))
    image.convert(mode).save(tmp_path / "a.png")
    read = read_picture(tmp_path / "a.png")
    assert (read[:, :19] == 255).all() and (read[:, 21:] < 60).all()


def test_transparent_colour_of_a_plain_png_becomes_white(tmp_path):
    """A PNG file without alpha channel but with one colour called transparent is laid on white."""
    image = Image.new("RGB", (10, 10), (9, 9, 9))
    image.paste((0, 255, 0), (0, 0, 5, 10))
    image.save(tmp_path / "a.png", transparency=(0, 255, 0))
    assert (read_picture(tmp_path / "a.png")[:, :5] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp"])
def test_all_eight_orientations_are_applied(tmp_path, kind, orientation):
    """Each EXIF orientation, mirrored ones too, gives the upright picture, its size, and thumbnail."""
    upright = scene()
    undo = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)  # turning back: 6 and 8 undo each other
    stored = Image.fromarray(upright)
    stored = stored.transpose(TRANSPOSE[undo]) if undo > 1 else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    settings = {"tif": {"tiffinfo": {274: orientation}}, "webp": {"exif": exif, "lossless": True}, "jpg": {"exif": exif, "quality": 100}}
    stored.save(tmp_path / f"a.{kind}", **settings.get(kind, {"exif": exif}))
    read = read_picture(tmp_path / f"a.{kind}")
    assert read.shape == upright.shape
    assert np.abs(read.astype(int) - upright).mean() < (3 if kind == "jpg" else 0.01)
    facts = inspect_picture(tmp_path / f"a.{kind}")
    assert (facts["width"], facts["height"]) == (80, 60)
    assert read_thumbnail(tmp_path / f"a.{kind}", 40)[0].shape == (30, 40, 3)


@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01", b"\0" * 30])
def test_corrupt_exif_is_ignored(tmp_path, exif):
    """Damaged EXIF data does not make a good picture bad."""
    save(tmp_path / "a.jpg", exif=exif)
    assert inspect_picture(tmp_path / "a.jpg")["status"] == "ok"
    assert read_picture(tmp_path / "a.jpg").shape == (60, 80, 3)


@pytest.mark.parametrize("kind", ["gif", "tif", "webp"])
def test_the_first_of_several_frames_is_read(tmp_path, kind):
    """Of an animation or a TIFF file with several pages the first picture counts, and the note says so."""
    frames = [Image.fromarray(scene(seed=seed)) for seed in (1, 2, 3)]
    frames[0].save(tmp_path / f"a.{kind}", save_all=True, append_images=frames[1:])
    read = read_picture(tmp_path / f"a.{kind}")
    errors = [np.abs(read.astype(int) - scene(seed=seed)).mean() for seed in (1, 2, 3)]
    assert errors[0] < 15 and errors[0] == min(errors)
    assert "first of 3 frames" in inspect_picture(tmp_path / f"a.{kind}")["note"]


@pytest.mark.parametrize("kind", ["jpg", "png", "gif", "bmp", "webp", "tif"])
@pytest.mark.parametrize("part", [0.03, 0.5, 0.9])
def test_truncated_files_are_broken_with_a_reason(tmp_path, kind, part):
    """A file cut off anywhere is broken; read_picture raises, inspect_picture does not."""
    whole = save(tmp_path / f"whole.{kind}", height=300, width=400).read_bytes()
    cut = tmp_path / f"cut.{kind}"
    cut.write_bytes(whole[: int(len(whole) * part)])
    facts = inspect_picture(cut)
    assert facts["status"] == "broken" and 10 < len(facts["reason"]) < 140 and facts["perceptual_hash"] == ""
    assert str(tmp_path) not in facts["reason"]
    with pytest.raises(PictureError, match="truncated|damaged"):
        read_picture(cut)


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "empty"), (b"hello", "text"), (b"<!DOCTYPE html><p>404", "web page"), (b"%PDF-1.7", "PDF"), (bytes(500), "zeros"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"), (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\x93\x01\x7f\xff" * 200, "damaged"), (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"\xff\xd8\xff\xe0", "damaged|truncated|beginning"),
        (b"II*\0\x08\0\0\0", "damaged|truncated"), (b"\x89PNG\r\n\x1a\n", "damaged|truncated|beginning"),
    ],
)  # fmt: skip
def test_files_that_are_no_pictures_say_what_they_hold(tmp_path, content, reason):
    """Empty files, texts, web pages, documents and noise named .jpg are broken, and the reason says what was found."""
    (tmp_path / "a.jpg").write_bytes(content)
    facts = inspect_picture(tmp_path / "a.jpg")
    assert facts["status"] == "broken" and facts["bytes"] == len(content) and len(facts["sha256"]) == 64
    with pytest.raises(PictureError, match=reason):
        read_picture(tmp_path / "a.jpg")


def test_missing_files_and_folders_are_broken_rows(tmp_path):
    """A file that has gone since it was listed, or a folder called like a picture, is a row with a reason."""
    assert "does not exist" in inspect_picture(tmp_path / "gone.jpg")["reason"]
    assert "folder" in inspect_picture(tmp_path)["reason"]


def test_a_decompression_bomb_is_refused_from_its_header(tmp_path):
    """A small file of 1,600 megapixels is refused without being decoded; the limit can be moved both ways."""
    Image.new("1", (40_000, 40_000)).save(tmp_path / "bomb.png")
    facts = inspect_picture(tmp_path / "bomb.png")
    assert facts["status"] == "broken" and "1,600 megapixels" in facts["reason"] and facts["width"] == 40_000
    save(tmp_path / "small.png")
    with pytest.raises(PictureError, match="maximum_megapixels"):
        read_picture(tmp_path / "small.png", maximum_megapixels=0.001)


def test_wrongly_named_pictures_are_read_and_noted(tmp_path):
    """A PNG file called .jpg is a good picture with a note."""
    save(tmp_path / "a.jpg", format="PNG")
    facts = inspect_picture(tmp_path / "a.jpg")
    assert facts["status"] == "ok" and facts["format"] == "PNG" and facts["note"] == "named .jpg but holds PNG"


def test_perceptual_hash_is_imagehash(tmp_path):
    """The hash of a small picture equals the library's; a smaller, stronger compressed copy is at most 4 bits away."""
    Image.fromarray(scene(400, 300, 5)).save(tmp_path / "a.png")
    assert inspect_picture(tmp_path / "a.png")["perceptual_hash"] == str(imagehash.phash(Image.open(tmp_path / "a.png")))
    Image.fromarray(scene(400, 300, 5)).resize((1200, 1600)).save(tmp_path / "large.jpg", quality=40)
    copy = imagehash.hex_to_hash(inspect_picture(tmp_path / "large.jpg")["perceptual_hash"])
    assert copy - imagehash.phash(Image.open(tmp_path / "a.png")) <= 4


def test_blank_pictures_have_no_perceptual_hash():
    """White, grey and nearly flat pictures have no hash, so they are not near-duplicates of each other."""
    noise = np.random.default_rng(0).integers(0, 3, (64, 64, 3)).astype(np.uint8)
    assert perceptual_hash(np.full((50, 50, 3), 255, np.uint8)) == "" == perceptual_hash(noise + 100)
    assert len(perceptual_hash(scene())) == 16


def test_inspect_job_is_plain_data(tmp_path):
    """The worker's answer is plain JSON, whatever the file's name."""
    save(tmp_path / "Büste #1; 50%\n.png")
    answer = inspect_job({"folder": str(tmp_path), "file": "Büste #1; 50%\n.png"})
    assert json.loads(json.dumps(answer)) == answer
    assert answer["status"] == "ok" and answer["format"] == "PNG"


def test_thumbnail_scale_maps_boxes(tmp_path):
    """The thumbnail's scale takes coordinates of the original to the small picture, and small pictures are not enlarged."""
    save(tmp_path / "a.jpg", height=900, width=1500)
    small, scale = read_thumbnail(tmp_path / "a.jpg", 300)
    assert small.shape[1] == 300 and scale == pytest.approx(0.2)
    assert read_thumbnail(save(tmp_path / "b.png"), 300)[1] == 1.0


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2)])
@pytest.mark.parametrize("kind", ["jpg", "png", "gif"])
def test_odd_shapes_are_pictures(tmp_path, size, kind):
    """Single pixels and hair-thin strips are read, inspected and made small."""
    Image.new("RGB", size, (200, 10, 10)).save(tmp_path / f"a.{kind}")
    assert read_picture(tmp_path / f"a.{kind}").shape == (size[1], size[0], 3)
    assert inspect_picture(tmp_path / f"a.{kind}")["status"] == "ok"
    assert max(read_thumbnail(tmp_path / f"a.{kind}", 100)[0].shape) <= 100


def test_large_pictures_are_whole_and_may_be_drawn_on(tmp_path):
    """A picture read in several strips equals the saved one, and the array is the caller's to change."""
    large = np.tile(scene(), (40, 30, 1))
    Image.fromarray(large).save(tmp_path / "a.png", compress_level=1)
    read = read_picture(tmp_path / "a.png")
    assert difference(read, large) == 0
    read[0, 0] = 7


def test_noise_in_the_middle_never_raises(tmp_path):
    """Pictures with bytes overwritten at random are either read or broken with a reason."""
    generator = np.random.default_rng(1)
    for kind in ("jpg", "png", "gif", "tif", "webp", "bmp"):
        whole = bytearray(save(tmp_path / f"whole.{kind}").read_bytes())
        for _ in range(12):
            damaged = bytearray(whole)
            for place in generator.integers(0, len(whole), 6):
                damaged[place] = int(generator.integers(0, 256))
            (tmp_path / f"bad.{kind}").write_bytes(damaged)
            facts = inspect_picture(tmp_path / f"bad.{kind}", maximum_megapixels=5)
            assert (facts["status"] == "broken") == bool(facts["reason"])


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind the administrator")
def test_unreadable_file_is_a_row(tmp_path):
    """A file without permission to read is a broken row."""
    save(tmp_path / "a.jpg").chmod(0)
    assert "cannot be read" in inspect_picture(tmp_path / "a.jpg")["reason"]
