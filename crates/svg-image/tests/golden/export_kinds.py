# Makes kinds/*, other/* and kinds.safetensors beside this script, with Pillow 13.0.0, NumPy 2.4.6,
# tifffile 2025.5.10, imagecodecs 2025.3.30 and safetensors 0.8.0.
"""Small pictures of the less common kinds of each format, with what Pillow reads from them.

    python export_kinds.py

`kinds.safetensors`  `<file>`       [rows, columns, 3] u8: Image.open(file).convert("RGB")
                     `<file>.exif`  the same after ImageOps.exif_transpose, where that differs
`other/`             pictures that svg-image does not read; its tests hold what they are said to be
"""

import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageOps
from safetensors.numpy import save_file

HERE = Path(__file__).parent
KINDS = HERE / "kinds"
OTHER = HERE / "other"
RANDOM = np.random.default_rng(21)
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{}"/></x:xmpmeta>'


def picture(rows: int, columns: int, channels: int = 3) -> np.ndarray:
    """Smooth waves with noise, u8."""
    y, x, c = np.mgrid[0:rows, 0:columns, 0:channels]
    wave = 90 * np.sin(0.31 * x + 0.8 * c) * np.cos(0.27 * y - 0.5 * c)
    return np.clip(np.round(127 + wave + RANDOM.normal(0, 9, wave.shape)), 0, 255).astype(np.uint8)


def packed(numbers: np.ndarray, bits: int) -> bytes:
    """Rows of numbers of 1, 2 or 4 bits that begin with a new byte each."""
    rows = []
    for row in numbers.reshape(len(numbers), -1):
        digits = "".join(format(int(number), f"0{bits}b") for number in row)
        digits += "0" * (-len(digits) % 8)
        rows.append(int(digits, 2).to_bytes(len(digits) // 8, "big"))
    return b"".join(rows)


def tiff(size, bits, photometric, data: bytes, order="<", samples=1, tags=(), strips=None) -> bytes:
    """An uncompressed TIFF of one strip, written out, for tags that libraries do not write."""
    width, height = size
    entries = {256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * samples), 259: (3, [1]),
               262: (3, [photometric]), 273: (4, [8]), 277: (3, [samples]), 278: (4, [height]), 279: (4, [len(data)])}
    entries |= {tag: (kind, values) for tag, kind, values in tags}
    codes = {1: "B", 3: "H", 4: "I"}
    body = data + b"\0" * (len(data) % 2)
    fields = b""
    for tag, (kind, values) in sorted(entries.items()):
        content = struct.pack(order + str(len(values)) + codes[kind], *values)
        if len(content) > 4:
            place = struct.pack(order + "I", 8 + len(body))
            body += content + b"\0" * (len(content) % 2)
        else:
            place = content.ljust(4, b"\0")
        fields += struct.pack(order + "HHI", tag, kind, len(values)) + place
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8 + len(body))
    return head + body + struct.pack(order + "H", len(entries)) + fields + bytes(4)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(size, bits, kind, lines: bytes, before=b"", after=b"", end=True, interlaced=0) -> bytes:
    header = struct.pack(">IIBBBBB", *size, bits, kind, 0, 0, interlaced)
    body = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(lines, 9)) + after
    return body + (chunk(b"IEND", b"") if end else b"")


def lines_of(data: np.ndarray) -> bytes:
    return b"".join(b"\0" + row.tobytes() for row in data)


def exif(orientation: int) -> bytes:
    found = Image.Exif()
    found[0x0112] = orientation
    return found.tobytes()


