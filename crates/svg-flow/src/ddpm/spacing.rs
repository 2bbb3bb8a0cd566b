//! Which indices of a noise schedule are sampled.

use std::fmt;
use std::str::FromStr;

/// Which of all indices a sampler visits.
///
/// Parsed and printed as `250` (one section), `10,20,30` (sections) and `ddim50`, which is how DiT and
/// guided-diffusion write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// The range is cut into as many sections of equal length as there are counts (the first ones are longer by one
    /// if it does not divide), and each count is spread over its section from the first index to the last, with a
    /// fractional stride that is accumulated and rounded to the nearest index, halves to even.
    Sections(Vec<usize>),
    /// Every `s`-th index from 0, for the smallest `s` that gives exactly this count (Song et al., "Denoising
    /// Diffusion Implicit Models", arXiv 2010.02502).
    Ddim(usize),
}

impl Spacing {
    /// A count that is spread over the whole range.
    pub fn steps(count: usize) -> Self {
        Self::Sections(vec![count])
    }

    /// The indices out of `total`, ascending.
    ///
    /// ```
    /// use svg_flow::Spacing;
    ///
    /// assert_eq!(Spacing::steps(4).indices(10).unwrap(), [0, 3, 6, 9]);
    /// assert_eq!(Spacing::Ddim(5).indices(10).unwrap(), [0, 2, 4, 6, 8]);
    /// ```
    ///
    /// # Errors
    ///
    /// In words: a count is 0 or more than its section has indices, or no stride gives the count.
    pub fn indices(&self, total: usize) -> Result<Vec<usize>, String> {
        match self {
            Self::Sections(counts) => sections(counts, total),
            Self::Ddim(count) => {
                let stride = (1..=total).find(|stride| total.div_ceil(*stride) == *count);
                let stride = stride.ok_or_else(|| {
                    format!(
                        "no stride visits exactly {count} of {total} indices: use another count"
                    )
                })?;
                Ok((0..total).step_by(stride).collect())
            }
        }
    }
}

fn sections(counts: &[usize], total: usize) -> Result<Vec<usize>, String> {
    if counts.is_empty() {
        return Err("no number of steps is given: write it as 250 or 10,20,30".to_string());
    }
    let (length, longer) = (total / counts.len(), total % counts.len());
    let mut start = 0;
    let mut indices = Vec::new();
    for (section, &count) in counts.iter().enumerate() {
        let length = length + usize::from(section < longer);
        if count == 0 || count > length {
            return Err(format!(
                "{count} steps in a section of {length} indices: give from 1 to {length}"
            ));
        }
        let stride = match count {
            1 => 1.0,
            _ => (length - 1) as f64 / (count - 1) as f64,
        };
        let mut place = 0.0_f64;
        for _ in 0..count {
            indices.push(start + place.round_ties_even() as usize);
            place += stride;
        }
        start += length;
    }
    Ok(indices)
}

impl fmt::Display for Spacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ddim(count) => write!(f, "ddim{count}"),
            Self::Sections(counts) => {
                let counts: Vec<_> = counts.iter().map(ToString::to_string).collect();
                f.write_str(&counts.join(","))
            }
        }
    }
}

impl FromStr for Spacing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = |part: &str| {
            part.trim().parse::<usize>().map_err(|_| {
                format!("{text:?} is no number of steps: write 250, 10,20,30 or ddim50")
            })
        };
        match text.strip_prefix("ddim") {
            Some(rest) => Ok(Self::Ddim(count(rest)?)),
            None => Ok(Self::Sections(
                text.split(',').map(count).collect::<Result<_, _>>()?,
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(text: &str, total: usize) -> Vec<usize> {
        text.parse::<Spacing>().unwrap().indices(total).unwrap()
    }

    #[test]
    fn two_hundred_and_fifty_of_a_thousand_are_those_of_dit() {
        let found = indices("250", 1000);
        assert_eq!(found.len(), 250);
        assert_eq!(found[..3], [0, 4, 8]);
        assert_eq!(found[247..], [991, 995, 999]);
        assert_eq!(found.iter().sum::<usize>(), 124_875);
        let gaps: Vec<_> = found
            .windows(2)
            .filter(|pair| pair[1] - pair[0] != 4)
            .collect();
        assert_eq!(gaps.len(), 3);
        assert_eq!(gaps[0], [164, 169]);
        assert!(gaps.iter().all(|pair| pair[1] - pair[0] == 5));
    }

    #[test]
    fn halves_are_rounded_to_even() {
        // The stride is 2.5: 0, 2.5, 5, 7.5, 10.
        assert_eq!(indices("5", 11), [0, 2, 5, 8, 10]);
    }

    #[test]
    fn sections_are_spread_one_by_one_and_the_first_are_longer() {
        assert_eq!(indices("1,2,3", 10), [0, 4, 6, 7, 8, 9]);
        assert_eq!(indices("10,10", 20), (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn ddim_takes_the_smallest_stride_of_whole_numbers() {
        let found = indices("ddim50", 1000);
        assert_eq!((found[1], found[49], found.len()), (20, 980, 50));
        let error = Spacing::Ddim(400).indices(1000).unwrap_err();
        assert!(
            error.contains("no stride visits exactly 400 of 1000"),
            "{error}"
        );
    }

    #[test]
    fn all_indices_are_visited_with_as_many_steps() {
        assert_eq!(indices("1000", 1000), (0..1000).collect::<Vec<_>>());
        assert_eq!(indices("ddim1000", 1000), (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn counts_that_do_not_fit_say_so() {
        let error = |text: &str| {
            text.parse::<Spacing>()
                .and_then(|s| s.indices(10))
                .unwrap_err()
        };
        assert!(error("11").contains("11 steps in a section of 10 indices"));
        assert!(error("3,0").contains("0 steps in a section of 5 indices"));
        assert!(error("many").contains("\"many\" is no number of steps: write 250"));
        assert!(error("ddimx").contains("is no number of steps"));
    }

    #[test]
    fn spacings_parse_what_they_print() {
        for text in ["250", "10,20,30", "ddim50"] {
            assert_eq!(text.parse::<Spacing>().unwrap().to_string(), text);
        }
    }
}
