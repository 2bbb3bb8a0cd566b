//! What a file is that is no KL autoencoder.

/// An autoencoder that has everything that a KL autoencoder has, and a table of codes.
pub(crate) const VQ: &str = "it is a VQ autoencoder, whose latents are codes";

/// Names that tell what else a file is, with what it is and what to do with it; the first that fits counts.
const KNOWN: [(&[&str], &str); 10] = [
    (
        &["extra_vit.", "norm_vit."],
        "it is an autoencoder of SVG, whose encoder is DINOv3; `svg import autoencoder` reads it",
    ),
    (&["quantize.embedding", "quantize.embed"], VQ),
    (
        &[
            "model.diffusion_model.",
            "time_embedding.linear_1.",
            "time_embed.0.",
        ],
        "it is a U-Net of latent diffusion",
    ),
    (
        &["adaLN_modulation.", "x_embedder.", "t_embedder."],
        "it is a diffusion transformer (DiT, SiT); `svg import flow` reads some of them",
    ),
    (
        &["Mixed_5b.", "Conv2d_1a_3x3."],
        "it is an Inception v3, which evaluation reads with --inception",
    ),
    (
        &[
            "cls_token",
            "storage_tokens",
            "patch_embed.proj.",
            "embeddings.patch_embeddings.",
        ],
        "it is a vision transformer such as DINO, which commands read with --encoder",
    ),
    (
        &["features.0.weight", "lin0.model."],
        "it is a VGG16 or the weights of LPIPS, which commands read with --vgg",
    ),
    (&["text_model.", "text_projection"], "it is a text encoder"),
    (
        &["decoder.layers.", "decoder_embed."],
        "it is the decoder of a masked or representation autoencoder",
    ),
    (
        &["decoder.conv_in."],
        "it has a decoder of that layout and no convolutional encoder; if it is that of SVG, `svg import autoencoder` \
         reads it with --encoder",
    ),
];

/// What a file with these tensors is, if it is known.
pub(crate) fn recognised<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Option<&'static str> {
    let begins = |name: &str, part: &str| {
        // At the beginning of a part of the name.
        let mut places = name.match_indices(part);
        places.any(|(at, _)| at == 0 || name[..at].ends_with('.'))
    };
    let found = KNOWN.iter().find(|(parts, _)| {
        let mut names = names.clone();
        names.any(|name| parts.iter().any(|part| begins(name, part)))
    });
    found.map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_files_are_told_apart() {
        for (names, said) in [
            (&["ema.blocks.0.adaLN_modulation.1.weight"][..], "DiT"),
            (&["cls_token", "blocks.0.norm1.weight"], "DINO"),
            (&["Mixed_5b.branch1x1.conv.weight"], "Inception"),
            (
                &["state_dict.extra_vit.ln.weight", "decoder.conv_in.weight"],
                "SVG",
            ),
            (
                &["decoder.conv_in.weight", "decoder.mid.block_1.conv1.weight"],
                "no convolutional encoder",
            ),
            (
                &["encoder.conv_in.weight", "quantize.embedding.weight"],
                "VQ",
            ),
        ] {
            let what = recognised(names.iter().copied()).unwrap();
            assert!(what.contains(said), "{what}");
        }
        assert_eq!(
            recognised(["a.weight", "my_text_projection"].into_iter()),
            None
        );
    }
}
