//! Pictures with their classes.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use svg_image::ImageSet;
use svg_train::data::{Classes, Fingerprint};

/// A set of pictures in folders of classes, or the first of each class.
pub struct Labelled {
    pub set: Arc<ImageSet>,
    /// The numbers of the pictures in the set.
    pub order: Vec<usize>,
    /// The class of each, as a place among the names.
    pub labels: Vec<usize>,
    /// The classes of the whole set, sorted.
    pub names: Vec<String>,
}

impl Labelled {
    /// The pictures of these paths; of each class the first `limit`, if there is one.
    pub fn open(paths: &[PathBuf], limit: Option<usize>) -> Result<Self> {
        let set = ImageSet::open(paths)?;
        let classes = Classes::of(&set)?;
        let mut taken = vec![0; classes.names.len()];
        let mut order = Vec::new();
        for (index, &label) in classes.labels.iter().enumerate() {
            if limit.is_none_or(|limit| taken[label] < limit) {
                taken[label] += 1;
                order.push(index);
            }
        }
        Ok(Self {
            labels: order.iter().map(|&index| classes.labels[index]).collect(),
            names: classes.names,
            set: Arc::new(set),
            order,
        })
    }

    /// Number of pictures that are taken.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Of the whole set.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        Ok(Fingerprint::of(&self.set)?)
    }
}
