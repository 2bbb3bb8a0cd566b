"""Reference outputs for the tests of svg-sit: DiT, SiT, REPA's SiT and LightningDiT.

    pip install torch==2.15.0 diffusers==0.35.2 timm==1.0.31
    python crates/svg-sit/tests/golden/export.py crates/svg-sit/tests/golden

writes `expected.json`. Weights and inputs come from a formula (`tests/golden/fill.rs`), so no file is downloaded. The
reference is composed of timm's `Attention`, `Mlp` and `SwiGLU`, `PatchEmbed` and the formulas of the papers; DiT is also computed
by diffusers' `DiTTransformer2DModel`, and both must agree. With `--bugs` the table of docs/parity.md is printed; with
`--large NAME --out FILE` one network of the published size (`dit`, `repa`, `lightning`) is computed.
"""

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import nn

torch.set_num_threads(1)
torch.set_grad_enabled(False)


def units(name, count):
    """Numbers in [-1, 1): a counter keyed by FNV-1a-32 of the name, through murmur3's finaliser."""
    key = 0x811C9DC5
    for byte in name.encode():
        key = ((key ^ byte) * 0x01000193) & 0xFFFFFFFF
    x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(key)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    return (x >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)


BUFFERS = ("pos_embed", "feat_rope.freqs_cos", "feat_rope.freqs_sin")


def fill(model, case):
    """Parameters by the formula; what the files store and nothing trains stays as it is."""
    state = model.state_dict()
    for name, tensor in state.items():
        if name in BUFFERS:
            continue
        shape = tuple(tensor.shape)
        values = units(f"{case}.{name}", int(np.prod(shape)))
        if name.endswith("weight") and len(shape) >= 2:
            factor, offset = np.float32(np.sqrt(3.0 * shape[0] / np.prod(shape))), np.float32(0)
        elif name.endswith("weight"):
            factor, offset = np.float32(0.1), np.float32(1)
        else:
            factor, offset = np.float32(0.1), np.float32(0)
        tensor.copy_(torch.from_numpy((values * factor + offset).reshape(shape)))
    model.load_state_dict(state)
    return model.eval()


