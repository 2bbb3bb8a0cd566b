//! Parameters at once instead of at first use.

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;

/// Draws every parameter of a module that has not been drawn yet, in the order of its fields.
///
/// Burn draws a parameter at its first use. So a seed decides the weights only if nothing random happens
/// in between, and silencing a copy silences the original whose parameters are still shared. After this
/// neither can happen.
pub fn draw_parameters<M: Module>(module: &M) {
    module.visit(&mut Draw);
}

struct Draw;

impl ModuleVisitor for Draw {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let _drawn_now = param.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::LinearConfig;

    #[test]
    fn a_copy_of_drawn_parameters_can_be_silenced_alone() {
        let linear = LinearConfig::new(2, 3).init(&Device::default().autodiff());
        draw_parameters(&linear);
        let copy = linear.clone().no_grad();
        assert!(linear.weight.is_require_grad());
        assert!(!copy.weight.is_require_grad());
    }
}
