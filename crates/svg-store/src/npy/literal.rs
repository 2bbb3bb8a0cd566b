//! The dictionary in a header, in Python's syntax.

use super::error::NpyProblem;
use super::kind::NpyType;

/// Most axes of an array, as in NumPy 2.
const MOST_AXES: usize = 64;

/// What a header says: `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`.
#[derive(Debug, PartialEq)]
pub(super) struct Description {
    pub dtype: NpyType,
    pub fortran: bool,
    pub shape: Vec<usize>,
}

/// Reads the three entries, each once and in any order, and white space around them. There is nothing in this grammar that
/// nests, so that the depth of brackets in a file has no bound to exceed.
pub(super) fn parse(text: &[u8]) -> Result<Description, NpyProblem> {
    let mut rest = Rest(text);
    let (mut dtype, mut fortran, mut shape) = (None, None, None);
    rest.expect(b'{')?;
    while !rest.takes(b'}') {
        let key = rest.text()?;
        rest.expect(b':')?;
        let is_new = match key {
            "descr" if rest.next() == Some(b'[') => return Err(NpyProblem::Records),
            "descr" => dtype.replace(NpyType::parse(rest.text()?)?).is_none(),
            "fortran_order" => fortran.replace(rest.truth()?).is_none(),
            "shape" => shape.replace(rest.shape()?).is_none(),
            other => {
                return Err(damaged(format!(
                    "it has an entry {}",
                    crate::printable(other)
                )));
            }
        };
        if !is_new {
            return Err(damaged(format!("it has {key} twice")));
        }
        if !rest.takes(b',') {
            rest.expect(b'}')?;
            break;
        }
    }
    if rest.next().is_some() {
        return Err(damaged("something follows its dictionary"));
    }
    let lacks = |name: &str| damaged(format!("it has no {name}"));
    Ok(Description {
        dtype: dtype.ok_or_else(|| lacks("descr"))?,
        fortran: fortran.ok_or_else(|| lacks("fortran_order"))?,
        shape: shape.ok_or_else(|| lacks("shape"))?,
    })
}

