//! What a cache holds.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use svg_image::ImageSet;
use svg_nn::{CHANNELS, GRID, SIDE};
use svg_roles::Geometry;
use svg_store::{Checked, first, outside};

use super::number::CacheType;
use super::variants::Variants;
use crate::data::{Classes, DataError, Fingerprint};

/// Everything that determines the numbers of a cache. Each shard stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CachePlan {
    /// The features, as of [`Bundle::features_fingerprint`](svg_model::Bundle::features_fingerprint).
    pub features: String,
    /// Rows, columns and channels of the tokens of a square.
    pub grid: [usize; 3],
    /// Side of a square in pixels.
    pub size: u32,
    /// Which squares of a picture.
    pub variants: Variants,
    /// How a number is stored.
    pub dtype: CacheType,
    /// Pictures of a shard.
    pub shard_size: usize,
    /// The pictures.
    pub data: Fingerprint,
    /// The names of their classes; a label is a place in this list.
    pub classes: Vec<String>,
}

/// The sizes of a cache, which a document may say.
impl Checked for CachePlan {
    fn problem(&self) -> Option<String> {
        let [rows, columns, channels] = self.grid;
        first([
            outside("grid[0]", rows, GRID),
            outside("grid[1]", columns, GRID),
            outside("grid[2]", channels, CHANNELS),
            outside("size", self.size as usize, SIDE),
            outside("variants.count", self.variants.count(), 1..=1024),
            outside("shard_size", self.shard_size, Self::SHARD_SIZE),
            outside("data.count", self.data.count, 1..=u64::from(u32::MAX)),
        ])
    }
}

impl CachePlan {
    /// Pictures that a shard may have.
    pub const SHARD_SIZE: RangeInclusive<usize> = 1..=(1 << 20);

    /// A plan for these pictures, as squares of `size` pixels, and their features.
    ///
    /// # Errors
    ///
    /// If a picture has no class, or a file has gone.
    ///
    /// # Panics
    ///
    /// If there are no variants, or a shard is to hold no picture.
    pub fn new(
        data: &ImageSet,
        features: String,
        geometry: Geometry,
        size: u32,
        variants: Variants,
        dtype: CacheType,
        shard_size: usize,
    ) -> Result<Self, DataError> {
        assert!(
            variants.count() > 0,
            "a cache needs a variant of each picture"
        );
        assert!(shard_size > 0, "a shard needs at least one picture");
        Ok(Self {
            features,
            grid: sizes(geometry),
            size,
            variants,
            dtype,
            shard_size,
            data: Fingerprint::of(data)?,
            classes: Classes::of(data)?.names,
        })
    }

    /// Number of shards.
    pub fn shards(&self) -> usize {
        self.pictures().div_ceil(self.shard_size)
    }

    /// Bytes of the features of the largest shard, which is made in memory.
    pub fn shard_bytes(&self) -> f64 {
        self.shard_size.min(self.pictures()) as f64 * self.picture_bytes() as f64
    }

    /// Bytes of all features.
    pub fn bytes(&self) -> u64 {
        self.pictures() as u64 * self.picture_bytes() as u64
    }

    /// Whether all features together have a size that this machine can count, so that no size of the plan overflows.
    pub(super) fn is_addressable(&self) -> bool {
        let sizes = [self.pictures(), self.variants.count(), self.dtype.bytes()];
        let mut sizes = sizes.iter().chain(&self.grid);
        let bytes = sizes.try_fold(1usize, |bytes, size| bytes.checked_mul((*size).max(1)));
        bytes.is_some()
    }

    pub(super) fn pictures(&self) -> usize {
        self.data.count as usize
    }

    /// Bytes of one picture, all variants.
    pub(super) fn picture_bytes(&self) -> usize {
        self.variants.count() * self.variant_bytes()
    }

    pub(super) fn variant_bytes(&self) -> usize {
        self.grid.iter().product::<usize>() * self.dtype.bytes()
    }

    /// The numbers of the pictures that a shard is made of.
    pub(super) fn range(&self, shard: usize) -> std::ops::Range<usize> {
        let start = shard * self.shard_size;
        start..start.saturating_add(self.shard_size).min(self.pictures())
    }

