//! Progress on standard error, and silence where nobody watches.

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// A bar that counts `total` images and shows how many pass in a second. Drawn on terminals only.
pub fn image_bar(total: usize, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(total as u64).with_message(what.to_string());
    let template = "{msg} [{wide_bar}] {pos}/{len}, {rate}, {eta} left";
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key(
            "rate",
            |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = write!(out, "{:.1} images/s", state.per_sec());
            },
        )
        .progress_chars("=> ");
    bar.set_style(style);
    bar
}

/// A bar that counts `total` evaluations of a network. Drawn on terminals only.
pub fn evaluation_bar(total: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(what.to_string());
    let template = "{msg} [{wide_bar}] {pos}/{len} evaluations, {eta} left";
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    bar.set_style(style);
    bar
}
