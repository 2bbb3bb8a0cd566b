//! How a picture becomes views, as a document.

use serde::{Deserialize, Serialize};
use svg_image::{Augmentation, CropSettings, JitterSettings};
use svg_nn::SIDE;
use svg_store::{first, outside};

/// The views of a picture that a student and a teacher are shown: two global crops and some local ones,
/// each cut, mirrored, turned and coloured on its own.
///
/// This is DINOv2's multi-crop augmentation, in its order: crop, mirror, jitter, grey, blur, solarise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewsSettings {
    /// The two crops that both networks see.
    pub global: CropSettings,
    /// The crops that the student alone sees.
    pub local: CropSettings,
    /// How many of those there are.
    pub local_count: usize,
    /// The least and the largest width of a crop over its height, between which the logarithm is
    /// uniform. Usually 3/4 and 4/3.
    pub ratio: [f64; 2],
    /// Share of the views that are mirrored left to right.
    pub flip: f64,
    /// Whether views are turned by 0, 1, 2 or 3 quarters, too: for pictures that have no up.
    pub turn: bool,
    /// Changes of colour.
    pub jitter: JitterSettings,
    /// Share of the views that lose their colours.
    pub grey: f64,
    /// Share of the views that are blurred: of the first global crops, of the second, of the local ones.
    /// The deviation is uniform between 0.1 and 2 pixels, and the kernel has 9.
    pub blur: [f64; 3],
    /// Share of the second global crops whose upper half of levels is inverted.
    pub solarize: f64,
}

impl ViewsSettings {
    /// The augmentations of the views in their order: two global ones, then the local ones.
    pub(super) fn augmentations(&self) -> Vec<Augmentation> {
        let view = |crop, blur, solarize| Augmentation {
            crop,
            ratio: self.ratio,
            flip: self.flip,
            turn: self.turn,
            jitter: self.jitter,
            grey: self.grey,
            blur,
            solarize,
        };
        let mut views = vec![
            view(self.global, self.blur[0], 0.0),
            view(self.global, self.blur[1], self.solarize),
        ];
        views.extend((0..self.local_count).map(|_| view(self.local, self.blur[2], 0.0)));
        views
    }

    /// How many numbers the views of a picture are.
    pub(super) fn numbers(&self) -> usize {
        let of = |crop: &CropSettings| 3 * (crop.size as usize).pow(2);
        2 * of(&self.global) + self.local_count * of(&self.local)
    }

    /// The first setting that is invalid for a network with patches of `patch` pixels, in words,
    /// with what to set; `None` if all does. Fields are named as those of a field `views`.
    pub(crate) fn invalid(&self, patch: usize) -> Option<String> {
        let crops = [("global", &self.global), ("local", &self.local)];
        for (name, crop) in crops {
            let size = crop.size as usize;
            if size == 0 || !size.is_multiple_of(patch) {
                return Some(format!(
                    "views.{name}.size is {size}; it must be a multiple of the patch, so set it to {}",
                    size.div_ceil(patch).max(1) * patch
                ));
            }
            let [low, high] = crop.scale;
            if !(low > 0.0 && low <= high && high <= 1.0) {
                return Some(format!(
                    "views.{name}.scale is [{low}, {high}]; it must be two shares of the picture's \
                     area, above 0, at most 1, the smaller first"
                ));
            }
        }
        let [low, high] = self.ratio;
        let problem = first([
            outside("views.global.size", self.global.size as usize, SIDE),
            outside("views.local.size", self.local.size as usize, SIDE),
            outside("views.local_count", self.local_count, 0..=64),
            outside("views.ratio[0]", low, 0.01..=100.0),
            outside("views.ratio[1]", high, 0.01..=100.0),
        ]);
        if problem.is_some() {
            return problem;
        }
        if low > high {
            return Some(format!(
                "views.ratio is [{low}, {high}]; it must be two numbers, the smaller first, such as \
                 [0.75, 1.3333]"
            ));
        }
        let jitter = &self.jitter;
        let bounded = [
            ("flip", self.flip, 1.0),
            ("jitter.probability", jitter.probability, 1.0),
            ("jitter.brightness", jitter.brightness, 1.0),
            ("jitter.contrast", jitter.contrast, 1.0),
            ("jitter.saturation", jitter.saturation, 1.0),
            ("jitter.hue", jitter.hue, 0.5),
            ("grey", self.grey, 1.0),
            ("blur[0]", self.blur[0], 1.0),
            ("blur[1]", self.blur[1], 1.0),
            ("blur[2]", self.blur[2], 1.0),
            ("solarize", self.solarize, 1.0),
        ];
        let mut bounded = bounded.into_iter();
        bounded.find_map(|(name, value, high)| outside(&format!("views.{name}"), value, 0.0..=high))
    }
}