    /// The first field in which a cache, `self`, differs from what is asked for.
    pub(super) fn difference(&self, asked: &Self) -> Option<String> {
        let fields = self.in_words().into_iter().zip(asked.in_words());
        let mut differing = fields.filter(|(there, here)| there != here);
        match differing.next() {
            Some(((what, there), (_, here))) => {
                Some(format!("{what} {there} there, {here} asked for"))
            }
            None => (self != asked).then(|| "other names of classes".to_string()),
        }
    }

    fn in_words(&self) -> [(&'static str, String); 9] {
        let start = self.data.sha256.get(..12).unwrap_or(&self.data.sha256);
        let classes = match self.classes.as_slice() {
            [first, .., last] => format!("{} from {first} to {last}", self.classes.len()),
            names => names.concat(),
        };
        [
            ("features", self.features.clone()),
            ("a grid of", in_words(self.grid)),
            ("squares of", self.size.to_string()),
            ("variants:", self.variants.to_string()),
            ("the type", self.dtype.to_string()),
            ("shards of", self.shard_size.to_string()),
            ("data of", format!("{} pictures, {start}", self.data.count)),
            (
                "pictures with --orientation",
                self.data.orientation.to_string(),
            ),
            ("classes:", classes),
        ]
    }
}

/// Rows, columns and channels.
pub(super) fn sizes(geometry: Geometry) -> [usize; 3] {
    [geometry.rows, geometry.columns, geometry.channels]
}

/// A grid in words.
pub(super) fn in_words([rows, columns, channels]: [usize; 3]) -> String {
    format!("{rows} x {columns} tokens of {channels} channels")
}

#[cfg(test)]
mod tests {
    use svg_image::Orientation;

    use super::*;

    fn plan() -> CachePlan {
        CachePlan {
            features: "f1".into(),
            grid: [4, 4, 12],
            size: 16,
            variants: Variants::Mirrored,
            dtype: CacheType::F16,
            shard_size: 3,
            data: Fingerprint {
                count: 7,
                sha256: "0123456789abcdef".into(),
                orientation: Orientation::AsStored,
                classes: None,
            },
            classes: vec!["a".into(), "b".into()],
        }
    }

    #[test]
    fn shards_cover_every_picture_once() {
        let plan = plan();
        let all: Vec<_> = (0..plan.shards())
            .flat_map(|shard| plan.range(shard))
            .collect();
        assert_eq!(all, (0..7).collect::<Vec<_>>());
        assert_eq!(plan.bytes(), 7 * 2 * 4 * 4 * 12 * 2);
    }

    #[test]
    fn a_difference_names_both_sides() {
        assert_eq!(plan().difference(&plan()), None);
        let check = |change: fn(&mut CachePlan), expected: &str| {
            let mut asked = plan();
            change(&mut asked);
            let said = plan().difference(&asked).unwrap();
            assert!(said.contains(expected), "{said}");
        };
        check(|p| p.features = "f2".into(), "features f1 there, f2 asked");
        check(
            |p| p.grid[0] = 8,
            "4 x 4 tokens of 12 channels there, 8 x 4",
        );
        check(
            |p| p.dtype = CacheType::F32,
            "the type f16 there, f32 asked",
        );
        check(|p| p.data.count = 9, "7 pictures, 0123456789ab there, 9");
        check(
            |p| p.data.orientation = Orientation::Exif,
            "--orientation stored there, exif asked",
        );
        check(
            |p| p.variants = Variants::Crops { count: 3, seed: 1 },
            "3 random crops",
        );
        check(
            |p| p.classes[0] = "c".into(),
            "2 from a to b there, 2 from c to b",
        );
        check(
            |p| p.classes[1] = "c".into(),
            "2 from a to b there, 2 from a to c",
        );
    }

    #[test]
    fn a_plan_is_read_back_and_an_unknown_field_is_refused() {
        let text = serde_json::to_string(&plan()).unwrap();
        assert_eq!(serde_json::from_str::<CachePlan>(&text).unwrap(), plan());
        let typo = text.replace("\"size\"", "\"sise\":1,\"size\"");
        assert!(serde_json::from_str::<CachePlan>(&typo).is_err());
    }
}
