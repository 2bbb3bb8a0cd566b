//! How much memory the program takes, and the benches that measure it.

/// The largest resident memory of this process so far, which Linux tells.
pub fn peak_bytes() -> Option<u64> {
    let status = svg_store::read_text("/proc/self/status".as_ref()).ok()?;
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
