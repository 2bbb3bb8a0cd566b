//! The way back through burn's layer norm.

use burn::nn::LayerNorm;
use burn::prelude::*;
use burn::tensor::TensorData;

use crate::ParameterGradients;
use crate::adaptive_norm::{normed, through};
use crate::kernel::host::{numbers, numbers_mut};
use crate::kernel::row_norm::RowNorm;
use crate::kernel::{column_sums, on_host};

/// The gradient at the input of `norm`, given the one at its result; notes those of its parameters. In closed
/// form, outside any graph.
///
/// burn keeps the epsilon of a norm to itself, so it is given here once more. On burn's CPU backend it takes
/// one pass over memory and writes into `dy` if nobody else holds it; elsewhere it is composed of burn's
/// operations.
///
/// # Shapes
///
/// - x, dy and output: `[batch, tokens, channels]`, f32
///
/// # Panics
///
/// If the shapes do not fit each other.
pub fn layer_norm_backward(
    norm: &LayerNorm,
    epsilon: f64,
    x: Tensor<3>,
    dy: Tensor<3>,
    gradients: &mut ParameterGradients,
) -> Tensor<3> {
    let [batch, tokens, _] = x.dims();
    let [channels] = norm.gamma.val().dims();
    assert_shape!(x, [batch, tokens, channels]);
    assert_shape!(dy, [batch, tokens, channels]);
    if !(on_host(&x) && on_host(&dy)) {
        let (normed, deviation) = normed(x, epsilon);
        let of_gamma = column_sums(dy.clone() * normed.clone());
        gradients.of_norm(norm, of_gamma, column_sums(dy.clone()));
        return through(dy * norm.gamma.val().unsqueeze(), normed, deviation);
    }
    let device = x.device();
    let gamma = norm.gamma.val().into_data();
    let (x, mut dy) = (x.into_data(), dy.into_data());
    let rows = RowNorm {
        factor: numbers(&gamma),
        term: &[],
        epsilon,
    };
    let sums = rows.backward(numbers(&x), numbers_mut(&mut dy));
    let vector = |sum| Tensor::from_data(TensorData::new(sum, [channels]), &device);
    let [of_gamma, of_beta] = sums.map(vector);
    gradients.of_norm(norm, of_gamma, of_beta);
    Tensor::from_data(dy, &device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::nn::LayerNormConfig;
    use burn::tensor::{Distribution, Tolerance};

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(0.5, 2.0), &Device::default())
    }

    #[test]
    fn both_forms_give_the_gradients_of_the_graph() {
        // More than one chunk of rows, and no multiple of a vector.
        let [x, dy] = [(); 2].map(|()| random([2, 70, 37]));
        let mut norm = LayerNormConfig::new(37)
            .with_epsilon(1e-3)
            .init(&Device::default());
        norm.gamma = Param::from_tensor(random([37]));
        let graphed = norm.clone().train();
        let leaf = Tensor::from_inner(x.clone()).require_grad();
        let loss = graphed.forward(leaf.clone()) * Tensor::from_inner(dy.clone());
        let graph = loss.sum().backward();
        let near = |got: TensorData, want: TensorData| {
            let tolerance = Tolerance::relative(1e-4).set_absolute(1e-4);
            got.assert_approx_eq::<f32>(&want, tolerance);
        };
        let on_graph = [&x, &dy].map(|tensor| Tensor::from_inner(tensor.clone()));
        for (norm, [x, dy]) in [(&norm, [x, dy]), (&graphed, on_graph)] {
            let mut gradients = ParameterGradients::default();
            let dx = layer_norm_backward(norm, 1e-3, x, dy, &mut gradients);
            near(dx.into_data(), leaf.grad(&graph).unwrap().into_data());
            let parameters = [&graphed.gamma, graphed.beta.as_ref().unwrap()];
            assert_eq!(gradients.vectors.len(), 2);
            for (parameter, (id, got)) in parameters.into_iter().zip(gradients.vectors) {
                assert_eq!(parameter.id, id);
                let want = parameter.val().grad(&graph).unwrap().into_data();
                near(got.into_data(), want);
            }
        }
    }
}
