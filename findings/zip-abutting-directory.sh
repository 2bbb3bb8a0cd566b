#!/usr/bin/env bash
# zip 9.8.1 (crates.io): whole archives are refused if their first record has 76 bytes, as those of torch.save whose
# archive is named by 21 letters.
#
# The wrong bet: the end of an archive says where its table of contents begins, so a reader begins there. Since 9.1 the
# crate prefers the place that lies as far before the end record as the table is long. PyTorch (and Python with a small
# ZIP64_LIMIT) always writes a record and a locator with sizes of 64 bits in between, 76 bytes, also where the end
# record holds every size. The guess is then 76 bytes too far. It is dropped if no record begins there; but if the
# first record is 76 bytes long, the second begins there: 46 bytes, and a name of 30, "NAME/data.pkl" with 21 letters.
# What to do: read such archives with rawzip, which looks for the locator first; or zip 9.0.4.
#
# Output seen:
#   zip 9.8.1: names of 1 to 40 letters, refused: 21 (invalid Zip archive: Invalid Central Directory header)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The records of torch.save, without PyTorch: no fields of 64 bits in the table, and both records behind it.
cat >"$folder/write.py" <<'PY'
import struct
import sys
import zlib

for letters in range(1, 41):
    data, table = b"", b""
    for name in [b"data.pkl", b"version"]:
        name, content = b"a" * letters + b"/" + name, b"3\n"
        sizes = struct.pack("<IIIHH", zlib.crc32(content), len(content), len(content), len(name), 0)
        table += b"PK\1\2" + struct.pack("<HHHHHH", 0, 0, 0, 0, 0, 0) + sizes
        table += struct.pack("<HHHII", 0, 0, 0, 0, len(data)) + name
        data += b"PK\3\4" + struct.pack("<HHHHH", 0, 0, 0, 0, 0) + sizes + name + content
    wide = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 2, 2, len(table), len(data))
    wide += b"PK\6\7" + struct.pack("<IQI", 0, len(data) + len(table), 1)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 2, 2, len(table), len(data), 0)
    open(f"{sys.argv[1]}/{letters}.zip", "wb").write(data + table + wide + end)
PY
python3 "$folder/write.py" "$folder"
for letters in $(seq 40); do
  python3 -m zipfile --test "$folder/$letters.zip" >/dev/null
done

mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[dependencies]
zip = { version = "=9.8.1", default-features = false }

[workspace]
TOML
cat >"$folder/src/main.rs" <<'RS'
fn main() {
    let folder = std::env::args().nth(1).unwrap();
    let open = |letters: u32| {
        let file = std::fs::File::open(format!("{folder}/{letters}.zip")).unwrap();
        zip::ZipArchive::new(file).err()
    };
    let refused: Vec<_> = (1..=40).filter_map(|letters| Some((letters, open(letters)?))).collect();
    for (letters, error) in &refused {
        println!("zip 9.8.1: names of 1 to 40 letters, refused: {letters} ({error})");
    }
    assert!(matches!(refused.as_slice(), [(21, _)]), "the finding has changed: {refused:?}");
}
RS
cd "$folder"
cargo run --quiet -- "$folder"
