//! Tensors of Burn's CPU backend as slices of ordinary memory.

use burn::backend::flex::FlexTensor;
use burn::tensor::TensorData;
use rayon::prelude::*;

/// The axes of a tensor.
///
/// # Panics
///
/// If it has another number of axes.
pub fn dims<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    tensor.layout().shape().dims()
}

/// The tensor with its numbers one after the other: itself, or a copy of a view.
pub fn contiguous(tensor: FlexTensor) -> FlexTensor {
    match tensor.is_contiguous() {
        true => tensor,
        false => tensor.to_contiguous(),
    }
}

/// The numbers of a [`contiguous`] tensor of f32.
pub fn numbers(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("contiguous and f32")
}

/// A new tensor.
pub fn array<const D: usize>(numbers: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(numbers, shape))
}

/// A tensor without numbers.
pub fn empty() -> FlexTensor {
    array(Vec::new(), [0])
}

/// The tensor, or nothing for an [`empty`] one.
pub fn present(tensor: FlexTensor) -> Option<FlexTensor> {
    (tensor.layout().shape().num_elements() > 0).then_some(tensor)
}

/// Calls `step` with the index of each chunk of `chunk` numbers and the numbers themselves, which it
/// changes, on all threads: in place if nobody else holds the tensor, otherwise in a copy that is made
/// chunk by chunk. Returns the tensor and the results in the order of the chunks.
pub fn rewritten<T: Send>(
    tensor: FlexTensor,
    chunk: usize,
    step: impl Fn(usize, &mut [f32]) -> T + Sync,
) -> (FlexTensor, Vec<T>) {
    let mut tensor = contiguous(tensor);
    let (start, end) = tensor.layout().contiguous_offsets().expect("contiguous");
    if let Some(storage) = tensor.try_storage_mut::<f32>() {
        let chunks = storage[start..end].par_chunks_mut(chunk).enumerate();
        let results = chunks
            .map(|(index, numbers)| step(index, numbers))
            .collect();
        return (tensor, results);
    }
    let from = numbers(&tensor);
    let mut copy = Vec::with_capacity(from.len());
    let free = &mut copy.spare_capacity_mut()[..from.len()];
    let chunks = free.par_chunks_mut(chunk).zip(from.par_chunks(chunk));
    let results = chunks
        .enumerate()
        .map(|(index, (to, from))| step(index, to.write_copy_of_slice(from)))
        .collect();
    // SAFETY: every chunk was written as a whole.
    unsafe { copy.set_len(from.len()) };
    let shape = tensor.layout().shape().clone();
    (FlexTensor::from_data(TensorData::new(copy, shape)), results)
}

/// [`rewritten`] beside a tensor of as many numbers, of which `step` is given the same chunk to read.
pub fn rewritten_beside<T: Send>(
    tensor: FlexTensor,
    beside: FlexTensor,
    chunk: usize,
    step: impl Fn(usize, &mut [f32], &[f32]) -> T + Sync,
) -> (FlexTensor, Vec<T>) {
    let beside = contiguous(beside);
    let beside = numbers(&beside);
    rewritten(tensor, chunk, |index, numbers| {
        let beside = &beside[index * chunk..][..numbers.len()];
        step(index, numbers, beside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(len: usize) -> FlexTensor {
        array((0..len).map(|i| i as f32).collect(), [len])
    }

    fn doubled(tensor: FlexTensor) -> (FlexTensor, Vec<usize>) {
        rewritten(tensor, 3, |index, numbers| {
            numbers.iter_mut().for_each(|number| *number *= 2.0);
            index
        })
    }

    #[test]
    fn a_tensor_that_nobody_else_holds_is_changed_in_place() {
        let tensor = counted(7);
        let before = tensor.bytes().as_ptr();
        let (tensor, chunks) = doubled(tensor);
        assert_eq!(tensor.bytes().as_ptr(), before);
        assert_eq!(numbers(&tensor), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
        assert_eq!(chunks, [0, 1, 2]);
    }

    #[test]
    fn a_shared_tensor_is_left_alone_and_a_view_is_read_as_what_it_shows() {
        let tensor = counted(8);
        let shape = [2, 4].into();
        let layout = burn::backend::flex::Layout::contiguous(shape).narrow(1, 1, 2);
        let view = FlexTensor::from_arc(tensor.data_arc(), layout.clone(), tensor.dtype());
        assert_eq!(numbers(&doubled(view).0), [2.0, 4.0, 10.0, 12.0]);
        assert_eq!(numbers(&tensor)[7], 7.0);
        assert_eq!(numbers(&doubled(tensor.clone()).0)[7], 14.0);
        // A view that is the only one to hold its memory, rows one after the other.
        let row = tensor.with_layout(layout.narrow(0, 1, 1));
        assert_eq!(numbers(&doubled(row).0), [10.0, 12.0]);
    }
}
