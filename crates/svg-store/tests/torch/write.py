"""Writes the files of this folder's `files` by PyTorch itself, as people's programs do.

    python3 -m venv env && env/bin/pip install torch==2.15.0 numpy==2.4.6 easydict==1.14 yacs==0.1.8 omegaconf==2.4.0
    env/bin/python write.py

Every tensor counts: its elements are 0, 1, 2, ... in row-major order, unless a comment says otherwise.
"""

import argparse
import collections
import datetime
import enum
import functools
import os
import pathlib
import pickle
import threading
import zipfile

import easydict
import numpy
import omegaconf
import torch
import yacs.config


def count(*shape, dtype=torch.float32):
    numbers = 1
    for size in shape:
        numbers *= size
    return torch.arange(numbers).reshape(shape).to(dtype)


class Ordered(collections.OrderedDict):
    pass


class Record(dict):
    """A dictionary with attributes."""


class Series(list):
    """A list with attributes."""


class Slotted:
    __slots__ = ("weight",)


class Kind(enum.Enum):
    FIRST = "first"


Pair = collections.namedtuple("Pair", ["left", "right"])


class Marked(torch.Tensor):
    """A tensor of another class."""


class Wrapped(torch.Tensor):
    """A tensor that is made of others, as quantised and sharded ones are."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, function, types, arguments=(), keywords=None):
        raise NotImplementedError


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(count(2, 2))
        self.register_buffer("steps", torch.tensor(7))
        self.register_buffer("passing", count(3), persistent=False)
        self.register_parameter("bias", None)
        self.cached = count(4)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Block()
        self.again = self.first
        self.list = torch.nn.ParameterList([torch.nn.Parameter(count(1)), torch.nn.Parameter(count(2))])


def weights():
    return collections.OrderedDict([("layer.weight", count(2, 3)), ("layer.bias", count(3))])


def beside():
    """Everything that was seen beside weights, some of it with a tensor inside."""
    log = collections.defaultdict(list)
    log["loss"].append(0.5)
    log["kept"].append(count(2))
    config = yacs.config.CfgNode({"model": {"depth": 2, "names": ["a"]}})
    record = Record(weight=count(2))
    record.note = count(3)
    series = Series([count(1), count(2)])
    series.note = count(3)
    slotted = Slotted()
    slotted.weight = count(2)
    easy = easydict.EasyDict(weight=count(2), nested={"depth": 2})
    circle = {"weight": count(2)}
    circle["self"] = circle
    namespace = argparse.Namespace(weight=count(2), path=pathlib.PurePosixPath("a/b"), kind=Kind.FIRST)
    return {
        "state_dict": weights(),
        "defaultdict": log,
        "deque": collections.deque([count(1), count(2)], maxlen=4),
        "ordered": Ordered(weight=count(2)),
        "counter": collections.Counter("aab"),
        "easydict": easy,
        "yacs": config,
        "omegaconf": omegaconf.OmegaConf.create({"depth": 2, "list": [1, 2], "none": None}),
        "namespace": namespace,
        "record": record,
        "series": series,
        "slotted": slotted,
        "pair": Pair(count(1), count(2)),
        "circle": circle,
        "partial": functools.partial(print, count(2), end=""),
        "set": {1, 2},
        "frozenset": frozenset("ab"),
        "complex": 1 + 2j,
        "wide": 1 << 100,
        "bytes": b"\x00\xff",
        "slice": slice(1, 2),
        "time": datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
        "delta": datetime.timedelta(1),
        "scalar": numpy.float64(0.5),
        "array": numpy.arange(3.0),
        "objects": numpy.array([None, "a"], dtype=object),
        "generator": numpy.random.get_state(),
        "dtype": torch.bfloat16,
        "device": torch.device("cpu"),
        "size": torch.Size([2, 3]),
        "layout": torch.sparse_coo,
        "class": Kind,
        "keys": {
            0: count(1),
            True: count(2) if False else "one is True",
            None: count(3),
            2.5: count(4),
            (1, "a"): count(5),
            Kind: count(6),
            torch.float16: count(7),
            numpy.int64(9): count(8),
            torch.nn.Parameter(count(2)): count(10),
            b"raw": count(9),
        },
        "truth": {False: count(1), True: count(2)},
    }


DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8"]
DTYPES += ["uint64", "uint32", "uint16", "uint8"]


def types():
    tensors = {name: count(2, 3, dtype=getattr(torch, name)) for name in DTYPES}
    tensors["bool"] = torch.tensor([True, False, True])
    dense = torch.eye(3)
    return tensors | {
        "complex64": count(2, dtype=torch.complex64),
        "complex128": count(2, dtype=torch.complex128),
        "float8_e4m3fn": count(2).to(torch.float8_e4m3fn),
        "float8_e5m2": count(2).to(torch.float8_e5m2),
        "sparse_coo": dense.to_sparse(),
        "sparse_csr": dense.to_sparse_csr(),
        "quantised": torch.quantize_per_tensor(count(4), 0.5, 0, torch.qint8),
        "nested": torch.nested.nested_tensor([count(2), count(3)]),
        "meta": torch.empty(2, 3, device="meta"),
        "wrapped": Wrapped(count(2)),
    }


def views():
    base = count(4, 6)
    numbers = torch.tensor([0.0, -1.0, 2.0])
    parameter = torch.nn.Parameter(count(2, 2))
    stated = torch.nn.Parameter(count(2))
    stated.note = "kept"
    return {
        "base": base,
        "transposed": base.t(),
        "rows": base[1:3],
        "columns": base[:, 2:4],
        "stepped": base[::2, ::3],
        "permuted": count(2, 3, 4).permute(2, 0, 1),
        "channels_last": count(1, 2, 2, 2).to(memory_format=torch.channels_last),
        "repeated": torch.tensor([5.0]).expand(2, 3),
        "scalar": torch.tensor(3.0),
        "empty": torch.empty(0, 5),
        "empty_end": base[4:],
        "parameter": parameter,
        "parameter_with_state": stated,
        "frozen": torch.nn.Parameter(count(2), requires_grad=False),
        "marked": count(2, 2).as_subclass(Marked),
        # 0, 1, -2 by a bit of the view, over the numbers 0, -1, 2.
        "negative": torch.complex(torch.zeros(3), numbers).conj().imag,
        "conjugate": torch.complex(torch.zeros(3), numbers).conj(),
    }


def repacked(source, target, changed={}, **options):
    """The same archive, written by Python, with some entries changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", **options) as new:
        for name in old.namelist():
            content = changed.get(name, old.read(name))
            new.writestr(zipfile.ZipInfo(name), content, options.get("compression"))