def write_tiffs() -> None:
    rgb, grey, alpha = picture(21, 35), picture(21, 35, 1)[..., 0], picture(21, 35, 1)[..., 0]
    size = (35, 21)
    indices = np.asarray(Image.fromarray(rgb).quantize(16)).astype(np.uint8)
    colours = RANDOM.integers(0, 65536, (3, 256), dtype=np.uint16)
    map4 = (320, 3, colours[:, :16].reshape(-1).tolist())
    map8 = (320, 3, colours.reshape(-1).tolist())
    wide = RANDOM.integers(0, 65536, (21, 35, 4), dtype=np.uint16)
    four = np.dstack([rgb, alpha])

    for name, order in (("little", "<"), ("big", ">")):
        write = lambda what, *arguments, **options: (KINDS / f"tiff_{what}_{name}.tif").write_bytes(
            tiff(size, *arguments, order=order, **options))
        write("palette4", 4, 3, packed(indices, 4), tags=[map4])
        write("palette8", 8, 3, grey.tobytes(), tags=[map8])
        write("rgb16", 16, 2, wide[..., :3].astype(order + "u2").tobytes(), samples=3)
        write("premultiplied16", 16, 2, wide.astype(order + "u2").tobytes(), samples=4, tags=[(338, 3, [1])])
        write("cmyk16", 16, 5, wide.astype(order + "u2").tobytes(), samples=4)
        write("grey16", 16, 1, wide[..., 0].astype(order + "u2").tobytes())
    save = lambda name, data: (KINDS / f"tiff_{name}.tif").write_bytes(data)
    save("palette2", tiff(size, 2, 3, packed(indices % 4, 2), tags=[(320, 3, colours[:, :4].reshape(-1).tolist())]))
    save("palette1", tiff(size, 1, 3, packed(indices % 2, 1), tags=[(320, 3, colours[:, :2].reshape(-1).tolist())]))
    save("palette_extra", tiff(size, 8, 3, np.dstack([grey, alpha]).tobytes(), samples=2, tags=[map8, (338, 3, [0])]))
    save("palette_alpha", tiff(size, 8, 3, np.dstack([grey, alpha]).tobytes(), samples=2, tags=[map8, (338, 3, [2])]))
    save("bilevel_white", tiff(size, 1, 0, packed(grey > 127, 1)))
    save("bilevel_reversed", tiff(size, 1, 1, packed(grey > 127, 1), tags=[(266, 3, [2])]))
    save("grey2", tiff(size, 2, 1, packed(grey >> 6, 2)))
    save("grey4_white", tiff(size, 4, 0, packed(grey >> 4, 4)))
    save("grey4_reversed", tiff(size, 4, 1, packed(grey >> 4, 4), tags=[(266, 3, [2])]))
    save("grey8_white", tiff(size, 8, 0, grey.tobytes()))
    save("grey16_white", tiff(size, 16, 0, wide[..., 0].tobytes()))
    save("grey8_reversed", tiff(size, 8, 1, grey.tobytes(), tags=[(266, 3, [2])]))
    save("grey_alpha", tiff(size, 8, 1, np.dstack([grey, alpha]).tobytes(), samples=2, tags=[(338, 3, [2])]))
    save("grey_extra", tiff(size, 8, 1, np.dstack([grey, alpha]).tobytes(), samples=2, tags=[(338, 3, [0])]))
    save("rgb_reversed", tiff(size, 8, 2, rgb.tobytes(), samples=3, tags=[(266, 3, [2])]))
    save("rgb_one_bit_count", tiff(size, 8, 2, rgb.tobytes(), samples=3, tags=[(258, 3, [8])]))
    for code, name in ((0, "unspecified"), (1, "premultiplied"), (2, "alpha")):
        save(f"rgb_{name}", tiff(size, 8, 2, four.tobytes(), samples=4, tags=[(338, 3, [code])]))
        five = np.dstack([four, grey])
        save(f"rgb_{name}_extra", tiff(size, 8, 2, five.tobytes(), samples=5, tags=[(338, 3, [code, 0])]))
    save("rgb_no_extra", tiff(size, 8, 2, four.tobytes(), samples=4))
    save("cmyk", tiff(size, 8, 5, four.tobytes(), samples=4))
    save("cmyk_extra", tiff(size, 8, 5, np.dstack([four, grey]).tobytes(), samples=5, tags=[(338, 3, [0])]))
    save("ycbcr_grey", tiff(size, 8, 6, grey.tobytes()))
    xmp = list(XMP.format(8).encode())
    save("orientation_xmp", tiff(size, 8, 2, rgb.tobytes(), samples=3, tags=[(700, 1, xmp)]))

    write = lambda name, data, **options: tifffile.imwrite(KINDS / f"tiff_{name}.tif", data, metadata=None, **options)
    write("big", rgb, bigtiff=True, photometric="rgb")
    for order, name in (("<", "little"), (">", "big")):
        write(f"big_palette_{name}", grey, bigtiff=True, byteorder=order, photometric="palette", colormap=colours)
    write("tiled", rgb, tile=(16, 16), photometric="rgb")
    write("tiled_deflate_predicted", rgb, tile=(16, 16), photometric="rgb", compression="zlib", predictor=True)
    write("tiled_lzw_predicted16", wide[..., :3], tile=(16, 16), photometric="rgb", compression="lzw", predictor=True)
    write("tiled_lzw_grey16", wide[..., 0], tile=(16, 16), photometric="minisblack", compression="lzw")
    write("tiled_lzw_planar16", np.moveaxis(wide[..., :3], 2, 0), tile=(16, 16), photometric="rgb", compression="lzw", planarconfig="separate")
    write("planar16", np.moveaxis(wide[..., :3], 2, 0), photometric="rgb", planarconfig="separate")
    write("tiled_grey_alpha", np.dstack([grey, alpha]), tile=(16, 16), photometric="minisblack", extrasamples=["unassalpha"])
    write("strips_packbits", rgb, photometric="rgb", compression="packbits", rowsperstrip=8)
    write("planar", np.moveaxis(rgb, 2, 0), photometric="rgb", planarconfig="separate", rowsperstrip=8)
    write("planar_deflate_tiled", np.moveaxis(four, 2, 0), photometric="rgb", planarconfig="separate",
          extrasamples=["unassalpha"], tile=(16, 16), compression="zlib")
    write("planar_cmyk", np.moveaxis(four, 2, 0), photometric="separated", planarconfig="separate")
    write("jpeg_strips_420", rgb, photometric="rgb", compression="jpeg", subsampling=(2, 2), rowsperstrip=16)
    write("jpeg_tiles_444", rgb, photometric="rgb", compression="jpeg", subsampling=(1, 1), tile=(16, 16))
    write("jpeg_tiles_rgb", rgb, photometric="rgb", compression="jpeg", compressionargs={"outcolorspace": "rgb"}, tile=(16, 16))
    write("jpeg_planar", np.moveaxis(rgb, 2, 0), photometric="rgb", compression="jpeg", planarconfig="separate", tile=(16, 16))
    Image.fromarray(four, "RGBA").save(KINDS / "tiff_jpeg_alpha.tif", compression="jpeg")
    write("jpeg_grey", grey, photometric="minisblack", compression="jpeg", rowsperstrip=16)
    with tifffile.TiffWriter(KINDS / "tiff_pages.tif") as pages:
        pages.write(rgb, photometric="rgb", metadata=None)
        pages.write(255 - rgb, photometric="rgb", metadata=None)
    with tifffile.TiffWriter(KINDS / "tiff_pyramid.tif") as pages:
        pages.write(rgb, photometric="rgb", metadata=None, subifds=1)
        pages.write(rgb[::2, ::2], photometric="rgb", metadata=None, subfiletype=1)

    image = Image.fromarray(rgb)
    bilevel = Image.fromarray(grey).convert("1")
    bilevel.save(KINDS / "tiff_bilevel_group4.tif", compression="group4")
    bilevel.save(KINDS / "tiff_bilevel_packbits.tif", compression="packbits")
    image.quantize(20).save(KINDS / "tiff_palette_lzw.tif", compression="tiff_lzw")
    image.save(KINDS / "tiff_jpeg.tif", compression="jpeg")
    Image.fromarray(four, "CMYK").save(KINDS / "tiff_cmyk_deflate.tif", compression="tiff_adobe_deflate")
    small = Image.fromarray(picture(8, 12))
    for orientation in range(2, 9):
        small.save(KINDS / f"tiff_orientation_{orientation}.tif", tiffinfo={274: orientation})

    save = lambda name, data: (OTHER / f"tiff_{name}.tif").write_bytes(data)
    save("float", tiff(size, 32, 1, grey.astype("<f4").tobytes(), tags=[(339, 3, [3])]))
    save("signed", tiff(size, 16, 1, grey.astype("<i2").tobytes(), tags=[(339, 3, [2])]))
    save("int32", tiff(size, 32, 1, grey.astype("<u4").tobytes()))
    save("lab", tiff(size, 8, 8, rgb.tobytes(), samples=3))
    save("ycbcr_raw", tiff(size, 8, 6, rgb.tobytes(), samples=3, tags=[(530, 3, [1, 1])]))
    save("mixed_bits", tiff(size, 8, 2, rgb.tobytes(), samples=3, tags=[(258, 3, [5, 6, 5])]))
    save("sensor", tiff(size, 16, 32803, wide[..., 0].tobytes()))
    save("dng", tiff(size, 8, 2, rgb.tobytes(), samples=3, tags=[(50706, 1, [1, 4, 0, 0])]))
    save("preview", tiff(size, 8, 2, rgb.tobytes(), samples=3, tags=[(254, 4, [1]), (330, 4, [8])]))
    bilevel.save(OTHER / "tiff_group3.tif", compression="group3")
    for name in ("lzma", "zstd", "webp"):
        tifffile.imwrite(OTHER / f"tiff_{name}.tif", rgb, metadata=None, photometric="rgb", compression=name)


