//! Gradients of a step: added up, measured and clipped.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::prelude::*;
use burn::tensor::DType;
use svg_nn::{module_tensors, sum_of_squares};

use super::{Team, Unread};
use crate::log::Scalars;

/// Parameters whose gradients are measured and clipped together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The path of the part of the networks that has them; empty for all.
    pub path: &'static str,
    /// The name of the scalar that their norm is logged as. Norms of the same name are logged as one.
    pub scalar: &'static str,
    /// The largest norm; longer gradients are shortened to it.
    pub longest: Option<f64>,
}

/// The sum of the gradients of several batches, separately on each device.
pub(crate) struct Sums<M> {
    devices: Vec<GradientsAccumulator<M>>,
    batches: usize,
}

impl<M: Module + Sync> Sums<M> {
    /// No gradients yet.
    pub fn new() -> Self {
        Self {
            devices: Vec::new(),
            batches: 0,
        }
    }

    /// Adds the gradients of a batch.
    pub fn add(&mut self, module: &M, gradients: Vec<GradientsParams>) {
        self.devices
            .resize_with(gradients.len(), GradientsAccumulator::new);
        for (sum, gradients) in self.devices.iter_mut().zip(gradients) {
            sum.accumulate(module, gradients);
        }
        self.batches += 1;
    }

    /// The sum on the first device, and what it must be divided by to be the mean.
    pub fn finish(mut self, team: &Team<'_, M>) -> (GradientsParams, f64) {
        let sums: Vec<_> = self.devices.iter_mut().map(|sum| sum.grads()).collect();
        match sums.is_empty() {
            true => (GradientsParams::new(), 1.0),
            false => {
                let (sum, devices) = team.sum(sums);
                (sum, devices * self.batches as f64)
            }
        }
    }
}

/// The Euclidean norms of the groups' gradients, still on their device. Not finite if any number is not.
pub(crate) struct Norms<'a> {
    groups: &'a [Group],
    /// The sum of the squares of each group's gradients, `[1]`; `None` for one that has none.
    squares: Vec<Option<Tensor<1>>>,
    /// What the gradients must be divided by.
    count: f64,
}

impl<'a> Norms<'a> {
    /// Of gradients, each divided by `count`.
    pub fn of<M: Module>(
        gradients: &GradientsParams,
        module: &M,
        groups: &'a [Group],
        count: f64,
    ) -> Self {
        let mut measure = Measure {
            gradients,
            groups: members(module, groups),
            squares: vec![Vec::new(); groups.len()],
        };
        module.visit(&mut measure);
        let squares = measure.squares.into_iter();
        let sum = |squares: Vec<_>| (!squares.is_empty()).then(|| Tensor::cat(squares, 0).sum());
        Self {
            squares: squares.map(sum).collect(),
            groups,
            count,
        }
    }

    /// The norms by the numbers of their groups.
    pub fn unread(&self) -> Unread {
        let count = self.count;
        let there: Vec<bool> = self.squares.iter().map(Option::is_some).collect();
        let numbers = self.squares.iter().flatten().cloned().collect();
        Unread::new(numbers, move |squares| {
            let mut squares = squares.iter();
            let norm = |there: &bool| match there {
                true => squares.next().expect("one for each").sqrt() / count,
                false => 0.0,
            };
            let norms = there.iter().map(norm).enumerate();
            norms.fold(Scalars::new(), |norms, (group, norm)| {
                norms.with(group.to_string(), norm)
            })
        })
    }

    /// What each group's gradients are multiplied by to be divided by `count` and no longer than the longest: numbers
    /// of the device, which nobody has read. Computed in f64 where the device can, as it is from norms that were
    /// read.
    pub fn factors(&self) -> Vec<Factor> {
        let groups = self.squares.iter().zip(self.groups);
        let factor = |(squares, group): (&Option<Tensor<1>>, &Group)| {
            let (Some(squares), Some(longest)) = (squares, group.longest) else {
                return Factor::Known(1.0 / self.count);
            };
            let wide = match squares.device().supports_dtype(DType::F64) {
                true => DType::F64,
                false => DType::F32,
            };
            let norm = squares.clone().cast(wide).sqrt() / self.count;
            let plain = norm.zeros_like() + 1.0 / self.count;
            let shorter = (norm.zeros_like() + longest) / norm.clone() / self.count;
            let factor = plain.mask_where(norm.greater_scalar(longest), shorter);
            Factor::There(Box::new(factor.cast(DType::F32)))
        };
        groups.map(factor).collect()
    }
}

