//! How strongly a condition is followed.

use crate::{GuidanceSchedule, Moment};

/// A scale of guidance and where on the way it acts.
///
/// The guided velocity is `v_u + w (v_c - v_u)` over all channels (Ho and Salimans, "Classifier-Free
/// Diffusion Guidance", arXiv 2207.12598). The scale 1 is no guidance; a conditional velocity is all
/// that it needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guidance {
    /// `w`
    pub scale: f64,
    /// Where it acts.
    pub schedule: GuidanceSchedule,
}

impl Guidance {
    /// A checked scale and schedule, for numbers that a user has written.
    ///
    /// # Errors
    ///
    /// If the scale or a number of the schedule is not finite, or an interval is empty.
    pub fn new(scale: f64, schedule: GuidanceSchedule) -> Result<Self, String> {
        if !scale.is_finite() {
            return Err(format!(
                "a guidance scale of {scale} gives no picture: use a number such as 1.5, or 1 for no \
                 guidance"
            ));
        }
        schedule.check()?;
        Ok(Self { scale, schedule })
    }

    /// The conditional velocity alone.
    pub fn none() -> Self {
        Self::constant(1.0)
    }

    /// The same scale at every moment.
    pub fn constant(scale: f64) -> Self {
        Self {
            scale,
            schedule: GuidanceSchedule::Constant,
        }
    }

    /// The scale at one moment; 0 in steps that are skipped.
    pub fn scale_at(&self, at: Moment) -> f64 {
        self.weights_at(at)[0]
    }

    /// `[c, u]` of the guided velocity `c v_c + u v_u`.
    pub(crate) fn weights_at(&self, at: Moment) -> [f64; 2] {
        self.schedule.weights(self.scale, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_guidance_is_the_scale_one_at_every_moment() {
        for (step, t) in [0.0, 0.5, 1.0].into_iter().enumerate() {
            let at = Moment { t, step, steps: 3 };
            assert_eq!(Guidance::none().scale_at(at), 1.0);
        }
    }

    #[test]
    fn a_scale_that_is_no_number_is_refused_in_words() {
        let error = Guidance::new(f64::NAN, GuidanceSchedule::Late).unwrap_err();
        assert!(error.contains("a guidance scale of NaN gives no picture: use a number"));
        let early = GuidanceSchedule::Early { after: f64::NAN };
        let error = Guidance::new(1.5, early).unwrap_err();
        assert!(error.contains("guidance after time NaN"));
    }
}
