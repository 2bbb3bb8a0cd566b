//! Gradients of several batches, averaged and measured.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::prelude::*;
use burn::tensor::DType;
use svg_nn::sum_of_squares;

/// The mean of the gradients of several batches for one module.
pub struct MeanGradients<M> {
    sum: GradientsAccumulator<M>,
    batches: usize,
}

impl<M: Module> MeanGradients<M> {
    /// No gradients yet.
    pub fn new() -> Self {
        Self {
            sum: GradientsAccumulator::new(),
            batches: 0,
        }
    }

    /// Adds the gradients of a batch.
    pub fn add(&mut self, module: &M, gradients: GradientsParams) {
        self.sum.accumulate(module, gradients);
        self.batches += 1;
    }

    /// The mean, and its Euclidean norm over all parameters. Not finite if any number is not.
    pub fn finish(mut self, module: &M) -> (GradientsParams, f64) {
        let scale = scale(self.sum.grads(), module, 1.0 / self.batches.max(1) as f64);
        (scale.scaled, norm(scale.squares))
    }
}

impl<M: Module> Default for MeanGradients<M> {
    fn default() -> Self {
        Self::new()
    }
}

/// The gradients of a module times a number.
pub(crate) fn scaled<M: Module>(
    gradients: GradientsParams,
    module: &M,
    factor: f64,
) -> GradientsParams {
    scale(gradients, module, factor).scaled
}

/// The gradients of a module in f32.
pub(crate) fn in_f32<M: Module>(gradients: GradientsParams, module: &M) -> GradientsParams {
    let mut widen = Widen {
        gradients,
        widened: GradientsParams::new(),
    };
    module.visit(&mut widen);
    widen.widened
}

struct Widen {
    gradients: GradientsParams,
    widened: GradientsParams,
}

impl ModuleVisitor for Widen {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.widened.register(param.id, gradient.cast(DType::F32));
        }
    }
}

/// Moves the gradients of `module` from `all` into `clipped`, shortened together to a norm of `longest` if
/// they are longer. Gives back what is left of `all`, what is clipped, and their norm before.
pub(crate) fn clipped_into<M: Module>(
    clipped: GradientsParams,
    all: GradientsParams,
    module: &M,
    longest: f64,
) -> (GradientsParams, GradientsParams, f64) {
    let measured = scale(all, module, 1.0);
    let rest = measured.gradients;
    let norm = norm(measured.squares);
    let mut shorten = Scale {
        gradients: measured.scaled,
        scaled: clipped,
        factor: match norm > longest {
            true => longest / norm,
            false => 1.0,
        },
        squares: Vec::new(),
    };
    module.visit(&mut shorten);
    (rest, shorten.scaled, norm)
}

/// The Euclidean norm of everything whose sums of squares these are.
fn norm(squares: Vec<Tensor<1>>) -> f64 {
    if squares.is_empty() {
        return 0.0;
    }
    let squares: f32 = Tensor::cat(squares, 0).sum().into_scalar();
    f64::from(squares).sqrt()
}

fn scale<M: Module>(gradients: GradientsParams, module: &M, factor: f64) -> Scale {
    let mut scale = Scale {
        gradients,
        scaled: GradientsParams::new(),
        factor,
        squares: Vec::new(),
    };
    module.visit(&mut scale);
    scale
}

struct Scale {
    gradients: GradientsParams,
    scaled: GradientsParams,
    factor: f64,
    squares: Vec<Tensor<1>>,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let gradient = match self.factor == 1.0 {
                true => gradient,
                false => gradient * self.factor,
            };
            self.squares.push(sum_of_squares(gradient.clone()));
            self.scaled.register(param.id, gradient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};

    fn gradients(linear: &Linear, rows: &[[f32; 2]]) -> GradientsParams {
        let device = linear.weight.val().device();
        let mut batch = Vec::new();
        for row in rows {
            batch.push(Tensor::<1>::from_floats(*row, &device).unsqueeze::<2>());
        }
        let loss = linear.forward(Tensor::cat(batch, 0)).powi_scalar(2).mean();
        GradientsParams::from_grads(loss.backward(), linear)
    }

    #[test]
    fn two_batches_of_one_are_one_batch_of_two() {
        let linear = LinearConfig::new(2, 3).init(&Device::default().autodiff());
        let (a, b) = ([1.0, 2.0], [-3.0, 0.5]);
        let mut one = MeanGradients::new();
        one.add(&linear, gradients(&linear, &[a, b]));
        let mut two = MeanGradients::new();
        two.add(&linear, gradients(&linear, &[a]));
        two.add(&linear, gradients(&linear, &[b]));
        let ((one, norm_one), (two, norm_two)) = (one.finish(&linear), two.finish(&linear));
        assert!((norm_one / norm_two - 1.0).abs() < 1e-6);
        let weight = |gradients: GradientsParams| gradients.get::<2>(linear.weight.id).unwrap();
        let difference: f32 = (weight(one) - weight(two)).abs().max().into_scalar();
        assert!(difference < 1e-6, "{difference}");
    }

    #[test]
    fn parts_are_clipped_each_by_itself() {
        let device = Device::default().autodiff();
        let (one, other) = (
            LinearConfig::new(2, 3).init(&device),
            LinearConfig::new(2, 3).init(&device),
        );
        let mut all = gradients(&one, &[[3.0, 4.0]]);
        let mut more = gradients(&other, &[[0.01, 0.02]]);
        let weight = more.remove::<2>(other.weight.id).unwrap();
        all.register(other.weight.id, weight.clone());
        let (rest, clipped, norm) = clipped_into(GradientsParams::new(), all, &one, 0.5);
        let (rest, clipped, small) = clipped_into(clipped, rest, &other, 0.5);
        assert!(norm > 0.5 && small < 0.5);
        let length = |id| clipped.get::<2>(id).unwrap().square().sum();
        let bias = clipped.get::<1>(one.bias.as_ref().unwrap().id).unwrap();
        let squares: f32 = (length(one.weight.id) + bias.square().sum()).into_scalar();
        assert!((squares - 0.25).abs() < 1e-6);
        let same = clipped.get::<2>(other.weight.id).unwrap().into_data();
        same.assert_eq(&weight.into_data(), true);
        assert!(rest.is_empty());
    }

    #[test]
    fn one_bad_number_makes_the_norm_not_finite() {
        let linear = LinearConfig::new(2, 3).init(&Device::default().autodiff());
        let mut mean = MeanGradients::new();
        mean.add(&linear, gradients(&linear, &[[f32::NAN, 1.0]]));
        assert!(!mean.finish(&linear).1.is_finite());
    }
}
