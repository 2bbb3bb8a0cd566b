"""Reference outputs for the tests of svg-inception, by the installed code of the tools.

    pip install torch torchvision torch-fidelity pytorch-fid clean-fid
    python crates/svg-inception/tests/golden/export.py crates/svg-inception/tests/golden

writes `expected.json`. Weights come from a formula (`tests/golden/fill.rs`), so no file is downloaded. With
`--photographs FOLDER --out FILE` the same outputs are written for photographs, to compare by hand; with `--bugs` the table
of docs/parity.md is printed.
"""

import argparse
import json
import sys
import types
import warnings
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import numpy as np
import torch

warnings.filterwarnings("ignore")


def units(name, count):
    """Numbers in [-1, 1): a counter keyed by FNV-1a-32 of the name, through murmur3's finaliser."""
    key = 0x811C9DC5
    for byte in name.encode():
        key = ((key ^ byte) * 0x01000193) & 0xFFFFFFFF
    x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(key)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    x = x ^ (x >> np.uint32(16))
    return (x >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)


def filled(name, shape):
    """A tensor of the network: filters keep the second moment of what goes through them and a ReLU."""
    u = units("inception." + name, int(np.prod(shape)))
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    if len(shape) > 1:
        fan_in = int(np.prod(shape[1:]))
        gain = 1.0 if name == "fc.weight" else 2.0**0.5
        u = u * np.float32(gain * (3.0 / fan_in) ** 0.5)
    elif name.endswith("running_var"):
        u = u * np.float32(0.3) + np.float32(0.6)
    elif name.endswith("weight"):
        u = u * np.float32(0.3) + np.float32(0.8)
    else:
        u = u * np.float32(0.1)
    return torch.from_numpy(u.reshape(shape))


def fill(module):
    state = module.state_dict()
    state = {name: filled(name, tuple(tensor.shape)) for name, tensor in state.items()}
    torch.nn.Module.load_state_dict(module, state, strict=True)
    return module.eval().requires_grad_(False)


def torch_fidelity(features=("2048", "logits_unbiased", "logits")):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with mock.patch("torch.load", lambda *_, **__: {}), mock.patch.object(
        FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None
    ):
        module = FeatureExtractorInceptionV3("i", list(features), feature_extractor_weights_path="none")
    return fill(module)


def pytorch_fid():
    """Its wrapper around its network; the network alone is `.whole`."""
    from pytorch_fid import inception

    made = []
    own = torch.nn.Module.load_state_dict

    def load(self, *_, **__):
        made.append(self)

    with mock.patch.object(inception, "load_state_dict_from_url", lambda *_, **__: {}), mock.patch.object(
        torch.nn.Module, "load_state_dict", load
    ):
        wrapper = inception.InceptionV3([3], resize_input=True, normalize_input=True)
    assert torch.nn.Module.load_state_dict is own
    fill(made[0])
    return wrapper.eval()


def torchvision_net():
    import torchvision

    net = torchvision.models.inception_v3(weights=None, init_weights=False, aux_logits=True, transform_input=True)
    return fill(net)


def picture(name, height, width):
    """A picture of 8 bits by formula: two waves in each colour, and noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = []
    for channel in range(3):
        a, b, c, d = units(f"{name}.{channel}", 4).astype(np.float64)
        wave = np.sin(x * (0.05 + 0.04 * a) + y * 0.03 * b + 3 * c) + np.cos(y * (0.06 + 0.05 * d) - x * 0.02 * a)
        planes.append(wave)
    noise = units(name, 3 * height * width).reshape(3, height, width)
    levels = np.floor(np.stack(planes) * 48 + 128 + noise.astype(np.float64) * 24)
    return np.clip(levels, 0, 255).astype(np.uint8)


STAGES = ["Mixed_5d", "Mixed_6a", "Mixed_6d", "Mixed_6e", "Mixed_7a"]


def watched(net, run):
    """The outputs of stages while `run` runs, the features of sFID and those of their wrong block."""
    seen, hooks = {}, []
    for name in STAGES:
        hooks.append(getattr(net, name).register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out})))
    for name in ["Mixed_6d", "Mixed_6e"]:
        branch = getattr(net, name).branch1x1
        hooks.append(branch.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name + ".1x1": out})))
    with torch.no_grad():
        out = run()
    for hook in hooks:
        hook.remove()
    spatial = [seen.pop(f"Mixed_6{block}.1x1")[:, :7].permute(0, 2, 3, 1).flatten(1) for block in "de"]
    return out, seen, spatial


def outputs(net, images):
    """All outputs of torch-fidelity's network for a batch of 8 bits."""
    (pool3, unbiased, logits), seen, spatial = watched(net, lambda: net(torch.from_numpy(images)))
    named = {"pool3": pool3, "spatial": spatial[0], "logits_without_bias": unbiased, "logits": logits}
    return named | {stage: seen[stage] for stage in STAGES}


