//! Numbers on the command line.

use std::fmt::{Display, LowerExp};
use std::ops::RangeInclusive;
use std::str::FromStr;

use svg_store::outside;

/// The most threads that decode pictures.
pub const WORKERS: RangeInclusive<usize> = 0..=1024;
/// Sides of pictures in pixels.
pub const PIXELS: RangeInclusive<u32> = 1..=(*svg_nn::SIDE.end() as u32);
/// How many of something are taken.
pub const SOME: RangeInclusive<usize> = 1..=usize::MAX;

/// Reads a number that lies in a range, which the message for any other text names.
pub fn within<T>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Display + LowerExp + Copy + Send + Sync + 'static,
{
    move |text: &str| {
        let (low, high) = (range.start(), range.end());
        let expected = || format!("expected a number from {low} to {high}");
        let number = text.parse::<T>().map_err(|_| expected())?;
        match outside("it", number, range.clone()) {
            None => Ok(number),
            Some(_) => Err(expected()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_if_it_lies_in_the_range_and_the_range_is_named_if_not() {
        let read = within(1..=100_000_usize);
        assert_eq!((read("1"), read("100000")), (Ok(1), Ok(100_000)));
        for text in [
            "0",
            "100001",
            "4294967296",
            "18446744073709551616",
            "-1",
            "1.5",
            "",
            "x",
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error, "expected a number from 1 to 100000", "{text}");
        }
        let read = within(1e-3..=1e3);
        assert_eq!(read("0.15"), Ok(0.15));
        for text in ["0", "-1", "1e300", "inf", "-inf", "NaN", "nan", "x"] {
            let error = read(text).unwrap_err();
            assert_eq!(error, "expected a number from 0.001 to 1000", "{text}");
        }
    }
}
