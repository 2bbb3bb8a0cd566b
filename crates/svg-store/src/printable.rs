//! Names as they stand in messages.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

/// A name in one line of a message, whatever characters it has: those that move the cursor, colour the text or turn
/// its direction are escaped.
///
/// Names come from other people's files and archives. Printed as they are, they could clear a terminal or forge the
/// lines after them.
///
/// ```
/// assert_eq!(svg_store::printable("a\u{1b}[2Jb\n.png"), r"a\x1b[2Jb\n.png");
/// assert_eq!(svg_store::printable("größe 1.png"), "größe 1.png");
/// ```
pub fn printable(name: &str) -> Cow<'_, str> {
    escaped(name, |_| false)
}

/// [`printable`] for text of several lines: line feeds and tabs stay.
///
/// ```
/// assert_eq!(svg_store::printable_lines("a:\n\tb\r"), "a:\n\tb\\r");
/// ```
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| matches!(character, '\n' | '\t'))
}

/// A path in one line of a message, as [`printable`].
pub fn printable_path(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let controls = |character: char| is_control(character) && !stays(character);
    if !text.contains(controls) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            _ if !controls(character) => out.push(character),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // A string takes everything.
            '\0'..='\u{ff}' => _ = write!(out, "\\x{:02x}", u32::from(character)),
            _ => out.extend(character.escape_unicode()),
        }
    }
    Cow::Owned(out)
}

/// Whether a character controls a terminal, ends a line or turns the direction of text.
fn is_control(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || turns || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_is_left_in_a_name() {
        let all: String = ('\0'..='\u{2fff}').collect();
        let shown = printable(&all);
        assert!(!shown.contains(char::is_control));
        assert!(!shown.contains(['\u{202e}', '\u{2066}', '\u{2028}']));
        assert_eq!(printable(&shown), shown, "an escaped name stays as it is");
    }

    #[test]
    fn every_kind_of_escape_can_be_read() {
        let name = "\u{1b}]0;t\u{7}\u{9b}1m\u{202e}gnp.a\r\t";
        assert_eq!(printable(name), r"\x1b]0;t\x07\x9b1m\u{202e}gnp.a\r\t");
        assert_eq!(printable_path(Path::new("a\nb")), r"a\nb");
    }
}
