//! What an optimiser does to a parameter, in one pass over memory where that is possible.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::prelude::*;
use burn::tensor::DType;

use crate::array::{contiguous, numbers};
use crate::graph::Dispatched;
use crate::kernel::update;
use crate::operation::on_host;

/// One step of Adam with decoupled decay of weights (Kingma and Ba, arXiv 1412.6980; Loshchilov and Hutter,
/// arXiv 1711.05101).
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment, after its correction.
    pub epsilon: f32,
    /// Decay of weights for a learning rate of one.
    pub weight_decay: f32,
    /// Learning rate.
    pub rate: f64,
    /// Which step this is, from 1.
    pub time: usize,
}

impl AdamStep {
    /// Parameter and moments after the step.
    ///
    /// On Burn's CPU backend it is one pass over memory, in place of what nobody else holds; elsewhere it is
    /// composed of Burn's operations.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub fn apply<const D: usize>(
        &self,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        [first, second]: [Tensor<D>; 2],
    ) -> (Tensor<D>, [Tensor<D>; 2]) {
        let all = [&parameter, &gradient, &first, &second];
        if !all.into_iter().all(is_memory) {
            return self.composed(parameter, gradient, [first, second]);
        }
        let device = parameter.device();
        let gradient = contiguous(plain(gradient));
        let mut all = [parameter, first, second].map(Tensor::into_data);
        update::adam(self, all.each_mut().map(numbers_mut), numbers(&gradient));
        let [parameter, first, second] = all.map(|data| Tensor::from_data(data, &device));
        (parameter, [first, second])
    }

    fn composed<const D: usize>(
        &self,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        [first, second]: [Tensor<D>; 2],
    ) -> (Tensor<D>, [Tensor<D>; 2]) {
        let [correction_1, correction_2] = self.corrections();
        let first = first * self.beta_1 + gradient.clone() * (1.0 - self.beta_1);
        let second = second * self.beta_2 + gradient.square() * (1.0 - self.beta_2);
        let root = (second.clone() / correction_2).sqrt() + self.epsilon;
        let step = (first.clone() / correction_1) / root;
        let parameter = parameter * self.left() - step * self.rate as f32;
        (parameter, [first, second])
    }

    /// What the moments are divided by, against their start at zero.
    pub(crate) fn corrections(&self) -> [f32; 2] {
        let time = i32::try_from(self.time).unwrap_or(i32::MAX);
        [self.beta_1, self.beta_2].map(|beta| 1.0 - beta.powi(time))
    }

    /// What is left of the parameter after the decay of weights.
    pub(crate) fn left(&self) -> f32 {
        (1.0 - self.rate * f64::from(self.weight_decay)) as f32
    }
}

/// `old + (target - old) rate`: one step of a moving average, in one pass as [`AdamStep::apply`].
///
/// # Panics
///
/// If the shapes differ.
pub fn blend<const D: usize>(old: Tensor<D>, target: Tensor<D>, rate: f64) -> Tensor<D> {
    if !(is_memory(&old) && is_memory(&target)) {
        return old.clone() + (target - old) * rate;
    }
    let device = old.device();
    let target = contiguous(plain(target));
    let mut old = old.into_data();
    update::blend(numbers_mut(&mut old), numbers(&target), rate as f32);
    Tensor::from_data(old, &device)
}

/// The sum of the squares of all numbers, as one number on the device: in f64 on Burn's CPU backend, in f32
/// elsewhere.
///
/// # Shapes
///
/// - output: `[1]`, f32
pub fn sum_of_squares<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    if !is_memory(&tensor) {
        return tensor.cast(DType::F32).square().sum();
    }
    let device = tensor.device();
    let sum = update::squares(numbers(&contiguous(plain(tensor))));
    Tensor::from_data([sum as f32], &device)
}

/// Whether the tensor lives on Burn's CPU backend in f32 and outside any graph.
fn is_memory<const D: usize>(tensor: &Tensor<D>) -> bool {
    on_host(tensor) && !tensor.is_autodiff()
}

fn plain<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    <Flex as Dispatched>::plain(tensor.into_dispatch())
}

fn numbers_mut(data: &mut TensorData) -> &mut [f32] {
    data.as_mut_slice().expect("f32")
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    fn random() -> Tensor<2> {
        // More than one chunk, and no multiple of a vector.
        let shape = [271, 301];
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::default())
    }

    fn on_graph(tensor: &Tensor<2>) -> Tensor<2> {
        Tensor::from_inner(tensor.clone())
    }

    #[test]
    fn both_forms_of_a_step_agree_and_leave_others_tensors_alone() {
        let (parameter, gradient) = (random(), random());
        let moments = [random(), random().square()];
        let step = AdamStep {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.1,
            rate: 1e-3,
            time: 3,
        };
        let before = parameter.to_data();
        let composed = step.apply(
            on_graph(&parameter),
            on_graph(&gradient),
            moments.each_ref().map(on_graph),
        );
        let hosted = step.apply(parameter.clone(), gradient, moments);
        parameter.into_data().assert_eq(&before, true);
        let near = Tolerance::relative(1e-5).set_absolute(1e-6);
        let pairs = [(hosted.0, composed.0)].into_iter();
        for (hosted, composed) in pairs.chain(hosted.1.into_iter().zip(composed.1)) {
            let composed = composed.inner().into_data();
            hosted.into_data().assert_approx_eq::<f32>(&composed, near);
        }
    }

    #[test]
    fn a_blend_goes_its_share_of_the_way() {
        let (old, target) = (random(), random());
        let expected = old.clone() * 0.75 + target.clone() * 0.25;
        let composed = blend(on_graph(&old), on_graph(&target), 0.25).inner();
        for got in [blend(old, target, 0.25), composed] {
            got.into_data()
                .assert_approx_eq::<f32>(&expected.to_data(), Tolerance::absolute(1e-6));
        }
    }

    #[test]
    fn squares_are_summed_and_one_bad_number_shows() {
        let tensor = random();
        let number = |tensor: Tensor<2>| sum_of_squares(tensor).into_scalar::<f32>();
        let expected = number(on_graph(&tensor));
        assert!((number(tensor.clone()) / expected - 1.0).abs() < 1e-5);
        let bad = tensor.slice_fill(s![3..4, 5..6], f32::NAN);
        assert!(number(bad).is_nan());
    }
}
