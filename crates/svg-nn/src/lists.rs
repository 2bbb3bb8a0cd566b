//! Numbers in a PyTorch file that are no tensors.

use std::collections::BTreeMap;
use std::path::Path;

use burn::store::pytorch::PytorchReader;
use burn::store::pytorch_reader::PickleValue;

/// The lists of numbers, also nested ones, of a dictionary that `torch.save` has written, flattened and by their
/// names, those of inner dictionaries joined by dots; empty if there are none or the file cannot be read as such.
///
/// [`TensorFile`](crate::TensorFile) has the tensors of such a file.
pub fn number_lists(path: &Path) -> BTreeMap<String, Vec<f64>> {
    let mut found = BTreeMap::new();
    if let Ok(root) = PytorchReader::read_pickle_data(path, None) {
        collect("", &root, &mut found);
    }
    found
}

fn collect(name: &str, value: &PickleValue, found: &mut BTreeMap<String, Vec<f64>>) {
    match value {
        PickleValue::Dict(entries) => {
            for (key, value) in entries {
                let dot = if name.is_empty() { "" } else { "." };
                collect(&format!("{name}{dot}{key}"), value, found);
            }
        }
        PickleValue::List(_) => {
            let mut numbers = Vec::new();
            if flatten(value, &mut numbers).is_some() {
                found.insert(name.to_string(), numbers);
            }
        }
        _ => {}
    }
}

/// `None` if there is anything but numbers.
fn flatten(value: &PickleValue, numbers: &mut Vec<f64>) -> Option<()> {
    match value {
        PickleValue::List(values) => values.iter().try_for_each(|value| flatten(value, numbers)),
        PickleValue::Float(number) => {
            numbers.push(*number);
            Some(())
        }
        PickleValue::Int(number) => {
            numbers.push(*number as f64);
            Some(())
        }
        _ => None,
    }
}
