//! How much memory there is.

use std::fs;
use std::path::{Path, PathBuf};

/// Where Linux has its control groups.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// Bytes of memory, with swap, that the machine has, or that the control group of this process may use if these are
/// fewer. `None` where the system does not say it in `/proc/meminfo`, as Linux does.
pub fn machine_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let machine = kibibytes(&text, "MemTotal:")? + kibibytes(&text, "SwapTotal:").unwrap_or(0);
    let limits = [
        own_group().join("memory.max"),
        "/sys/fs/cgroup/memory.max".into(),
        "/sys/fs/cgroup/memory/memory.limit_in_bytes".into(),
    ];
    let limits = limits.iter().filter_map(|path| {
        let text = fs::read_to_string(path).ok()?;
        text.trim().parse::<u64>().ok()
    });
    Some(limits.fold(1024 * machine, u64::min))
}

/// Bytes of memory, without swap, that are free or can be freed at once, or that the control group of this process may
/// still take if these are fewer. `None` where the system does not say it, as Linux does.
pub fn free_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let machine = 1024 * kibibytes(&text, "MemAvailable:")?;
    let number = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let groups = [own_group(), CONTROL_GROUPS.into()];
    let left = groups.iter().filter_map(|group| {
        let most = number(group.join("memory.max"))?;
        let held = number(group.join("memory.current"))?;
        // What was read of files counts as held, and gives way.
        let statistics = fs::read_to_string(group.join("memory.stat")).ok()?;
        let mut lines = statistics.lines();
        let files = lines.find_map(|line| line.strip_prefix("inactive_file "))?;
        let files: u64 = files.trim().parse().ok()?;
        Some(most.saturating_sub(held.saturating_sub(files)))
    });
    Some(left.fold(machine, u64::min))
}

/// Where the control groups of this process are, of version 2.
fn own_group() -> PathBuf {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    Path::new(CONTROL_GROUPS).join(own.unwrap_or_default())
}

/// A message if `what` needs more bytes than [the machine has](machine_memory): both figures. It is a lower bound that
/// is asked for: less may still be too much.
///
/// ```
/// use svg_store::beyond_memory;
///
/// assert_eq!(beyond_memory("a network", 1e3), None);
/// # if cfg!(target_os = "linux") {
/// let problem = beyond_memory("a network of 4e24 bytes", 4e24).unwrap();
/// assert!(problem.starts_with("a network of 4e24 bytes needs at least 4e15 GB of memory, and this machine has "));
/// # }
/// ```
pub fn beyond_memory(what: &str, bytes: f64) -> Option<String> {
    let there = machine_memory()? as f64;
    // What is not a number is too much.
    if bytes <= there {
        return None;
    }
    let needed = match bytes / 1e9 {
        needed if needed < 1e6 => format!("{needed:.1}"),
        needed => format!("{needed:.0e}"),
    };
    let there = there / 1e9;
    Some(format!(
        "{what} needs at least {needed} GB of memory, and this machine has {there:.1} GB"
    ))
}

/// The number of a line such as `MemTotal:       65836204 kB`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_system_is_read() {
        let text = "MemTotal:       65836204 kB\nMemFree:         1 kB\nHugePages_Total:       0\n";
        assert_eq!(kibibytes(text, "MemTotal:"), Some(65_836_204));
        assert_eq!(kibibytes(text, "MemFree:"), Some(1));
        assert_eq!(kibibytes(text, "SwapTotal:"), None);
        assert_eq!(kibibytes(text, "HugePages_Total:"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn some_of_the_memory_is_free() {
        let (free, there) = (free_memory().unwrap(), machine_memory().unwrap());
        assert!(0 < free && free <= there, "{free} of {there}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_need_above_the_memory_is_stated_with_both_figures() {
        let there = machine_memory().unwrap() as f64;
        assert!(there > 1e7, "{there}");
        assert_eq!(beyond_memory("x", there), None);
        let problem = beyond_memory("x", there + 2e9).unwrap();
        let (needed, has) = ((there + 2e9) / 1e9, there / 1e9);
        let expected =
            format!("x needs at least {needed:.1} GB of memory, and this machine has {has:.1} GB");
        assert_eq!(problem, expected);
        assert!(beyond_memory("x", f64::NAN).is_some());
        assert!(beyond_memory("x", f64::INFINITY).is_some());
    }
}