fn damaged(what: impl Into<String>) -> NpyProblem {
    NpyProblem::Header(what.into())
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// The next byte that is no white space.
    fn next(&mut self) -> Option<u8> {
        self.0 = self.0.trim_ascii_start();
        self.0.first().copied()
    }

    /// Passes over a byte if it is the next.
    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.next() == Some(byte);
        if is_next {
            self.0 = &self.0[1..];
        }
        is_next
    }

    fn expect(&mut self, byte: u8) -> Result<(), NpyProblem> {
        match self.takes(byte) {
            true => Ok(()),
            false => Err(damaged(format!(
                "there is no {} where one should be",
                byte as char
            ))),
        }
    }

    /// A text in quotation marks, without escapes.
    fn text(&mut self) -> Result<&'a str, NpyProblem> {
        let wrong = || damaged("there is no text where one should be");
        let quote = self.next().filter(|byte| matches!(byte, b'\'' | b'"'));
        let quote = quote.ok_or_else(wrong)?;
        let rest = &self.0[1..];
        let end = rest
            .iter()
            .position(|byte| *byte == quote)
            .ok_or_else(wrong)?;
        let (text, rest) = rest.split_at(end);
        let plain = text
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~') && *byte != b'\\');
        self.0 = &rest[1..];
        std::str::from_utf8(text)
            .ok()
            .filter(|_| plain)
            .ok_or_else(wrong)
    }

    fn truth(&mut self) -> Result<bool, NpyProblem> {
        self.next();
        for (word, value) in [(&b"True"[..], true), (b"False", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err(damaged("fortran_order is neither True nor False"))
    }

    /// A tuple of sizes: `()`, `(3,)`, `(3, 4)`.
    fn shape(&mut self) -> Result<Vec<usize>, NpyProblem> {
        self.expect(b'(')?;
        let mut sizes = Vec::new();
        let mut ends_in_comma = true;
        while !self.takes(b')') {
            if !ends_in_comma {
                return Err(damaged("there is no comma between two sizes"));
            }
            if sizes.len() == MOST_AXES {
                return Err(NpyProblem::Shape(format!(
                    "it has more than {MOST_AXES} axes"
                )));
            }
            sizes.push(self.size()?);
            ends_in_comma = self.takes(b',');
        }
        // In Python, a size alone in brackets is a number and no tuple.
        match sizes.len() == 1 && !ends_in_comma {
            true => Err(damaged("its shape is a number")),
            false => Ok(sizes),
        }
    }

    fn size(&mut self) -> Result<usize, NpyProblem> {
        if self.takes(b'-') {
            return Err(NpyProblem::Shape(
                "the size of an axis is negative".to_string(),
            ));
        }
        self.next();
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit());
        let (digits, rest) = self.0.split_at(digits.count());
        if digits.is_empty() {
            return Err(damaged(
                "there is no number where the size of an axis should be",
            ));
        }
        // Python 2 wrote long numbers so.
        self.0 = rest.strip_prefix(b"L").unwrap_or(rest);
        let text = String::from_utf8_lossy(digits);
        text.parse().map_err(|_| {
            let start: String = text.chars().take(24).collect();
            NpyProblem::Shape(format!("an axis has the size {start}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, bool, Vec<usize>), String> {
        let found = parse(text.as_bytes()).map_err(|problem| problem.to_string())?;
        Ok((found.dtype.to_string(), found.fortran, found.shape))
    }

    #[test]
    fn every_form_that_numpy_has_written_is_read() {
        for (text, expected) in [
            (
                "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }  \n",
                ("float64", false, &[3, 4][..]),
            ),
            (
                "{'descr': '|u1', 'fortran_order': True, 'shape': (7,), }\n",
                ("uint8", true, &[7]),
            ),
            (
                "{\"shape\":(),\"fortran_order\":False,\"descr\":\">i2\"}",
                ("big-endian int16", false, &[]),
            ),
            (
                "{'shape': (3L, 4L), 'fortran_order': False, 'descr': '<f4'}\n",
                ("float32", false, &[3, 4]),
            ),
            (
                " { 'descr' : '<f8' , 'fortran_order' : False , 'shape' : ( 0 , 2 , ) }",
                ("float64", false, &[0, 2]),
            ),
        ] {
            let (dtype, fortran, shape) = expected;
            assert_eq!(
                read(text),
                Ok((dtype.to_string(), fortran, shape.to_vec())),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_such_a_dictionary_is_said() {
        let whole = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }";
        for (from, to, expected) in [
            ("{", "", "no {"),
            ("}", "", "no text where"),
            ("(3, 4)", "(3 4)", "no comma between"),
            ("(3, 4)", "(3)", "its shape is a number"),
            ("(3, 4)", "[3, 4]", "no ( where"),
            ("(3, 4)", "(3, (4))", "no number where the size"),
            ("(3, 4)", "(3, -4)", "the size of an axis is negative"),
            (
                "(3, 4)",
                "(18446744073709551616,)",
                "an axis has the size 18446744073709551616",
            ),
            ("(3, 4)", "(3.0, 4)", "no comma between"),
            ("(3, 4)", "(,)", "no number where the size"),
            ("False", "0", "neither True nor False"),
            ("'<f8'", "[('a', '<f8')]", "records of several fields"),
            ("'<f8'", "'|O'", "saved with pickle"),
            ("'<f8'", "'<c16'", "complex numbers (dtype <c16)"),
            ("'<f8'", "'\\x3cf8'", "no text where"),
            ("'<f8'", "f8", "no text where"),
            ("'shape'", "'descr'", "no text where"),
            ("'shape': (3, 4)", "'descr': '<f8'", "it has descr twice"),
            ("'shape': (3, 4), ", "", "it has no shape"),
            ("'shape'", "'size'", "it has an entry size"),
            ("}", "} x", "something follows"),
        ] {
            let text = whole.replacen(from, to, 1);
            let error = read(&text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let axes = format!("({})", "1,".repeat(65));
        let error = read(&whole.replace("(3, 4)", &axes)).unwrap_err();
        assert!(error.contains("more than 64 axes"), "{error}");
        for length in 0..whole.len() {
            assert!(parse(&whole.as_bytes()[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn brackets_of_any_depth_are_an_error_and_need_no_stack() {
        for text in ["(", "[", "{", "{'shape': (", "{'descr': ["] {
            let deep = text.repeat(100_000);
            assert!(parse(deep.as_bytes()).is_err());
        }
    }
}
