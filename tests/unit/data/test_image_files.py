"""Image files of every kind that Pillow opens: what is read, what is lost, what is refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ptq_privacy.data.sources.image_files import PRINTED, TRANSPARENT, decode, stack
from tests.unit.data.digit_images import GREY, RGB, encode, load

COLOUR = Image.fromarray(RGB[0])
LIGHT = Image.fromarray(GREY[0])
CLEAR = Image.fromarray(np.full((8, 8), 255, np.uint8))
VEIL = Image.fromarray(np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8))


def saved(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def with_alpha(image, alpha):
    image = image.copy()
    image.putalpha(alpha)
    return image


def png_of_16_bits(kind, channels):
    """A PNG by the format's definition, since Pillow writes none of colour with 16 bits."""

    def chunk(name, content):
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    rows = b"".join(b"\0" + struct.pack(">H", 1000) * (8 * channels) for _ in range(8))
    head = struct.pack(">IIBBBBB", 8, 8, 16, kind, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff_of_16_bits():
    content = struct.pack("<H", 1000) * (8 * 8 * 3)
    tags = {256: 8, 257: 8, 258: 122, 259: 1, 262: 2, 273: 128, 277: 3, 278: 8, 279: len(content)}
    entries = [
        struct.pack("<HHII", tag, 4 - (tag == 258), 1 + 2 * (tag == 258), value)
        for tag, value in tags.items()
    ]
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(entries) + struct.pack("<I", 0)
    return head + struct.pack("<HHH", 16, 16, 16) + content


PRINT = COLOUR.convert("CMYK")
PALETTE = COLOUR.quantize(64)
KEPT = {
    "grey": (saved(LIGHT), LIGHT, []),
    "one bit": (saved(LIGHT.convert("1")), LIGHT.convert("1").convert("L"), []),
    "colour": (saved(COLOUR), COLOUR, []),
    "grey, opaque": (saved(with_alpha(LIGHT, CLEAR)), LIGHT, []),
    "grey, transparent": (saved(with_alpha(LIGHT, VEIL)), LIGHT, [TRANSPARENT]),
    "colour, opaque": (saved(with_alpha(COLOUR, CLEAR)), COLOUR, []),
    "colour, transparent": (saved(with_alpha(COLOUR, VEIL)), COLOUR, [TRANSPARENT]),
    "one colour transparent": (
        saved(COLOUR, transparency=COLOUR.getpixel((0, 0))),
        COLOUR,
        [TRANSPARENT],
    ),
    "palette": (saved(PALETTE), PALETTE.convert("RGB"), []),
    "palette, transparent": (
        saved(PALETTE, transparency=PALETTE.getpixel((0, 0))),
        PALETTE.convert("RGB"),
        [TRANSPARENT],
    ),
    "CMYK": (saved(PRINT, "TIFF"), PRINT.convert("RGB"), [PRINTED]),
    "GIF": (saved(PALETTE, "GIF"), PALETTE.convert("RGB"), []),
    "PPM of 4 bits": (b"P5 8 8 15\n" + bytes(range(16)) * 4, None, []),
    "BMP of 16 bits a pixel": (None, None, []),
}


@pytest.mark.parametrize("kind", KEPT)
def test_what_is_read_and_what_is_said_to_be_lost(kind):
    content, expected, lost = KEPT[kind]
    if kind == "PPM of 4 bits":
        expected = Image.fromarray(np.tile(np.arange(16, dtype=np.uint8) * 17, 4).reshape(8, 8))
    if kind == "BMP of 16 bits a pixel":  # five bits a channel
        head = struct.pack("<IiiHHIIiiII", 40, 8, 8, 1, 16, 0, 128, 0, 0, 0, 0)
        content = b"BM" + struct.pack("<IHHI", 54 + 128, 0, 0, 54) + head + b"\x1f\x00" * 64
        expected = Image.new("RGB", (8, 8), (0, 0, 255))
    pixels, found = decode(content, "x")
    wanted = np.asarray(expected)
    wanted = wanted[None] if wanted.ndim == 2 else wanted.transpose(2, 0, 1)
    np.testing.assert_array_equal(pixels, wanted)
    assert found == lost


FRAMES = [Image.new("L", (8, 8), level) for level in (1, 99)]
REFUSED = {
    "grey of 16 bits": (png_of_16_bits(0, 1), "pixels of kind I;16; allowed: 8 bits a channel"),
    "colour of 16 bits": (png_of_16_bits(2, 3), "pixels of kind RGB;16; allowed: 8 bits"),
    "grey and alpha of 16 bits": (png_of_16_bits(4, 2), "pixels of kind RGBA;16"),
    "colour and alpha of 16 bits": (png_of_16_bits(6, 4), "pixels of kind RGBA;16"),
    "TIFF of 16 bits": (tiff_of_16_bits(), "pixels of kind RGB;16"),
    "PPM of 16 bits": (b"P6 8 8 65535\n" + bytes(384), "pixels of kind RGB;16"),
    "plain PPM of 16 bits": (b"P3 8 8 65535\n" + b"700 " * 192, "pixels of kind RGB;16"),
    "PGM of 16 bits": (b"P5 8 8 65535\n" + bytes(128), "pixels of kind I; allowed"),
    "floats": (saved(LIGHT.convert("F"), "TIFF"), "pixels of kind F; allowed"),
    "LAB": (saved(Image.new("LAB", (8, 8)), "TIFF"), "pixels of kind LAB"),
    "GIF of two frames": (
        saved(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]),
        "2 frames; allowed: one",
    ),
    "TIFF of two pages": (
        saved(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]),
        "2 frames; allowed: one",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_could_only_be_read_in_part_is_refused(kind):
    content, message = REFUSED[kind]
    with pytest.raises(ValueError, match=f"x: not a readable image .*{message}"):
        decode(content, "x")


def test_a_cameras_preview_is_no_second_frame():
    content = saved(COLOUR, "MPO", save_all=True, append_images=[FRAMES[0].convert("RGB")])
    pixels, lost = decode(content, "x")
    assert (pixels.shape, lost) == ((3, 8, 8), [])


def test_losses_are_counted_logged_and_recorded(tmp_path, caplog):
    for place in range(30):
        folder = tmp_path / f"class {place % 2}"
        folder.mkdir(exist_ok=True)
        content = encode(RGB[place])
        if place < 7:
            content = saved(with_alpha(COLOUR, VEIL))
        elif place < 9:
            content = saved(PRINT, "TIFF")
        (folder / f"{place}.png").write_bytes(content)
    with caplog.at_level("INFO"):
        data = load("folder", tmp_path)
    for said in (f"{TRANSPARENT} (7 of 30 images)", f"{PRINTED} (2 of 30 images)"):
        assert f"; {said}" in data.source
        assert f"{tmp_path}: {said}" in caplog.text


def test_an_image_is_resized_with_antialias():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 200
    images, _ = stack([("x", encode(stripes))], 1, size=[8, 8])
    assert images.shape == (1, 1, 8, 8)
    # One column of each eight would be 0 or 200.
    assert abs(images.astype(int) - 100).max() <= 4
