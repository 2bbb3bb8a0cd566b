//! What the names of folders and archives say: parts of a data set, and numbered shards.

/// Names of the parts of a data set.
const SPLITS: [&str; 9] = [
    "train",
    "training",
    "val",
    "valid",
    "validation",
    "test",
    "testing",
    "dev",
    "eval",
];

/// The part of a data set that a name stands for: one of its words is `train`, `val`, `test` or the like, as in
/// `val2017` and `ILSVRC2012_img_train`.
pub(crate) fn split_of(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let mut words = lower.split(|letter: char| !letter.is_ascii_alphabetic());
    words.find(|word| SPLITS.contains(word)).map(str::to_string)
}

/// Whether a folder is called like a part of a data set, `train` or `val2017`, and not just so in part.
pub(crate) fn is_split(name: &str) -> bool {
    let word = name.trim_end_matches(|letter: char| !letter.is_ascii_alphabetic());
    SPLITS.contains(&word.to_ascii_lowercase().as_str())
}

/// Whether archives are the numbered pieces of one set and not a class each: their names differ in their last
/// number alone, and the numbers follow each other or are set off as in `train-000007` and `00007`.
pub(crate) fn are_shards(stems: &[String]) -> bool {
    let mut prefixes = Vec::new();
    let mut numbers = Vec::new();
    for stem in stems {
        let Some((prefix, number)) = numbered(stem) else {
            return false;
        };
        prefixes.push(prefix);
        numbers.push(number);
    }
    prefixes.dedup();
    let [prefix] = prefixes[..] else {
        return false;
    };
    numbers.sort_unstable();
    let follow = numbers.len() > 1 && numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    follow || prefix.is_empty() || prefix.ends_with(['-', '_', '.'])
}

/// What is before the last number of a stem, and the number. `-of-00010` at the end does not count.
fn numbered(stem: &str) -> Option<(&str, u64)> {
    let digits = |text: &str| {
        text.trim_end_matches(|letter: char| letter.is_ascii_digit())
            .len()
    };
    let end = stem[..digits(stem)].strip_suffix("-of-").unwrap_or(stem);
    let start = digits(end);
    Some((&end[..start], end[start..].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(stems: &[&str]) -> bool {
        are_shards(
            &stems
                .iter()
                .map(|stem| stem.to_string())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn numbered_archives_are_shards_and_synsets_are_not() {
        assert!(shards(&["train-000000", "train-000001"]));
        assert!(shards(&["train-00000-of-00003", "train-00002-of-00003"]));
        assert!(shards(&["part1", "part2", "part3"]));
        assert!(shards(&["000000"]));
        assert!(!shards(&["n01440764", "n01443537"]));
        assert!(!shards(&["n01440764"]));
        assert!(!shards(&["cat", "dog"]));
        assert!(!shards(&["cat1", "dog2"]));
    }

    #[test]
    fn parts_of_a_data_set_are_known_by_their_words() {
        assert_eq!(split_of("ILSVRC2012_img_train").as_deref(), Some("train"));
        assert_eq!(split_of("val2017").as_deref(), Some("val"));
        assert_eq!(split_of("training").as_deref(), Some("training"));
        assert_eq!(split_of("n01440764"), None);
        assert_eq!(split_of("strain"), None);
        assert!(is_split("Train") && is_split("val2017") && is_split("test_"));
        assert!(!is_split("test tube") && !is_split("train station") && !is_split("bullet_train"));
    }
}
