//! The tensors of DiT's published files as those of a network on tokens, and back.

use svg_nn::StoredTensor;

use crate::rows::permuted;

/// How latents become tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Patching {
    pub patch: usize,
    pub channels: usize,
}

/// The convolution that cuts patches, in DiT's files.
const EMBEDDER: &str = "x_embedder.proj.";
/// The same as a linear layer, in a [`Sit`](crate::Sit).
const LINEAR: &str = "ln1.";
/// What a name that is none of the file gets, so that it fits nowhere.
const FOREIGN: &str = "(of another layout) ";
/// The layer whose outputs are a patch.
const LAST: [&str; 2] = ["final_layer.linear.weight", "final_layer.linear.bias"];

/// By the shape of the convolution.
pub(crate) fn patching(tensors: &[StoredTensor]) -> Result<Patching, String> {
    let name = format!("{EMBEDDER}weight");
    let found = tensors.iter().find(|tensor| tensor.name == name);
    let found = found.ok_or_else(|| {
        format!("{name} is missing: the file is of no network on patches of latents")
    })?;
    match found.shape.to_vec()[..] {
        [_, channels, rows, columns] if rows == columns && rows * channels > 0 => Ok(Patching {
            patch: rows,
            channels,
        }),
        ref shape => Err(format!(
            "{name} has the shape {shape:?}, where [width, channels, side, side] is expected"
        )),
    }
}

impl Patching {
    fn is(&self, [channels, rows, columns]: [usize; 3]) -> bool {
        (channels, rows, columns) == (self.channels, self.patch, self.patch)
    }

    fn area(&self) -> usize {
        self.patch * self.patch
    }

    /// The input of DiT's convolution that is input `i` of the linear layer: the file has channels first, a token the
    /// places in the patch.
    fn input(&self, i: usize) -> usize {
        let (place, channel) = (i / self.channels, i % self.channels);
        channel * self.area() + place
    }

    /// The row of DiT's last layer that is row `i` of ours. The file has everything of a place together, first the
    /// velocity or noise and then the variance; ours has all of the velocity before all of the variance.
    fn output(&self, i: usize, rows: usize) -> usize {
        let token = self.area() * self.channels;
        let (half, i) = (i / token, i % token);
        let (place, channel) = (i / self.channels, i % self.channels);
        place * (rows / self.area()) + half * self.channels + channel
    }
}

/// Names and order of DiT's file to those of a [`Sit`](crate::Sit) on patches.
pub(crate) fn to_tokens(tensors: Vec<StoredTensor>, patching: Patching) -> Vec<StoredTensor> {
    let moved = |mut tensor: StoredTensor| {
        let shape = tensor.shape.to_vec();
        if tensor.name.starts_with(LINEAR) {
            tensor.name = format!("{FOREIGN}{}", tensor.name);
            return tensor;
        }
        if let Some(rest) = tensor.name.strip_prefix(EMBEDDER) {
            let name = format!("{LINEAR}{rest}");
            return match shape[..] {
                [d_model, channels, rows, columns]
                    if rest == "weight" && patching.is([channels, rows, columns]) =>
                {
                    let inputs = patching.area() * patching.channels;
                    let from = move |i| (i / inputs) * inputs + patching.input(i % inputs);
                    permuted(tensor, name, vec![d_model, inputs], from)
                }
                _ => renamed(tensor, name),
            };
        }
        match last_layer(&tensor, patching) {
            Some((rows, width)) => {
                let from = move |i| patching.output(i / width, rows) * width + i % width;
                let name = tensor.name.clone();
                permuted(tensor, name, shape, from)
            }
            None => tensor,
        }
    };
    tensors.into_iter().map(moved).collect()
}

/// The inverse of [`to_tokens`], for tensors of a network.
pub(crate) fn to_patches(tensors: Vec<StoredTensor>, patching: Patching) -> Vec<StoredTensor> {
    let moved = |tensor: StoredTensor| {
        let shape = tensor.shape.to_vec();
        if let Some(rest) = tensor.name.strip_prefix(LINEAR) {
            let name = format!("{EMBEDDER}{rest}");
            if rest != "weight" {
                return renamed(tensor, name);
            }
            let inputs = shape[1];
            let back = inverse(inputs, |i| patching.input(i));
            let from = move |i| (i / inputs) * inputs + back[i % inputs];
            let Patching { patch, channels } = patching;
            return permuted(tensor, name, vec![shape[0], channels, patch, patch], from);
        }
        match last_layer(&tensor, patching) {
            Some((rows, width)) => {
                let back = inverse(rows, |i| patching.output(i, rows));
                let from = move |i| back[i / width] * width + i % width;
                let name = tensor.name.clone();
                permuted(tensor, name, shape, from)
            }
            None => tensor,
        }
    };
    let mut tensors: Vec<_> = tensors.into_iter().map(moved).collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    tensors
}

/// A name of the network in errors as the file has it.
pub(crate) fn in_file(name: &str) -> String {
    if let Some(foreign) = name.strip_prefix(FOREIGN) {
        return foreign.to_string();
    }
    match name.strip_prefix(LINEAR) {
        Some(rest) => format!("{EMBEDDER}{rest}"),
        None => name.to_string(),
    }
}

/// Rows and width of the last layer's weight or bias, if whole patches come out of it.
fn last_layer(tensor: &StoredTensor, patching: Patching) -> Option<(usize, usize)> {
    let shape = tensor.shape.to_vec();
    let rows = *shape.first()?;
    let token = patching.area() * patching.channels;
    let whole = LAST.contains(&tensor.name.as_str()) && rows.is_multiple_of(token);
    whole.then(|| (rows, shape[1..].iter().product::<usize>().max(1)))
}

fn inverse(count: usize, map: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut back = vec![0; count];
    (0..count).for_each(|i| back[map(i)] = i);
    back
}

fn renamed(mut tensor: StoredTensor, name: String) -> StoredTensor {
    tensor.name = name;
    tensor
}
