//! Numbers of a step that are still on a device.

use std::fmt;

use burn::prelude::*;
use burn::tensor::DType;

use crate::log::Scalars;

/// What the numbers of a step are for the log, when they have been read.
type Named = Box<dyn FnOnce(&[f64]) -> Scalars + Send>;

/// Numbers of a step that are still on a device, and what they are for the log.
///
/// Reading a number waits for all that the device has to do before it. So a stage leaves its numbers there, and all
/// that are needed at once are [read together](Self::read_all), in one transfer.
///
/// ```
/// use burn::prelude::*;
/// use svg_train::log::Scalars;
/// use svg_train::run::Unread;
///
/// let sum = Tensor::<1>::from_floats([3.0, 4.0], &Device::default()).sum();
/// let loss = Unread::new(vec![sum], |values| Scalars::new().with("loss", values[0] / 2.0));
/// assert_eq!(loss.read().get("loss"), Some(3.5));
/// ```
pub struct Unread {
    numbers: Vec<Tensor<1>>,
    named: Named,
}

impl Unread {
    /// Numbers, `[1]` each, and what they are called; `named` is given their values in their order.
    pub fn new(
        numbers: Vec<Tensor<1>>,
        named: impl FnOnce(&[f64]) -> Scalars + Send + 'static,
    ) -> Self {
        let plain = |number: Tensor<1>| number.detach().without_autodiff().cast(DType::F32);
        Self {
            numbers: numbers.into_iter().map(plain).collect(),
            named: Box::new(named),
        }
    }

    /// Numbers, `[1]` each, by their names.
    pub fn named<const N: usize>(names: [&'static str; N], numbers: [Tensor<1>; N]) -> Self {
        Self::new(numbers.to_vec(), move |values| {
            let named = names.into_iter().zip(values);
            named.fold(Scalars::new(), |named, (name, value)| {
                named.with(name, *value)
            })
        })
    }

    /// Numbers that are known already.
    pub fn known(scalars: Scalars) -> Self {
        Self::new(vec![], |_| scalars)
    }

    /// Both, and of what both are called something else.
    pub(crate) fn joined(
        self,
        other: Self,
        join: impl FnOnce(Scalars, Scalars) -> Scalars + Send + 'static,
    ) -> Self {
        let count = self.numbers.len();
        let (one, two) = (self.named, other.named);
        Self {
            numbers: [self.numbers, other.numbers].concat(),
            named: Box::new(move |values| join(one(&values[..count]), two(&values[count..]))),
        }
    }

    /// These, then the others.
    pub fn and(self, other: Self) -> Self {
        self.joined(other, |mut one, two| {
            one.append(two);
            one
        })
    }

    /// The means of the numbers of each name over those that have it.
    pub(crate) fn mean(all: Vec<Self>) -> Self {
        let counts: Vec<usize> = all.iter().map(|one| one.numbers.len()).collect();
        let (numbers, named): (Vec<_>, Vec<_>) =
            all.into_iter().map(|one| (one.numbers, one.named)).unzip();
        let means = move |values: &[f64]| Scalars::mean(&apart(values, &counts, named));
        Self {
            numbers: numbers.concat(),
            named: Box::new(means),
        }
    }

    /// Reads them, in one transfer.
    pub fn read(self) -> Scalars {
        Self::read_all(vec![self]).remove(0)
    }

    /// Reads the numbers of several, in one transfer.
    pub fn read_all(all: Vec<Self>) -> Vec<Scalars> {
        let counts: Vec<usize> = all.iter().map(|one| one.numbers.len()).collect();
        let (numbers, named): (Vec<_>, Vec<_>) =
            all.into_iter().map(|one| (one.numbers, one.named)).unzip();
        apart(&values(numbers.concat()), &counts, named)
    }
}

impl fmt::Debug for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unread({} numbers)", self.numbers.len())
    }
}

/// Values that were put together, each under the names that it has.
fn apart(values: &[f64], counts: &[usize], named: Vec<Named>) -> Vec<Scalars> {
    let mut rest = values;
    let counted = named.into_iter().zip(counts);
    let named = counted.map(|(named, count)| {
        let (own, others) = rest.split_at(*count);
        rest = others;
        named(own)
    });
    named.collect()
}

fn values(numbers: Vec<Tensor<1>>) -> Vec<f64> {
    let Some(device) = numbers.first().map(Tensor::device) else {
        return vec![];
    };
    let here = |number: Tensor<1>| number.to_device(&device);
    let numbers = numbers.into_iter().map(here).collect();
    let data = Tensor::cat(numbers, 0).into_data();
    data.convert::<f64>().iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: f32) -> Tensor<1> {
        Tensor::from_floats([value], &Device::default())
    }

    fn named(name: &'static str, value: f32) -> Unread {
        Unread::named([name], [number(value)])
    }

    #[test]
    fn each_gets_its_own_numbers_of_those_that_are_read_together() {
        let both = named("a", 1.0).and(named("b", 2.0));
        let known = Unread::known(Scalars::new().with("c", 0.1));
        let mean = Unread::mean(vec![named("d", 3.0), named("d", 5.0), named("e", 7.0)]);
        let read = Unread::read_all(vec![both, known, mean]);
        let all: Vec<Vec<_>> = read.iter().map(|one| one.iter().collect()).collect();
        let expected = [
            vec![("a", 1.0), ("b", 2.0)],
            vec![("c", 0.1)],
            vec![("d", 4.0), ("e", 7.0)],
        ];
        assert_eq!(all, expected);
        assert!(Unread::read_all(vec![]).is_empty());
    }
}
