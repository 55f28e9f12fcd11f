"""Collections: reads one picture of any everyday kind as RGB, looks into it for the census, and makes small copies of it."""

import contextlib
import threading
import warnings
from io import BytesIO
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageCms, TiffImagePlugin, UnidentifiedImageError

from lib.compendium import fingerprints
from lib.compendium.errors import PictureError

# Only pixel formats: PIL can also open formats that run other programs (EPS calls Ghostscript).
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "AVIF", "JPEG2000", "PPM")
FORMAT_OF_SUFFIX = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".webp": "WEBP",
    ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP", ".dib": "BMP", ".gif": "GIF",
}  # fmt: skip
CONTENT_SIGNS = (  # what a file that is no picture holds instead, told by its first bytes
    (b"version https://git-lfs", "a Git LFS pointer (fetch the real file with `git lfs pull`)"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "PostScript"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"<!DOCTYPE", "a web page (a failed download?)"),
    (b"<!doctype", "a web page (a failed download?)"),
    (b"<html", "a web page (a failed download?)"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "XML"),
    (b"8BPS", "a Photoshop document"),
    (b"\x1a\x45\xdf\xa3", "a video"),
)
TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
ORIENTATION = 0x0112
LOOK_SIZE = 256  # pixels; enough for a perceptual hash (32 x 32) and four times faster to decode than a whole photograph
STRIP = 4_000_000  # pixels turned into an array at a time
FLAT = 2.0  # grey levels; a picture whose grey values vary less than this has no perceptual hash of its own
_opening = threading.Lock()


def read_picture(path: Path | str, maximum_megapixels: float = 200.0) -> np.ndarray:
    """Return a picture as uint8 RGB `(height, width, 3)`, upright, transparent parts on white, first frame of several.

    Raises PictureError with a short plain reason if the file is missing, empty, damaged, no picture, or larger than
    `maximum_megapixels` (millions of pixels, told from the header before anything is decoded).
    """
    return _read(Path(path), maximum_megapixels, None, {})


def read_thumbnail(path: Path | str, size: int = 320, maximum_megapixels: float = 200.0) -> tuple[np.ndarray, float]:
    """Return a small uint8 RGB copy no longer than `size` pixels, and its scale (small width / original width, at most 1).

    JPEG files are decoded at a reduced size, which is several times faster than reading the whole. Raises PictureError.
    """
    facts = {}
    small = Image.fromarray(_read(Path(path), maximum_megapixels, size, facts))
    small.thumbnail((size, size), Image.Resampling.LANCZOS)
    return np.asarray(small), min(1.0, max(small.size) / max(facts["width"], facts["height"]))


def inspect_picture(path: Path | str, maximum_megapixels: float = 200.0) -> dict:
    """Return the facts of one file as a JSON-able dict; never raises because of the file's content.

    Keys: `status` ("ok" or "broken"), `reason` (why broken, else ""), `format`, `mode` (PIL's word, e.g. "RGB", "CMYK", "I;16"),
    `width` and `height` (pixels, upright; None if unknown), `bytes`, `sha256` (of the file), `perceptual_hash`
    (16 hexadecimal digits; "" if broken or blank), `note` (e.g. "named .jpg but holds PNG").
    """
    path = Path(path)
    facts = {"status": "ok", "reason": "", "format": "", "mode": "", "width": None, "height": None, "bytes": 0, "sha256": "",
             "perceptual_hash": "", "note": ""}  # fmt: skip
    notes = []
    try:
        facts["bytes"], facts["sha256"] = _size_and_sha256(path)
        picture = _read(path, maximum_megapixels, LOOK_SIZE, facts)
        facts["perceptual_hash"] = perceptual_hash(picture)
        if not facts["perceptual_hash"]:
            notes.append("nearly blank")
    except PictureError as error:
        facts.update(status="broken", reason=str(error))
    notes.insert(0, _naming_note(path, facts["format"]))
    facts["note"] = "; ".join(filter(None, [*notes, facts.pop("frames", "")]))
    return facts


def inspect_job(item: dict, maximum_megapixels: float = 200.0) -> dict:
    """Inspect one file in a worker process: `{"folder", "file"}` to the dict of `inspect_picture`."""
    return inspect_picture(Path(item["folder"]) / item["file"], maximum_megapixels)


def perceptual_hash(picture: np.ndarray) -> str:
    """Return the 64-bit perceptual hash (imagehash.phash) of an RGB picture as 16 hexadecimal digits; "" if it is nearly blank.

    The hash of a blank picture is made of rounding noise, so that every blank picture would count as a copy of every other.
    """
    grey = Image.fromarray(picture).convert("L")
    if float(np.asarray(grey.resize((32, 32), Image.Resampling.BOX), dtype=np.float32).std()) < FLAT:
        return ""
    return str(imagehash.phash(grey))


