//! A diagram of the method with the sizes of a run.

use crate::axis::number;
use crate::layout::{NARROW, WIDE};

/// Diagram of encoding, decoding and sampling with sizes and numbers of parameters.
///
/// It is drawn for wide and for narrow pages; the style sheet shows one of them.
pub struct Pipeline {
    /// Side of an image in pixels.
    pub image_side: usize,
    /// Rows and columns of patches.
    pub grid: [usize; 2],
    /// Number of channels of the frozen encoder.
    pub semantic: usize,
    /// Number of channels of the residual encoder.
    pub residual: usize,
    /// Name of the frozen encoder.
    pub encoder: String,
    /// Number of parameters of the frozen encoder.
    pub encoder_parameters: usize,
    /// Number of parameters of the residual encoder.
    pub residual_parameters: usize,
    /// Number of parameters of the decoder.
    pub decoder_parameters: usize,
    /// Number of parameters of the velocity network.
    pub velocity_parameters: usize,
    /// Number of sampling steps.
    pub steps: usize,
}

impl Pipeline {
    pub(crate) fn html(&self) -> String {
        let boxes = self.boxes();
        let drawings = [WIDE, NARROW].map(|layout| layout.svg(&boxes, &self.said()));
        format!(
            "<figure class=\"pipeline\">\n{}<figcaption>{}</figcaption>\n</figure>\n",
            drawings.concat(),
            "Grey: the frozen encoder. Coloured: the three networks that are trained, the residual encoder and the \
             decoder first, the velocity network afterwards. Outlined: what flows between them."
        )
    }

    /// Kind and lines of text of each box.
    fn boxes(&self) -> [(&'static str, Vec<String>); 11] {
        let image = format!("{side} \u{d7} {side} \u{d7} 3", side = self.image_side);
        let [rows, columns] = self.grid;
        let tokens = |channels: usize| format!("{rows} \u{d7} {columns} \u{d7} {channels}");
        let joined = tokens(self.semantic + self.residual);
        let steps = match self.steps {
            1 => "1 step, given a class".to_string(),
            steps => format!("{} steps, given a class", number(steps as f64)),
        };
        let lines = |lines: &[&str]| lines.iter().map(|line| line.to_string()).collect();
        let data = |title: &str, size: &str| ("data", lines(&[title, size]));
        let network = |kind, title: &str, what: &str, count: usize| {
            (kind, lines(&[title, what, &parameters(count)]))
        };
        [
            data("Image", &image),
            network("frozen", &self.encoder, "frozen", self.encoder_parameters),
            network(
                "trained",
                "Residual ViT",
                "trained in stage 1",
                self.residual_parameters,
            ),
            data("Semantic", &tokens(self.semantic)),
            data("Residual, aligned", &tokens(self.residual)),
            data("Features", &joined),
            network(
                "trained",
                "Decoder",
                "trained in stage 1",
                self.decoder_parameters,
            ),
            data("Image", &image),
            data("Noise", &joined),
            network(
                "trained",
                "Velocity network",
                &steps,
                self.velocity_parameters,
            ),
            data("Latents", &joined),
        ]
    }

    /// Text alternative of the diagram.
    fn said(&self) -> String {
        format!(
            "An image goes through {}, which is frozen, to {} semantic channels, and through a residual ViT to {} \
             aligned channels. Joined they are features, which a decoder turns into an image. Normalised they are \
             latents, to which the velocity network carries noise in {} steps.",
            self.encoder, self.semantic, self.residual, self.steps
        )
    }
}

/// Formats a count as in `1.4 M parameters`.
fn parameters(count: usize) -> String {
    let count = count as f64;
    match count {
        small if small < 1e4 => format!("{} parameters", number(small)),
        middle if middle < 9.995e5 => format!("{:.0} k parameters", middle / 1e3),
        large if large < 9.95e7 => format!("{:.1} M parameters", large / 1e6),
        large => format!("{} M parameters", number((large / 1e6).round())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_counts_are_formatted_with_units() {
        let pairs = [
            (912, "912"),
            (56_700, "57 k"),
            (999_800, "1.0 M"),
            (6_240_000, "6.2 M"),
            (1_130_000_000, "1,130 M"),
        ];
        for (count, text) in pairs {
            assert_eq!(parameters(count), format!("{text} parameters"));
        }
    }
}