if __name__ == "__main__":
    os.makedirs("files", exist_ok=True)
    os.chdir("files")
    torch.save(weights(), "state_dict.pt")
    torch.save(beside(), "beside.pt")
    torch.save(beside(), "beside_protocol_4.pt", pickle_protocol=4)
    torch.save(types(), "types.pt")
    torch.save(views(), "views.pt")
    torch.save(Net(), "module.pt")
    old = {"_use_new_zipfile_serialization": False}
    torch.save(weights(), "legacy.pt", **old)
    torch.save(beside(), "legacy_beside.pt", **old)
    torch.save(types(), "legacy_types.pt", **old)
    torch.save(views(), "legacy_views.pt", **old)
    # The older format keeps the source of each module, and where it lay.
    torch.serialization.get_source_lines_and_file = lambda *_: (["class Module: ...\n"], 1, "module.py")
    torch.save(Net(), "legacy_module.pt", **old)
    # The name of the archive stands in every entry. With one of 21 letters, the first record of the table of contents
    # is as long as the two records with sizes of 64 bits that PyTorch always writes behind it, so that a reader who
    # counts back from the end by the length of the table arrives at the second record.
    torch.save(weights(), "name_of_21_characters.pt")
    torch.save(count(2, 3), "tensor.pt")
    torch.save({"mean": [0.5, 1, -2.0], "std": numpy.array([1.0, 2.0, 3.0], dtype=numpy.float32)}, "numbers.pt")
    torch.save({"epoch": 3, "name": "none"}, "nothing.pt")
    torch.save({"weight": count(2).to(torch.float8_e4m3fn), "other": torch.eye(2).to_sparse()}, "only_left.pt")
    try:
        torch.save({"weight": count(2), "lock": threading.Lock()}, "unfinished.pt")
    except TypeError:
        pass
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), "scripted.pt")
    # Without the places of the source.
    debug = [name for name in zipfile.ZipFile("scripted.pt").namelist() if name.endswith("debug_pkl")]
    repacked("scripted.pt", "script.pt", {name: b"" for name in debug})
    os.remove("scripted.pt")
    torch.serialization.set_crc32_options(False)
    torch.save(weights(), "unchecked.pt")
    repacked("state_dict.pt", "deflated.pt", compression=zipfile.ZIP_DEFLATED)
    repacked("state_dict.pt", "big_endian.pt", {"state_dict/byteorder": b"big"})
    exported = torch.export.export(torch.nn.Linear(1, 1, bias=False), (torch.ones(1, 1),))
    for node in exported.graph.nodes:
        node.meta.pop("stack_trace", None)
    torch.export.save(exported, "exported.pt2")
    zipfile.ZIP64_LIMIT = 0
    repacked("state_dict.pt", "zip64.pt", compression=zipfile.ZIP_STORED)
    with open("plain.pkl", "wb") as file:
        pickle.dump(weights(), file)