def _read(path: Path, maximum_megapixels: float, at_least: int | None, facts: dict) -> np.ndarray:
    """Decode a file, noting format, mode and upright size in `facts`; with `at_least`, JPEG may come smaller, not below it."""
    if _size(path) == 0:
        raise PictureError("the file is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # corrupt EXIF and the like: the picture counts, not its side notes
            return _decode(path, maximum_megapixels, at_least, facts)
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(_not_a_picture(path)) from None
    except KeyError:  # a TIFF directory without its entries
        raise PictureError("damaged or truncated: its description of the picture is missing") from None
    except MemoryError:
        raise PictureError("decoding it needs more memory than there is") from None
    except Exception as error:  # decoders raise a dozen kinds on damaged data: OSError, SyntaxError, struct.error, ValueError ...
        raise PictureError(_plain_reason(error)) from None


def _decode(path: Path, maximum_megapixels: float, at_least: int | None, facts: dict) -> np.ndarray:
    try:
        image = _open(path)
    except UnidentifiedImageError:
        if _head(path)[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _decode_tiff_with_opencv(path, maximum_megapixels, facts)  # 16-bit RGB and float RGB TIFF
        raise
    with image:
        facts.update(format={"MPO": "JPEG", "DIB": "BMP"}.get(image.format, image.format), mode=image.mode)
        facts.update(width=image.size[0], height=image.size[1])
        _refuse_bomb(*image.size, maximum_megapixels)
        full = image.size
        if image.format in ("GIF", "TIFF", "WEBP", "PNG") and getattr(image, "n_frames", 1) > 1:
            facts["frames"] = f"first of {image.n_frames} frames"
        if at_least:
            image.draft(None, (at_least, at_least))
        image.load()
        orientation = _orientation(image)
        full_info = image.info
        if orientation >= 5:
            full = full[::-1]
        facts.update(width=full[0], height=full[1])
        smaller = _reduced(image, at_least)
        upright = smaller.transpose(TRANSPOSE[orientation]) if orientation > 1 else smaller
        return _to_rgb(upright, full_info)


def _reduced(image: Image.Image, at_least: int | None) -> Image.Image:
    """Average blocks of pixels of a large picture before converting it, so that looking at a huge file takes little memory."""
    factor = min(image.size) // at_least if at_least else 1
    simple = image.mode in ("L", "RGB", "RGBA", "CMYK") and image.info.get("transparency") is None
    return image.reduce(factor) if factor > 1 and simple else image


def _open(path: Path) -> Image.Image:
    """Open a file by its content. PIL's own size limit (179 megapixels) is lifted for the moment: ours is checked right after."""
    with _opening:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path, formats=FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _refuse_bomb(width: int, height: int, maximum_megapixels: float) -> None:
    if width * height > maximum_megapixels * 1e6:
        size = f"{width} x {height} pixels ({width * height / 1e6:,.0f} megapixels)"
        raise PictureError(f"too large: {size}, more than maximum_megapixels = {maximum_megapixels:g}")
    if width < 1 or height < 1:
        raise PictureError(f"it has no pixels ({width} x {height})")


def _orientation(image: Image.Image) -> int:
    with contextlib.suppress(Exception):  # damaged EXIF: take the picture as it lies
        value = image.getexif().get(ORIENTATION, 1)
        return int(value) if value in TRANSPOSE else 1
    return 1


def _to_rgb(image: Image.Image, info: dict) -> np.ndarray:
    mode = image.mode
    if mode in ("CMYK", "LAB"):
        return _pixels(_with_profile(image, info))
    if mode.startswith("I;16"):
        return _grey(np.asarray(image).astype(np.float32) / 257)
    if mode in ("I", "F"):
        return _grey(_scaled(np.asarray(image)))
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or info.get("transparency") is not None:
        return _on_white(image)
    return _pixels(image)


def _pixels(image: Image.Image) -> np.ndarray:
    """Return the RGB pixels as a writable array, strip by strip: PIL's own way holds three copies of a large picture at once."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, STRIP // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        strip = image.crop((0, top, image.width, bottom))
        pixels[top:bottom] = np.asarray(strip if strip.mode == "RGB" else strip.convert("RGB"))
    return pixels


def _with_profile(image: Image.Image, info: dict) -> Image.Image:
    """Convert CMYK (by its embedded profile if it has a sound one) or LAB to RGB."""
    with contextlib.suppress(Exception):  # no or a broken profile: the plain conversion below
        lab = image.mode == "LAB"
        source = ImageCms.createProfile("LAB") if lab else ImageCms.ImageCmsProfile(BytesIO(info["icc_profile"]))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    return image.convert("RGB")


def _on_white(image: Image.Image) -> np.ndarray:
    """Lay a transparent picture on white, as museum photographs with the background cut away are meant to be seen."""
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    ground = Image.new("RGB", rgba.size, (255, 255, 255))
    ground.paste(rgba, mask=rgba.getchannel("A"))
    return _pixels(ground)


def _scaled(values: np.ndarray) -> np.ndarray:
    """Bring whole or decimal numbers to 0..255: by their usual full scale (1, 255, 65535) if they fit one, else by their range."""
    values = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    decimal = bool(high <= 1.0 and (values % 1 != 0).any())
    for full in (1.0, 255.0, 65535.0):
        if low >= 0 and high <= full and (full > 1 or decimal or high == 1.0):
            return values * np.float32(255 / full)
    return (values - low) * np.float32(255 / max(high - low, 1e-9))


def _grey(values: np.ndarray) -> np.ndarray:
    grey = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _decode_tiff_with_opencv(path: Path, maximum_megapixels: float, facts: dict) -> np.ndarray:
    import cv2

    tags = _tiff_tags(path)
    width, height = int(tags[256]), int(tags[257])
    facts.update(format="TIFF", mode=f"{tags.get(277, 1)} x {np.ravel(tags.get(258, 1))[0]}-bit", width=width, height=height)
    _refuse_bomb(width, height, maximum_megapixels)
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        decoded = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if decoded is None:
        raise PictureError("a TIFF file of a kind that cannot be read, or damaged")
    picture = _opencv_to_rgb(decoded)
    facts.update(width=picture.shape[1], height=picture.shape[0])  # OpenCV's TIFF reader has applied the orientation
    return picture


def _tiff_tags(path: Path) -> dict:
    with path.open("rb") as file:
        directory = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
        file.seek(directory.next)
        directory.load(file)
    return dict(directory)


def _opencv_to_rgb(decoded: np.ndarray) -> np.ndarray:
    values = decoded if decoded.dtype == np.uint8 else _eight_bit(decoded)
    if values.ndim == 2:
        return np.repeat(values[:, :, None], 3, axis=2)
    if values.shape[2] == 4:
        alpha = values[:, :, 3:].astype(np.float32) / 255
        return np.rint(values[:, :, 2::-1] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(values[:, :, 2::-1])


def _eight_bit(values: np.ndarray) -> np.ndarray:
    scaled = values.astype(np.float32) / 257 if values.dtype == np.uint16 else _scaled(values)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _size(path: Path) -> int:
    try:
        if path.is_dir():
            raise PictureError("a folder, not a picture file")
        return path.stat().st_size
    except FileNotFoundError:
        raise PictureError("the file does not exist") from None
    except OSError as error:
        raise PictureError(f"the file cannot be read ({error.strerror or 'unknown reason'})") from None


def _size_and_sha256(path: Path) -> tuple[int, str]:
    size = _size(path)
    try:
        return size, fingerprints.sha256_of(path)
    except OSError as error:
        raise PictureError(f"the file cannot be read ({error.strerror or 'unknown reason'})") from None


def _head(path: Path, count: int = 64) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _not_a_picture(path: Path) -> str:
    head = _head(path, 512)
    for sign, words in CONTENT_SIGNS:
        if head.lstrip().startswith(sign):
            return f"not a picture: it holds {words}"
    if head[4:8] == b"ftyp" and head[8:12] not in (b"avif", b"avis"):
        kind = "a HEIC photograph (save it as JPEG)" if head[8:12] in (b"heic", b"heix", b"mif1", b"hevc") else "a video"
        return f"not a picture of a kind read here: it holds {kind}"
    if not any(head):
        return "not a picture: it holds only zeros"
    with contextlib.suppress(UnicodeDecodeError):
        text = head.decode("utf-8")
        if all(letter.isprintable() or letter.isspace() for letter in text):
            return "not a picture: it holds text"
    return "not a picture, or its beginning is damaged"


def _plain_reason(error: Exception) -> str:
    message = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        return f"the file cannot be read ({error.strerror})"
    if "decoder object" in message or "broken data stream" in message:
        return "damaged or truncated: the picture data cannot be decoded"
    if isinstance(error, EOFError) or any(word in message.lower() for word in ("truncat", "not enough", "unexpected end", "incomplete")):
        return "truncated: the file ends before the picture does"
    return f"damaged: {message[:100]}" if message else f"damaged ({type(error).__name__})"


def _naming_note(path: Path, found: str) -> str:
    expected = FORMAT_OF_SUFFIX.get(path.suffix.lower())
    return f"named {path.suffix} but holds {found}" if found and expected and found != expected else ""