def positions(width, side):
    """The fixed table of MAE: column half first, sines before cosines, in f64."""
    omega = 10000.0 ** (-np.arange(width // 4) / (width / 4))
    rows, columns = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    halves = [np.concatenate([np.sin(p.reshape(-1, 1) * omega), np.cos(p.reshape(-1, 1) * omega)], 1) for p in (columns, rows)]
    return torch.from_numpy(np.concatenate(halves, 1)[None]).float()


def modulate(x, shift, scale):
    return x * (1 + scale[:, None]) + shift[:, None]


class TimeEmbedder(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t):
        frequencies = torch.exp(-np.log(10000) * torch.arange(128, dtype=torch.float32) / 128)
        angles = t[:, None] * frequencies
        return self.mlp(torch.cat([angles.cos(), angles.sin()], 1))


class LabelEmbedder(nn.Module):
    def __init__(self, classes, width):
        super().__init__()
        self.embedding_table = nn.Embedding(classes + 1, width)

    def forward(self, y):
        return self.embedding_table(y)


class RmsNorm(nn.Module):
    def __init__(self, width, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


class Turns(nn.Module):
    """Angles of rows in the first half of a head, of columns in the second, each for two neighbouring channels."""

    def __init__(self, head, side):
        super().__init__()
        frequencies = 10000.0 ** (-2 * np.arange(head // 4) / (head / 2))
        rows, columns = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
        angles = [np.repeat(p.reshape(-1, 1) * frequencies, 2, axis=1) for p in (rows, columns)]
        angles = np.concatenate(angles, 1)
        self.register_buffer("freqs_cos", torch.from_numpy(np.cos(angles)).float())
        self.register_buffer("freqs_sin", torch.from_numpy(np.sin(angles)).float())

    def forward(self, x):
        a, b = x[..., 0::2], x[..., 1::2]
        return x * self.freqs_cos + torch.stack([-b, a], -1).flatten(-2) * self.freqs_sin


class TurnedAttention(nn.Module):
    def __init__(self, width, heads, qk_norm):
        super().__init__()
        self.qkv, self.proj, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads
        head = width // heads
        self.q_norm, self.k_norm = (RmsNorm(head), RmsNorm(head)) if qk_norm else (nn.Identity(), nn.Identity())

    def forward(self, x, turns):
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = turns(self.q_norm(q)), turns(self.k_norm(k))
        x = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(batch, tokens, width))


class SwiGlu(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.w12, self.w3 = nn.Linear(width, 2 * hidden), nn.Linear(hidden, width)

    def forward(self, x):
        gate, up = self.w12(x).chunk(2, -1)
        return self.w3(nn.functional.silu(gate) * up)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        from timm.layers import Mlp
        from timm.models.vision_transformer import Attention

        width = c["width"]
        self.lightning = c["lightning"]
        if self.lightning:
            self.norm1, self.norm2 = RmsNorm(width), RmsNorm(width)
            self.attn = TurnedAttention(width, c["heads"], c["qk_norm"])
            self.mlp = SwiGlu(width, int(2 / 3 * 4 * width))
        else:
            self.norm1, self.norm2 = [nn.LayerNorm(width, elementwise_affine=False, eps=1e-6) for _ in range(2)]
            self.attn = Attention(width, c["heads"], qkv_bias=True, qk_norm=c["qk_norm"], norm_layer=nn.LayerNorm)
            self.mlp = Mlp(width, 4 * width, act_layer=lambda: nn.GELU(approximate="tanh"))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x, condition, turns):
        shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = self.adaLN_modulation(condition).chunk(6, 1)
        x_in = modulate(self.norm1(x), shift, scale)
        x = x + gate[:, None] * (self.attn(x_in, turns) if self.lightning else self.attn(x_in))
        return x + gate_mlp[:, None] * self.mlp(modulate(self.norm2(x), shift_mlp, scale_mlp))


class FinalLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        width = c["width"]
        norm = RmsNorm(width) if c["lightning"] else nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.norm_final, self.linear = norm, nn.Linear(width, c["patch"] ** 2 * c["out"])
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, x, condition):
        shift, scale = self.adaLN_modulation(condition).chunk(2, 1)
        return self.linear(modulate(self.norm_final(x), shift, scale))


class Network(nn.Module):
    def __init__(self, c):
        super().__init__()
        from timm.layers import PatchEmbed

        width, tokens = c["width"], c["side"] // c["patch"]
        self.c, self.tokens = c, tokens
        self.pos_embed = nn.Parameter(positions(width, tokens), requires_grad=False)
        self.x_embedder = PatchEmbed(c["side"], c["patch"], c["channels"], width, bias=True)
        self.t_embedder, self.y_embedder = TimeEmbedder(width), LabelEmbedder(c["classes"], width)
        self.blocks = nn.ModuleList([Block(c) for _ in range(c["layers"])])
        self.final_layer = FinalLayer(c)
        self.feat_rope = Turns(width // c["heads"], tokens) if c["lightning"] else None
        self.projectors = nn.ModuleList(
            nn.Sequential(nn.Linear(width, h), nn.SiLU(), nn.Linear(h, h), nn.SiLU(), nn.Linear(h, z))
            for h, z in c["projectors"]
        )

    def forward(self, x, t, y):
        """Latents `[batch, channels, side, side]` in and out, and projected tokens."""
        x = self.x_embedder(x) + self.pos_embed
        condition = self.t_embedder(t) + self.y_embedder(y)
        projected = []
        for i, block in enumerate(self.blocks):
            x = block(x, condition, self.feat_rope)
            if i + 1 == self.c["depth"]:
                projected = [projector(x) for projector in self.projectors]
        x = self.final_layer(x, condition)
        p, n, batch = self.c["patch"], self.tokens, len(x)
        x = x.reshape(batch, n, n, p, p, -1).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(batch, -1, n * p, n * p), projected


def case(patch=2, channels=4, side=8, width=32, heads=2, layers=3, classes=5, variance=True, lightning=False,
         qk_norm=False, projectors=(), depth=0):
    return dict(patch=patch, channels=channels, side=side, width=width, heads=heads, layers=layers, classes=classes,
                out=2 * channels if variance else channels, lightning=lightning, qk_norm=qk_norm, projectors=projectors,
                depth=depth)


CASES = {
    "dit": case(),
    "sit": case(),
    "repa": case(variance=False, qk_norm=True, projectors=((24, 12),), depth=2),
    "lightning": case(patch=1, channels=8, side=4, variance=False, lightning=True),
    "lightning_normed": case(patch=1, channels=8, side=4, variance=False, lightning=True, qk_norm=True),
}

LARGE = {
    "dit": case(side=32, width=1152, heads=16, layers=28, classes=1000),
    "repa": case(side=32, width=1152, heads=16, layers=28, classes=1000, variance=False, projectors=((2048, 768),), depth=8),
    "lightning": case(patch=1, channels=32, side=16, width=1152, heads=16, layers=28, classes=1000, variance=False, lightning=True),
}


def inputs(name, c, batch=2):
    shape = (batch, c["channels"], c["side"], c["side"])
    x = torch.from_numpy(units(f"{name}.x", int(np.prod(shape))).reshape(shape)) * 1.7
    t = torch.tensor([977.0, 12.0] if name.split(".")[-1] == "dit" else [0.85, 0.3])[:batch]
    return x, t, torch.tensor([3, c["classes"]])[:batch]


def tokens_of(x):
    """`[batch, channels, h, w]` to `[batch, h w, channels]`."""
    return x.flatten(2).transpose(1, 2)


def of_diffusers(model, c, corrected=True):
    """The network of diffusers with the weights of the reference."""
    from diffusers import DiTTransformer2DModel

    net = DiTTransformer2DModel(
        num_attention_heads=c["heads"], attention_head_dim=c["width"] // c["heads"], in_channels=c["channels"],
        out_channels=c["out"], num_layers=c["layers"], sample_size=c["side"], patch_size=c["patch"],
        num_embeds_ada_norm=c["classes"], norm_eps=1e-6 if corrected else 1e-5,
    ).eval()
    state, theirs = model.state_dict(), {}
    outside = {"pos_embed.proj": "x_embedder.proj", "proj_out_1": "final_layer.adaLN_modulation.1",
               "proj_out_2": "final_layer.linear"}
    inside = {"norm1.linear": "adaLN_modulation.1", "attn1.to_out.0": "attn.proj", "ff.net.0.proj": "mlp.fc1",
              "ff.net.2": "mlp.fc2"}
    for part in ("weight", "bias"):
        for a, b in outside.items():
            theirs[f"{a}.{part}"] = state[f"{b}.{part}"]
        for i in range(c["layers"]):
            block = f"transformer_blocks.{i}"
            for a, b in inside.items():
                theirs[f"{block}.{a}.{part}"] = state[f"blocks.{i}.{b}.{part}"]
            for a, third in zip("qkv", state[f"blocks.{i}.attn.qkv.{part}"].chunk(3)):
                theirs[f"{block}.attn1.to_{a}.{part}"] = third
            for j, k in ((1, 0), (2, 2)):
                theirs[f"{block}.norm1.emb.timestep_embedder.linear_{j}.{part}"] = state[f"t_embedder.mlp.{k}.{part}"]
            theirs[f"{block}.norm1.emb.class_embedder.embedding_table.weight"] = state["y_embedder.embedding_table.weight"]
    net.load_state_dict(theirs)
    if corrected:
        # DiT divides the exponents by 128, diffusers by 127.
        for block in net.transformer_blocks:
            block.norm1.emb.time_proj.downscale_freq_shift = 0
    return net


def numbers(x):
    return [[float(f"{v:.8g}") for v in row] for row in x.flatten(1).double().tolist()]


def reference(name, c, prefix=""):
    model = fill(Network(c), f"{prefix}{name}")
    output, projected = model(*inputs(f"{prefix}{name}" if prefix else name, c))
    return model, output, projected


def expected():
    found = {}
    for name, c in CASES.items():
        model, output, projected = reference(name, c)
        found[name] = {
            "output": numbers(tokens_of(output)),
            "projected": [numbers(tokens) for tokens in projected],
            "numbers": sum(v.numel() for k, v in model.state_dict().items() if not k.startswith("feat_rope")),
        }
        if name == "dit":
            x, t, y = inputs(name, c)
            theirs = of_diffusers(model, c)(x, t, y, return_dict=False)[0]
            difference = float((theirs - output).abs().max() / output.abs().max())
            print("diffusers and the reference differ by", difference, file=sys.stderr)
            assert difference < 2e-6
            found["diffusers"] = {"output": numbers(tokens_of(theirs)), "projected": [], "numbers": 0}
    versions = {name: version(name) for name in ["torch", "diffusers", "timm"]}
    return {"made by": versions, "cases": found}


def bugs():
    """The change of the output by one bug at a time, relative to the largest number."""

    def change(name, *patches):
        _, right, _ = reference(name, CASES[name])
        for patch in patches:
            patch.start()
        _, wrong, _ = reference(name, CASES[name])
        for patch in patches:
            patch.stop()
        return float((wrong - right).abs().max() / right.abs().max())

    model, right, _ = reference("dit", CASES["dit"])
    x, t, y = inputs("dit", CASES["dit"])

    def off(net, t=t):
        return float((net(x, t, y, return_dict=False)[0] - right).abs().max() / right.abs().max())

    def eps_only(net):
        for block in net.transformer_blocks:
            block.norm1.emb.time_proj.downscale_freq_shift = 0
        return net

    rows = {
        "diffusers as it is": off(of_diffusers(model, CASES["dit"], corrected=False)),
        "diffusers, epsilon of the second norm 1e-5 alone": off(eps_only(of_diffusers(model, CASES["dit"], corrected=False))),
        "DiT: time as a part of 1": off(of_diffusers(model, CASES["dit"]), t / 1000),
    }
    exact = mock.patch.object(nn, "GELU", lambda approximate: torch.nn.modules.activation.GELU())
    rows["DiT: exact GELU"] = change("dit", exact)

    def halves(self, x):
        a, b = x.chunk(2, -1)
        return x * self.freqs_cos + torch.cat([-b, a], -1) * self.freqs_sin

    rows["LightningDiT: pairs half a head apart"] = change("lightning", mock.patch.object(Turns, "forward", halves))
    rows["LightningDiT: no turns"] = change("lightning", mock.patch.object(Turns, "forward", lambda self, x: x))

    def swapped(self, x):
        up, gate = self.w12(x).chunk(2, -1)
        return self.w3(nn.functional.silu(gate) * up)

    rows["LightningDiT: gate and what it multiplies exchanged"] = change("lightning", mock.patch.object(SwiGlu, "forward", swapped))
    init = RmsNorm.__init__
    larger = mock.patch.object(RmsNorm, "__init__", lambda self, width, eps=1e-5: init(self, width, eps))
    rows["LightningDiT: epsilon of the norms 1e-5"] = change("lightning", larger)
    print("| Bug | Largest change |\n|---|--:|")
    for bug, value in rows.items():
        print(f"| {bug} | {value:.1e} |")


def large(name, out):
    from safetensors.torch import save_file

    c = LARGE[name]
    model, output, projected = reference(name, c, "large.")
    found = {"output": tokens_of(output).contiguous()} | {f"projected.{i}": p for i, p in enumerate(projected)}
    save_file(found, out)
    print(sum(v.numel() for k, v in model.state_dict().items() if not k.startswith("feat_rope")), output.std())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--large", choices=LARGE)
    parser.add_argument("--out")
    parser.add_argument("--bugs", action="store_true")
    options = parser.parse_args()
    if options.bugs:
        bugs()
    elif options.large:
        large(options.large, options.out)
    else:
        path = Path(options.folder) / "expected.json"
        path.write_text(json.dumps(expected()) + "\n")
        print(path, path.stat().st_size, file=sys.stderr)


if __name__ == "__main__":
    main()
