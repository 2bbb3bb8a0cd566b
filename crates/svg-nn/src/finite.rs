//! Whether numbers are numbers.

use burn::store::bridge;

use crate::StoredTensor;

/// Values that are looked at before the next decision, so that the compiler vectorises the look.
const CHUNK: usize = 4096;

/// In words, how many of `values` are NaN or infinite; `None` if none is.
///
/// ```
/// assert_eq!(svg_nn::not_finite(&[1.0, -2.0]), None);
/// assert_eq!(svg_nn::not_finite(&[1.0, f32::NAN]).unwrap(), "1 of 2 numbers is NaN or infinite");
/// ```
pub fn not_finite(values: &[f32]) -> Option<String> {
    let bad = |chunk: &[f32]| {
        chunk
            .iter()
            .map(|v| usize::from(!v.is_finite()))
            .sum::<usize>()
    };
    let count: usize = values.chunks(CHUNK).map(bad).sum();
    let is = if count == 1 { "is" } else { "are" };
    (count > 0).then(|| format!("{count} of {} numbers {is} NaN or infinite", values.len()))
}

/// What is wrong with the numbers of a tensor, after its name: NaN or infinite in f32, or not to be read.
pub fn unusable(tensor: &StoredTensor) -> Option<String> {
    let name = &tensor.name;
    match bridge::to_data(tensor) {
        Err(error) => Some(format!("{name}: {error}")),
        Ok(data) => {
            let numbers: Vec<f32> = data.iter::<f32>().collect();
            not_finite(&numbers).map(|reason| format!("{name}: {reason}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_looked_at() {
        let mut values = vec![f32::MAX; CHUNK + 7];
        assert_eq!(not_finite(&values), None);
        assert_eq!(not_finite(&[]), None);
        for place in [0, CHUNK - 1, CHUNK, CHUNK + 6] {
            values[place] = f32::INFINITY;
            let said = not_finite(&values).unwrap();
            assert_eq!(
                said,
                format!("1 of {} numbers is NaN or infinite", CHUNK + 7)
            );
            values[place] = -1.0;
        }
    }
}
