//! Classes as a user names them.

use anyhow::{Result, bail, ensure};
use svg_model::{Bundle, FLOW, uniform};

/// The classes that a flow knows.
pub struct ClassNames {
    pub count: usize,
    /// Their names in the order of their labels; empty if they are not known.
    pub names: Vec<String>,
}

impl ClassNames {
    pub fn of(bundle: &Bundle) -> Result<Self> {
        Ok(Self {
            count: bundle.flow_spec()?.classes,
            names: bundle.part(FLOW)?.classes.clone(),
        })
    }
}

/// What of a model's classes is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Classes {
    /// These, in this order.
    These(Vec<usize>),
    /// Any, drawn for each sample.
    Random,
}

impl Classes {
    /// `207,360`, names of the bundle, `all` or `random`.
    pub fn read(text: &str, flow: &ClassNames) -> Result<Self> {
        match text {
            "all" => return Ok(Self::These((0..flow.count).collect())),
            "random" => return Ok(Self::Random),
            _ => (),
        }
        let mut classes = Vec::new();
        for word in text.split(',').map(str::trim) {
            let class = class(word, flow)?;
            if classes.contains(&class) {
                bail!("--classes names {word} twice; name it once, and say --count");
            }
            classes.push(class);
        }
        Ok(Self::These(classes))
    }
}

/// A class by its number, or by its name where that is no number.
pub fn class(word: &str, flow: &ClassNames) -> Result<usize> {
    let (count, last) = (flow.count, flow.count.saturating_sub(1));
    if let Ok(class) = word.parse::<usize>() {
        ensure!(
            class < count,
            "there is no class {class}: the model has {count}, from 0 to {last}"
        );
        return Ok(class);
    }
    if let Some(class) = flow.names.iter().position(|name| name == word) {
        return Ok(class);
    }
    match flow.names.as_slice() {
        [] => {
            bail!("{word:?} is no class: the model knows no names; write numbers from 0 to {last}")
        }
        [first, .., last] if count > 8 => bail!(
            "{word:?} is none of the model's {count} classes, {first} to {last}; write a name or a number"
        ),
        names => {
            let names = names.join(", ");
            bail!("{word:?} is none of the model's classes {names}; write a name or a number")
        }
    }
}

/// The class of sample `index` of a seed.
pub fn drawn(seed: u64, index: usize, count: usize) -> usize {
    let class = uniform(seed, 0, index as u64) * count as f64;
    (class as usize).min(count.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(names: &[&str]) -> ClassNames {
        ClassNames {
            count: 3,
            names: names.iter().map(|name| name.to_string()).collect(),
        }
    }

    #[test]
    fn numbers_names_all_and_random_are_read() {
        let flow = flow(&["cock", "tench", "7up"]);
        let read = |text: &str| Classes::read(text, &flow).unwrap();
        assert_eq!(read("2,0"), Classes::These(vec![2, 0]));
        assert_eq!(read("tench, 7up"), Classes::These(vec![1, 2]));
        assert_eq!(read("all"), Classes::These(vec![0, 1, 2]));
        assert_eq!(read("random"), Classes::Random);
    }

    #[test]
    fn what_is_no_class_is_named_with_what_there_is() {
        let refused = |text: &str, names: &[&str], expected: &str| {
            let error = Classes::read(text, &flow(names)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        refused("12", &[], "no class 12: the model has 3, from 0 to 2");
        refused("dog", &[], "the model knows no names");
        refused(
            "dog",
            &["a", "b", "c"],
            "none of the model's classes a, b, c",
        );
        refused("1,1", &[], "names 1 twice");
        refused("", &["a", "b", "c"], "\"\" is none of");
    }

    #[test]
    fn drawn_classes_are_of_the_model_and_all_of_it() {
        let classes: Vec<_> = (0..100).map(|index| drawn(3, index, 5)).collect();
        assert!((0..5).all(|class| classes.contains(&class)));
        assert!(classes.iter().all(|class| *class < 5));
    }
}