/// Settings that change neither places nor colours by chance more than must be.
#[cfg(test)]
pub(super) fn plain() -> ViewsSettings {
    ViewsSettings {
        global: CropSettings {
            size: 16,
            scale: [0.4, 1.0],
        },
        local: CropSettings {
            size: 8,
            scale: [0.1, 0.4],
        },
        local_count: 3,
        ratio: [0.75, 4.0 / 3.0],
        flip: 0.0,
        turn: false,
        jitter: JitterSettings {
            probability: 0.0,
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.2,
            hue: 0.1,
        },
        grey: 0.0,
        blur: [0.0; 3],
        solarize: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_their_file_and_a_typo_does_not() {
        let json = serde_json::to_string(&plain()).unwrap();
        assert_eq!(
            serde_json::from_str::<ViewsSettings>(&json).unwrap(),
            plain()
        );
        for (from, to) in [("\"hue\"", "\"heu\""), ("\"turn\"", "\"trun\"")] {
            let error = serde_json::from_str::<ViewsSettings>(&json.replace(from, to));
            let error = error.unwrap_err().to_string();
            assert!(error.contains(&to.replace('"', "`")), "{error}");
        }
    }

    #[test]
    fn only_the_second_global_view_is_solarised() {
        let settings = ViewsSettings {
            blur: [0.1, 0.2, 0.3],
            solarize: 0.4,
            ..plain()
        };
        let views = settings.augmentations();
        let amounts: Vec<_> = views
            .iter()
            .map(|view| (view.blur, view.solarize))
            .collect();
        assert_eq!(
            amounts,
            [(0.1, 0.0), (0.2, 0.4), (0.3, 0.0), (0.3, 0.0), (0.3, 0.0)]
        );
        let sizes: Vec<_> = views.iter().map(|view| view.crop.size).collect();
        assert_eq!(sizes, [16, 16, 8, 8, 8]);
    }

    #[test]
    fn invalid_settings_are_named_with_what_to_set() {
        fn check(change: impl Fn(&mut ViewsSettings), expected: &str) {
            let mut settings = plain();
            change(&mut settings);
            let reason = settings.invalid(4).expect(expected);
            assert!(reason.contains(expected), "{reason}");
        }
        assert_eq!(plain().invalid(4), None);
        check(|views| views.global.size = 18, "views.global.size is 18");
        check(|views| views.global.size = 18, "set it to 20");
        check(|views| views.local.size = 0, "set it to 4");
        check(
            |views| views.local.scale = [0.0, 0.4],
            "views.local.scale is [0, 0.4]",
        );
        check(|views| views.global.scale = [0.5, 0.4], "the smaller first");
        check(|views| views.global.scale[1] = 1.5, "at most 1");
        check(|views| views.ratio = [2.0, 0.5], "views.ratio is [2, 0.5]");
        check(|views| views.flip = 1.1, "views.flip is 1.1");
        check(|views| views.jitter.hue = 0.6, "between 0 and 0.5");
        check(|views| views.blur[2] = f64::NAN, "views.blur[2] is NaN");
    }
}
