//! Conversion of text to HTML: escaping, code and links.

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

/// Escapes text and converts `` `this` `` to code and web addresses to links.
pub fn inline(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // An unpaired backtick is kept.
    let paired = parts.len() % 2 == 1;
    let last = parts.len() - 1;
    let mut html = String::new();
    for (place, part) in parts.iter().enumerate() {
        let code = place % 2 == 1;
        match code {
            true if paired || place < last => {
                html.push_str(&format!("<code>{}</code>", escape(part)));
            }
            true => html.push_str(&format!("`{}", linked(part))),
            false => html.push_str(&linked(part)),
        }
    }
    html
}

fn linked(text: &str) -> String {
    let word = |word: &str| {
        let address = word.trim_end();
        let space = &word[address.len()..];
        let start = address.find("https://").or(address.find("http://"));
        let Some(start) = start else {
            return escape(word);
        };
        let (before, address) = address.split_at(start);
        // Trailing punctuation and brackets are not part of the address.
        let whole = address.trim_end_matches(['.', ',', ';', ':', ')', '!', '?', '"', '\'']);
        let after = &address[whole.len()..];
        let (before, after, whole) = (escape(before), escape(after), escape(whole));
        format!("{before}<a href=\"{whole}\">{whole}</a>{after}{space}")
    };
    text.split_inclusive(char::is_whitespace)
        .map(word)
        .collect()
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

    #[test]
    fn addresses_are_links_without_trailing_punctuation() {
        assert_eq!(
            inline("see (https://a.org/x?y=1&z=2). And\nmore"),
            "see (<a href=\"https://a.org/x?y=1&amp;z=2\">https://a.org/x?y=1&amp;z=2</a>). And\nmore"
        );
        assert_eq!(inline("`https://a.org`"), "<code>https://a.org</code>");
    }
}
