import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from leukoscope.errors import ImageError
from leukoscope.pictures import images
from leukoscope.pictures.images import MIN_SIDE, read_image


def picture(width=40, height=30) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def encode(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "GIF", "WEBP", "JPEG"])
def test_formats_are_told_by_content(form, tmp_path):
    data = encode(Image.fromarray(picture()), form)
    path = tmp_path / "wrongly_named.txt"
    path.write_bytes(data)
    for source in (data, bytearray(data), memoryview(data), path, str(path)):
        image = read_image(source)
        assert image.shape == (30, 40, 3)
        assert image.dtype == np.uint8


def test_lossless_formats_keep_every_value():
    original = picture()
    for form in ("PNG", "TIFF", "BMP"):
        np.testing.assert_array_equal(read_image(encode(Image.fromarray(original), form)), original)
    np.testing.assert_array_equal(read_image(Image.fromarray(original)), original)
    np.testing.assert_array_equal(read_image(original), original)


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    data = encode(Image.fromarray(picture(40, 30)), "PNG", exif=exif)
    np.testing.assert_array_equal(read_image(data), np.rot90(picture(40, 30), -1))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "JPEG"])
def test_every_side_is_turned_up_as_pillow_turns_it(form, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(picture(40, 30)), form, exif=exif)
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(read_image(data), wanted)


def test_a_picture_of_several_strips_is_read_like_one_of_one(monkeypatch):
    clear = Image.fromarray(np.dstack([picture(), np.tile(np.arange(0, 240, 6, dtype=np.uint8), (30, 1))]))
    deep = Image.fromarray(np.linspace(0, 65535, 30 * 40).reshape(30, 40).astype(np.uint16))
    for image in (clear, deep, clear.convert("P"), clear.convert("RGB")):
        whole = read_image(image)
        with monkeypatch.context() as patch:
            patch.setattr(images, "STRIP", 7 * image.width)
            np.testing.assert_array_equal(read_image(image), whole)


def test_what_a_decoder_would_need_is_bounded_by_format(monkeypatch):
    monkeypatch.setattr(images, "MAX_DECODING", 40 * 30 * 9)
    rgb = Image.fromarray(picture())
    assert read_image(encode(rgb, "JPEG")).shape == (30, 40, 3)
    assert read_image(encode(rgb, "TIFF")).shape == (30, 40, 3)
    for data in (encode(rgb, "WEBP"), encode(rgb, "JPEG", progressive=True)):
        with pytest.raises(ImageError, match="too large: 40 x 30 in this form has more than 0 MB"):
            read_image(data)


@pytest.mark.parametrize("depth", ["png16", "tiff16"])
def test_16_bit_grey_is_scaled_not_clipped(depth):
    values = np.linspace(0, 65535, 30 * 40).reshape(30, 40).astype(np.uint16)
    image = read_image(encode(Image.fromarray(values), "PNG" if depth == "png16" else "TIFF"))
    assert image.shape == (30, 40, 3)
    assert image[0, 0, 0] == 0
    assert image[-1, -1, 0] == 255
    assert abs(int(image[15, 0, 0]) - 128) <= 2


def test_cmyk_palette_grey_and_transparency_become_rgb():
    rgb = Image.fromarray(picture())
    red = Image.new("RGB", (40, 30), (200, 30, 30))
    cmyk = read_image(encode(red.convert("CMYK"), "JPEG", quality=95))
    assert np.abs(cmyk.mean(axis=(0, 1)) - (200, 30, 30)).max() < 12
    palette = read_image(encode(red.convert("P", palette=Image.Palette.ADAPTIVE), "PNG"))
    assert np.abs(palette.astype(int) - (200, 30, 30)).max() <= 2
    grey = read_image(encode(rgb.convert("L"), "PNG"))
    assert (grey[..., 0] == grey[..., 1]).all()
    clear = Image.new("RGBA", (40, 30), (10, 20, 30, 0))
    clear.putpixel((39, 29), (10, 20, 30, 255))
    for source in (encode(clear, "PNG"), np.asarray(clear)):
        assert (read_image(source)[:29] == 255).all(), "transparent pixels are laid on white"
        assert read_image(source)[29, 39].tolist() == [10, 20, 30]
    half = read_image(encode(Image.new("LA", (40, 30), (0, 128)), "PNG"))
    assert abs(int(half[0, 0, 0]) - 127) <= 1


def test_first_page_of_an_animation_is_read():
    pages = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    data = encode(pages[0], "GIF", save_all=True, append_images=pages[1:])
    assert read_image(data)[0, 0].tolist() == [255, 0, 0]


def truncated_jpeg() -> bytes:
    data = encode(Image.fromarray(picture(200, 200)), "JPEG")
    return data[: len(data) // 2]


def huge_png() -> bytes:
    return encode(Image.new("1", (30_000, 30_000)), "PNG")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"not a picture at all", "not a picture of a known format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture of a known format"),
        (b"%PDF-1.7 ...", "not a picture of a known format"),
        (truncated_jpeg(), "damaged or cut short"),
        (encode(Image.new("RGB", (1, 1)), "PNG"), "too small: 1 x 1 px"),
        (encode(Image.new("RGB", (1, 2000)), "PNG"), "too small"),
        (huge_png(), "too large"),
        (encode(Image.new("F", (40, 30)), "TIFF"), "floating-point"),
        (encode(Image.new("I", (40, 30), -5), "TIFF"), "32-bit"),
        (encode(Image.fromarray(picture()), "PNG")[:60], "damaged|known format"),
    ],
    ids=["empty", "text", "svg", "pdf", "truncated", "1x1", "1x2000", "bomb", "float", "int32", "header"],
)
def test_bad_bytes_are_refused_with_the_reason(data, reason):
    with pytest.raises(ImageError, match=reason):
        read_image(data)


def test_bad_paths_are_refused_with_the_reason(tmp_path):
    with pytest.raises(ImageError, match="no such file: .*nowhere.jpg"):
        read_image(tmp_path / "nowhere.jpg")
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageError, match="empty"):
        read_image(tmp_path / "empty.png")


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((40, 40, 3), np.float32), "uint8"),
        (np.full((40, 40, 3), np.nan), "uint8"),
        (np.zeros((40, 40, 2), np.uint8), "shape"),
        (np.zeros((1, 40, 40, 3), np.uint8), "shape"),
        (np.zeros((0, 40, 3), np.uint8), "too small"),
        (np.zeros((MIN_SIDE - 1, 40, 3), np.uint8), "too small"),
    ],
)
def test_bad_arrays_are_refused_with_the_reason(array, reason):
    with pytest.raises(ImageError, match=reason):
        read_image(array)


def test_other_types_are_a_programming_error():
    with pytest.raises(TypeError, match="int"):
        read_image(3)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpegs_have_the_pixels_that_pillow_reads(subsampling, progressive):
    smooth = np.add.outer(np.arange(101), np.arange(133))[..., None] * [1, 2, 1] % 256
    image = Image.fromarray(smooth.astype(np.uint8))
    data = encode(image, "JPEG", quality=85, subsampling=subsampling, progressive=progressive)
    np.testing.assert_array_equal(read_image(data), np.asarray(Image.open(io.BytesIO(data))))
    read_image(data)[0, 0] = 0  # an array of its own


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_jpegs_are_turned_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(picture(40, 30)), "JPEG", exif=exif)
    plain = read_image(encode(Image.fromarray(picture(40, 30)), "JPEG"))
    np.testing.assert_array_equal(read_image(data), np.rot90(plain, {1: 0, 3: 2, 6: -1}[orientation]))