def write_pngs() -> None:
    rgb, grey = picture(9, 13), picture(9, 13, 1)[..., 0]
    size = (13, 9)
    save = lambda name, data: (KINDS / f"png_{name}.png").write_bytes(data)
    rows = lambda numbers, bits: b"".join(b"\0" + packed(numbers[row:row + 1], bits) for row in range(9))
    save("grey2", png(size, 2, 0, rows(grey >> 6, 2)))
    save("grey4_transparent", png(size, 4, 0, rows(grey >> 4, 4), chunk(b"tRNS", b"\0\x07")))
    save("grey_transparent", png(size, 8, 0, lines_of(grey), chunk(b"tRNS", b"\0\x80")))
    save("rgb_transparent", png(size, 8, 2, lines_of(rgb), chunk(b"tRNS", bytes([0, rgb[0, 0, 0], 0, rgb[0, 0, 1], 0, rgb[0, 0, 2]]))))
    palette = RANDOM.integers(0, 256, 12, dtype=np.uint8).tobytes()
    save("palette2", png(size, 2, 3, rows(grey >> 6, 2), chunk(b"PLTE", palette)))
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    interlaced = b"".join(lines_of(np.ascontiguousarray(rgb[y::dy, x::dx])) for y, x, dy, dx in passes if rgb[y::dy, x::dx].size)
    save("interlaced", png(size, 8, 2, interlaced, interlaced=1))
    save("no_end", png(size, 8, 2, lines_of(rgb), end=False))
    save("exif_behind", png(size, 8, 2, lines_of(rgb), after=chunk(b"eXIf", exif(6)[6:])))
    profile = b"\nexif\n%8d\n" % len(exif(5)) + exif(5).hex().encode() + b"\n"
    save("exif_profile", png(size, 8, 2, lines_of(rgb), chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile))))
    save("exif_profile_plain", png(size, 8, 2, lines_of(rgb), chunk(b"tEXt", b"Raw profile type exif\0" + profile)))
    xmp = XMP.format(7).encode()
    save("xmp", png(size, 8, 2, lines_of(rgb), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)))
    save("xmp_packed", png(size, 8, 2, lines_of(rgb), chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp))))
    image = Image.fromarray(rgb)
    image.save(KINDS / "png_animated.png", save_all=True, append_images=[ImageOps.flip(image)])


