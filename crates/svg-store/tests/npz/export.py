"""Writes the files of this folder with NumPy, and reads what svg-store writes.

    python export.py            # writes files/
    python export.py FILE.npz   # prints the arrays of a file that svg-store wrote, and checks the known ones

Made with NumPy 2.4.6. The bytes are the same at each run, but for the padding of longdouble in refused.npz.
"""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np

FILES = Path(__file__).parent / "files"
PICTURES = (np.arange(3 * 4 * 5 * 3) * 7 % 256).astype(np.uint8).reshape(3, 4, 5, 3)
LABELS = np.array([207, 360, 207], dtype=np.int64)
MU = np.array([0.5, -1.25, 3.0])
SIGMA = np.array([[2.0, 0.5, 0.25], [0.5, 1.0, 0.125], [0.25, 0.125, 4.0]])
MATRIX = np.arange(12, dtype=np.float64).reshape(3, 4) / 8


def npy(array, version=None, **kwargs):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=version, **kwargs)
    return out.getvalue()


def archive(name, members, method=zipfile.ZIP_STORED, force_zip64=False):
    with zipfile.ZipFile(FILES / name, "w", method) as out:
        for inner, data in members:
            info = zipfile.ZipInfo(inner)
            info.compress_type = method
            with out.open(info, "w", force_zip64=force_zip64) as file:
                file.write(data)


def write():
    FILES.mkdir(exist_ok=True)
    np.savez(FILES / "adm.npz", PICTURES, LABELS)
    np.savez_compressed(FILES / "adm_deflated.npz", PICTURES, LABELS)
    np.savez(FILES / "reference.npz", mu=MU, sigma=SIGMA, mu_s=MU[:2], sigma_s=SIGMA[:2, :2], arr_0=PICTURES)
    np.savez_compressed(FILES / "statistics.npz", mu=MU, sigma=SIGMA)
    np.savez(FILES / "grey.npz", PICTURES[..., 0])
    np.savez(FILES / "one.npz", samples=PICTURES)
    np.save(FILES / "pictures.npy", PICTURES)
    np.savez(
        FILES / "types.npz",
        fortran=np.asfortranarray(MATRIX),
        fortran3=np.asfortranarray(np.arange(24).reshape(2, 3, 4)),
        big=MATRIX.astype(">f8"),
        big_int=np.array([-2, 258], dtype=">i4"),
        half=np.array([1.0, -2.5, 65504.0, 2.0**-24, np.inf, np.nan], dtype=np.float16),
        single=np.array([1.5, -0.1], dtype=np.float32),
        int8=np.array([-128, 127], dtype=np.int8),
        uint64=np.array([0, 2**64 - 1], dtype=np.uint64),
        empty=np.zeros((0, 3)),
        scalar=np.float64(2.5),
    )
    archive("zip64.npz", [("mu.npy", npy(MU)), ("sigma.npy", npy(SIGMA))], force_zip64=True)
    archive("versions.npz", [("two.npy", npy(MU, (2, 0))), ("three.npy", npy(MU, (3, 0))), ("plain", npy(MU))])
    archive("bzip2.npz", [("mu.npy", npy(MU))], zipfile.ZIP_BZIP2)
    archive("other.npz", [("readme.txt", b"not an array"), ("mu.npy", npy(MU))])
    archive("none.npz", [])
    np.savez(
        FILES / "refused.npz",
        pickled=np.array([{"a": 1}, None], dtype=object),
        records=np.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f8")]),
        void=np.zeros(2, dtype="V3"),
        text=np.array(["one", "two"]),
        complex=np.array([1 + 2j]),
        truth=np.array([True, False]),
        time=np.array(["2026-11-28"], dtype="M8[D]"),
        long=np.array([1.0], dtype=np.longdouble),
    )


def check(path):
    with np.load(path, allow_pickle=False) as file:
        for name in file.files:
            array = file[name]
            print(name, array.dtype, array.shape, array.ravel()[:6].tolist())
        assert np.array_equal(file["arr_0"], PICTURES) and file["arr_0"].dtype == np.uint8
        assert np.array_equal(file["arr_1"], LABELS) and file["arr_1"].dtype == np.int64
        if "mu" in file.files:
            assert np.array_equal(file["mu"], MU) and file["mu"].dtype == np.float64
            assert np.array_equal(file["sigma"], SIGMA) and file["single"].dtype == np.float32
            assert file["scalar"].shape == () and file["empty"].shape == (0, 3)
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
    print("NumPy", np.__version__, "reads", path)


if __name__ == "__main__":
    write() if len(sys.argv) == 1 else check(sys.argv[1])
