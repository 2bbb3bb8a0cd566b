//! Ten colours that are distinguishable with any colour vision, for light and dark backgrounds.
//!
//! The first seven follow Okabe and Ito, *Color Universal Design* (2008), the others Paul Tol's muted scheme;
//! each is darkened or lightened for its background.

/// Number of colours.
pub const COLOURS: usize = 10;

/// Colours for light backgrounds.
pub const ON_LIGHT: [&str; COLOURS] = [
    "#0072b2", "#d55e00", "#00916a", "#c2649a", "#d99100", "#3aa3dc", "#882255", "#767616",
    "#5b4bb8", "#6b6b6b",
];

const ON_DARK: [&str; COLOURS] = [
    "#4ea6e6", "#f2874a", "#2fc99d", "#e6a0c8", "#f2b93d", "#93d6ff", "#d9668f", "#c8c85c",
    "#a195f2", "#b4b4b4",
];

/// CSS rules that set `--c` to the colour of each class `c0`, `c1`, ...
pub fn style() -> String {
    let variables = |colours: [&str; COLOURS]| -> String {
        let colour = |(place, colour)| format!("--c{place}:{colour};");
        colours.iter().enumerate().map(colour).collect()
    };
    let classes: String = (0..COLOURS)
        .map(|place| format!(".c{place}{{--c:var(--c{place})}}\n"))
        .collect();
    format!(
        ":root{{{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n{classes}",
        variables(ON_LIGHT),
        variables(ON_DARK)
    )
}
