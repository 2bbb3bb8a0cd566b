//! What linear layers and convolutions have in common: a source, a weight, and a bias or none, in this order.

use burn::prelude::*;

use crate::operation::on_host;

/// Whether all of a product lives on Burn's CPU backend in f32.
pub fn hosted<const D: usize, const W: usize>(
    x: &Tensor<D>,
    weight: &Tensor<W>,
    bias: Option<&Tensor<1>>,
) -> bool {
    on_host(x) && on_host(weight) && bias.is_none_or(on_host)
}

/// What [`Operation::keeps`](crate::operation::Operation::keeps) says of a product: the source for the gradient
/// of the weight, the weight for that of the source, and never the bias. `again` is whether the gradient of the
/// source needs its inputs, too.
pub fn keeps<const N: usize>(again: bool, wanted: [bool; N]) -> [bool; N] {
    let weight = N - 2;
    let (of_source, of_weight) = (wanted[..weight].contains(&true), wanted[weight]);
    let source = of_weight || again && of_source;
    std::array::from_fn(|i| i < weight && source || i == weight && of_source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_keeps_what_the_wanted_gradients_need() {
        let weight_alone = keeps(false, [false, true, true]);
        assert_eq!(weight_alone, [true, false, false]);
        let source_alone = keeps(false, [true, false, false]);
        assert_eq!(source_alone, [false, true, false]);
        let activated = keeps(true, [true, false, false]);
        assert_eq!(activated, [true, true, false]);
        let one_of_two = keeps(true, [false, true, false, false]);
        assert_eq!(one_of_two, [true, true, true, false]);
        let bias_alone = keeps(true, [false, false, true]);
        assert_eq!(bias_alone, [false; 3]);
    }
}
