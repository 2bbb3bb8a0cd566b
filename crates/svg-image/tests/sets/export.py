# Makes trees.json, rows.parquet and forms/ beside this script, with torchvision 0.29.2 (torch 2.15.0), datasets 5.2.0,
# pyarrow 26.0.1, webdataset 1.0.2 and Pillow 13.0.0.
"""What torchvision's ImageFolder and datasets' imagefolder make of trees of pictures.

    python export.py

`trees.json`  a list of {name, files, links, folders, torchvision, datasets}. `torchvision` and `datasets` are
              {classes, labels}, `labels` by path, or {error}, the name of the exception.
`rows.parquet` the pictures of the first tree as datasets writes them: {bytes, path} and labels with names
`zstd.parquet`, `paths.parquet`  the same with another compression, and without the bytes
`forms/`      ten pictures of two classes as a folder, a tar, two shards of webdataset and two files of datasets
"""

import json
import shutil
import tarfile
import tempfile
from pathlib import Path

import datasets
import pyarrow.parquet
import webdataset
from datasets.table import embed_table_storage
from PIL import Image
from torchvision.datasets import ImageFolder

HERE = Path(__file__).parent

TREES = [
    {"name": "two classes", "files": ["cat/0.png", "cat/1.png", "dog/0.png"]},
    {"name": "folders in classes", "files": [
        "cat/indoor/0.png", "cat/outdoor/0.png", "dog/indoor/0.png", "dog/outdoor/0.png"]},
    {"name": "Tiny ImageNet", "files": ["n01443537/images/n01443537_0.JPEG", "n01629819/images/n01629819_0.JPEG"]},
    {"name": "numbers", "files": ["0/a.png", "1/a.png", "10/a.png", "2/a.png"]},
    {"name": "order of names", "files": ["B/a.png", "a/a.png", "_x/a.png", "ä/a.png", "10/a.png", "a-b/a.png", "a b/a.png"]},
    {"name": "an empty folder", "files": ["cat/0.png", "dog/0.png"], "folders": ["bird"]},
    {"name": "a class of other files", "files": ["cat/0.png", "dog/notes.txt"]},
    {"name": "other files and endings", "files": ["cat/0.PNG", "cat/notes.txt", "dog/0.Jpg", "dog/0.xml", "readme.txt"]},
    {"name": "dots and commas", "files": ["a.b/0.png", "a,c/0.png", "a/0.tar.png"]},
    {"name": "different depths", "files": ["cat/0.png", "cat/a/b/0.png", "cat/c/0.png", "dog/x/0.png"]},
    {"name": "links", "files": ["cat/0.png", "cat/1.png"], "links": [["dog", "cat"], ["cat/2.png", "0.png"]]},
    # Here this project differs, as docs/datasets.md says.
    {"name": "hidden folders", "files": ["cat/0.png", "cat/.ipynb_checkpoints/0.png", "dog/0.png", ".git/0.png"]},
    {"name": "a picture beside the classes", "files": ["cat/0.png", "dog/0.png", "sheet.png"]},
]


def table(rows: datasets.Dataset, file: Path) -> None:
    # Without embedding only the paths are written, as of files that stay where they are.
    embedded = rows.with_format("arrow").map(embed_table_storage, batched=True)
    embedded.with_format(None).to_parquet(file)


def build(root: Path, tree: dict) -> None:
    for number, file in enumerate(tree["files"]):
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in (".png", ".jpg", ".jpeg"):
            kind = "PNG" if path.suffix.lower() == ".png" else "JPEG"
            Image.new("RGB", (2, 3), (number, 7, 9)).save(path, kind)
        else:
            path.write_text("no picture")
    for folder in tree.get("folders", []):
        (root / folder).mkdir()
    for link, target in tree.get("links", []):
        (root / link).symlink_to(target)


def of_torchvision(root: Path) -> dict:
    try:
        folder = ImageFolder(root)
    except Exception as error:
        return {"error": type(error).__name__}
    labels = {str(Path(path).relative_to(root)): label for path, label in folder.samples}
    return {"classes": folder.classes, "labels": labels}


def of_datasets(root: Path, parquet: Path | None) -> dict:
    try:
        rows = datasets.load_dataset(
            "imagefolder", data_dir=str(root), split="train", drop_labels=False, cache_dir=tempfile.mkdtemp()
        )
        if parquet:
            table(rows, parquet)
            whole = pyarrow.parquet.read_table(parquet)
            pyarrow.parquet.write_table(whole, parquet.with_name("zstd.parquet"), compression="zstd")
            images = [{"bytes": None, "path": image["path"]} for image in whole["image"].to_pylist()]
            images = pyarrow.array(images, whole["image"].type)
            whole = whole.set_column(whole.schema.get_field_index("image"), "image", images)
            pyarrow.parquet.write_table(whole, parquet.with_name("paths.parquet"))
        rows = rows.cast_column("image", datasets.Image(decode=False))
        labels = {str(Path(row["image"]["path"]).relative_to(root)): row["label"] for row in rows}
        return {"classes": rows.features["label"].names, "labels": labels}
    except Exception as error:
        return {"error": type(error).__name__}


def forms(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    classes = ["cat", "dog"]
    for label, name in enumerate(classes):
        (root / "folder" / name).mkdir(parents=True)
        for number in range(5):
            picture = Image.new("RGB", (20, 18))
            picture.putdata([(9 * x, 11 * y, 50 * number + label) for y in range(18) for x in range(20)])
            picture.save(root / "folder" / name / f"{number}.png", optimize=True)
    with tarfile.open(root / "set.tar", "w") as tar:
        tar.add(root / "folder", ".", filter=lambda entry: entry.replace(mtime=0, uid=0, gid=0, uname="", gname="", deep=False))
    with webdataset.ShardWriter(str(root / "shard-%06d.tar"), maxcount=6, mtime=0) as writer:
        for label, name in enumerate(classes):
            for number in range(5):
                png = (root / "folder" / name / f"{number}.png").read_bytes()
                writer.write({"__key__": f"{5 * label + number:08}", "png": png, "cls": label})
    rows = datasets.load_dataset(
        "imagefolder", data_dir=str(root / "folder"), split="train", cache_dir=tempfile.mkdtemp()
    )
    for part in range(2):
        table(rows.shard(2, part, contiguous=True), root / f"train-{part:05}-of-00002.parquet")


forms(HERE / "forms")
results = []
for number, tree in enumerate(TREES):
    with tempfile.TemporaryDirectory() as place:
        root = Path(place).resolve() / "set"
        root.mkdir()
        build(root, tree)
        made = {"torchvision": of_torchvision(root)}
        made["datasets"] = of_datasets(root, HERE / "rows.parquet" if number == 0 else None)
        results.append(tree | made)
lines = ",\n".join(json.dumps(result, ensure_ascii=False) for result in results)
(HERE / "trees.json").write_text(f"[\n{lines}\n]\n")
