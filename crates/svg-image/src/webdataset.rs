//! Labels of samples as WebDataset packs them: files that share their name up to its first dot, such as
//! `000.jpg` and `000.cls`.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::label::{json_label, label};
use crate::links::Member;
use crate::source::is_picture;

/// The name of a member's sample, and the rest of the member's name in lower case.
pub(crate) fn sample(name: &str) -> (&str, String) {
    let base = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[base..].find('.') {
        Some(dot) => {
            let (sample, rest) = name.split_at(base + dot);
            (sample, rest[1..].to_ascii_lowercase())
        }
        None => (name, String::new()),
    }
}

/// The labels of samples with pictures, by the name of the sample, and the ending of the files that hold them:
/// `cls`, which is a number or a name, or else, where no picture lies in a folder, `json`, in whose object the label
/// is one of the usual fields.
pub(crate) fn labels(members: &[Member]) -> io::Result<(HashMap<String, String>, &'static str)> {
    let is_label = |member: &Member| {
        [".cls", ".json"]
            .iter()
            .any(|end| member.name.to_ascii_lowercase().ends_with(end))
    };
    if !members.iter().any(is_label) {
        return Ok((HashMap::new(), ""));
    }
    let pictures = members.iter().filter(|member| is_picture(&member.name));
    let pictures: HashSet<&str> = pictures.map(|member| sample(&member.name).0).collect();
    let mut found = HashMap::new();
    // Objects beside pictures in folders may be about anything.
    let in_folders = pictures.iter().any(|sample| sample.contains('/'));
    let endings = if in_folders {
        &["cls"][..]
    } else {
        &["cls", "json"][..]
    };
    for &ending in endings {
        for member in members {
            let (key, rest) = sample(&member.name);
            if rest != ending || !pictures.contains(key) {
                continue;
            }
            let text = String::from_utf8_lossy(&member.place.read()?).into_owned();
            let label = match ending {
                "cls" => label(&text),
                _ => serde_json::from_str(&text)
                    .ok()
                    .and_then(|value| json_label(&value)),
            };
            if let Some(label) = label {
                found.insert(key.to_string(), label);
            }
        }
        if !found.is_empty() {
            return Ok((found, ending));
        }
    }
    Ok((found, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_end_at_the_first_dot_of_the_last_part() {
        let check = |name, key, rest: &str| assert_eq!(sample(name), (key, rest.to_string()));
        check("a.b/000.left.JPG", "a.b/000", "left.jpg");
        check("000.cls", "000", "cls");
        check("a.b/plain", "a.b/plain", "");
    }
}
