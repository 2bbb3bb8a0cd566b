#!/usr/bin/env bash
# Pillow 13.0.0 (PyPI): the same orientation tag turns a TIFF at `Image.open`, and no other format.
#
# The wrong bet: `Image.open` gives the pixels as they are stored, whatever the format, and turning is the
# business of `ImageOps.exif_transpose`. A data set of JPEGs and TIFFs of one camera, read by torchvision's
# loader, is therefore half upright and half lying, and a reader in another language that treats both alike
# disagrees with it on one of them. The size is that of the turned picture before a pixel is read.
# What to do: follow the rule of each format by default, and offer one option that turns all.
#
# Output seen:
#   Pillow 13.0.0: stored 3 x 2, turned by 90 degrees in the tag; open gives TIFF 2 x 3, JPEG 3 x 2, PNG 3 x 2, WEBP 3 x 2
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0

"$folder/env/bin/python" - <<'PY'
import io
import PIL
from PIL import Image, ImageOps

ORIENTATION = 0x0112
stored = Image.new("RGB", (3, 2))
sizes = {}
for kind in ["TIFF", "JPEG", "PNG", "WEBP"]:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    file = io.BytesIO()
    stored.save(file, kind, exif=exif)
    opened = Image.open(io.BytesIO(file.getvalue()))
    before = opened.size
    opened.load()
    assert opened.size == before, kind
    sizes[kind] = before
    # With the function all four are alike: a TIFF is not turned twice.
    assert ImageOps.exif_transpose(Image.open(io.BytesIO(file.getvalue()))).size == (2, 3), kind
print(f"Pillow {PIL.__version__}: stored 3 x 2, turned by 90 degrees in the tag; open gives "
      + ", ".join(f"{kind} {width} x {height}" for kind, (width, height) in sizes.items()))
assert sizes == {"TIFF": (2, 3), "JPEG": (3, 2), "PNG": (3, 2), "WEBP": (3, 2)}, "changed"
PY
