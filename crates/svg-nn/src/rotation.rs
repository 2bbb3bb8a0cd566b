//! Rotary position embedding as a table of turns.

use burn::prelude::*;
use burn::tensor::{DType, TensorData};

/// Turns of queries and keys, one per token, shared by batch elements, heads and layers.
///
/// Channels are paired half-split ("NeoX" style): channel `j` turns together with channel
/// `j + head_dim / 2` by the token's angle `a_j`:
///
/// ```text
/// out[j]     = u[j]     cos a_j - u[j + m] sin a_j        m = head_dim / 2
/// out[j + m] = u[j + m] cos a_j + u[j]     sin a_j
/// ```
///
/// The table is kept in f32 and the turn is computed in f32 whatever the type of the tokens.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// cos of each angle, twice, `[1, tokens, 1, 1, head_dim]`.
    cos: Tensor<5>,
    /// sin of each angle, negated in the first half, `[1, tokens, 1, 1, head_dim]`: with the sign in
    /// the table the turn is `u * cos + swap_halves(u) * sin`.
    sin: Tensor<5>,
}

impl Rotation {
    /// Makes the table from angles in radians, one row of `head_dim / 2` for each turned token.
    ///
    /// `prefix` tokens before the others (a class token, registers) are not turned. Sines and cosines
    /// are computed here in f64: Vulkan allows a GPU's own an error of 2^-11.
    ///
    /// # Panics
    ///
    /// If `angles` is not made of whole rows.
    pub fn from_angles(angles: &[f64], head_dim: usize, prefix: usize, device: &Device) -> Self {
        let half = head_dim / 2;
        assert!(
            head_dim.is_multiple_of(2) && angles.len().is_multiple_of(half),
            "{} angles are not rows of {half}, half of {head_dim} channels",
            angles.len()
        );
        let tokens = prefix + angles.len() / half;
        let still = vec![0.0; prefix * half];
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        for row in [still.as_slice(), angles].concat().chunks(half) {
            let cosines = row.iter().map(|a| a.cos() as f32);
            let sines = row.iter().map(|a| a.sin() as f32);
            cos.extend(cosines.clone().chain(cosines));
            sin.extend(sines.clone().map(|s| -s).chain(sines));
        }
        let shape = [1, tokens, 1, 1, head_dim];
        Self {
            cos: Tensor::from_data(TensorData::new(cos, shape), (device, DType::F32)),
            sin: Tensor::from_data(TensorData::new(sin, shape), (device, DType::F32)),
        }
    }

    /// Number of tokens that the table is for, the prefix included.
    pub fn tokens(&self) -> usize {
        self.cos.dims()[1]
    }

    /// Turns queries and keys.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, tokens, parts, heads, head_dim]`, where `parts` is 2 for queries
    ///   and keys side by side
    ///
    /// # Panics
    ///
    /// If the number of tokens or channels is not that of the table.
    pub fn rotate(&self, u: Tensor<5>) -> Tensor<5> {
        let [_, tokens, _, _, head_dim] = u.dims();
        self.assert_fits(tokens, head_dim);
        svg_kernels::turn(u, self.cos.clone(), self.sin.clone())
    }

    /// Turns queries and keys of a packed projection and leaves its values.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, tokens, 3, heads, head_dim]`
    pub fn rotate_packed(&self, qkv: Tensor<5>) -> Tensor<5> {
        svg_kernels::turn_packed(qkv, self.cos.clone(), self.sin.clone())
    }

    /// Panics if the table is for other tokens or heads.
    pub(crate) fn assert_fits(&self, tokens: usize, head_dim: usize) {
        let [_, table_tokens, _, _, table_dim] = self.cos.dims();
        assert!(
            (tokens, head_dim) == (table_tokens, table_dim),
            "the rotation is for {table_tokens} tokens of {table_dim} channels per head, \
             got {tokens} of {head_dim}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Tolerance;

    fn tokens() -> Tensor<5> {
        // [1, 2 tokens, 1 part, 1 head, 4 channels]
        Tensor::<1>::from_floats(
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
            &Default::default(),
        )
        .reshape([1, 2, 1, 1, 4])
    }

    fn table(angles: &[f64], prefix: usize) -> Rotation {
        Rotation::from_angles(angles, 4, prefix, &Default::default())
    }

    #[test]
    fn pairs_are_half_split() {
        let quarter = std::f64::consts::FRAC_PI_2;
        let out = table(&[quarter, 0.0, 0.0, quarter], 0).rotate(tokens());
        // Token 0 turns its pair (0, 2), token 1 its pair (1, 3), by a quarter: (a, b) -> (-b, a).
        let expected = TensorData::new(
            vec![-3.0f32, 2.0, 1.0, 4.0, 5.0, -8.0, 7.0, 6.0],
            [1, 2, 1, 1, 4],
        );
        out.into_data()
            .assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
    }

    #[test]
    fn prefix_tokens_do_not_turn() {
        let out = table(&[1.0, 2.0], 1).rotate(tokens());
        let first = out.narrow(1, 0, 1).into_data();
        first.assert_eq(&tokens().narrow(1, 0, 1).into_data(), true);
    }

    #[test]
    fn a_turn_keeps_lengths() {
        let norm = |u: Tensor<5>| u.powi_scalar(2).sum_dim(4).into_data();
        let turned = table(&[0.3, 1.7, 2.9, -0.4], 0).rotate(tokens());
        norm(turned).assert_approx_eq::<f32>(&norm(tokens()), Tolerance::relative(1e-6));
    }

    #[test]
    #[should_panic(expected = "for 3 tokens of 4 channels per head, got 2 of 4")]
    fn another_number_of_tokens_panics() {
        table(&[0.0; 6], 0).rotate(tokens());
    }

    #[test]
    #[should_panic(expected = "3 angles are not rows of 2")]
    fn half_a_row_of_angles_panics() {
        table(&[0.0; 3], 0);
    }
}
