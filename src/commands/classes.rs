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
        // A name may have commas in it.
        if text.contains(',')
            && let [class] = places(text, flow)[..]
        {
            return Ok(Self::These(vec![class]));
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

/// The places of a name among the classes.
fn places(name: &str, flow: &ClassNames) -> Vec<usize> {
    let places = flow
        .names
        .iter()
        .enumerate()
        .filter(|(_, known)| *known == name);
    places.map(|(place, _)| place).collect()
}

/// A class by its name or its number. `#2` is always the number. A word that is the name of one class and the
/// number of another is refused.
pub fn class(word: &str, flow: &ClassNames) -> Result<usize> {
    let (count, last) = (flow.count, flow.count.saturating_sub(1));
    let checked = |class: usize| {
        ensure!(
            class < count,
            "there is no class {class}: the model has {count}, from 0 to {last}"
        );
        Ok(class)
    };
    let number = |text: &str| text.parse::<usize>().ok();
    if let Some(class) = word.strip_prefix('#').and_then(number) {
        return checked(class);
    }
    match (places(word, flow)[..].first(), number(word)) {
        (Some(&place), Some(class)) if place != class && class < count => bail!(
            "{word} is the name of class {place} and the number of the class named {:?}; write '#{place}' for the \
             one or '#{class}' for the other",
            flow.names.get(class).map_or("", |name| name)
        ),
        (Some(&place), _) => return Ok(place),
        (None, Some(class)) => return checked(class),
        (None, None) => (),
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
    fn a_word_that_is_a_name_and_another_number_is_refused_with_both() {
        let flow = flow(&["0", "10", "2"]);
        let read = |text: &str| Classes::read(text, &flow);
        assert_eq!(read("0").unwrap(), Classes::These(vec![0]));
        assert_eq!(read("10").unwrap(), Classes::These(vec![1]));
        assert_eq!(read("#2,#1").unwrap(), Classes::These(vec![2, 1]));
        assert_eq!(read("1").unwrap(), Classes::These(vec![1]));
        assert!(read("#3").is_err());
        let two = ClassNames {
            count: 3,
            names: ["1", "2", "3"].map(String::from).into(),
        };
        let message = Classes::read("2", &two).unwrap_err().to_string();
        assert!(
            message.contains("'#1'") && message.contains("'#2'"),
            "{message}"
        );
        assert!(message.contains("named \"3\""), "{message}");
    }

    #[test]
    fn a_name_may_have_commas() {
        let flow = flow(&["cock", "tench, Tinca tinca", "7up"]);
        let read = Classes::read("tench, Tinca tinca", &flow).unwrap();
        assert_eq!(read, Classes::These(vec![1]));
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
