"""What other tools say of the features that `tests/tools.rs` makes by the same formula.

    pip install numpy==2.4.6 scipy==1.17.1 torch==2.15.0 torch-fidelity==0.4.0 torchmetrics==1.9.0 \
        prdc==0.2 scikit-learn==1.9.1 pytorch-fid==0.3.0
    python crates/svg-eval/tests/sets/export.py            # writes tools.txt beside this file
    python crates/svg-eval/tests/sets/export.py --table    # prints the Markdown table of docs/evaluation.md

`tools.txt` has a line for each number: name, value. Sets are made of integers by exact arithmetic, so Rust and NumPy
have the same bits. Two rules are by lines of our own, because their programs are on no package index: that of the ADM
evaluator (parts of 5000 without a shuffle; k = 3, distances up to the radius) and that of MIND in torch-fidelity's
repository, with the directions of `directions()` instead of PyTorch's.
"""

import contextlib
import io
import pathlib
import subprocess
import sys
import warnings

import numpy as np

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).parent
MASK = np.uint64(0xFFFFFFFF)


def words(count, seed):
    """A hash of 32 bits for each index: the finaliser of MurmurHash3."""
    x = (np.arange(count, dtype=np.uint64) + np.uint64(seed) * np.uint64(1_000_003)) & MASK
    x ^= x >> np.uint64(16)
    x = (x * np.uint64(0x85EBCA6B)) & MASK
    x ^= x >> np.uint64(13)
    x = (x * np.uint64(0xC2B2AE35)) & MASK
    return x ^ (x >> np.uint64(16))


def bells(rows, channels, seed):
    """Sums of four bytes, about normal, in [-510, 510]."""
    x = words(rows * channels, seed).astype(np.int64)
    total = sum((x >> shift) & 255 for shift in (0, 8, 16, 24)) - 510
    return total.reshape(rows, channels)


def features(rows, channels, seed, shift, spread):
    """Correlated features: each channel also follows the one before it. Multiples of 1/1024."""
    own = bells(rows, channels, seed)
    mixed = spread * own + np.roll(own, 1, axis=1) + shift
    return mixed.astype(np.float64) / 1024.0


def sets():
    return features(1200, 24, 1, 0, 2), features(900, 24, 2, 90, 2)


def logits():
    return features(1030, 10, 3, 0, 6)


def directions():
    drawn = bells(50, 24, 4).astype(np.float64)
    unit = drawn / np.sqrt((drawn**2).sum(axis=1, keepdims=True))
    return unit.astype(np.float32)


def quiet(call, *args, **kwargs):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return call(*args, **kwargs)


def frechet():
    import torch
    from scipy import linalg
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torchmetrics.image.fid import _compute_fid

    reference, samples = sets()
    sides = [(x.mean(axis=0), np.cov(x, rowvar=False)) for x in (samples, reference)]
    (m1, s1), (m2, s2) = sides
    root = linalg.sqrtm(s1 @ s2)
    yield "fid.scipy", ((m1 - m2) ** 2).sum() + np.trace(s1 + s2) - 2 * np.trace(root).real
    try:
        from pytorch_fid.fid_score import calculate_frechet_distance

        yield "fid.pytorch-fid", quiet(calculate_frechet_distance, m1, s1, m2, s2)
    except TypeError:  # `disp` is gone in SciPy 1.18
        pass
    for name, dtype in [("", np.float64), (".f32", np.float32)]:
        stats = [fid_features_to_statistics(torch.from_numpy(x.astype(dtype))) for x in (samples, reference)]
        yield "fid.torch-fidelity" + name, quiet(fid_statistics_to_metric, *stats, False)["frechet_inception_distance"]
    as_torch = [torch.from_numpy(x) for side in sides for x in side]
    yield "fid.torchmetrics", float(_compute_fid(*as_torch))
    # Fewer images than channels: 20 and 15 rows of 24.
    few = [(x.mean(axis=0), np.cov(x, rowvar=False)) for x in (samples[:15], reference[:20])]
    (m1, s1), (m2, s2) = few
    values = np.linalg.eigvals(s1 @ s2).astype("complex128")
    yield "fid.few.torch-fidelity", ((m1 - m2) ** 2).sum() + np.trace(s1 + s2) - 2 * np.sqrt(values).real.sum()


def inception_score():
    import torch
    from torch_fidelity.metric_isc import isc_features_to_metric

    x = logits()
    told = isc_features_to_metric(torch.from_numpy(x))
    yield "is.torch-fidelity", told["inception_score_mean"]
    yield "is.torch-fidelity.std", told["inception_score_std"]
    for name, dtype in [("", np.float64), (".f32", np.float32)]:
        z = x.astype(dtype)
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        scores = []
        for at in range(0, len(p), 300):  # 5000 in the evaluator
            part = p[at : at + 300]
            divergence = part * (np.log(part) - np.log(part.mean(axis=0, keepdims=True)))
            scores.append(np.exp(divergence.sum(axis=1).mean()))
        yield "is.adm-rule" + name, float(np.mean(scores))
    from torchmetrics.image.inception import InceptionScore

    metric = InceptionScore(feature=torch.nn.Identity(), splits=10)
    torch.manual_seed(0)
    metric.features = [torch.from_numpy(x)]
    mean, std = metric.compute()
    yield "is.torchmetrics", float(mean)
    yield "is.torchmetrics.std", float(std)


