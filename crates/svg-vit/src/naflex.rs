//! SigLIP 2 for any aspect ratio, whose patches are projected by a linear layer.

use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::StoredTensor;

/// A projection of patches as a convolution, and whether it was a linear layer: rows, columns and colours of a patch in
/// that order.
pub(crate) fn unpacked(weight: StoredTensor) -> Result<(StoredTensor, bool), String> {
    let &[outputs, inputs] = weight.shape.as_slice() else {
        return Ok((weight, false));
    };
    let side = (inputs / 3).isqrt();
    if 3 * side * side != inputs {
        return Err(format!(
            "{}: {inputs} inputs are no square patches of three colours",
            weight.name
        ));
    }
    let data = permuted(&weight, [outputs, side * side, 3])?;
    let data = TensorData::new(data, [outputs, 3, side, side]);
    Ok((bridge::from_data(data, weight.name, None), true))
}

/// The other way.
pub(crate) fn packed(weight: &StoredTensor, name: String) -> Result<StoredTensor, String> {
    let &[outputs, 3, side, _] = weight.shape.as_slice() else {
        let shape = weight.shape.to_vec();
        return Err(format!("{} has the shape {shape:?}", weight.name));
    };
    let data = permuted(weight, [outputs, 3, side * side])?;
    let data = TensorData::new(data, [outputs, 3 * side * side]);
    Ok(bridge::from_data(data, name, None))
}

/// Numbers in f32 with the last two of three axes exchanged.
fn permuted(weight: &StoredTensor, [outer, middle, inner]: [usize; 3]) -> Result<Vec<f32>, String> {
    let data = bridge::to_data(weight).map_err(|error| format!("{}: {error}", weight.name))?;
    let numbers: Vec<f32> = data.iter::<f32>().collect();
    let mut all = Vec::with_capacity(numbers.len());
    for block in numbers.chunks_exact(middle * inner).take(outer) {
        for i in 0..inner {
            all.extend((0..middle).map(|m| block[m * inner + i]));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_convolution_becomes_a_linear_layer_and_comes_back() {
        let numbers: Vec<f32> = (0..24).map(|n| n as f32).collect();
        let linear = TensorData::new(numbers.clone(), [2, 12]);
        let stored = bridge::from_data(linear, "w".to_string(), None);
        let (conv, is_naflex) = unpacked(stored).unwrap();
        assert!(is_naflex);
        assert_eq!(conv.shape.to_vec(), [2, 3, 2, 2]);
        let data = bridge::to_data(&conv).unwrap().convert::<f32>();
        // Green of the second row and first column.
        assert_eq!(data.as_slice::<f32>().unwrap()[4 + 2], 2.0 * 3.0 + 1.0);
        let back = packed(&conv, "w".to_string()).unwrap();
        let data = bridge::to_data(&back).unwrap();
        assert_eq!(data.as_slice::<f32>().unwrap(), numbers);
    }
}
