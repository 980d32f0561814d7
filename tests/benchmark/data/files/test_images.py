import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tvseg_bench.benchmark.data.files import images
from tvseg_bench.benchmark.data.files.images import image_size, read_image
from tvseg_bench.benchmark.errors import DataError


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_8_bit_mode_becomes_writable_rgb(tmp_path, mode):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.new("RGB", (7, 5), (255, 255, 255)).convert(mode).save(path)
    image = read_image(path)
    assert image.shape == (5, 7, 3)
    assert image.dtype == np.uint8
    assert (image == 255).all()
    assert image.flags.writeable
    assert image_size(path) == (5, 7)


def test_png_pixels_are_exact(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), pixels)


def test_exif_orientation_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (4, 8, 3)


def test_palette_with_transparency_does_not_warn(tmp_path):
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 9, 8, 7])
    image.save(tmp_path / "a.png", transparency=b"\x00\xff")
    assert read_image(tmp_path / "a.png")[0, 0].tolist() == [9, 8, 7]


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"^seq/0\.jpg is not there$"):
        read_image(tmp_path / "0.jpg", "seq/0.jpg")


def test_empty_and_foreign_files(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not an image")
    with pytest.raises(DataError, match=r"^empty\.jpg is empty \(expected one of JPEG, PNG"):
        read_image(tmp_path / "empty.jpg")
    with pytest.raises(DataError, match=r"^text\.jpg is not an image that can be read"):
        read_image(tmp_path / "text.jpg")


def test_folder_instead_of_file(tmp_path):
    with pytest.raises(DataError, match=r"cannot be decoded"):
        read_image(tmp_path)


def test_postscript_is_never_interpreted(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n")
    with pytest.raises(DataError, match="is not an image that can be read"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_truncated_file(tmp_path, suffix):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG" if suffix == "jpg" else "PNG")
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(stream.getvalue()[: len(stream.getvalue()) // 2])
    with pytest.raises(DataError, match=rf"^cut\.{suffix} cannot be decoded \(.*truncated"):
        read_image(path)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + crc


@pytest.mark.parametrize("side", [9_000, 11_000, 60_000])
def test_giant_picture_is_refused_by_its_header(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(side, side) + b"\0\0\0\0IDAT" + struct.pack(">I", 0x35AF061E))
    with pytest.raises(DataError, match=r"^bomb\.png has .* pixels, more than the 67108864"):
        image_size(path)


def test_the_limit_is_not_passed_by_a_pixel(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 12)
    Image.new("RGB", (4, 3)).save(tmp_path / "fits.png")
    Image.new("RGB", (13, 1)).save(tmp_path / "not.png")
    assert read_image(tmp_path / "fits.png").shape == (3, 4, 3)
    with pytest.raises(DataError, match="13x1 pixels"):
        read_image(tmp_path / "not.png")


def test_16_bit_picture(tmp_path):
    Image.fromarray(np.zeros((3, 3), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match=r"^deep\.png is stored in mode I;16, .*save it as 8-bit"):
        read_image(tmp_path / "deep.png")
