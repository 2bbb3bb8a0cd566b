//! Labels of the pictures of a folder or archive in a file of their own, as validation sets have them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use crate::classes::Class;
use crate::error::ImageError;
use crate::label::{is_number, label};
use crate::list::{lines, wrong};

/// The file of labels in the validation folder of Tiny ImageNet.
pub(crate) const ANNOTATIONS: &str = "val_annotations.txt";

/// The classes of pictures by a file of labels. Its lines name a picture and then its label (`val.txt`,
/// `val_annotations.txt`, `LOC_val_solution.csv`), or are the labels alone, one for each picture in the order of
/// their names.
pub(crate) fn classes(
    text: &str,
    file: &Path,
    pictures: &[&str],
) -> Result<Vec<Class>, ImageError> {
    let rows: Vec<Vec<&str>> = lines(text).map(|(_, line)| columns(line)).collect();
    let mut known = BTreeMap::<String, Arc<str>>::new();
    let mut class = |text: &str| match label(text) {
        Some(label) => Class::Label(
            known
                .entry(label)
                .or_insert_with_key(|key| Arc::from(key.as_str()))
                .clone(),
        ),
        None => Class::None,
    };
    if rows.iter().all(|row| row.len() == 1) {
        check_alone(&rows, file, pictures)?;
        return Ok(rows.iter().map(|row| class(row[0])).collect());
    }
    let pairs = rows.iter().filter_map(|row| match row[..] {
        [name, text, ..] => Some((name, text.split_whitespace().next().unwrap_or(text))),
        _ => None,
    });
    let by_name: HashMap<&str, &str> = pairs.collect();
    let of_each = pictures.iter().map(|picture| {
        let base = picture.rsplit('/').next().unwrap_or_default();
        let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
        let found = [*picture, base, stem]
            .into_iter()
            .find_map(|name| by_name.get(name));
        match found {
            Some(text) => Ok(class(text)),
            None => {
                let reason = format!(
                    "it has no label for {picture}; add a line with its name and its label"
                );
                Err(wrong(file, &reason))
            }
        }
    });
    of_each.collect()
}

/// The columns of a line: set off by tabs, else by commas, else by blanks.
fn columns(line: &str) -> Vec<&str> {
    let split: Vec<&str> = if line.contains('\t') {
        line.split('\t').collect()
    } else if line.contains(',') {
        line.split(',').collect()
    } else {
        line.split_whitespace().collect()
    };
    split.into_iter().map(str::trim).collect()
}

fn check_alone(rows: &[Vec<&str>], file: &Path, pictures: &[&str]) -> Result<(), ImageError> {
    let (labels, count) = (rows.len(), pictures.len());
    if labels != count {
        let reason = format!(
            "it has {labels} lines for {count} pictures; without names, each line is the label of a picture, in \
             the order of their names"
        );
        return Err(wrong(file, &reason));
    }
    let length = |picture: &&str| picture.rsplit('/').next().unwrap_or_default().len();
    if pictures.iter().map(length).collect::<BTreeSet<_>>().len() > 1 {
        let reason = "the names of the pictures differ in length, so that their order is not that of their numbers; \
                      write lines with a picture's name and its label";
        return Err(wrong(file, reason));
    }
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    let is_truth = name.contains("ilsvrc") && name.contains("ground_truth");
    if is_truth && rows.iter().all(|row| is_number(row[0])) {
        let reason = "its numbers are ILSVRC2012_IDs, from 1 and in the order of the development kit's meta.mat, \
                      and not those of classes in the order of their names; give the list of synsets instead \
                      (imagenet_2012_validation_synset_labels.txt), or lines with a picture's name and its class";
        return Err(wrong(file, reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, file: &str) -> Result<Vec<Option<String>>, String> {
        let pictures = ["val/a_1.JPEG", "val/a_2.JPEG", "val/a_3.JPEG"];
        let found = classes(text, Path::new(file), &pictures).map_err(|error| error.to_string())?;
        Ok(found
            .iter()
            .map(|class| class.name().map(str::to_string))
            .collect())
    }

    fn some(labels: [&str; 3]) -> Result<Vec<Option<String>>, String> {
        Ok(labels.iter().map(|label| Some(label.to_string())).collect())
    }

    #[test]
    fn labels_belong_to_names_or_to_the_order_of_names() {
        let expected = some(["n02", "n01", "n02"]);
        for text in [
            "n02\nn01\nn02\n",
            "a_2.JPEG\tn01\t0\t9\na_1.JPEG\tn02\t0\t9\na_3.JPEG\tn02\t0\t9\n",
            "a_3.JPEG n02\na_2.JPEG n01\na_1.JPEG n02\n",
            "ImageId,PredictionString\na_3,n02 1 2 3 4\na_2,n01 1 2 3 4 n01 5 6 7 8\na_1,n02 1 2 3 4\n",
        ] {
            assert_eq!(check(text, "labels.txt"), expected, "{text:?}");
        }
        assert_eq!(check("2\n0\n1\n", "labels.txt"), some(["2", "0", "1"]));
    }

    #[test]
    fn labels_alone_need_names_whose_order_is_that_of_their_numbers() {
        let message = classes("a\nb\n", Path::new("labels.txt"), &["1.png", "10.png"]);
        let message = message.unwrap_err().to_string();
        assert!(message.contains("differ in length"), "{message}");
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let refused = |text: &str, file: &str, expected: &str| {
            let message = check(text, file).unwrap_err();
            assert!(message.contains(expected), "{message}");
        };
        refused("n02\nn01\n", "labels.txt", "2 lines for 3 pictures");
        refused(
            "a_1.JPEG 0\na_2.JPEG 1\n",
            "labels.txt",
            "no label for val/a_3.JPEG",
        );
        refused(
            "490\n361\n171\n",
            "ILSVRC2012_validation_ground_truth.txt",
            "ILSVRC2012_IDs",
        );
    }
}
