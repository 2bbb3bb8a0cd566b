# Makes files/*, decoded.safetensors and resized.safetensors beside this script, with Pillow 13.0.0.
"""Small pictures in every format and sample type that svg-image reads, with Pillow's results.

    python export.py

`decoded.safetensors`  `<file>`        [rows, columns, 3] u8: Image.open(file).convert("RGB")
                       `<file>.exif`   the same after ImageOps.exif_transpose, for files with an EXIF orientation
`resized.safetensors`  `<case>.image`  [rows, columns, 3] u8
                       `<case>.<filter>.<rows>x<columns>`  the same resized by Pillow
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from safetensors.numpy import save_file

HERE = Path(__file__).parent
FILES = HERE / "files"
RANDOM = np.random.default_rng(20)


def picture(rows: int, columns: int, channels: int = 3) -> np.ndarray:
    """Smooth waves with noise, u8, so that chroma subsampling and palettes lose information."""
    y, x, c = np.mgrid[0:rows, 0:columns, 0:channels]
    wave = 90 * np.sin(0.31 * x + 0.8 * c) * np.cos(0.27 * y - 0.5 * c)
    noise = RANDOM.normal(0, 12, (rows, columns, channels))
    return np.clip(np.round(127 + wave + noise), 0, 255).astype(np.uint8)


def png16(samples: np.ndarray) -> bytes:
    """A 16-bit PNG, which Pillow reads but does not write for more than one channel."""
    rows, columns, channels = samples.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", columns, rows, 16, kind, 0, 0, 0)
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")


def write_files() -> None:
    FILES.mkdir(exist_ok=True)
    rgb = Image.fromarray(picture(17, 26))
    grey = Image.fromarray(picture(17, 26, 1)[..., 0])
    cmyk = Image.fromarray(picture(17, 26, 4), "CMYK")
    rgba = Image.fromarray(picture(17, 26, 4), "RGBA")

    rgb.save(FILES / "rgb_420.jpg", quality=75)
    rgb.save(FILES / "rgb_422.jpg", quality=75, subsampling=1)
    rgb.save(FILES / "rgb_444_progressive.jpg", quality=90, subsampling=0, progressive=True)
    rgb.save(FILES / "rgb_420_progressive.jpg", quality=75, progressive=True)
    rgb.save(FILES / "rgb_restart.jpg", quality=75, restart_marker_blocks=1)
    rgb.save(FILES / "rgb_untransformed.jpg", quality=90, keep_rgb=True)
    grey.save(FILES / "grey.jpg", quality=75)
    cmyk.save(FILES / "cmyk.jpg", quality=90)
    # The last byte of the Adobe marker is the colour transform: 2 is YCCK.
    data = (FILES / "cmyk.jpg").read_bytes()
    at = data.index(b"Adobe") + 11
    (FILES / "ycck.jpg").write_bytes(data[:at] + b"\2" + data[at + 1:])
    start = data.index(b"\xff\xee")
    (FILES / "cmyk_unmarked.jpg").write_bytes(data[:start] + data[start + 16:])

    grey.save(FILES / "grey.png")
    grey.convert("1").save(FILES / "bilevel.png")
    Image.merge("LA", (grey, rgba.getchannel("A"))).save(FILES / "grey_alpha.png")
    rgb.save(FILES / "rgb.png")
    rgba.save(FILES / "rgba.png")
    palette = rgb.quantize(13)
    palette.save(FILES / "palette.png", bits=4)
    palette.save(FILES / "palette_alpha.png", transparency=bytes(range(0, 130, 10)))
    wide = RANDOM.integers(0, 65536, (9, 13, 4))
    for name, channels in {"grey16": 1, "grey_alpha16": 2, "rgb16": 3, "rgba16": 4}.items():
        (FILES / f"{name}.png").write_bytes(png16(wide[..., :channels]))

    palette.save(FILES / "palette.gif")
    palette.save(FILES / "transparent.gif", transparency=3)
    palette.save(FILES / "moving.gif", save_all=True, append_images=[ImageOps.flip(palette)])
    rgb.save(FILES / "rgb.bmp")
    palette.save(FILES / "palette.bmp")
    rgb.save(FILES / "rgb.tif", compression="tiff_lzw")
    grey.save(FILES / "grey.tif")
    rgb.save(FILES / "rgb.ppm")
    grey.save(FILES / "grey.pgm")
    rgb.save(FILES / "lossless.webp", lossless=True)
    rgba.save(FILES / "rgba_lossless.webp", lossless=True, exact=True)

    small = Image.fromarray(picture(8, 12))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        small.save(FILES / f"orientation_{orientation}.jpg", quality=90, exif=exif)
        if orientation == 8:
            small.save(FILES / "orientation_8.png", exif=exif)


def decoded() -> dict[str, np.ndarray]:
    tensors = {}
    for path in sorted(FILES.iterdir()):
        image = Image.open(path)
        rgb = np.array(image.convert("RGB"))
        if image.mode == "I;16":
            # Pillow saturates grey 16-bit samples at 255, but takes the high byte of 16-bit colours.
            rgb = np.repeat((np.array(image) >> 8).astype(np.uint8)[..., None], 3, axis=2)
        tensors[path.name] = rgb
        if path.name.startswith("orientation"):
            tensors[f"{path.name}.exif"] = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    return tensors


def resized() -> dict[str, np.ndarray]:
    filters = {"box": Image.Resampling.BOX, "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    # Halving these odd sizes puts a pixel's centre exactly on the edge of a box.
    ties = [(3, width, ["box"], (1, width // 2)) for width in (521, 533, 573, 649)]
    ties += [(573, 3, ["box"], (286, 1))]
    general = [
        (31, 23, list(filters), (17, 9)),
        (31, 23, list(filters), (50, 71)),
        (31, 23, list(filters), (31, 10)),
        (31, 23, list(filters), (40, 23)),
        (31, 23, list(filters), (1, 1)),
        (1, 1, list(filters), (3, 2)),
    ]
    tensors = {}
    for rows, columns, names, (to_rows, to_columns) in ties + general:
        case = f"{rows}x{columns}"
        if f"{case}.image" not in tensors:
            tensors[f"{case}.image"] = RANDOM.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
        image = Image.fromarray(tensors[f"{case}.image"])
        for name in names:
            # Two calls, because Pillow 13 shrinks tall pictures vertically first; earlier versions never did.
            small = image.resize((to_columns, rows), filters[name]).resize((to_columns, to_rows), filters[name])
            tensors[f"{case}.{name}.{to_rows}x{to_columns}"] = np.array(small)
    return tensors


if __name__ == "__main__":
    write_files()
    save_file(decoded(), HERE / "decoded.safetensors")
    save_file(resized(), HERE / "resized.safetensors")
