//! The guided velocity field.

use burn::prelude::*;

use crate::field::{beside_tokens, filled};
use crate::{Branches, Guidance, GuidanceSchedule, Moment, VelocityField};

/// The guided velocity `v_u + w (v_c - v_u)`, without evaluations it does not need.
///
/// At scale 1 only the conditional branch is evaluated, at scale 0 only the unconditional one, and in a
/// skipped step neither. Otherwise both are evaluated with [`Branches::both`], so that a network can use
/// one batch.
///
/// ```
/// use burn::prelude::*;
/// use svg_flow::{Guidance, Guided, Moment, Pair, VelocityField};
///
/// let branches = Pair {
///     conditional: |x: Tensor<3>, _: Tensor<1>| x.zeros_like() + 3.0,
///     unconditional: |x: Tensor<3>, _: Tensor<1>| x.zeros_like() + 1.0,
/// };
/// let field = Guided { branches, guidance: Guidance::constant(2.0) };
/// let x = Tensor::zeros([1, 1, 1], &Device::default());
/// let v = field.velocity_at(x, Moment { t: 0.5, step: 0, steps: 1 });
/// assert_eq!(v.into_scalar::<f32>(), 5.0); // 1 + 2 (3 - 1)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Guided<B> {
    /// The conditional and the unconditional velocity.
    pub branches: B,
    /// The scale and its schedule.
    pub guidance: Guidance,
}

impl<B: Branches> Guided<B> {
    fn combined(&self, x: Tensor<3>, t: Tensor<1>, weights: [f64; 2]) -> Tensor<3> {
        match weights {
            [0.0, 0.0] => x.zeros_like(),
            [1.0, 0.0] => self.branches.conditional(x, t),
            [0.0, 1.0] => self.branches.unconditional(x, t),
            [0.0, other] => self.branches.unconditional(x, t) * other,
            [scale, _] => {
                let [conditional, unconditional] = self.branches.both(x, t);
                unconditional.clone() + (conditional - unconditional) * scale
            }
        }
    }
}

