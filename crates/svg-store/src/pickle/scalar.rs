//! The bytes of a pickle, and the values that are written in place.

use std::borrow::Cow;

use super::code;
use super::value::Value;

/// What is wrong with a pickle.
pub(super) type Reason = &'static str;

const TRUNCATED: Reason = "it ends too early";
const NUMBER: Reason = "a number is not written as one";

/// The unread bytes of a pickle.
pub(super) struct Source<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Source<'a> {
    pub fn take(&mut self, count: u64) -> Result<&'a [u8], Reason> {
        let rest = self.bytes.get(self.at..).ok_or(TRUNCATED)?;
        let count = usize::try_from(count).map_err(|_| TRUNCATED)?;
        let taken = rest.get(..count).ok_or(TRUNCATED)?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Reason> {
        let taken = self.take(N as u64)?;
        taken.try_into().map_err(|_| TRUNCATED)
    }

    pub fn byte(&mut self) -> Result<u8, Reason> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16, Reason> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Reason> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Reason> {
        self.array().map(u64::from_le_bytes)
    }

    /// The bytes before the next line feed, which is consumed.
    fn line_bytes(&mut self) -> Result<&'a [u8], Reason> {
        let rest = self.bytes.get(self.at..).ok_or(TRUNCATED)?;
        let length = rest.iter().position(|byte| *byte == b'\n');
        let line = &rest[..length.ok_or(TRUNCATED)?];
        self.at += line.len() + 1;
        Ok(line)
    }

    pub fn line(&mut self) -> Result<Cow<'a, str>, Reason> {
        self.line_bytes().map(String::from_utf8_lossy)
    }

    /// A decimal number on a line.
    pub fn number<T: std::str::FromStr>(&mut self) -> Result<T, Reason> {
        self.line()?.trim().parse().map_err(|_| NUMBER)
    }

    fn text(&mut self, length: u64) -> Result<Value<'a>, Reason> {
        let bytes = self.take(length)?;
        Ok(Value::Text(String::from_utf8_lossy(bytes)))
    }

    fn bytes(&mut self, length: u64) -> Result<Value<'a>, Reason> {
        Ok(Value::Bytes(Cow::Borrowed(self.take(length)?)))
    }

    fn long(&mut self, length: u64) -> Result<Value<'a>, Reason> {
        Ok(integer(self.take(length)?))
    }

    /// The value that an instruction writes in place; `None` if it is an instruction of another kind.
    pub fn scalar(&mut self, code: u8) -> Result<Option<Value<'a>>, Reason> {
        Ok(Some(match code {
            code::NONE => Value::None,
            code::NEWTRUE => Value::Bool(true),
            code::NEWFALSE => Value::Bool(false),
            code::BININT => Value::Int((self.u32()? as i32).into()),
            code::BININT1 => Value::Int(self.byte()?.into()),
            code::BININT2 => Value::Int(self.u16()?.into()),
            code::BINFLOAT => Value::Float(f64::from_be_bytes(self.array()?)),
            code::LONG1 => {
                let length = self.byte()?;
                self.long(length.into())?
            }
            code::LONG4 => {
                let length = self.u32()?;
                self.long(length.into())?
            }
            code::SHORT_BINSTRING | code::SHORT_BINUNICODE => {
                let length = self.byte()?;
                self.text(length.into())?
            }
            code::BINSTRING | code::BINUNICODE => {
                let length = self.u32()?;
                self.text(length.into())?
            }
            code::BINUNICODE8 => {
                let length = self.u64()?;
                self.text(length)?
            }
            code::SHORT_BINBYTES => {
                let length = self.byte()?;
                self.bytes(length.into())?
            }
            code::BINBYTES => {
                let length = self.u32()?;
                self.bytes(length.into())?
            }
            code::BINBYTES8 | code::BYTEARRAY8 => {
                let length = self.u64()?;
                self.bytes(length)?
            }
            code::FLOAT => Value::Float(self.number()?),
            code::INT | code::LONG => self.decimal()?,
            code::UNICODE => Value::Text(unescaped(self.line_bytes()?).into()),
            code::STRING => Value::Text(quoted(self.line_bytes()?)?),
            _ => return Ok(None),
        }))
    }

    /// An integer as text. Protocol 0 writes truth values as `01` and `00`.
    fn decimal(&mut self) -> Result<Value<'a>, Reason> {
        let line = self.line()?;
        let digits = line.trim().trim_end_matches('L');
        match (line.as_ref(), digits.parse()) {
            ("01", _) => Ok(Value::Bool(true)),
            ("00", _) => Ok(Value::Bool(false)),
            (_, Ok(int)) => Ok(Value::Int(int)),
            (_, Err(_)) => {
                let rest = digits.trim_start_matches('-');
                let all = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
                all.then_some(Value::WideInt).ok_or(NUMBER)
            }
        }
    }
}

/// A number in two's complement, little-endian.
fn integer<'a>(bytes: &[u8]) -> Value<'a> {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let fill = if negative { 0xff } else { 0 };
    let (low, high) = bytes.split_at(bytes.len().min(8));
    let mut wide = [fill; 8];
    wide[..low.len()].copy_from_slice(low);
    let int = i64::from_le_bytes(wide);
    let fits = high.iter().all(|byte| *byte == fill) && (high.is_empty() || (int < 0) == negative);
    match fits {
        true => Value::Int(int),
        false => Value::WideInt,
    }
}

/// Latin-1 with `\u0123` and `\U00012345` for other characters.
fn unescaped(line: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let [byte, after @ ..] = rest {
        let digits = match rest {
            [b'\\', b'u', ..] => 4,
            [b'\\', b'U', ..] => 8,
            _ => 0,
        };
        let code = rest
            .get(2..2 + digits)
            .and_then(|code| std::str::from_utf8(code).ok());
        let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
        match code {
            Some(code) => {
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                rest = &rest[2 + digits..];
            }
            None => {
                text.push(char::from(*byte));
                rest = after;
            }
        }
    }
    text
}

/// A text of Python 2 as `repr` writes it.
fn quoted<'a>(line: &'a [u8]) -> Result<Cow<'a, str>, Reason> {
    match line {
        [first @ (b'\'' | b'"'), text @ .., last] if first == last => {
            let text = String::from_utf8_lossy(text);
            Ok(match text.contains('\\') {
                true => text.replace("\\'", "'").replace("\\\\", "\\").into(),
                false => text,
            })
        }
        _ => Err("a text is not quoted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(bytes: &[u8]) -> Option<i64> {
        match integer(bytes) {
            Value::Int(int) => Some(int),
            _ => None,
        }
    }

    #[test]
    fn integers_keep_their_sign_and_64_bits() {
        assert_eq!(int(&[]), Some(0));
        assert_eq!(int(&[0xff]), Some(-1));
        assert_eq!(int(&[0xff, 0]), Some(255));
        assert_eq!(int(&[0, 0, 0, 0, 0, 0, 0, 0x80]), Some(i64::MIN));
        assert_eq!(int(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0xff]), Some(i64::MIN));
        assert_eq!(int(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0]), None);
        assert_eq!(
            int(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff]),
            None
        );
    }

    #[test]
    fn texts_of_the_oldest_protocol_are_decoded() {
        assert_eq!(unescaped(b"a\\u00e9\xe9\\U0001f600\\n"), "aéé😀\\n");
        assert_eq!(quoted(b"'it\\'s'").unwrap(), "it's");
        assert!(quoted(b"'a").is_err() && quoted(b"'").is_err());
    }
}