def manifolds():
    import torch
    from prdc import compute_prdc
    from torch_fidelity.metric_prc import calculate_precision_recall_full

    reference, samples = sets()
    for name, dtype in [("", torch.float64), (".f32", torch.float32)]:
        one, other = (torch.from_numpy(x).to(dtype) for x in (samples, reference))
        precision, recall = calculate_precision_recall_full(one, other, 3)
        yield "precision.torch-fidelity" + name, precision
        yield "recall.torch-fidelity" + name, recall
    told = quiet(compute_prdc, reference, samples, 5)
    for name in ("precision", "recall", "density", "coverage"):
        yield f"{name}.prdc", float(told[name])

    def distances(u, v, dtype):
        u, v = u.astype(dtype), v.astype(dtype)
        lengths = (u * u).sum(axis=1)[:, None] - 2 * (u @ v.T) + (v * v).sum(axis=1)[None]
        return np.maximum(lengths, 0)

    for name, dtype in [("", np.float64), (".f16", np.float16)]:
        radii = [np.sort(distances(x, x, dtype), axis=1)[:, 3] for x in (reference, samples)]
        across = distances(samples, reference, dtype)
        yield "precision.adm-rule" + name, float((across <= radii[0][None]).any(axis=1).mean())
        yield "recall.adm-rule" + name, float((across <= radii[1][:, None]).any(axis=0).mean())


def kernels():
    import torch
    from torch_fidelity.metric_kid import kernel_mmd, kid_features_to_metric
    from torchmetrics.image.kid import poly_mmd

    reference, samples = sets()
    settings = dict(kid_subsets=20, kid_subset_size=200, verbose=False, kid_kernel="poly")
    for name, dtype in [("", torch.float64), (".f32", torch.float32)]:
        one, other = (torch.from_numpy(x).to(dtype) for x in (samples, reference))
        told = kid_features_to_metric(one, other, **settings)
        yield "kid.torch-fidelity" + name, told["kernel_inception_distance_mean"]
        yield "kid.torch-fidelity.std" + name, told["kernel_inception_distance_std"]
    torch.manual_seed(0)
    one, other = (torch.from_numpy(x) for x in (reference, samples))
    values = [poly_mmd(one[torch.randperm(len(one))[:200]], other[torch.randperm(len(other))[:200]]) for _ in range(20)]
    yield "kid.torchmetrics", float(torch.stack(values).mean())
    one, other = samples[:900], reference[:900]
    yield "mmd.cubic.torch-fidelity", float(kernel_mmd(one, other, kid_kernel="poly"))
    rbf = dict(kid_kernel="rbf", kid_kernel_rbf_sigma=3.0)
    yield "mmd.gaussian.torch-fidelity", float(kernel_mmd(one, other, **rbf))

    def mean(u, v):
        squares = ((u[:, None] - v[None]) ** 2).sum(axis=2)
        return np.exp(-squares / 200).mean()

    one, other = samples[:300], reference[:200]
    yield "cmmd.rule", 1000 * (mean(one, one) + mean(other, other) - 2 * mean(one, other))


def sliced():
    reference, samples = sets()
    u = directions().astype(np.float64)
    one, other = (np.sort(x[:900] @ u.T, axis=0) for x in (samples, reference))
    yield "mind.rule", 3 * 24 * ((one - other) ** 2).mean()


def all_numbers():
    for part in (frechet, inception_score, manifolds, kernels, sliced):
        yield from part()


def main():
    if "--table" in sys.argv:
        return table()
    lines = [f"{name} {value!r}\n" for name, value in ((n, float(v)) for n, v in all_numbers())]
    (HERE / "tools.txt").write_text("".join(lines))


def table():
    """Values of tools.txt beside ours, which the test prints."""
    told = dict(line.split() for line in (HERE / "tools.txt").read_text().splitlines())
    command = ["cargo", "test", "-q", "-p", "svg-eval", "--test", "tools", "--", "--nocapture", "every_tool"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    ours = dict(line.split()[1:] for line in said.splitlines() if line.startswith("ours "))
    print("| Number | svg-eval | the tool | relative difference |\n|---|---|---|---|")
    for name, value in told.items():
        mine = ours.get(name)
        if mine is None:
            continue
        difference = abs(float(mine) - float(value)) / max(abs(float(value)), 1e-300)
        print(f"| {name} | {float(mine):.9g} | {float(value):.9g} | {difference:.0e} |")


if __name__ == "__main__":
    main()
