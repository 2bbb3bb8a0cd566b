//! Guidance schedules.

use std::fmt;
use std::str::FromStr;

use crate::Moment;

/// How the guidance scale changes from noise to data.
///
/// Parsed and printed as `constant`, `interval:0.1:0.8`, `late`, `early:0.3`, `linear` and
/// `skip-first:1:0`. All but the interval are those of SVG's released code (arXiv 2510.15301), where
/// `skip-first:K:rho` is called `cfg_star-K-rho`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum GuidanceSchedule {
    /// Constant scale.
    #[default]
    Constant,
    /// The scale from time `low` to time `high`, both included, and 1 elsewhere (Kynkäänniemi et al.,
    /// "Applying Guidance in a Limited Interval", arXiv 2404.07724).
    Interval {
        /// First time with guidance.
        low: f64,
        /// Last time with guidance.
        high: f64,
    },
    /// The scale in the second half of the steps, 1 in the first: from step `i` of `n`, counted from
    /// 0, with `(i + 1) / n > 0.5`.
    Late,
    /// The scale at times above `after`, 1 until then. The name is that of the released code, although the
    /// early part is the one without guidance.
    Early {
        /// Last time without guidance.
        after: f64,
    },
    /// From about 1 to the scale `w`: `1 + (w - 1) (i + 1) / n` in step `i` of `n`, counted from 0.
    Linear,
    /// `-rho v_u` in the first steps and the scale afterwards. With `rho` 0 the velocity is zero: time
    /// advances, the samples do not change and the network is not evaluated (the zero initialisation of Fan
    /// et al., "CFG-Zero*", arXiv 2503.18886, without its optimised scale).
    SkipFirst {
        /// Number of skipped steps.
        steps: usize,
        /// Factor of the negated unconditional velocity.
        rho: f64,
    },
}

impl GuidanceSchedule {
    /// Whether the scale depends on the index of the step and not only on the time.
    pub fn counts_steps(&self) -> bool {
        match self {
            Self::Constant | Self::Interval { .. } | Self::Early { .. } => false,
            Self::Late | Self::Linear | Self::SkipFirst { .. } => true,
        }
    }

    /// Coefficients `[c, u]` of the guided velocity `c v_c + u v_u` for the scale `w`.
    pub(crate) fn weights(&self, w: f64, at: Moment) -> [f64; 2] {
        let Moment { t, step, steps } = at;
        let progress = (step + 1) as f64 / steps as f64;
        let scale = match *self {
            Self::SkipFirst { steps, rho } if step < steps => return [0.0, -rho],
            Self::Interval { low, high } if !(low..=high).contains(&t) => 1.0,
            Self::Late if progress <= 0.5 => 1.0,
            Self::Early { after } if t <= after => 1.0,
            Self::Linear => 1.0 + (w - 1.0) * progress,
            _ => w,
        };
        [scale, 1.0 - scale]
    }

    /// Rejects invalid numbers.
    pub(crate) fn check(&self) -> Result<(), String> {
        match *self {
            Self::Interval { low, high }
                if !(low < high && low.is_finite() && high.is_finite()) =>
            {
                Err(format!(
                    "the guidance interval from {low} to {high} is empty: \
                     give the lower time first, as in interval:0.1:0.8"
                ))
            }
            Self::Interval { low, high } if low < 0.0 || high > 1.0 => Err(format!(
                "the guidance interval from {low} to {high} is not within the time from 0 to 1: \
                 give two times of it, as in interval:0.1:0.8"
            )),
            Self::Early { after } if !(0.0..=1.0).contains(&after) => Err(format!(
                "the time {after} after which guidance starts is none: give a time from 0 to 1"
            )),
            Self::SkipFirst { rho, .. } if !rho.is_finite() => Err(format!(
                "the factor {rho} of the unconditional velocity is not finite: give a number, 0 to skip the step"
            )),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for GuidanceSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => write!(f, "constant"),
            Self::Interval { low, high } => write!(f, "interval:{low}:{high}"),
            Self::Late => write!(f, "late"),
            Self::Early { after } => write!(f, "early:{after}"),
            Self::Linear => write!(f, "linear"),
            Self::SkipFirst { steps, rho } => write!(f, "skip-first:{steps}:{rho}"),
        }
    }
}

