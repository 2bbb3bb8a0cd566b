//! What a file holds, in one line.

use std::collections::BTreeMap;

use svg_store::printable;

/// How many names a line has.
const SHOWN: usize = 8;

/// `model (27 tensors), optimizer (54 tensors), step`: the first parts of names in which they differ, with
/// counts, and the whole names of single ones; a few of them.
pub fn contents<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let mut before = String::new();
    let groups = loop {
        let groups = grouped(&names, &before);
        match groups.keys().next() {
            Some(part) if groups.len() == 1 && is_folder(&names, &before, part) => {
                before = format!("{before}{part}.");
            }
            _ => break groups,
        }
    };
    let mut all: Vec<_> = groups
        .iter()
        .map(|(part, names)| match names[..] {
            [name] => printable(name).into_owned(),
            _ => format!(
                "{} ({} tensors)",
                printable(&format!("{before}{part}")),
                names.len()
            ),
        })
        .collect();
    let more = all.len().saturating_sub(SHOWN);
    all.truncate(SHOWN);
    match (all.is_empty(), more) {
        (true, _) => "nothing".to_string(),
        (_, 0) => all.join(", "),
        _ => format!("{} and {more} more", all.join(", ")),
    }
}

/// The parts that follow, and the names that have each.
fn grouped<'a>(names: &[&'a str], before: &str) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for &name in names {
        if let Some(rest) = name.strip_prefix(before) {
            let part = rest.split('.').next().unwrap_or(rest);
            groups.entry(part).or_default().push(name);
        }
    }
    groups
}

fn is_folder(names: &[&str], before: &str, part: &str) -> bool {
    let folder = format!("{before}{part}.");
    names.iter().any(|name| name.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_names_part() {
        let names = ["state_dict.a.x", "state_dict.a.y", "state_dict.b"];
        assert_eq!(contents(names), "state_dict.a (2 tensors), state_dict.b");
        assert_eq!(contents(["a.b.c"]), "a.b.c");
        assert_eq!(contents([]), "nothing");
        let many: Vec<_> = (0..11).map(|i| format!("n{i}")).collect();
        let line = contents(many.iter().map(String::as_str));
        assert!(line.ends_with("and 3 more"), "{line}");
    }
}
