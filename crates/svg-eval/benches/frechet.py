"""Times of SciPy and NumPy for what `frechet.rs` times, on the same features: python benches/frechet.py [ROWS]"""

import sys
import time

import numpy as np
import scipy
from scipy import linalg

CHANNELS = 2048
MASK = np.uint64(0xFFFFFFFF)


def bells(rows, seed):
    x = (np.arange(rows * CHANNELS, dtype=np.uint64) + np.uint64(seed * 1_000_003)) & MASK
    x ^= x >> np.uint64(16)
    x = (x * np.uint64(0x85EBCA6B)) & MASK
    x ^= x >> np.uint64(13)
    x = (x * np.uint64(0xC2B2AE35)) & MASK
    x ^= x >> np.uint64(16)
    total = sum(((x >> np.uint64(s)) & np.uint64(255)).astype(np.float64) for s in (0, 8, 16, 24))
    return (total - 510).reshape(rows, CHANNELS)


def features(rows, seed):
    own = bells(rows, seed)
    scale = 1 / np.sqrt(1 + np.arange(CHANNELS))
    return ((2 * own + np.roll(own, 1, axis=1)) * scale / 256).astype(np.float32)


def timed(name, call):
    start, cpu = time.time(), time.process_time()
    result = call()
    print(f"{name}: {time.time() - start:.2f} s, {time.process_time() - cpu:.2f} s of processors", flush=True)
    return result


rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
print(f"numpy {np.__version__}, scipy {scipy.__version__}")
sets = [features(rows, seed).astype(np.float64) for seed in (1, 2)]
covariances = [timed(f"covariance of {rows} rows", lambda x=x: np.cov(x, rowvar=False)) for x in sets]
means = [x.mean(axis=0) for x in sets]
product = covariances[0] @ covariances[1]
rest = ((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0] + covariances[1])
root = timed("scipy.linalg.sqrtm", lambda: linalg.sqrtm(product))
print(f"distance {rest - 2 * np.trace(root).real:.12f}")
values = timed("numpy.linalg.eigvals", lambda: np.linalg.eigvals(product))
print(f"distance {rest - 2 * np.sqrt(values.astype('complex128')).real.sum():.12f}")
