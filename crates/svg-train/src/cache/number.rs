//! The type of numbers on disk.

use std::fmt;
use std::str::FromStr;

use burn::tensor::{DType, f16};
use serde::{Deserialize, Serialize};
use svg_store::Dtype;

/// How a feature is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheType {
    /// Half precision: an error of at most 2^-11, or 0.05 %, of each number above 6e-5, and of at most 3e-8
    /// below; numbers beyond 65,504 are refused. The size is half.
    #[default]
    F16,
    /// Single precision: the encoder's numbers, bit for bit.
    F32,
}

impl CacheType {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        self.in_memory().size()
    }

    pub(super) fn in_memory(self) -> DType {
        match self {
            Self::F16 => DType::F16,
            Self::F32 => DType::F32,
        }
    }

    pub(super) fn on_disk(self) -> Dtype {
        match self {
            Self::F16 => Dtype::F16,
            Self::F32 => Dtype::F32,
        }
    }

    /// Appends numbers, least byte first. The first that does not fit is returned instead.
    pub(super) fn pack(self, values: &[f32], bytes: &mut Vec<u8>) -> Result<(), f32> {
        let fits = |value: f32| match self {
            Self::F16 => f16::from_f32(value).is_finite(),
            Self::F32 => value.is_finite(),
        };
        if let Some(&value) = values.iter().find(|value| !fits(**value)) {
            return Err(value);
        }
        let values = values.iter();
        match self {
            Self::F16 => bytes.extend(values.flat_map(|value| f16::from_f32(*value).to_le_bytes())),
            Self::F32 => bytes.extend(values.flat_map(|value| value.to_le_bytes())),
        }
        Ok(())
    }

    /// The numbers that [`pack`](Self::pack) has packed. False if one is infinite or no number, which it never packs.
    #[must_use]
    pub(super) fn unpack(self, bytes: &[u8], values: &mut [f32]) -> bool {
        // The largest magnitude by its bits, as a signed integer: without a branch, so that the loops are vectorised.
        match self {
            Self::F16 => {
                let mut largest = 0i16;
                for (value, word) in values.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    let bits = u16::from_le_bytes(*word);
                    largest = largest.max((bits & 0x7fff) as i16);
                    *value = widened(bits);
                }
                largest < 0x7c00
            }
            Self::F32 => {
                let mut largest = 0i32;
                for (value, word) in values.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    let bits = u32::from_le_bytes(*word);
                    largest = largest.max((bits & 0x7fff_ffff) as i32);
                    *value = f32::from_bits(bits);
                }
                largest < 0x7f80_0000
            }
        }
    }
}

/// A finite half as a single, without a branch, so that the loop over a batch is vectorised.
///
/// The exponent's bias differs by 112 between the two, and a product with 2^112 also puts right the numbers
/// below the normal ones.
fn widened(bits: u16) -> f32 {
    let magnitude =
        f32::from_bits(u32::from(bits & 0x7fff) << 13) * f32::from_bits((112 + 127) << 23);
    f32::from_bits(magnitude.to_bits() | u32::from(bits & 0x8000) << 16)
}

impl fmt::Display for CacheType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.in_memory().name())
    }
}

impl FromStr for CacheType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut known = [Self::F16, Self::F32].into_iter();
        known
            .find(|known| known.to_string() == text)
            .ok_or_else(|| format!("{text} is no type of a cache; known are f16 and f32"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(dtype: CacheType, values: &[f32]) -> Vec<f32> {
        let (mut bytes, mut back) = (Vec::new(), vec![0.0; values.len()]);
        dtype.pack(values, &mut bytes).unwrap();
        assert_eq!(bytes.len(), values.len() * dtype.bytes());
        assert!(dtype.unpack(&bytes, &mut back));
        back
    }

    #[test]
    fn every_finite_half_is_widened_exactly() {
        for bits in 0..=u16::MAX {
            let half = f16::from_bits(bits);
            if half.is_finite() {
                assert_eq!(
                    widened(bits).to_bits(),
                    half.to_f32().to_bits(),
                    "{bits:04x}"
                );
            }
        }
    }

    #[test]
    fn single_precision_keeps_every_bit() {
        let values = [0.0, -0.0, 1.0 / 3.0, -1e-40, f32::MAX];
        let back = there_and_back(CacheType::F32, &values);
        assert_eq!(back.map_bits(), values.to_vec().map_bits());
    }

    trait Bits {
        fn map_bits(self) -> Vec<u32>;
    }

    impl Bits for Vec<f32> {
        fn map_bits(self) -> Vec<u32> {
            self.into_iter().map(f32::to_bits).collect()
        }
    }

    #[test]
    fn half_precision_has_an_error_of_less_than_a_thousandth() {
        let values: Vec<f32> = (1..100_000)
            .map(|i| (i as f32 * 0.37).sin() * 8.0)
            .collect();
        for (value, found) in values.iter().zip(there_and_back(CacheType::F16, &values)) {
            let bar = (value.abs() * 2f32.powi(-11)).max(3e-8);
            assert!((value - found).abs() <= bar, "{value} became {found}");
        }
    }

    #[test]
    fn what_is_no_number_is_said_wherever_it_stands() {
        for bits in 0..=u16::MAX {
            let mut bytes = [0; 40];
            let place = usize::from(bits) % 20;
            bytes[2 * place..][..2].copy_from_slice(&bits.to_le_bytes());
            let finite = CacheType::F16.unpack(&bytes, &mut [0.0; 20]);
            assert_eq!(finite, f16::from_bits(bits).is_finite(), "{bits:04x}");
        }
        for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut bytes = [0; 80];
            bytes[76..].copy_from_slice(&value.to_le_bytes());
            assert!(!CacheType::F32.unpack(&bytes, &mut [0.0; 20]), "{value}");
        }
    }

    #[test]
    fn a_number_that_does_not_fit_is_returned() {
        let mut bytes = Vec::new();
        assert_eq!(CacheType::F16.pack(&[1.0, 7e4], &mut bytes), Err(7e4));
        assert!(
            CacheType::F32
                .pack(&[f32::NAN], &mut bytes)
                .unwrap_err()
                .is_nan()
        );
        assert!(bytes.is_empty());
        let error = "f64".parse::<CacheType>().unwrap_err();
        assert!(error.contains("known are f16 and f32"), "{error}");
    }
}