def write_gifs() -> None:
    rgb = picture(9, 13)
    palette = Image.fromarray(rgb).quantize(8)
    file = io.BytesIO()
    palette.save(file, "GIF", interlace=0)
    whole = file.getvalue()
    frame = whole.index(b"\x2c", 13 + 3 * 8)
    (KINDS / "gif_part.gif").write_bytes(whole[:6] + struct.pack("<HH", 20, 16) + whole[10:frame + 1] + struct.pack("<HH", 4, 5) + whole[frame + 5:])
    (KINDS / "gif_beyond.gif").write_bytes(whole[:frame + 1] + struct.pack("<HH", 4, 5) + whole[frame + 5:])
    control = b"\x21\xf9\x04\x01\0\0\x05\0"
    (KINDS / "gif_part_transparent.gif").write_bytes(
        whole[:6] + struct.pack("<HH", 20, 16) + whole[10:frame] + control + b"\x2c" + struct.pack("<HH", 4, 5) + whole[frame + 5:])
    palette.save(KINDS / "gif_interlaced.gif", interlace=1)
    table = whole[13:13 + 24]
    local = whole[frame:frame + 9] + b"\x82" + table[::-1] + whole[frame + 10:]
    (KINDS / "gif_local.gif").write_bytes(whole[:frame] + local)
    # Only two of the eight colours that are used.
    (KINDS / "gif_short_palette.gif").write_bytes(whole[:10] + bytes([whole[10] & 0xf8]) + whole[11:13] + table[:6] + whole[13 + 24:])


