//! Files of Inception v3 to the network.

use std::path::Path;

use burn::module::Module;
use burn::prelude::*;
use svg_nn::{LoadError, Mismatch, StoredTensor, TensorFile};
use svg_store::{Sha256, sha256_file};

use crate::network::NAMES;
use crate::{InceptionV3, Kind};

/// A network as it was read.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub network: InceptionV3,
    pub kind: Kind,
    /// SHA-256 of the file.
    pub hash: String,
    /// What was taken and left, for people.
    pub notes: Vec<String>,
}

const LANDMARK: &str = "Conv2d_1a_3x3.conv.weight";
/// torchvision's second classifier, which helps in training.
const AUXILIARY: &str = "AuxLogits.";
/// How many batches a norm has seen in training, without use afterwards.
const COUNTER: &str = ".bn.num_batches_tracked";

/// Reads a file, with the norms folded into the filters.
pub(crate) fn open(path: &Path, device: &Device) -> Result<Loaded, LoadError> {
    let file = TensorFile::open(path)?;
    let path = file.path().to_path_buf();
    let network = file.into_network(&[LANDMARK], None)?;
    let notes = network.notes.clone();
    let source = path.display().to_string();
    let hash = sha256_file(&path).map_err(|source| LoadError::Read { path, source })?;
    let (network, kind) = load(network.into_tensors(), &source, device)?;
    Ok(Loaded {
        network: folded(network, &source)?,
        kind,
        hash,
        notes,
    })
}

/// Tensors that come from no file, with the norms folded into the filters.
pub(crate) fn of_tensors(
    tensors: Vec<StoredTensor>,
    source: &str,
    device: &Device,
) -> Result<Loaded, LoadError> {
    let mut hash = Sha256::new();
    let mut unusable = Mismatch::none(source);
    for tensor in &tensors {
        let shape = tensor.shape.to_vec();
        hash.update(format!("{} {:?} {shape:?}\n", tensor.name, tensor.dtype));
        match tensor.to_bytes() {
            Ok(bytes) => hash.update(&*bytes),
            Err(error) => unusable.unusable.push(format!("{}: {error}", tensor.name)),
        }
    }
    unusable.unless(())?;
    let (network, kind) = load(tensors, source, device)?;
    Ok(Loaded {
        network: folded(network, source)?,
        kind,
        hash: hash.finish(),
        notes: vec![],
    })
}

/// The network with its norms as they are.
pub(crate) fn load(
    mut tensors: Vec<StoredTensor>,
    source: &str,
    device: &Device,
) -> Result<(InceptionV3, Kind), LoadError> {
    let kind = kind(&tensors);
    tensors.retain(|tensor| {
        let auxiliary = kind == Kind::Torchvision && tensor.name.starts_with(AUXILIARY);
        !auxiliary && !tensor.name.ends_with(COUNTER)
    });
    let device = device.clone().without_autodiff();
    let network = NAMES.load_exact(InceptionV3::init(kind, &device), tensors, source)?;
    Ok((network.no_grad(), kind))
}

/// Norms folded into filters.
pub(crate) fn folded(mut network: InceptionV3, source: &str) -> Result<InceptionV3, LoadError> {
    let mut mismatch = Mismatch::none(source);
    for (name, unit) in network.units() {
        if let Err(reason) = unit.fold() {
            mismatch.unusable.push(format!("{name}.{reason}"));
        }
    }
    Ok(mismatch.unless(network.no_grad())?)
}

/// By the number of classes, and by what torchvision's file alone has.
fn kind(tensors: &[StoredTensor]) -> Kind {
    let classes = tensors.iter().find(|tensor| tensor.name == "fc.bias");
    let classes = classes.map(|tensor| tensor.shape.num_elements());
    let has_auxiliary = tensors
        .iter()
        .any(|tensor| tensor.name.starts_with(AUXILIARY));
    match classes == Some(Kind::Torchvision.classes()) || classes.is_none() && has_auxiliary {
        true => Kind::Torchvision,
        false => Kind::Fid,
    }
}
