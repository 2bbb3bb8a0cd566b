//! What a file is that `torch.save` did not write.

use super::TorchError;

const COMPRESSED: &str = "decompress it first";

/// First bytes, what they mean and what to do.
const KINDS: [(&[u8], &str, &str); 12] = [
    (
        b"version https://git-lfs",
        "a pointer of Git LFS and not the file itself",
        "run `git lfs pull`",
    ),
    (b"\x1f\x8b", "compressed by gzip", COMPRESSED),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", COMPRESSED),
    (b"\xfd7zXZ", "compressed by xz", COMPRESSED),
    (b"BZh", "compressed by bzip2", COMPRESSED),
    (b"7z\xbc\xaf", "an archive of 7-Zip", "unpack it first"),
    (b"Rar!", "an archive of RAR", "unpack it first"),
    (
        b"\x89HDF",
        "a file of HDF5, as Keras writes it",
        "convert it to safetensors in Python",
    ),
    (
        b"GGUF",
        "a file of GGUF",
        "fetch the model as safetensors or as a file of PyTorch",
    ),
    (
        b"\x93NUMPY",
        "an array of numpy",
        "save it by torch.save({NAME: torch.from_numpy(numpy.load(FILE))}, ...)",
    ),
    (
        b"<",
        "a page of a web site",
        "fetch the file again: a server sent a message instead of it",
    ),
    (
        b"\x80",
        "a pickle that torch.save did not write",
        "load it in Python, and save its state_dict by torch.save",
    ),
];

/// An error that says what a file is.
pub(super) fn other_kind(file: &[u8]) -> TorchError {
    // Tar archives have their mark within.
    if file.get(257..262) == Some(b"ustar") {
        let reason = "it is a tar archive. Unpack it first; if a PyTorch before 0.1.10 wrote it, load and save it with \
                      a newer one";
        return TorchError::Unsupported(reason.to_string());
    }
    let start = file.trim_ascii_start();
    let known = KINDS.iter().find(|(first, ..)| start.starts_with(first));
    match known {
        Some((_, kind, advice)) => {
            TorchError::Unsupported(format!("it is {kind}. To use it, {advice}"))
        }
        None if file.is_empty() => TorchError::Damaged("it is empty".to_string()),
        None => TorchError::Damaged("its first bytes are those of no known format".to_string()),
    }
}
