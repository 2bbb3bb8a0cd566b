//! Weights in number types of 16 bits.

use burn::store::bridge;
use burn::tensor::{DType, TensorData, bf16, f16};
use svg_nn::StoredTensor;

use crate::{DinoError, DinoFile};

/// A number type of 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// 11 binary digits, up to 65504.
    F16,
    /// 8 binary digits, with the range of f32.
    Bf16,
}

impl Half {
    fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    fn dtype(self) -> DType {
        match self {
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }

    fn largest(self) -> f64 {
        match self {
            Self::F16 => f16::MAX.to_f64(),
            Self::Bf16 => bf16::MAX.to_f64(),
        }
    }

    fn rounded(self, number: f64) -> f64 {
        match self {
            Self::F16 => f16::from_f64(number).to_f64(),
            Self::Bf16 => bf16::from_f64(number).to_f64(),
        }
    }

    fn convert(self, data: TensorData) -> TensorData {
        match self {
            Self::F16 => data.convert::<f16>(),
            Self::Bf16 => data.convert::<bf16>(),
        }
    }
}

impl DinoFile {
    /// The same weights rounded to 16 bits. What needs more digits loses them; numbers that are too small for
    /// the type become zero, which a [note](Self::notes) counts.
    ///
    /// # Errors
    ///
    /// [`DinoError::Range`] if a number is too large for the type, [`DinoError::Device`] if a tensor cannot be
    /// read.
    pub fn in_half(mut self, half: Half) -> Result<Self, DinoError> {
        let (mut largest, mut vanished) = (None::<(f64, String)>, Vec::new());
        for tensor in self.contents.tensors.values() {
            let (size, zeros) = extremes(tensor, half)?;
            let larger = largest.as_ref().is_none_or(|(known, _)| size > *known);
            if half.rounded(size).is_infinite() && larger {
                largest = Some((size, self.stored_name(&tensor.name)));
            }
            if zeros > 0 {
                vanished.push((zeros, self.stored_name(&tensor.name)));
            }
        }
        if let Some((value, tensor)) = largest {
            return Err(DinoError::Range {
                tensor,
                value,
                dtype: half.name(),
                largest: half.largest(),
            });
        }
        if let Some((_, first)) = vanished.first() {
            let count: usize = vanished.iter().map(|(zeros, _)| zeros).sum();
            self.contents.notes.push(format!(
                "{count} numbers of {} tensors ({first}, ...) are too small for {} and become zero",
                vanished.len(),
                half.name()
            ));
        }
        let rounded = |(path, tensor): (String, StoredTensor)| {
            let (name, shape) = (tensor.name.clone(), tensor.shape.clone());
            let convert = move |data| half.convert(data);
            (
                path,
                bridge::map_data(tensor, name, half.dtype(), shape, convert),
            )
        };
        let tensors = std::mem::take(&mut self.contents.tensors);
        self.contents.tensors = tensors.into_iter().map(rounded).collect();
        Ok(self)
    }
}

/// The largest absolute value of a tensor, and how many numbers round to zero that are not.
fn extremes(tensor: &StoredTensor, half: Half) -> Result<(f64, usize), DinoError> {
    let data = bridge::to_data(tensor).map_err(|error| DinoError::Device {
        reason: format!("{}: {error}", tensor.name),
    })?;
    let (mut largest, mut zeros) = (0.0f64, 0);
    for number in data.iter::<f64>() {
        let size = number.abs();
        largest = largest.max(size);
        zeros += usize::from(size > 0.0 && half.rounded(size) == 0.0);
    }
    Ok((largest, zeros))
}
