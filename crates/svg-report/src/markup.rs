//! Conversion of text to HTML.

/// Escapes text for use between tags or in a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // HTML cannot represent control characters.
            other if other.is_control() && !matches!(other, '\n' | '\t') => {}
            other => escaped.push(other),
        }
    }
    escaped
}

/// Escapes text and converts `` `this` `` to code. An unpaired backtick is kept.
pub fn inline(text: &str) -> String {
    let escaped = escape(text);
    let (mut html, mut rest) = (String::new(), escaped.as_str());
    while let Some((before, after)) = rest.split_once('`')
        && let Some((code, after)) = after.split_once('`')
    {
        html += &format!("{before}<code>{code}</code>");
        rest = after;
    }
    html + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_special_characters_are_escaped() {
        assert_eq!(
            escape("<b class=\"x\">'Q' & A</b>\u{0}"),
            "&lt;b class=&quot;x&quot;&gt;&#39;Q&#39; &amp; A&lt;/b&gt;"
        );
    }

    #[test]
    fn paired_backticks_are_code_and_others_are_kept() {
        assert_eq!(inline("run `a < b` now"), "run <code>a &lt; b</code> now");
        assert_eq!(inline("one ` mark"), "one ` mark");
        assert_eq!(inline("`a` and `b"), "<code>a</code> and `b");
    }
}
