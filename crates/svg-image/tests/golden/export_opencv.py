# Makes plain.safetensors beside this script, with opencv-python-headless 5.0.0.
"""Small pictures and the results of OpenCV's bilinear resize.

    python export_opencv.py

`<case>.image`            [rows, columns, 3] u8
`<case>.<rows>x<columns>`  the same resized by cv2.resize(..., interpolation=cv2.INTER_LINEAR)
"""

from pathlib import Path

import cv2
import numpy as np
from safetensors.numpy import save_file

RANDOM = np.random.default_rng(21)
CASES = {
    (47, 63): [(32, 43), (64, 86), (16, 21), (47, 63)],
    (63, 40): [(50, 32), (95, 60)],
    (64, 48): [(32, 24), (32, 48), (16, 12)],
    (5, 7): [(20, 28), (3, 9)],
    (1, 9): [(5, 31)],
    (97, 71): [(43, 32)],
}

tensors = {}
for (rows, columns), sizes in CASES.items():
    case = f"{rows}by{columns}"
    image = RANDOM.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    tensors[f"{case}.image"] = image
    for height, width in sizes:
        resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        tensors[f"{case}.{height}x{width}"] = resized
save_file(tensors, Path(__file__).parent / "plain.safetensors")