def summary(tensor):
    """The first 16 numbers, 16 strided ones, and the sum of magnitudes, of each image."""
    rows = []
    for row in tensor.flatten(1).double().numpy():
        stride = max(len(row) // 16, 1)
        rows.append({
            "count": len(row),
            "first": [float(np.float32(v)) for v in row[:16]],
            "strided": [float(np.float32(v)) for v in row[::stride][:16]],
            "magnitude": float(np.abs(row).sum()),
            "largest": float(np.abs(row).max()),
        })
    return rows


def resized(image):
    """An image of 8 bits, `[3, height, width]`, by the functions of the three tools, from 0 to 255."""
    from cleanfid.resize import make_resizer
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    pixels = torch.from_numpy(image)[None].float()
    tensorflow = interpolate_bilinear_2d_like_tensorflow1x(pixels, size=(299, 299), align_corners=False)
    half = torch.nn.functional.interpolate(pixels / 255, size=(299, 299), mode="bilinear", align_corners=False) * 255
    clean = make_resizer("PIL", False, "bicubic", (299, 299))(image.transpose(1, 2, 0)).transpose(2, 0, 1)
    return {"tensorflow": tensorflow, "pytorch": half, "clean": torch.from_numpy(np.ascontiguousarray(clean))[None]}


SIZES = [(32, 32), (256, 256), (512, 512), (299, 299), (200, 317), (640, 96), (3, 5)]


def expected():
    net = torch_fidelity()
    images = np.stack([picture("one", 256, 256), picture("two", 256, 256)])
    found = {name: summary(tensor) for name, tensor in outputs(net, images).items()}
    with torch.no_grad():
        half = pytorch_fid()(torch.from_numpy(images).float() / 255)[0].flatten(1)
        vision = torchvision_net()
        # The transforms of its weights, without resizing and cropping, on images of its side.
        square = np.stack([picture("three", 299, 299)])
        mean, std = [torch.tensor(v)[None, :, None, None] for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
        logits = vision((torch.from_numpy(square).float() / 255 - mean) / std)
        cleaned = torch.cat([resized(image)["clean"] for image in images])
        plain = network_of(net, (cleaned - 128) / 128)
    tools = {"pytorch": summary(half), "clean": summary(plain), "torchvision": summary(logits)}
    sizes = {}
    for height, width in SIZES:
        found_sizes = resized(picture("sized", height, width))
        sizes[f"{height}x{width}"] = {rule: summary(tensor)[0] for rule, tensor in found_sizes.items()}
    versions = {name: version(name) for name in ["torch", "torchvision", "torch-fidelity", "pytorch-fid", "clean-fid"]}
    return {"made by": versions, "network": found, "tools": tools, "resized": sizes}


def network_of(net, x):
    """pool3 of torch-fidelity's modules, from an input that is resized and scaled."""
    x = net.MaxPool_1(net.Conv2d_2b_3x3(net.Conv2d_2a_3x3(net.Conv2d_1a_3x3(x))))
    x = net.MaxPool_2(net.Conv2d_4a_3x3(net.Conv2d_3b_1x1(x)))
    for block in "5b 5c 5d 6a 6b 6c 6d 6e 7a 7b 7c".split():
        x = getattr(net, f"Mixed_{block}")(x)
    return net.AvgPool(x).flatten(1)


def bugs():
    """The change of each output by one bug at a time in the reference, relative to the largest number of the output."""
    from torch_fidelity import feature_extractor_inceptionv3 as source

    images = np.stack([picture("one", 256, 256), picture("two", 256, 256)])
    net = torch_fidelity()
    right = outputs(net, images)

    def changes(wrong):
        keys = ["pool3", "spatial", "logits_without_bias", "logits"]
        return [float((wrong[k] - right[k]).abs().max() / right[k].abs().max()) for k in keys]

    average = torch.nn.functional.avg_pool2d

    def counting(*arguments, **options):
        return average(*arguments, **(options | {"count_include_pad": True}))

    table = {}
    with mock.patch.object(torch.nn.functional, "avg_pool2d", counting):
        table["mean pools count the border"] = changes(outputs(net, images))
    inner = net.Mixed_7c
    net.Mixed_7c = source.InceptionE_1(2048)
    net.Mixed_7c.load_state_dict(inner.state_dict())
    net.Mixed_7c.eval()
    table["mean pool in 7c"] = changes(outputs(net, images))
    net.Mixed_7c = inner
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.eps = 1e-5
    table["epsilon of the norms 1e-5 instead of 1e-3"] = changes(outputs(net, images))
    for norm in norms:
        norm.eps = 1e-3
    _, _, spatial = watched(net, lambda: net(torch.from_numpy(images)))
    table["features of sFID from 6e"] = changes(right | {"spatial": spatial[1]})
    shifted = {"spatial": spatial[0].reshape(2, 17 * 17, 7).transpose(1, 2).flatten(1)}
    table["features of sFID by channels, rows, columns"] = changes(right | shifted)
    resize = source.interpolate_bilinear_2d_like_tensorflow1x

    def half(x, size, align_corners):
        return torch.nn.functional.interpolate(x, size=size, mode="bilinear", align_corners=False)

    with mock.patch.object(source, "interpolate_bilinear_2d_like_tensorflow1x", half):
        table["half-pixel centres in the resize"] = changes(outputs(net, images))
    scaled = net.Conv2d_1a_3x3
    wrapped = types.SimpleNamespace(forward=scaled.forward)
    scaled.forward = lambda x: wrapped.forward((x * 128 + 0.5) / 127.5)
    table["2 x - 1 instead of (x - 128) / 128"] = changes(outputs(net, images))
    scaled.forward = wrapped.forward
    with mock.patch.object(source, "interpolate_bilinear_2d_like_tensorflow1x", lambda *a, **k: resize(*a, **k).round()):
        table["pixels rounded after the resize"] = changes(outputs(net, images))
    exact = fill(net).double()
    net.feature_extractor_internal_dtype = torch.float64
    table["(f32 instead of f64)"] = changes({k: v for k, v in outputs(exact, images).items()})
    print("| Bug | pool3 | spatial | logits without bias | logits |\n|---|--:|--:|--:|--:|")
    for bug, row in table.items():
        print(f"| {bug} | " + " | ".join(f"{v:.1e}" if v else "0" for v in row) + " |")


def photographs(folder, out):
    """Everything of ten photographs of 256 x 256, as safetensors."""
    from PIL import Image
    from safetensors.torch import save_file

    paths = sorted(Path(folder).rglob("*.JPEG"))[:10] or sorted(Path(folder).rglob("*.png"))[:10]
    images = np.stack([np.asarray(Image.open(p).convert("RGB")).transpose(2, 0, 1) for p in paths])
    net = torch_fidelity()
    found = outputs(net, images)
    with torch.no_grad():
        found["pytorch"] = pytorch_fid()(torch.from_numpy(images).float() / 255)[0].flatten(1)
        cleaned = torch.cat([resized(image)["clean"] for image in images])
        found["clean"] = network_of(net, (cleaned - 128) / 128)
    found["images"] = torch.from_numpy(images).float()
    save_file({name: tensor.float().contiguous() for name, tensor in found.items()}, out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--photographs")
    parser.add_argument("--out")
    parser.add_argument("--bugs", action="store_true")
    options = parser.parse_args()
    if options.bugs:
        bugs()
    elif options.photographs:
        photographs(options.photographs, options.out)
    else:
        path = Path(options.folder) / "expected.json"
        path.write_text(json.dumps(expected(), indent=1) + "\n")
        print(path, path.stat().st_size, file=sys.stderr)


if __name__ == "__main__":
    main()
