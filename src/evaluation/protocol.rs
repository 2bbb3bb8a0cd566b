//! Protocols of published numbers, by name.
//!
//! The same name of a metric means different numbers in different tools: they resize, round and split in different
//! ways. A protocol fixes all of it. What it fixes has no option of its own, and its name stands beside every number.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use svg_eval::{Balls, Splits};
use svg_inception::Resize;

/// The network whose features are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// The Inception v3 of FID, behind this resize to 299 x 299.
    Inception(Resize),
    /// A frozen vision transformer that the command names; its token for the whole picture.
    Encoder,
    /// DINOv2 ViT-L/14, behind Pillow's bicubic resize to 224 x 224; its class token.
    Dinov2,
}

/// How images of a model become 8-bit pixels before they are judged. Picture files hold such already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// `floor(127.5 x + 128)`: to the nearest, as SiT, DiT and LightningDiT do.
    Round,
    /// `floor(255 (x + 1) / 2)`: down, as REPA and RAE do.
    Truncate,
    /// `127.5 x + 128`, clamped and not rounded, as SVG's script does.
    Float,
}

/// Rules of one tool or repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Name on the command line and beside numbers.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Whose features.
    pub network: Network,
    /// What is done to images of a model.
    pub rounding: Rounding,
    /// Samples of the published numbers.
    pub samples: Option<usize>,
    /// Whether the labels of samples are drawn, and not as many of each.
    pub random_labels: bool,
    /// Inception Score.
    pub inception_score: Option<Splits>,
    /// The distance of spatial features, sFID.
    pub spatial: bool,
    /// Precision and recall.
    pub manifold: Option<Balls>,
    /// Density and coverage.
    pub density: Option<Balls>,
    /// Kernel distance: 100 subsets of 1,000.
    pub kernel: bool,
    /// Whether numbers are this project's own, and comparable with nothing else.
    pub own: bool,
}

const BASE: Protocol = Protocol {
    name: "",
    about: "",
    network: Network::Inception(Resize::Tensorflow),
    rounding: Rounding::Round,
    samples: Some(50_000),
    random_labels: false,
    inception_score: None,
    spatial: false,
    manifold: None,
    density: None,
    kernel: false,
    own: false,
};

/// All protocols.
pub const PROTOCOLS: [Protocol; 8] = [
    Protocol {
        name: "adm",
        about: "the script of ADM (guided-diffusion): FID, sFID, IS in blocks of 5,000, precision and recall of 3 \
                neighbours; DiT, SiT, REPA",
        inception_score: Some(Splits::ADM),
        spatial: true,
        manifold: Some(Balls::ADM),
        ..BASE
    },
    Protocol {
        name: "torch-fidelity",
        about: "torch-fidelity: FID, IS in 10 shuffled parts, KID, precision and recall of 3 neighbours; MAR",
        inception_score: Some(Splits::TORCH_FIDELITY),
        manifold: Some(Balls::TORCH_FIDELITY),
        kernel: true,
        ..BASE
    },
    Protocol {
        name: "pytorch-fid",
        about: "pytorch-fid: FID after PyTorch's bilinear resize",
        network: Network::Inception(Resize::HalfPixel),
        ..BASE
    },
    Protocol {
        name: "clean-fid",
        about: "clean-fid, mode clean: FID and KID after Pillow's bicubic resize without rounding",
        network: Network::Inception(Resize::Clean),
        kernel: true,
        ..BASE
    },
    Protocol {
        name: "svg",
        about: "the script of SVG's repository: pytorch-fid's features of images that are not rounded, IS in blocks of \
                5,000, labels at random",
        network: Network::Inception(Resize::HalfPixel),
        rounding: Rounding::Float,
        random_labels: true,
        inception_score: Some(Splits::ADM),
        ..BASE
    },
    Protocol {
        name: "rae",
        about: "the repository of RAE: torch-fidelity's FID and IS of pictures that are rounded down",
        rounding: Rounding::Truncate,
        inception_score: Some(Splits::TORCH_FIDELITY),
        ..BASE
    },
    Protocol {
        name: "dgm-eval",
        about: "dgm-eval: Fréchet and kernel distance, precision, recall, density and coverage of 5 neighbours in \
                DINOv2 ViT-L/14",
        network: Network::Dinov2,
        manifold: Some(Balls::DGM_EVAL),
        density: Some(Balls::DGM_EVAL),
        kernel: true,
        ..BASE
    },
    Protocol {
        name: "own",
        about: "this project's: Fréchet and kernel distance, MIND, precision, recall, density and coverage of 5 neighbours in a \
                frozen encoder's token of the whole picture; compares with nothing else",
        network: Network::Encoder,
        samples: None,
        manifold: Some(Balls::PRDC),
        density: Some(Balls::PRDC),
        kernel: true,
        own: true,
        ..BASE
    },
];

impl Protocol {
    /// What the Fréchet distance is called.
    pub fn distance(&self) -> &'static str {
        match self.network {
            Network::Inception(_) => "FID",
            Network::Dinov2 => "FD-DINOv2",
            Network::Encoder => "FD",
        }
    }

    /// What the kernel distance is called.
    pub fn kernel_distance(&self) -> &'static str {
        match self.network {
            Network::Inception(_) => "KID",
            _ => "KD",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = PROTOCOLS.iter().find(|protocol| protocol.name == text);
        found.copied().ok_or_else(|| {
            let names = PROTOCOLS.map(|protocol| protocol.name).join(", ");
            format!("expected one of {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_found_by_their_names_which_differ() {
        for protocol in PROTOCOLS {
            assert_eq!(protocol.name.parse::<Protocol>().unwrap(), protocol);
        }
        let error = "fid".parse::<Protocol>().unwrap_err();
        assert!(error.contains("adm, torch-fidelity"), "{error}");
    }
}
