//! Statistics that pixels are normalised with, also in the documents of other programs.

use burn::prelude::*;
use serde_json::Value;

/// Per-channel mean and standard deviation of pixels in `[0, 1]`, red, green and blue.
#[derive(Config, Debug, Copy, PartialEq)]
pub struct PixelStatistics {
    /// Mean of each channel.
    pub mean: [f64; 3],
    /// Standard deviation of each channel.
    pub std: [f64; 3],
}

impl PixelStatistics {
    /// ImageNet, which the models trained on web images (LVD-1689M) expect.
    pub const IMAGENET: Self = Self {
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };
    /// The satellite images (SAT-493M) of the two satellite models.
    pub const SATELLITE: Self = Self {
        mean: [0.430, 0.411, 0.296],
        std: [0.213, 0.156, 0.143],
    };
    /// The images that OpenAI trained CLIP with.
    pub const CLIP: Self = Self {
        mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
        std: [0.268_629_54, 0.261_302_58, 0.275_777_11],
    };
    /// A half for all: pixels stay in [-1, 1], as SigLIP has them.
    pub const HALF: Self = Self {
        mean: [0.5; 3],
        std: [0.5; 3],
    };

    /// Pixels in `[-1, 1]`, as they are between crates, to mean zero and deviation one.
    ///
    /// # Shapes
    ///
    /// - images and output: `[batch, 3, height, width]`
    pub fn normalize(&self, images: Tensor<4>) -> Tensor<4> {
        let device = images.device();
        let per_channel = |values: [f64; 3]| {
            Tensor::<1>::from_floats(values.map(|v| v as f32), &device).reshape([1, 3, 1, 1])
        };
        let unit = (images + 1.0) * 0.5;
        (unit - per_channel(self.mean)) / per_channel(self.std)
    }
}

/// How pixels of 0 to 255 become numbers from 0 to 1.
const RESCALE: f64 = 1.0 / 255.0;

/// Mean and deviation of the three channels under these names, if a document has them.
///
/// # Errors
///
/// In words, what is missing or cannot be.
pub fn statistics(
    document: &Value,
    mean: &str,
    std: &str,
) -> Result<Option<PixelStatistics>, String> {
    let value = |name: &str| document.get(name).filter(|value| !value.is_null());
    match (value(mean), value(std)) {
        (None, None) => Ok(None),
        (Some(means), Some(stds)) => {
            let statistics = PixelStatistics {
                mean: channels(mean, means)?,
                std: channels(std, stds)?,
            };
            check_statistics(&statistics, mean, std).map(|()| Some(statistics))
        }
        (Some(_), None) => Err(format!("it has {mean} without {std}")),
        (None, Some(_)) => Err(format!("it has {std} without {mean}")),
    }
}

/// An error, under these names, if no pictures have such statistics.
pub fn check_statistics(statistics: &PixelStatistics, mean: &str, std: &str) -> Result<(), String> {
    checked(mean, &statistics.mean, |value| (0.0..=1.0).contains(&value))?;
    checked(std, &statistics.std, |value| value > 0.0 && value <= 1.0)
}

/// What `preprocessor_config.json` says; without normalisation, pixels go in as they are in `[0, 1]`.
pub fn of_preprocessor(document: &Value) -> Result<Option<PixelStatistics>, String> {
    let said = |name: &str| document.get(name).and_then(Value::as_bool);
    let factor = document.get("rescale_factor").and_then(Value::as_f64);
    if let Some(factor) = factor.filter(|_| said("do_rescale") != Some(false))
        && (factor / RESCALE - 1.0).abs() > 1e-4
    {
        return Err(format!(
            "rescale_factor is {factor}; pixels are multiplied by 1/255 here, so express image_mean and \
             image_std on the scale from 0 to 1"
        ));
    }
    if said("do_normalize") == Some(false) {
        return Ok(Some(PixelStatistics {
            mean: [0.0; 3],
            std: [1.0; 3],
        }));
    }
    statistics(document, "image_mean", "image_std")
}

/// Three numbers, or one for all channels.
fn channels(name: &str, value: &Value) -> Result<[f64; 3], String> {
    let numbers = match value {
        Value::Array(values) => values.iter().map(Value::as_f64).collect(),
        one => one.as_f64().map(|one| vec![one; 3]),
    };
    let numbers: Option<Vec<f64>> = numbers;
    let three = numbers.and_then(|numbers| <[f64; 3]>::try_from(numbers).ok());
    three.ok_or_else(|| format!("{name} is {value}, expected three numbers"))
}

fn checked(name: &str, values: &[f64; 3], fits: impl Fn(f64) -> bool) -> Result<(), String> {
    let colours = ["red", "green", "blue"].into_iter().zip(values);
    let wrong = colours
        .into_iter()
        .find(|(_, value)| !fits(**value))
        .map(|(colour, value)| format!("{name} of {colour} is {value}"));
    match wrong {
        None => Ok(()),
        Some(wrong) if values.iter().any(|value| *value > 1.0) => Err(format!(
            "{wrong}; it is for pixels from 0 to 1, so divide statistics of 0 to 255 by 255"
        )),
        Some(wrong) => Err(format!(
            "{wrong}, which no pictures have; correct it or remove the file"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn three_numbers_or_one_for_all() {
        let read = |document| of_preprocessor(&document).unwrap();
        let said = read(json!({"image_mean": [0.4, 0.5, 0.6], "image_std": 0.5}));
        let expected = PixelStatistics {
            mean: [0.4, 0.5, 0.6],
            std: [0.5; 3],
        };
        assert_eq!(said, Some(expected));
        assert_eq!(read(json!({"do_resize": true, "image_mean": null})), None);
        let plain = read(json!({"do_normalize": false, "image_mean": 0.5, "image_std": 0.5}));
        assert_eq!(plain.unwrap().std, [1.0; 3]);
        let said = json!({"rescale_factor": 0.003_921_568_6, "image_mean": 0.5, "image_std": 0.5});
        assert!(read(said).is_some());
    }

    #[test]
    fn what_cannot_be_is_an_error_that_says_what() {
        let half = json!([0.5, 0.5, 0.5]);
        for (document, reason) in [
            (
                json!({"image_mean": half, "image_std": [0.0, 1.0, 1.0]}),
                "image_std of red is 0",
            ),
            (
                json!({"image_mean": half, "image_std": [0.5, -1.0, 1.0]}),
                "image_std of green is -1",
            ),
            (
                json!({"image_mean": [123.675, 116.28, 103.53], "image_std": [58.4, 57.1, 57.4]}),
                "divide statistics of 0 to 255 by 255",
            ),
            (json!({"image_mean": half}), "image_mean without image_std"),
            (
                json!({"image_mean": [0.5], "image_std": half}),
                "image_mean is [0.5], expected three",
            ),
            (
                json!({"image_mean": "imagenet", "image_std": half}),
                "image_mean is \"imagenet\"",
            ),
            (
                json!({"rescale_factor": 0.00784, "image_mean": half, "image_std": half}),
                "rescale_factor",
            ),
        ] {
            let error = of_preprocessor(&document).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
