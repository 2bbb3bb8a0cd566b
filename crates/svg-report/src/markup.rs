//! Text as HTML: what must be escaped is escaped, and two small marks are recognised.

/// Text for any place of a document, between tags or in a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // HTML has no way to write the control characters.
            other if other.is_control() && !matches!(other, '\n' | '\t') => {}
            other => escaped.push(other),
        }
    }
    escaped
}

/// Escaped text in which `` `this` `` is code and an address of the web is a link.
pub fn inline(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // Without a partner, a mark is a mark.
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
        // What ends a sentence or a bracket does not belong to the address in it.
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
    fn what_means_something_in_html_is_escaped() {
        assert_eq!(
            escape("<b class=\"x\">'Q' & A</b>\u{0}"),
            "&lt;b class=&quot;x&quot;&gt;&#39;Q&#39; &amp; A&lt;/b&gt;"
        );
    }

    #[test]
    fn marks_in_pairs_are_code_and_others_are_themselves() {
        assert_eq!(inline("run `a < b` now"), "run <code>a &lt; b</code> now");
        assert_eq!(inline("one ` mark"), "one ` mark");
        assert_eq!(inline("`a` and `b"), "<code>a</code> and `b");
    }

    #[test]
    fn an_address_is_a_link_and_the_full_stop_is_not_part_of_it() {
        assert_eq!(
            inline("see (https://a.org/x?y=1&z=2). And\nmore"),
            "see (<a href=\"https://a.org/x?y=1&amp;z=2\">https://a.org/x?y=1&amp;z=2</a>). And\nmore"
        );
        assert_eq!(inline("`https://a.org`"), "<code>https://a.org</code>");
    }
}
