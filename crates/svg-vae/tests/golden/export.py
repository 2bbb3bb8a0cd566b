"""Reference outputs for the tests of svg-vae, by the installed code of diffusers and of latent diffusion.

    pip install torch numpy safetensors diffusers==0.35.2
    pip install --no-deps taming-transformers==0.0.1    # CompVis' encoder and decoder, which latent diffusion has, too
    python crates/svg-vae/tests/golden/export.py crates/svg-vae/tests/golden

writes `expected.json`. Weights come from a formula (`tests/golden/fill.rs`) of their names in the file, so no file is
downloaded. With `--full FOLDER` the networks of published sizes are run and all numbers are written, which
`SVG_VAE_REFERENCE=FOLDER cargo test -p svg-vae --test golden -- --ignored` compares; with `--bugs` the table of
docs/parity.md is printed.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

# Tiny autoencoders: widths of levels, blocks, channels of latents, levels with attention in encoder and decoder, groups,
# sizes of images.
TINY = {
    "sd": ((16, 32, 32), 2, 4, (), (), 8, ((2, 24, 40), (1, 21, 30))),
    "va_vae": ((16, 16, 32), 2, 6, (2,), (2,), 8, ((2, 24, 40),)),
    "mar": ((16, 16, 32), 1, 5, (2,), (), 16, ((1, 32, 16),)),
}
FULL = {
    "sd": ((128, 256, 512, 512), 2, 4, (), (), 32, ((1, 64, 64), (1, 256, 256))),
    "va_vae": ((128, 128, 256, 256, 512), 2, 32, (4,), (4,), 32, ((1, 256, 256),)),
    "mar": ((128, 128, 256, 256, 512), 2, 16, (4,), (), 32, ((1, 256, 256),)),
}


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


def of_name(name, shape, scale=1.0):
    u = units(name, int(np.prod(shape))) * np.float32(scale)
    return torch.from_numpy(u.reshape(shape))


def fill(module, prefix):
    """Matrices get the variance 1 / fan_in, norms 1 + 0.1 u, everything else 0.1 u."""
    state = {}
    for name, tensor in module.state_dict().items():
        shape = tuple(tensor.shape)
        u = units(prefix + name, int(np.prod(shape)))
        if name.endswith("weight") and len(shape) > 1:
            u = u * np.float32((3.0 * shape[0] / int(np.prod(shape))) ** 0.5)
        elif name.endswith("weight"):
            u = u * np.float32(0.1) + np.float32(1)
        else:
            u = u * np.float32(0.1)
        state[name] = torch.from_numpy(u.reshape(shape))
    module.load_state_dict(state, strict=True)
    return module.eval().requires_grad_(False)


def of_diffusers(widths, blocks, z, encoder, decoder, groups):
    levels = range(len(widths))
    down = ["AttnDownEncoderBlock2D" if i in encoder else "DownEncoderBlock2D" for i in levels]
    up = ["AttnUpDecoderBlock2D" if i in decoder else "UpDecoderBlock2D" for i in reversed(levels)]
    return AutoencoderKL(
        down_block_types=down,
        up_block_types=up,
        block_out_channels=widths,
        layers_per_block=blocks,
        latent_channels=z,
        norm_num_groups=groups,
        scaling_factor=0.5,
    )


class OfLdm(torch.nn.Module):
    """CompVis' encoder and decoder, joined as in latent diffusion."""

    def __init__(self, widths, blocks, z, encoder, decoder, groups):
        from taming.modules.diffusionmodules import model

        super().__init__()
        width, resolution = widths[0], 256
        sides = lambda levels: [resolution >> level for level in levels]
        sizes = dict(
            ch=width,
            out_ch=3,
            ch_mult=tuple(w // width for w in widths),
            num_res_blocks=blocks,
            in_channels=3,
            resolution=resolution,
            z_channels=z,
        )
        norm = model.Normalize
        model.Normalize = lambda channels: torch.nn.GroupNorm(groups, channels, eps=1e-6)
        self.encoder = model.Encoder(**sizes, attn_resolutions=sides(encoder), double_z=True)
        self.decoder = model.Decoder(**sizes, attn_resolutions=sides(decoder))
        model.Normalize = norm
        self.quant_conv = torch.nn.Conv2d(2 * z, 2 * z, 1)
        self.post_quant_conv = torch.nn.Conv2d(z, z, 1)




def moments(vae, x):
    """Means and clamped logarithms of variances, from the distribution that each library makes."""
    if isinstance(vae, AutoencoderKL):
        return vae.encode(x).latent_dist
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    return DiagonalGaussianDistribution(vae.quant_conv(vae.encoder(x)))


def decode(vae, z):
    if isinstance(vae, AutoencoderKL):
        return vae.decode(z).sample
    return vae.decoder(vae.post_quant_conv(z))


def run(vae, shape, index):
    batch, height, width = shape
    x = of_name(f"vae.x{index}", (batch, 3, height, width))
    posterior = moments(vae, x)
    noise = of_name(f"vae.noise{index}", tuple(posterior.mean.shape), 1.7)
    sample = posterior.mean + posterior.std * noise
    return {
        "mean": posterior.mean,
        "logvar": posterior.logvar,
        "sample": sample,
        "decoded": decode(vae, sample),
        "divergence": posterior.kl(),
    }


def summary(tensor):
    flat = tensor.double().flatten()
    stride = max(len(flat) // 32, 1)
    return {
        "shape": list(tensor.shape),
        "first": [float(v) for v in tensor.flatten()[:32]],
        "strided": [float(v) for v in tensor.flatten()[::stride]],
        "magnitude": float(flat.abs().sum()),
        "largest": float(flat.abs().max()),
    }


def networks(table):
    for name, (*sizes, shapes) in table.items():
        yield name, "diffusers", sizes, fill(of_diffusers(*sizes), f"{name}."), shapes
        # Numbers follow from names, and the names differ.
        yield name, "ldm", sizes, fill(OfLdm(*sizes), f"{name}."), shapes


def document(sizes):
    widths, blocks, z, encoder, decoder, groups = sizes
    return {
        "widths": list(widths),
        "blocks": blocks,
        "latent_channels": z,
        "encoder_attention": list(encoder),
        "decoder_attention": list(decoder),
        "norm_groups": groups,
    }


def tiny():
    cases = []
    for name, layout, sizes, vae, shapes in networks(TINY):
        names = {key: list(tensor.shape) for key, tensor in vae.state_dict().items()}
        outputs = [
            {
                "image": list(shape),
                **{key: summary(value) for key, value in run(vae, shape, index).items()},
            }
            for index, shape in enumerate(shapes)
        ]
        cases.append(
            {"name": name, "layout": layout, "config": document(sizes), "tensors": len(names), "outputs": outputs}
        )
    return cases


def full(folder):
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    for name, layout, _, vae, shapes in networks(FULL):
        print(name, layout, sum(p.numel() for p in vae.parameters()), "parameters")
        for index, shape in enumerate(shapes):
            outputs = {key: value.contiguous() for key, value in run(vae, shape, index).items()}
            save_file(outputs, folder / f"{name}-{layout}-{shape[1]}.safetensors")


def bugs():
    """The largest change of each output, relative to its largest number, by bugs in diffusers' network."""

    def symmetric(vae):
        for block in vae.encoder.down_blocks:
            for down in block.downsamplers or []:
                down.padding, down.conv.padding = 1, (1, 1)

    def epsilon(vae):
        for module in vae.modules():
            if isinstance(module, torch.nn.GroupNorm):
                module.eps = 1e-5

    def no_residual(vae):
        for module in vae.modules():
            if hasattr(module, "residual_connection"):
                module.residual_connection = False

    def scale(vae):
        for module in vae.modules():
            if hasattr(module, "inner_dim") and hasattr(module, "scale"):
                module.heads = 4
                module.scale = (module.inner_dim // 4) ** -0.5

    def swapped(vae):
        state = vae.quant_conv.state_dict()
        half = state["weight"].shape[0] // 2
        for key, value in state.items():
            state[key] = torch.cat([value[half:], value[:half]])
        vae.quant_conv.load_state_dict(state)

    table = [
        ("padding of one on every side before a stride of two", symmetric),
        ("epsilon of the norms 1e-5 instead of 1e-6", epsilon),
        ("attention without its residual sum", no_residual),
        ("attention of four heads", scale),
        ("variances before means", swapped),
    ]
    *sizes, shapes = TINY["sd"]
    want = run(fill(of_diffusers(*sizes), "sd."), shapes[0], 0)
    keys = ["mean", "logvar", "decoded"]
    print("| Bug |", " | ".join(keys), "|")
    for what, bug in table:
        vae = fill(of_diffusers(*sizes), "sd.")
        bug(vae)
        got = run(vae, shapes[0], 0)
        # The decoder alone, from the same latents.
        got["decoded"] = decode(vae, want["sample"])
        change = [float((got[k] - want[k]).abs().max() / want[k].abs().max()) for k in keys]
        print(f"| {what} |", " | ".join(f"{c:.1e}" if c else "0" for c in change), "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--full", type=Path)
    parser.add_argument("--bugs", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with torch.no_grad():
        if arguments.bugs:
            bugs()
        if arguments.full:
            full(arguments.full)
        if arguments.folder:
            text = json.dumps(tiny(), indent=None)
            (arguments.folder / "expected.json").write_text(text + "\n")


main()