impl<B: Branches> VelocityField for Guided<B> {
    /// Guides each sample with the scale at its own time. Unless the schedule is constant, the times are
    /// read back from the device. Both branches are evaluated if the samples differ in scale.
    ///
    /// # Panics
    ///
    /// If the schedule depends on the index of the step. Solvers call [`VelocityField::velocity_at`],
    /// which has it.
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        let schedule = self.guidance.schedule;
        assert!(
            !schedule.counts_steps(),
            "the guidance schedule {schedule} counts steps: call velocity_at, or choose a schedule \
             of the time"
        );
        let weights = |t| {
            let (step, steps) = (0, 1);
            self.guidance.weights_at(Moment { t, step, steps })
        };
        if schedule == GuidanceSchedule::Constant {
            return self.combined(x, t, weights(0.0));
        }
        let device = x.device();
        let times = t.clone().into_data();
        let all: Vec<[f64; 2]> = times.iter::<f64>().map(weights).collect();
        if all.windows(2).all(|pair| pair[0] == pair[1]) {
            return self.combined(x, t, all.first().copied().unwrap_or([1.0, 0.0]));
        }
        let scales: Vec<f32> = all.iter().map(|[scale, _]| *scale as f32).collect();
        let scales = beside_tokens(Tensor::from_data(scales.as_slice(), &device));
        let [conditional, unconditional] = self.branches.both(x, t);
        unconditional.clone() + (conditional - unconditional) * scales
    }

    fn velocity_at(&self, x: Tensor<3>, at: Moment) -> Tensor<3> {
        let t = filled(&x, at.t);
        self.combined(x, t, self.guidance.weights_at(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counted, Euler, Heun, Pair, Solver, integrate, unwatched};

    /// Guides the constant branches 3 and 1; at scale 2 the result is 5. Returns the velocity and the
    /// number of evaluations.
    fn ask(schedule: &str, scale: f64, at: Moment) -> (f32, u64) {
        let field = Guided {
            branches: Counted::new(Pair {
                conditional: |x: Tensor<3>, _| x.zeros_like() + 3.0,
                unconditional: |x: Tensor<3>, _| x.zeros_like() + 1.0,
            }),
            guidance: Guidance::new(scale, schedule.parse().unwrap()).unwrap(),
        };
        let x = Tensor::zeros([1, 1, 1], &Device::default());
        let v = field.velocity_at(x, at).into_scalar();
        (v, field.branches.evaluations())
    }

    fn at(t: f64, step: usize) -> Moment {
        Moment { t, step, steps: 4 }
    }

    #[test]
    fn guidance_extrapolates_in_two_evaluations() {
        assert_eq!(ask("constant", 2.0, at(0.5, 1)), (5.0, 2));
    }

    #[test]
    fn scale_one_evaluates_only_the_conditional_branch() {
        assert_eq!(ask("constant", 1.0, at(0.5, 1)), (3.0, 1));
        assert_eq!(ask("linear", 1.0, at(0.5, 1)), (3.0, 1));
    }

    #[test]
    fn scale_zero_evaluates_only_the_unconditional_branch() {
        assert_eq!(ask("constant", 0.0, at(0.5, 1)), (1.0, 1));
    }

    #[test]
    fn guidance_costs_nothing_outside_its_interval() {
        assert_eq!(ask("interval:0.1:0.8", 2.0, at(0.5, 1)), (5.0, 2));
        assert_eq!(ask("interval:0.1:0.8", 2.0, at(0.0, 0)), (3.0, 1));
        assert_eq!(ask("interval:0.1:0.8", 2.0, at(0.9, 3)), (3.0, 1));
    }

    #[test]
    fn a_skipped_step_evaluates_at_most_the_unconditional_branch() {
        assert_eq!(ask("skip-first:1:0", 2.0, at(0.0, 0)), (0.0, 0));
        assert_eq!(ask("skip-first:1:0.5", 2.0, at(0.0, 0)), (-0.5, 1));
        assert_eq!(ask("skip-first:1:0", 2.0, at(0.3, 1)), (5.0, 2));
    }

    /// Integrates the guided branches 3 and 1 from 0 in four steps. Returns the end and the number of
    /// evaluations.
    fn follow(schedule: &str, solver: &dyn Solver) -> (f32, u64) {
        let field = Guided {
            branches: Counted::new(Pair {
                conditional: |x: Tensor<3>, _| x.zeros_like() + 3.0,
                unconditional: |x: Tensor<3>, _| x.zeros_like() + 1.0,
            }),
            guidance: Guidance::new(2.0, schedule.parse().unwrap()).unwrap(),
        };
        let x = Tensor::zeros([1, 1, 1], &Device::default());
        let times = [0.0, 0.25, 0.5, 0.75, 1.0];
        let end = integrate(&field, solver, &times, x, &mut unwatched).x;
        (end.into_scalar(), field.branches.evaluations())
    }

    #[test]
    fn both_evaluations_of_a_heun_step_share_its_index_but_not_its_time() {
        assert_eq!(follow("late", &Euler), (4.0, 6));
        assert_eq!(follow("late", &Heun), (4.0, 12));
        assert_eq!(follow("skip-first:1:0", &Heun), (3.75, 12));
        // The second evaluation of the third step is at 0.75, after the last unguided time.
        assert_eq!(follow("early:0.5", &Euler), (3.5, 5));
        assert_eq!(follow("early:0.5", &Heun), (3.75, 11));
    }

    #[test]
    fn each_sample_uses_the_scale_at_its_own_time() {
        let branches = Pair {
            conditional: |x: Tensor<3>, _| x.zeros_like() + 3.0,
            unconditional: |x: Tensor<3>, _| x.zeros_like() + 1.0,
        };
        let guidance = Guidance::new(2.0, "interval:0.4:0.6".parse().unwrap()).unwrap();
        let field = Guided { branches, guidance };
        let device = Device::default();
        let t = Tensor::<1>::from_data([0.1, 0.5, 0.9], &device);
        let v = field.velocity(Tensor::zeros([3, 1, 1], &device), t);
        let v: Vec<f32> = v.into_data().iter().collect();
        assert_eq!(v, [3.0, 5.0, 3.0]);
    }

    #[test]
    #[should_panic(expected = "the guidance schedule late counts steps: call velocity_at")]
    fn a_schedule_of_steps_panics_without_a_step() {
        let still = |x: Tensor<3>, _: Tensor<1>| x;
        let branches = Pair {
            conditional: still,
            unconditional: still,
        };
        let guidance = Guidance::new(2.0, GuidanceSchedule::Late).unwrap();
        let x = Tensor::zeros([1, 1, 1], &Device::default());
        Guided { branches, guidance }.velocity(x.clone(), filled(&x, 0.5));
    }
}
