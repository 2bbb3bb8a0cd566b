//! The numbers of tensors.

use safetensors::Dtype;

use super::rebuild::View;
use super::{Place, TorchFile, TorchTensor};

impl TorchFile {
    /// Elements of a tensor of this file, in row-major order, little-endian; truth values as 0 and 1.
    ///
    /// # Errors
    ///
    /// In words, that the bytes are not those that were written, or that the tensor is of another file.
    pub fn read(&self, tensor: &TorchTensor) -> Result<Vec<u8>, String> {
        let view = match &tensor.place {
            Place::Pickle(numbers) => {
                return Ok(numbers
                    .iter()
                    .flat_map(|number| number.to_le_bytes())
                    .collect());
            }
            Place::View(view) if view.reach == 0 => return Ok(Vec::new()),
            Place::View(view) => view,
        };
        let storage = self
            .storages
            .get(&view.storage)
            .ok_or("its storage is in another file")?;
        let bytes = storage
            .read(&self.map)
            .map_err(|reason| format!("the bytes of storage {}: {reason}", view.storage))?;
        let bytes = bytes
            .get(view.start..view.start + view.reach)
            .ok_or("its storage is in another file")?;
        let mut elements = gathered(bytes, view);
        if tensor.dtype == Dtype::BOOL {
            elements
                .iter_mut()
                .for_each(|byte| *byte = u8::from(*byte != 0));
        }
        Ok(elements)
    }
}

/// The elements of a view, whose axes may lie in the bytes in any order and at any distance.
fn gathered(bytes: &[u8], view: &View) -> Vec<u8> {
    let View {
        shape,
        strides,
        dtype,
        ..
    } = view;
    let element = dtype.bitsize() / 8;
    // The last axes that lie in order are copied together.
    let (mut run, mut axes) = (element, shape.len());
    while let Some(axis) = axes.checked_sub(1)
        && (shape[axis] == 1 || strides[axis] * element == run)
    {
        run *= shape[axis];
        axes = axis;
    }
    let runs: usize = shape[..axes].iter().product();
    let mut elements = Vec::with_capacity(runs * run);
    let (mut index, mut start) = (vec![0; axes], 0);
    for _ in 0..runs {
        elements.extend_from_slice(&bytes[start..start + run]);
        for axis in (0..axes).rev() {
            index[axis] += 1;
            start += strides[axis] * element;
            if index[axis] < shape[axis] {
                break;
            }
            start -= strides[axis] * element * shape[axis];
            index[axis] = 0;
        }
    }
    elements
}
