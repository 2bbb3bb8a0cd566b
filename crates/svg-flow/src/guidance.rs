//! Guidance scale and schedule.

use crate::{GuidanceSchedule, Moment};

/// Guidance scale and the schedule that says where it applies.
///
/// The guided velocity is `v_u + w (v_c - v_u)` over all channels (Ho and Salimans, "Classifier-Free
/// Diffusion Guidance", arXiv 2207.12598). The scale 1 means no guidance and only needs the conditional
/// velocity.
///
/// ```
/// use svg_flow::{Guidance, Moment};
///
/// let guidance = Guidance::new(4.0, "interval:0.1:0.8".parse().unwrap()).unwrap();
/// let at = |t| Moment { t, step: 0, steps: 1 };
/// assert_eq!(guidance.scale_at(at(0.5)), 4.0);
/// assert_eq!(guidance.scale_at(at(0.9)), 1.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guidance {
    /// `w`
    pub scale: f64,
    /// Where the scale applies.
    pub schedule: GuidanceSchedule,
}

impl Guidance {
    /// Validates a scale and a schedule that come from a user.
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

    /// No guidance: the conditional velocity alone.
    pub fn none() -> Self {
        Self::constant(1.0)
    }

    /// The same scale at every time.
    pub fn constant(scale: f64) -> Self {
        Self {
            scale,
            schedule: GuidanceSchedule::Constant,
        }
    }

    /// Scale at one point of the grid; 0 in skipped steps.
    pub fn scale_at(&self, at: Moment) -> f64 {
        self.weights_at(at)[0]
    }

    /// Coefficients `[c, u]` of the guided velocity `c v_c + u v_u`.
    pub(crate) fn weights_at(&self, at: Moment) -> [f64; 2] {
        self.schedule.weights(self.scale, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_guidance_has_scale_one_everywhere() {
        for (step, t) in [0.0, 0.5, 1.0].into_iter().enumerate() {
            let at = Moment { t, step, steps: 3 };
            assert_eq!(Guidance::none().scale_at(at), 1.0);
        }
    }

    #[test]
    fn scales_and_times_that_are_not_finite_are_rejected() {
        let error = Guidance::new(f64::NAN, GuidanceSchedule::Late).unwrap_err();
        assert!(error.contains("a guidance scale of NaN gives no picture: use a number"));
        let early = GuidanceSchedule::Early { after: f64::NAN };
        let error = Guidance::new(1.5, early).unwrap_err();
        assert!(error.contains("the time NaN after which guidance starts"));
    }
}