/// What gradients are multiplied by.
#[derive(Clone)]
pub(crate) enum Factor {
    /// A number.
    Known(f64),
    /// A number that is still on the device, `[1]`.
    There(Box<Tensor<1>>),
}

/// What each group's gradients are multiplied by, from norms that were read.
pub(crate) fn factors(groups: &[Group], norms: &[f64], count: f64) -> Vec<Factor> {
    let factor = |(group, norm): (&Group, &f64)| match group.longest {
        Some(longest) if *norm > longest => longest / norm / count,
        _ => 1.0 / count,
    };
    let factors = groups.iter().zip(norms).map(factor);
    factors.map(Factor::Known).collect()
}

/// The norms by the names of their scalars.
pub(crate) fn logged(norms: &[f64], groups: &[Group]) -> Scalars {
    let mut scalars = Scalars::new();
    for group in groups {
        if scalars.get(group.scalar).is_none() {
            let same = groups.iter().zip(norms);
            let same = same.filter(|(other, _)| other.scalar == group.scalar);
            let same: Vec<f64> = same.map(|(_, norm)| *norm).collect();
            let norm = match same.as_slice() {
                [norm] => *norm,
                several => several.iter().map(|norm| norm * norm).sum::<f64>().sqrt(),
            };
            scalars.push(group.scalar, norm);
        }
    }
    scalars
}

/// Gradients multiplied by the factors of their groups; those of no group are divided by `count`.
pub(crate) fn scaled<M: Module>(
    mut gradients: GradientsParams,
    module: &M,
    groups: &[Group],
    factors: &[Factor],
    count: f64,
) -> GradientsParams {
    let members = members(module, groups);
    let factor = |id| match members.get(&id) {
        Some(&group) => factors[group].clone(),
        None => Factor::Known(1.0 / count),
    };
    let (none, scaled) = (GradientsParams::new(), Change::Scaled(&factor));
    moved(&mut gradients, module, none, scaled)
}

/// Gradients divided by `count`.
pub(crate) fn divided<M: Module>(
    gradients: GradientsParams,
    module: &M,
    count: f64,
) -> GradientsParams {
    scaled(gradients, module, &[], &[], count)
}

/// What becomes of gradients on their way from one collection to another.
#[derive(Clone, Copy)]
pub(crate) enum Change<'a> {
    /// They stay as they are.
    None,
    /// They are multiplied by the factor of their parameter.
    Scaled(&'a dyn Fn(ParamId) -> Factor),
    /// They are cast to the type of the optimiser.
    ToF32,
}

/// Moves the gradients of a module from one collection to another.
pub(crate) fn moved<M: Module>(
    from: &mut GradientsParams,
    module: &M,
    to: GradientsParams,
    change: Change,
) -> GradientsParams {
    let mut moved = Move { from, to, change };
    module.visit(&mut moved);
    moved.to
}

struct Move<'a> {
    from: &'a mut GradientsParams,
    to: GradientsParams,
    change: Change<'a>,
}

impl ModuleVisitor for Move<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.from.remove::<D>(param.id) else {
            return;
        };
        let gradient = match self.change {
            Change::None => gradient,
            Change::ToF32 => gradient.cast(DType::F32),
            Change::Scaled(factor) => match factor(param.id) {
                Factor::Known(1.0) => gradient,
                Factor::Known(factor) => gradient * factor,
                Factor::There(factor) => gradient * factor.reshape([1; D]),
            },
        };
        self.to.register(param.id, gradient);
    }
}

/// The first group that has each parameter.
fn members<M: Module>(module: &M, groups: &[Group]) -> HashMap<ParamId, usize> {
    let tensors = module_tensors(module).into_iter();
    let members = tensors.filter_map(|tensor| {
        let has = |group: &Group| {
            let rest = tensor.name.strip_prefix(group.path);
            let below = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            group.path.is_empty() || below
        };
        let group = groups.iter().position(has)?;
        Some((tensor.param_id?.into(), group))
    });
    members.collect()
}

struct Measure<'a> {
    gradients: &'a GradientsParams,
    groups: HashMap<ParamId, usize>,
    squares: Vec<Vec<Tensor<1>>>,
}