def write_bmps() -> None:
    rgb, grey = picture(9, 13), picture(9, 13, 1)[..., 0]
    save = lambda name, data: (KINDS / f"bmp_{name}.bmp").write_bytes(data)

    def bmp(bits, data, compression=0, palette=b"", height=9, masks=b"") -> bytes:
        start = 14 + 40 + len(masks) + len(palette)
        head = struct.pack("<IiiHHIIiiII", 40, 13, height, 1, bits, compression, len(data), 0, 0, len(palette) // 4, 0)
        return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + head + masks + palette + data

    padded = lambda row: row + b"\0" * (-len(row) % 4)
    upward = lambda rows: b"".join(padded(row.tobytes()) for row in rows[::-1])
    palette = RANDOM.integers(0, 256, 64, dtype=np.uint8).tobytes()
    save("palette4", bmp(4, b"".join(padded(packed(row[None] >> 4, 4)) for row in grey[::-1]), palette=palette))
    save("palette1", bmp(1, b"".join(padded(packed(row[None] >> 7, 1)) for row in grey[::-1]), palette=palette[:8]))
    runs = b"".join(b"".join(bytes([1, index >> 4]) for index in row.tolist()) + b"\0\0" for row in grey[::-1]) + b"\0\1"
    save("rle8", bmp(8, runs, 1, palette))
    literal = b"".join(b"\0" + bytes([13]) + bytes(index >> 4 for index in row.tolist()) + b"\0" + b"\0\0" for row in grey[::-1]) + b"\0\1"
    save("rle8_literal", bmp(8, literal, 1, palette))
    runs = b"".join(b"".join(bytes([1, index & 0xf0]) for index in row.tolist()) + b"\0\0" for row in grey[::-1]) + b"\0\1"
    save("rle4", bmp(4, runs, 2, palette))
    half = RANDOM.integers(0, 65536, (9, 13), dtype=np.uint16)
    save("rgb555", bmp(16, upward(half)))
    save("rgb565", bmp(16, upward(half), 3, masks=struct.pack("<III", 0xf800, 0x7e0, 0x1f)))
    four = picture(9, 13, 4)
    save("rgb32", bmp(32, upward(four)))
    save("rgb32_masks", bmp(32, upward(four), 3, masks=struct.pack("<III", 0xff0000, 0xff00, 0xff)))
    save("downward", bmp(24, upward(rgb[::-1]), height=-9))
    Image.fromarray(four, "RGBA").save(KINDS / "bmp_rgba.bmp")
    Image.fromarray(grey).save(KINDS / "bmp_grey.bmp")
    core = struct.pack("<IHHHH", 12, 13, 9, 1, 24)
    data = upward(rgb)
    save("os2", b"BM" + struct.pack("<IHHI", 26 + len(data), 0, 0, 26) + core + data)


def write_rest() -> None:
    rgb, grey, four = picture(9, 13), picture(9, 13, 1)[..., 0], picture(9, 13, 4)
    text = lambda numbers: " ".join(map(str, numbers.reshape(-1).tolist())).encode()
    save = lambda name, data: (KINDS / name).write_bytes(data)
    save("pnm_plain.pbm", b"P1\n# a comment\n13 9\n" + text((grey > 127).astype(int)))
    save("pnm_plain.pgm", b"P2 13 9 255\n" + text(grey))
    save("pnm_plain_1000.ppm", b"P3 13 9 # size\n1000\n" + text(rgb.astype(int) * 3))
    save("pnm_bits.pbm", b"P4 13 9\n" + packed(grey > 127, 1))
    save("pnm_15.pgm", b"P5 13 9 15\n" + (grey >> 4).tobytes())
    save("pnm_1000.pgm", b"P5 13 9 1000\n" + (grey.astype(">u2") * 3).astype(">u2").tobytes())
    save("pnm_65535.pgm", b"P5 13 9 65535\n" + RANDOM.integers(0, 65536, (9, 13)).astype(">u2").tobytes())
    save("pnm_100.ppm", b"P6\n13 9\n100\n" + (rgb // 3).tobytes())
    save("pnm_1000.ppm", b"P6 13 9 1000\n" + (rgb.astype(int) * 3).astype(">u2").tobytes())
    save("pnm_65535.ppm", b"P6 13 9 65535\n" + RANDOM.integers(0, 65536, (9, 13, 3)).astype(">u2").tobytes())

    image, alpha = Image.fromarray(rgb), Image.fromarray(four, "RGBA")
    image.save(KINDS / "webp_lossy.webp", quality=60)
    alpha.save(KINDS / "webp_lossy_alpha.webp", quality=60)
    image.save(KINDS / "webp_animated.webp", save_all=True, append_images=[ImageOps.flip(image)], quality=60)
    image.save(KINDS / "webp_exif.webp", lossless=True, exif=exif(6))
    image.save(KINDS / "webp_xmp.webp", lossless=True, xmp=XMP.format(8).encode())

    image.save(KINDS / "jpeg_xmp.jpg", xmp=XMP.format(6).encode())
    image.save(KINDS / "jpeg_exif_and_xmp.jpg", exif=exif(3), xmp=XMP.format(6).encode())
    Image.fromarray(grey).save(KINDS / "jpeg_grey_exif.jpg", exif=exif(8))
    big = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\1" + struct.pack(">HHII", 0x0112, 4, 1, 5) + bytes(4)
    image.save(KINDS / "jpeg_exif_big_long.jpg", exif=big)
    image.save(KINDS / "jpeg_mpo.jpg", "MPO", save_all=True, append_images=[ImageOps.flip(image)])
    for name, sampling in (("411", "4:1:1"), ("440", "4:4:0")):
        (KINDS / f"jpeg_{name}.jpg").write_bytes(imagecodecs.jpeg8_encode(rgb, level=80, subsampling=sampling.replace(":", "")))

    image.save(OTHER / "avif.jpg", "AVIF")
    image.save(OTHER / "jpeg2000.jpg", "JPEG2000")
    image.save(OTHER / "icon.png", "ICO")
    (OTHER / "jpegxl.png").write_bytes(imagecodecs.jpegxl_encode(rgb))
    (OTHER / "heif.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x08mdat")
    (KINDS / "jpeg_lossless.jpg").write_bytes(imagecodecs.ljpeg_encode(grey))
    (OTHER / "psd.tif").write_bytes(b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 9, 13, 8, 3) + bytes(14) + rgb.tobytes())


def decoded() -> dict[str, np.ndarray]:
    tensors = {}
    for path in sorted(KINDS.iterdir()):
        # Pillow 13 does not recognise big-endian BigTIFFs; this one has a little-endian twin.
        image = Image.open(path.with_name(path.name.replace("big_palette_big", "big_palette_little")))
        rgb = np.array(image.convert("RGB"))
        if image.mode.startswith("I"):
            # Pillow saturates grey 16-bit samples at 255, but takes the high byte of 16-bit colours.
            rgb = np.repeat((np.array(image) >> 8).astype(np.uint8)[..., None], 3, axis=2)
            # Nor does it invert them where 0 is white.
            rgb = 255 - rgb if "white" in path.name else rgb
        if path.name == "tiff_planar16.tif":
            # Pillow takes half of each plane.
            rgb = np.moveaxis(tifffile.imread(path) >> 8, 0, 2).astype(np.uint8)
        tensors[path.name] = np.ascontiguousarray(rgb)
        turned = np.array(ImageOps.exif_transpose(image).convert("RGB"))
        if image.mode[0] != "I" and "planar16" not in path.name and (turned.shape != rgb.shape or (turned != rgb).any()):
            tensors[f"{path.name}.exif"] = turned
    return tensors


if __name__ == "__main__":
    for folder in (KINDS, OTHER):
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
    write_tiffs()
    write_pngs()
    write_gifs()
    write_bmps()
    write_rest()
    save_file(decoded(), HERE / "kinds.safetensors")