impl FromStr for GuidanceSchedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let schedule = match parts[..] {
            ["constant"] => Self::Constant,
            ["interval", low, high] => Self::Interval {
                low: number(text, low)?,
                high: number(text, high)?,
            },
            ["late"] => Self::Late,
            ["early", after] => Self::Early {
                after: number(text, after)?,
            },
            ["linear"] => Self::Linear,
            ["skip-first", steps, rho] => Self::SkipFirst {
                steps: number(text, steps)?,
                rho: number(text, rho)?,
            },
            _ => {
                return Err(format!(
                    "{text:?} is not a guidance schedule: write constant, interval:LOW:HIGH, late, \
                     early:AFTER, linear or skip-first:STEPS:RHO, as in interval:0.1:0.8"
                ));
            }
        };
        schedule.check().map(|()| schedule)
    }
}

fn number<T: FromStr>(text: &str, part: &str) -> Result<T, String> {
    part.parse().map_err(|_| {
        format!(
            "{part:?} in the guidance schedule {text:?} is not a valid number: write times and factors \
             as 0.3, steps as 1"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scales in four steps of equal length for the scale 3.
    fn scales(schedule: &str) -> [f64; 4] {
        let schedule: GuidanceSchedule = schedule.parse().unwrap();
        [0, 1, 2, 3].map(|step| {
            let t = step as f64 / 4.0;
            schedule.weights(3.0, Moment { t, step, steps: 4 })[0]
        })
    }

    #[test]
    fn each_schedule_has_its_documented_scales() {
        assert_eq!(scales("constant"), [3.0, 3.0, 3.0, 3.0]);
        assert_eq!(scales("interval:0.25:0.5"), [1.0, 3.0, 3.0, 1.0]);
        assert_eq!(scales("late"), [1.0, 1.0, 3.0, 3.0]);
        assert_eq!(scales("early:0.25"), [1.0, 1.0, 3.0, 3.0]);
        assert_eq!(scales("linear"), [1.5, 2.0, 2.5, 3.0]);
        assert_eq!(scales("skip-first:2:0"), [0.0, 0.0, 3.0, 3.0]);
    }

    #[test]
    fn the_weights_sum_to_one_except_in_skipped_steps() {
        let at = |step| Moment {
            t: 0.5,
            step,
            steps: 4,
        };
        for name in ["constant", "interval:0:1", "late", "early:0.2", "linear"] {
            let schedule: GuidanceSchedule = name.parse().unwrap();
            let [c, u] = schedule.weights(4.0, at(2));
            assert_eq!(c + u, 1.0);
        }
        let skipping = GuidanceSchedule::SkipFirst { steps: 1, rho: 0.5 };
        assert_eq!(skipping.weights(4.0, at(0)), [0.0, -0.5]);
        assert_eq!(skipping.weights(4.0, at(1)), [4.0, -3.0]);
    }

    #[test]
    fn schedules_parse_what_they_print() {
        for text in [
            "constant",
            "interval:0.1:0.8",
            "late",
            "early:0.3",
            "linear",
            "skip-first:1:0",
            "skip-first:2:-0.5",
        ] {
            let schedule: GuidanceSchedule = text.parse().unwrap();
            assert_eq!(schedule.to_string(), text);
        }
    }

    #[test]
    fn parse_errors_say_what_to_write() {
        let error = |text: &str| text.parse::<GuidanceSchedule>().unwrap_err();
        assert!(error("cosine").contains("\"cosine\" is not a guidance schedule: write constant"));
        assert!(error("early").contains("early:AFTER"));
        assert!(error("early:soon").contains("\"soon\" in the guidance schedule"));
        assert!(error("skip-first:1.5:0").contains("steps as 1"));
        assert!(error("interval:0.8:0.1").contains("from 0.8 to 0.1 is empty"));
        assert!(error("interval:0.1:NaN").contains("is empty"));
        assert!(error("interval:0:1.5").contains("is not within the time from 0 to 1"));
        assert!(error("early:-1").contains("give a time from 0 to 1"));
        assert!(error("skip-first:1:inf").contains("factor inf of the unconditional velocity"));
    }
}