impl ModuleVisitor for Measure<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(group) = self.groups.get(&param.id)
            && let Some(gradient) = self.gradients.get::<D>(param.id)
        {
            self.squares[*group].push(sum_of_squares(gradient));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Replicas;
    use burn::nn::{Linear, LinearConfig};

    const ALL: Group = Group {
        path: "",
        scalar: "gradient_norm",
        longest: None,
    };

    #[derive(Module, Debug)]
    struct Pair {
        one: Linear,
        other: Linear,
    }

    fn linear() -> Linear {
        LinearConfig::new(2, 3).init(&Device::default().autodiff())
    }

    fn gradients(linear: &Linear, rows: &[[f32; 2]]) -> GradientsParams {
        let device = linear.weight.val().device();
        let mut batch = Vec::new();
        for row in rows {
            batch.push(Tensor::<1>::from_floats(*row, &device).unsqueeze::<2>());
        }
        let loss = linear.forward(Tensor::cat(batch, 0)).powi_scalar(2).mean();
        GradientsParams::from_grads(loss.backward(), linear)
    }

    fn read(norms: &Norms<'_>) -> Vec<f64> {
        norms.unread().read().iter().map(|(_, norm)| norm).collect()
    }

    /// The mean of the batches' gradients and its norm.
    fn mean(linear: &Linear, batches: &[&[[f32; 2]]]) -> (GradientsParams, f64) {
        let replicas = Replicas::new(vec![Device::default()]);
        let team = replicas.team(linear.clone());
        let mut sums = Sums::new();
        for batch in batches {
            sums.add(linear, vec![gradients(linear, batch)]);
        }
        let (sum, count) = sums.finish(&team);
        let norms = read(&Norms::of(&sum, linear, &[ALL], count));
        let factors = factors(&[ALL], &norms, count);
        let mean = scaled(sum, linear, &[ALL], &factors, count);
        (mean, norms[0])
    }

    #[test]
    fn two_batches_of_one_are_one_batch_of_two() {
        let linear = linear();
        let (a, b) = ([1.0, 2.0], [-3.0, 0.5]);
        let (one, norm_one) = mean(&linear, &[&[a, b]]);
        let (two, norm_two) = mean(&linear, &[&[a], &[b]]);
        assert!((norm_one / norm_two - 1.0).abs() < 1e-6);
        let weight = |gradients: GradientsParams| gradients.get::<2>(linear.weight.id).unwrap();
        let difference: f32 = (weight(one) - weight(two)).abs().max().into_scalar();
        assert!(difference < 1e-6, "{difference}");
    }

    #[test]
    fn groups_are_clipped_each_by_itself() {
        let pair = Pair {
            one: linear(),
            other: linear(),
        };
        let mut all = gradients(&pair.one, &[[3.0, 4.0]]);
        let mut more = gradients(&pair.other, &[[0.01, 0.02]]);
        let weight = more.remove::<2>(pair.other.weight.id).unwrap();
        all.register(pair.other.weight.id, weight.clone());
        let groups = ["one", "other"].map(|path| Group {
            path,
            longest: Some(0.5),
            ..ALL
        });
        let there = Norms::of(&all, &pair, &groups, 1.0);
        let norms = read(&there);
        assert!(norms[0] > 0.5 && norms[1] < 0.5);
        let joined = logged(&norms, &groups).get("gradient_norm").unwrap();
        assert!((joined - (norms[0].powi(2) + norms[1].powi(2)).sqrt()).abs() < 1e-12);
        let known = factors(&groups, &norms, 1.0);
        for (there, known) in there.factors().into_iter().zip(&known) {
            let (Factor::There(there), Factor::Known(known)) = (there, known) else {
                panic!("norms that were read and norms that were not");
            };
            assert_eq!(there.into_scalar::<f32>(), *known as f32);
        }
        let clipped = scaled(all, &pair, &groups, &known, 1.0);
        let length = |id| clipped.get::<2>(id).unwrap().square().sum();
        let bias = clipped
            .get::<1>(pair.one.bias.as_ref().unwrap().id)
            .unwrap();
        let squares: f32 = (length(pair.one.weight.id) + bias.square().sum()).into_scalar();
        assert!((squares - 0.25).abs() < 1e-6);
        let same = clipped.get::<2>(pair.other.weight.id).unwrap().into_data();
        same.assert_eq(&weight.into_data(), true);
    }

    #[test]
    fn one_number_that_is_not_finite_makes_the_norm_not_finite() {
        let (_, norm) = mean(&linear(), &[&[[f32::NAN, 1.0]]]);
        assert!(!norm.is_finite());
    }
}
