//! Progress on standard error, and silence where nobody watches.
//!
//! Nothing that is said here can end the work: a terminal may be closed, and a log may lie on a full disk.

use std::io::Write as _;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use svg_store::{printable, printable_lines};

/// Writes a line to standard error, as `eprintln!` does, which panics where that cannot be written to. Names in it may
/// be other people's: what would control a terminal is escaped.
macro_rules! status {
    ($($text:tt)*) => {
        $crate::progress::write_status(&format!($($text)*))
    };
}
pub(crate) use status;

/// What `status!` does with the text of a line.
pub fn write_status(line: &str) {
    // One write for a line, so that lines of several processes do not mix.
    let line = format!("{}\n", printable_lines(line));
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// A bar that counts `total` images and shows how many pass in a second. Drawn on terminals only.
pub fn image_bar(total: usize, what: &str) -> ProgressBar {
    let template = "{msg} [{wide_bar}] {pos}/{len}, {rate}, {eta} left";
    bar(total as u64, what, template)
}

/// A bar that counts `total` evaluations of a network. Drawn on terminals only.
pub fn evaluation_bar(total: u64, what: &str) -> ProgressBar {
    let template = "{msg} [{wide_bar}] {pos}/{len} evaluations, {eta} left";
    bar(total, what, template)
}

/// A bar that counts bytes, of a number that is set later. Drawn on terminals only.
pub fn byte_bar(what: &str) -> ProgressBar {
    let template = "{msg} [{wide_bar}] {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
    bar(0, what, template)
}

/// A bar with this message, in whose template `{rate}` are images per second.
pub fn bar(total: u64, message: &str, template: &str) -> ProgressBar {
    let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = write!(out, "{:.1} images/s", state.per_sec());
    };
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let style = style.with_key("rate", rate).progress_chars("=> ");
    ProgressBar::new(total)
        .with_style(style)
        .with_message(printable(message).into_owned())
}
