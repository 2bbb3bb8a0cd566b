//! What linear layers and convolutions have in common: a source, a weight, and a bias or none, in this order.

use burn::prelude::*;

use crate::operation::{Operation, on_host, run};

/// Whether all of a product lives on Burn's CPU backend in f32.
pub fn hosted<const D: usize, const W: usize>(
    x: &Tensor<D>,
    weight: &Tensor<W>,
    bias: Option<&Tensor<1>>,
) -> bool {
    on_host(x) && on_host(weight) && bias.is_none_or(on_host)
}

/// The value of a product whose source is one tensor.
pub fn product<const D: usize, const W: usize>(
    operation: impl Operation<2> + Operation<3>,
    x: Tensor<D>,
    weight: Tensor<W>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => run(operation, [x, weight, bias.into_dispatch()]),
        None => run(operation, [x, weight]),
    })
}

/// What [`Operation::keeps`] says of a product: the source for the gradient of the weight, the weight for that
/// of the source, and never the bias. `source` is how many inputs the source has, and `again` whether its own
/// gradient needs them, too.
pub fn keeps<const N: usize>(source: usize, again: bool, wanted: [bool; N]) -> [bool; N] {
    let (of_source, of_weight) = (wanted[..source].contains(&true), wanted[source]);
    std::array::from_fn(|i| match i.cmp(&source) {
        std::cmp::Ordering::Less => of_weight || again && of_source,
        std::cmp::Ordering::Equal => of_source,
        std::cmp::Ordering::Greater => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_keeps_what_the_wanted_gradients_need() {
        let weight_alone = keeps(1, false, [false, true, true]);
        assert_eq!(weight_alone, [true, false, false]);
        let source_alone = keeps(1, false, [true, false, false]);
        assert_eq!(source_alone, [false, true, false]);
        let activated = keeps(1, true, [true, false, false]);
        assert_eq!(activated, [true, true, false]);
        let one_of_two = keeps(2, true, [false, true, false]);
        assert_eq!(one_of_two, [true, true, true]);
        let bias_alone = keeps(1, true, [false, false, true]);
        assert_eq!(bias_alone, [false; 3]);
    }
}
