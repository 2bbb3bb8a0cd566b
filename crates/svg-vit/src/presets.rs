//! The released models by name.

use svg_roles::PixelStatistics;

use crate::{Family, Gelu, Positions, VitConfig};

/// Channels, layers, heads and hidden channels of the usual sizes.
const SMALL: [usize; 4] = [384, 12, 6, 1536];
const BASE: [usize; 4] = [768, 12, 12, 3072];
const LARGE: [usize; 4] = [1024, 24, 16, 4096];
const HUGE: [usize; 4] = [1280, 32, 16, 5120];
const SO400M: [usize; 4] = [1152, 27, 16, 4304];
const GIANT: [usize; 4] = [1536, 40, 24, 4096];

type Preset = (&'static str, fn() -> VitConfig);

/// The released models, families in their order, the smallest first.
const PRESETS: [Preset; 20] = [
    ("dinov2-vits14", || dinov2(SMALL)),
    ("dinov2-vits14-reg", || with_registers(dinov2(SMALL))),
    ("dinov2-vitb14", || dinov2(BASE)),
    ("dinov2-vitb14-reg", || with_registers(dinov2(BASE))),
    ("dinov2-vitl14", || dinov2(LARGE)),
    ("dinov2-vitl14-reg", || with_registers(dinov2(LARGE))),
    ("dinov2-vitg14", || dinov2(GIANT).with_gated(true)),
    ("dinov2-vitg14-reg", || {
        with_registers(dinov2(GIANT).with_gated(true))
    }),
    ("mae-vitb16", || VitConfig::of(Family::Mae, BASE, 16, 14)),
    ("mae-vitl16", || VitConfig::of(Family::Mae, LARGE, 16, 14)),
    ("mae-vith14", || VitConfig::of(Family::Mae, HUGE, 14, 16)),
    ("siglip2-vitb16-224", || siglip(BASE, 14)),
    ("siglip2-vitb16-256", || siglip(BASE, 16)),
    ("siglip2-vitl16-256", || siglip(LARGE, 16)),
    ("siglip2-so400m16-256", || siglip(SO400M, 16)),
    ("clip-vitb16", || VitConfig::of(Family::Clip, BASE, 16, 14)),
    ("clip-vitl14", || VitConfig::of(Family::Clip, LARGE, 14, 16)),
    ("clip-vitl14-336", || {
        VitConfig::of(Family::Clip, LARGE, 14, 24)
    }),
    ("openclip-vitb16", || openclip(BASE, 16, 14)),
    ("openclip-vitl14", || openclip(LARGE, 14, 16)),
];

fn dinov2(sizes: [usize; 4]) -> VitConfig {
    VitConfig::of(Family::Dinov2, sizes, 14, 37)
}

fn with_registers(config: VitConfig) -> VitConfig {
    config
        .with_n_registers(4)
        .with_positions(Positions::BicubicAntialiased)
}

fn siglip(sizes: [usize; 4], table: usize) -> VitConfig {
    VitConfig::of(Family::Siglip, sizes, 16, table)
}

/// Networks of the architecture of CLIP that OpenCLIP trained.
fn openclip(sizes: [usize; 4], patch_size: usize, table: usize) -> VitConfig {
    VitConfig::of(Family::Clip, sizes, patch_size, table)
        .with_gelu(Gelu::Exact)
        .with_pixels(PixelStatistics::CLIP)
}

impl VitConfig {
    /// A released model by its name; see [`VitConfig::preset_names`].
    pub fn preset(name: &str) -> Option<Self> {
        let (_, config) = PRESETS.iter().find(|(known, _)| *known == name)?;
        Some(config())
    }

    /// The names of the released models.
    pub fn preset_names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// The released model that has this network, whatever its rule of positions, its activation, epsilon and pixel
    /// statistics; `None` for other sizes.
    pub fn name(&self) -> Option<&'static str> {
        let same = |(_, preset): &&Preset| {
            let preset = preset();
            preset.same_tensors(self) && preset.n_heads == self.n_heads
        };
        let mut same = PRESETS.iter().filter(same).peekable();
        // Of two with the same tensors, that with the same activation.
        let first = same.peek().map(|(name, _)| *name);
        let exact = same.find(|(_, preset)| preset().gelu == self.gelu);
        exact.map(|(name, _)| *name).or(first)
    }

    /// The name of a released architecture, or its sizes in words.
    pub fn description(&self) -> String {
        let unreleased = || {
            format!(
                "a {} of {} layers, {} channels and patches of {}",
                self.family.name(),
                self.n_layers,
                self.d_model,
                self.patch_size
            )
        };
        self.name().map_or_else(unreleased, str::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Module;
    use svg_nn::Checked;

    /// Of timm 1.0.31 with `num_classes=0`. Its DINOv2 with registers lacks the position of the class token, which is
    /// counted here as in Meta's files. The mask token of those, another `d_model`, is no parameter here.
    #[test]
    fn parameter_counts_are_those_of_timm() {
        let counts = [
            ("dinov2-vits14", 22_056_192),
            ("dinov2-vits14-reg", 22_057_344 + 384),
            ("dinov2-vitb14", 86_579_712),
            ("dinov2-vitb14-reg", 86_582_016 + 768),
            ("dinov2-vitl14", 304_367_616),
            ("dinov2-vitl14-reg", 304_370_688 + 1024),
            ("dinov2-vitg14", 1_136_479_232),
            ("dinov2-vitg14-reg", 1_136_483_840 + 1536),
            ("mae-vitb16", 85_798_656),
            ("mae-vitl16", 303_301_632),
            ("siglip2-vitb16-224", 92_884_224),
            ("siglip2-vitb16-256", 92_930_304),
            ("siglip2-vitl16-256", 315_956_224),
            ("siglip2-so400m16-256", 427_888_064),
            ("clip-vitb16", 85_799_424),
            ("clip-vitl14", 303_179_776),
            ("openclip-vitb16", 85_799_424),
        ];
        for (name, expected) in counts {
            // Parameters are drawn at first use, so counting those of large models costs nothing.
            let vit = VitConfig::preset(name).unwrap().init(&Default::default());
            assert_eq!(vit.num_params(), expected, "{name}");
        }
    }

    #[test]
    fn a_config_knows_its_name_and_has_no_problem() {
        for name in VitConfig::preset_names() {
            let config = VitConfig::preset(name).unwrap();
            assert_eq!(config.problem(), None, "{name}");
            assert_eq!(config.name(), Some(name));
        }
        assert_eq!(
            VitConfig::of(Family::Mae, [32, 2, 2, 64], 4, 4).name(),
            None
        );
    }
}
