//! How samples are made.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use svg_flow::{Guidance, GuidanceSchedule, TimeShift};
use svg_store::{first, outside};

use crate::ModelError;

/// A way to follow the flow, by name. Written and read as `euler`, `heun`, `midpoint`, `rk4`, `dopri5` and
/// `sde`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SolverKind {
    /// [`svg_flow::Euler`]: one evaluation for each step.
    Euler,
    /// [`svg_flow::Heun`]: two.
    Heun,
    /// [`svg_flow::Midpoint`]: two.
    Midpoint,
    /// [`svg_flow::Rk4`]: four.
    Rk4,
    /// [`svg_flow::DormandPrince`], from 0 to 1 by its own steps, for each sample alone.
    DormandPrince,
    /// [`svg_flow::EulerMaruyama`] with its usual diffusion, and a last step without noise: one.
    EulerMaruyama,
}

/// Every solver and its name.
const NAMES: [(SolverKind, &str); 6] = [
    (SolverKind::Euler, "euler"),
    (SolverKind::Heun, "heun"),
    (SolverKind::Midpoint, "midpoint"),
    (SolverKind::Rk4, "rk4"),
    (SolverKind::DormandPrince, "dopri5"),
    (SolverKind::EulerMaruyama, "sde"),
];

impl SolverKind {
    /// Evaluations of the field for each step of the grid; `None` if the solver decides.
    pub fn evaluations(self) -> Option<usize> {
        match self {
            Self::Euler | Self::EulerMaruyama => Some(1),
            Self::Heun | Self::Midpoint => Some(2),
            Self::Rk4 => Some(4),
            Self::DormandPrince => None,
        }
    }

    /// Whether the steps depend on the samples, so that a sample is its own only if it is followed alone.
    pub fn is_adaptive(self) -> bool {
        self.evaluations().is_none()
    }
}

impl fmt::Display for SolverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(kind, _)| kind == self);
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

impl FromStr for SolverKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|(_, name)| *name == text);
        found.map(|(kind, _)| *kind).ok_or_else(|| {
            let names = NAMES.map(|(_, name)| name).join(", ");
            format!("{text:?} is no solver: write one of {names}")
        })
    }
}

/// How samples are made, all but the noise that they begin with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// The solver.
    pub solver: SolverKind,
    /// Steps of the time grid. A solver that decides by itself has no use for them.
    pub steps: usize,
    /// The [`TimeShift`] of the grid.
    pub shift: f64,
    /// Guidance.
    pub guidance: Guidance,
    /// With the number of a sample, the noise that a stochastic solver adds.
    pub seed: u64,
}

impl Sampling {
    /// Steps that a time grid may have.
    pub const STEPS: RangeInclusive<usize> = 1..=100_000;
    /// Time shifts that move times and leave them apart.
    pub const SHIFT: RangeInclusive<f64> = 1e-3..=1e3;
    /// Guidance scales.
    pub const GUIDANCE: RangeInclusive<f64> = -1e3..=1e3;

    /// As the paper's figures were made: 25 steps of Euler at a shift of 0.15, guidance 4 (arXiv
    /// 2510.15301, released code).
    pub fn svg() -> Self {
        Self {
            solver: SolverKind::Euler,
            steps: 25,
            shift: 0.15,
            guidance: Guidance::constant(4.0),
            seed: 0,
        }
    }

    /// The times to follow.
    ///
    /// # Errors
    ///
    /// [`ModelError::Sampling`] if these settings mean nothing: [`STEPS`](Self::STEPS), [`SHIFT`](Self::SHIFT) or
    /// [`GUIDANCE`](Self::GUIDANCE) outside their ranges, or a guidance schedule that counts the steps of a solver
    /// without any.
    pub fn times(&self) -> Result<Vec<f64>, ModelError> {
        self.grid().map_err(ModelError::Sampling)
    }

    fn grid(&self) -> Result<Vec<f64>, String> {
        let (solver, steps) = (self.solver, self.steps);
        let (shift, guidance) = (self.shift, self.guidance);
        Guidance::new(guidance.scale, guidance.schedule)?;
        outside("guidance", guidance.scale, Self::GUIDANCE).map_or(Ok(()), Err)?;
        if solver == SolverKind::DormandPrince {
            let schedule = guidance.schedule;
            return match schedule.counts_steps() {
                false => Ok(vec![0.0, 1.0]),
                true => Err(format!(
                    "the guidance schedule {schedule} counts steps, and {solver} makes its own; use a \
                     schedule of the time, such as interval:0.1:0.8, or another solver"
                )),
            };
        }
        let problem = first([
            outside("steps", steps, Self::STEPS),
            outside("shift", shift, Self::SHIFT),
        ]);
        problem.map_or(Ok(()), Err)?;
        if let GuidanceSchedule::SkipFirst { steps: skipped, .. } = guidance.schedule
            && skipped >= steps
        {
            return Err(format!(
                "the guidance schedule {} skips all of {steps} steps, so no class is followed; skip fewer, or \
                 take more steps",
                guidance.schedule
            ));
        }
        svg_flow::times(&TimeShift::new(shift).grid(steps)).map_err(|reason| {
            format!("{steps} steps with the shift {shift}: {reason}; use a shift nearer to 1")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solvers_are_read_and_printed_alike() {
        for (kind, name) in NAMES {
            assert_eq!(kind.to_string(), name);
            assert_eq!(name.parse::<SolverKind>().unwrap(), kind);
        }
        let error = "ddim".parse::<SolverKind>().unwrap_err();
        assert!(
            error.contains("\"ddim\" is no solver: write one of euler, heun"),
            "{error}"
        );
    }

    #[test]
    fn settings_that_mean_nothing_are_refused_in_words() {
        let refused = |change: &dyn Fn(&mut Sampling), expected: &str| {
            let mut sampling = Sampling::svg();
            change(&mut sampling);
            let error = sampling.times().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        for steps in [0, 100_001, 1 << 32, usize::MAX] {
            let expected = format!("steps is {steps}; it must lie between 1 and 100000");
            refused(&|sampling| sampling.steps = steps, &expected);
        }
        for shift in [0.0, -1.0, 1e300, f64::NAN, f64::INFINITY] {
            let expected = "; it must lie between 0.001 and 1000";
            refused(&|sampling| sampling.shift = shift, expected);
        }
        refused(
            &|sampling| sampling.guidance.scale = 1e300,
            "guidance is 1e300; it must lie between -1000 and 1000",
        );
        refused(
            &|sampling| sampling.guidance.scale = f64::NAN,
            "a guidance scale of NaN gives no picture",
        );
        let skip = |sampling: &mut Sampling| {
            sampling.guidance.schedule = GuidanceSchedule::SkipFirst {
                steps: 25,
                rho: 0.0,
            };
        };
        refused(&skip, "skip-first:25:0 skips all of 25 steps");
        let late = |sampling: &mut Sampling| {
            sampling.solver = SolverKind::DormandPrince;
            sampling.guidance.schedule = GuidanceSchedule::Late;
        };
        refused(
            &late,
            "the guidance schedule late counts steps, and dopri5 makes its own",
        );
    }

    #[test]
    fn the_grid_of_the_figures_ends_with_its_longest_step() {
        let times = Sampling::svg().times().unwrap();
        assert_eq!((times.len(), times[0], times[25]), (26, 0.0, 1.0));
        assert!((times[24] - 0.782_608_7).abs() < 1e-7);
    }
}
