//! Types of elements.

use std::fmt;

use super::error::NpyProblem;

/// Type of an array's elements: integers of 1 to 8 bytes, or floating-point numbers of 2, 4 or 8. It is written as NumPy
/// names it: `uint8`, `float64`, `big-endian int32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NpyType {
    kind: Kind,
    /// Bytes of an element.
    size: usize,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Signed,
    Unsigned,
    Float,
}

impl NpyType {
    /// Type of bytes, of which pictures are made.
    pub const UINT8: Self = Self {
        kind: Kind::Unsigned,
        size: 1,
        big_endian: false,
    };

    /// Reads NumPy's `descr`, such as `<f8`.
    pub(super) fn parse(descr: &str) -> Result<Self, NpyProblem> {
        let other = || NpyProblem::Elements(named(descr));
        let mut letters = descr.chars();
        let order = letters.next().unwrap_or_default();
        let kind = letters.next().unwrap_or_default();
        let size = match letters.as_str() {
            "1" => 1,
            "2" => 2,
            "4" => 4,
            "8" => 8,
            _ if kind == 'O' => return Err(NpyProblem::Pickled),
            _ if kind == 'V' => return Err(NpyProblem::Records),
            _ => return Err(other()),
        };
        let kind = match (kind, size) {
            ('i', _) => Kind::Signed,
            ('u', _) => Kind::Unsigned,
            ('f', 2..) => Kind::Float,
            ('O', _) => return Err(NpyProblem::Pickled),
            ('V', _) => return Err(NpyProblem::Records),
            _ => return Err(other()),
        };
        let big_endian = match (order, size) {
            ('<', _) | ('|' | '>', 1) => false,
            ('>', _) => true,
            _ => return Err(other()),
        };
        Ok(Self {
            kind,
            size,
            big_endian,
        })
    }

    /// Bytes of an element.
    pub fn size(self) -> usize {
        self.size
    }

    /// Whether the elements are integers.
    pub fn is_integer(self) -> bool {
        self.kind != Kind::Float
    }

    /// The element of these bytes; an integer of more than 53 bits is rounded.
    pub(super) fn to_f64(self, bytes: &[u8]) -> f64 {
        let bits = self.bits(bytes);
        match (self.kind, self.size) {
            (Kind::Unsigned, _) => bits as f64,
            (Kind::Signed, _) => self.extended(bits) as f64,
            (Kind::Float, 2) => half(bits as u16),
            (Kind::Float, 4) => f32::from_bits(bits as u32).into(),
            (Kind::Float, _) => f64::from_bits(bits),
        }
    }

    /// The integer of these bytes; `None` if it is above the largest or no integer at all.
    pub(super) fn to_i64(self, bytes: &[u8]) -> Option<i64> {
        let bits = self.bits(bytes);
        match self.kind {
            Kind::Unsigned => i64::try_from(bits).ok(),
            Kind::Signed => Some(self.extended(bits)),
            Kind::Float => None,
        }
    }

    fn bits(self, bytes: &[u8]) -> u64 {
        let join = |bits: u64, byte: &u8| bits << 8 | u64::from(*byte);
        match self.big_endian {
            true => bytes.iter().fold(0, join),
            false => bytes.iter().rev().fold(0, join),
        }
    }

    /// The sign of an element in 64 bits.
    fn extended(self, bits: u64) -> i64 {
        let unused = 64 - 8 * self.size as u32;
        (bits << unused) as i64 >> unused
    }
}

impl fmt::Display for NpyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = if self.big_endian { "big-endian " } else { "" };
        let kind = match self.kind {
            Kind::Signed => "int",
            Kind::Unsigned => "uint",
            Kind::Float => "float",
        };
        write!(f, "{order}{kind}{}", 8 * self.size)
    }
}

/// What the elements of another type are, in words.
fn named(descr: &str) -> String {
    let what = match descr.chars().nth(1) {
        Some('b' | '?') => "truth values",
        Some('c') => "complex numbers",
        Some('S' | 'a' | 'U') => "texts",
        Some('M' | 'm') => "times",
        Some('f') => "floating-point numbers of another size",
        _ => "of a type that is not known",
    };
    format!("{what} (dtype {})", crate::printable(descr))
}

/// The value of a number of 16 bits: 1 bit of sign, 5 of exponent, 10 of fraction.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff);
    let value = match bits >> 10 & 0x1f {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1024.0 + fraction) * 2f64.powi(i32::from(exponent) - 25),
    };
    if bits >> 15 == 1 { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_what_numpy_names_them() {
        for (descr, name) in [
            ("|u1", "uint8"),
            ("<u1", "uint8"),
            ("|i1", "int8"),
            ("<i8", "int64"),
            (">u4", "big-endian uint32"),
            ("<f2", "float16"),
            (">f8", "big-endian float64"),
        ] {
            assert_eq!(NpyType::parse(descr).unwrap().to_string(), name);
        }
        assert_eq!(NpyType::parse("|u1").unwrap(), NpyType::UINT8);
        for descr in [
            "", "<", "<f", "<f1", "<f16", "<f3", "|f8", "=f8", "|b1", "<c8", "<U3", "|S8",
            "<M8[ns]", "<f8 ", "f8", "<i-8", "ü1",
        ] {
            let error = NpyType::parse(descr).unwrap_err();
            assert!(matches!(error, NpyProblem::Elements(_)), "{descr}: {error}");
        }
        for descr in ["|O", "|O8", "<O"] {
            let error = NpyType::parse(descr).unwrap_err();
            assert!(matches!(error, NpyProblem::Pickled), "{descr}: {error}");
        }
        let error = NpyType::parse("|V12").unwrap_err();
        assert!(matches!(error, NpyProblem::Records), "{error}");
    }

    #[test]
    fn halves_have_the_values_of_ieee_754() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2f64.powi(-24)),
            (0x0400, 2f64.powi(-14)),
            (0x3555, 0.333251953125),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:x}");
        }
        assert!(half(0x7e00).is_nan());
        assert!(half(0x8000).is_sign_negative());
    }

    #[test]
    fn integers_keep_their_sign_and_their_order_of_bytes() {
        let number = |descr: &str, bytes: &[u8]| {
            let kind = NpyType::parse(descr).unwrap();
            (kind.to_f64(bytes), kind.to_i64(bytes))
        };
        assert_eq!(number("|i1", &[0xff]), (-1.0, Some(-1)));
        assert_eq!(number("|u1", &[0xff]), (255.0, Some(255)));
        assert_eq!(number("<i2", &[0xfe, 0xff]), (-2.0, Some(-2)));
        assert_eq!(
            number(">i4", &[0xff, 0, 0, 1]),
            (-16_777_215.0, Some(-16_777_215))
        );
        assert_eq!(number(">u2", &[1, 2]), (258.0, Some(258)));
        assert_eq!(
            number("<u8", &[0xff; 8]),
            (18_446_744_073_709_551_615.0, None)
        );
        assert_eq!(number("<f4", &1.5f32.to_le_bytes()), (1.5, None));
    }
}
