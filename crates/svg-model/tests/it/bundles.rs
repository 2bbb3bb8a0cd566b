//! Parts, files and manifests of a bundle.

use std::fs;
use std::path::Path;

use burn::module::Module;
use svg_dino::{DinoConfig, DinoFile, Layout};
use svg_model::{Alignment, Bundle, FLOW, NewPart, OpenOptions, Registry, SPACE, svg};
use svg_residual::ResidualEncoder;

use crate::place::*;

/// The name of the file of the space's networks.
fn autoencoder_file(bundle: &Bundle) -> String {
    let name = bundle.part(SPACE).unwrap().file(svg::AUTOENCODER);
    name.unwrap().to_string()
}

#[test]
fn a_bundle_gives_the_model_back_to_the_bit() {
    let place = Place::new();
    for copy_encoder in [false, true] {
        let (bundle, model) = place.write(copy_encoder);
        let loaded = place.load(&bundle, None).unwrap();
        let expected = model.reconstruct(place.images()).into_data();
        let found = loaded.reconstruct(place.images()).into_data();
        found.assert_eq(&expected, true);
        assert_eq!(loaded.encoder.alignment, Alignment::Frozen);
    }
    let names = |folder: &Path| -> Vec<_> {
        let names = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    };
    assert_eq!(
        names(place.folder.path()).len(),
        2,
        "nothing is left beside it"
    );
    let is_encoder = |name: &String| name.starts_with("encoder-");
    assert!(names(&place.path("bundle")).iter().any(is_encoder));
}

#[test]
fn a_missing_cut_or_changed_file_is_named() {
    let place = Place::new();
    let (bundle, _) = place.write(false);
    let name = autoencoder_file(&bundle);
    let path = bundle.folder().join(&name);
    let whole = fs::read(&path).unwrap();

    fs::remove_file(&path).unwrap();
    let missing = message(Bundle::open(bundle.folder()));
    assert!(
        missing.contains(&name) && missing.contains("missing"),
        "{missing}"
    );

    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(message(Bundle::open(bundle.folder())).contains("bytes where the manifest says"));

    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&path, other).unwrap();
    assert!(message(Bundle::open(bundle.folder())).contains("SHA-256"));

    fs::write(&path, whole).unwrap();
    Bundle::open(bundle.folder()).unwrap();
}

#[test]
fn nothing_of_a_changed_file_is_given_away_while_hashes_are_compared() {
    let place = Place::new();
    let (bundle, _) = place.write(false);
    let name = autoencoder_file(&bundle);
    let path = bundle.folder().join(&name);
    let mut other = fs::read(&path).unwrap();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&path, other).unwrap();

    let copy = place.path("copy");
    for _ in 0..20 {
        let open = || Bundle::open_checking(bundle.folder()).unwrap();
        let refused = [
            message(open().check()),
            message(open().tensors(SPACE, svg::AUTOENCODER)),
            message(open().open_file(&name)),
            message(open().load(SPACE, svg::AUTOENCODER, |file| Ok(file.into_tensors()))),
            message(place.load(&open(), None)),
            message(open().copy_to(&copy)),
        ];
        assert!(
            refused.iter().all(|said| said.contains("SHA-256")),
            "{refused:?}"
        );
        assert!(!copy.exists());
        // It is said again, whoever asks.
        let bundle = open();
        let said = [(); 2].map(|()| message(bundle.check()));
        assert_eq!(said[0], said[1]);
    }
}

#[test]
fn another_encoder_is_refused_and_a_moved_one_is_asked_for() {
    let place = Place::new();
    let (bundle, _) = place.write(false);
    let other = place.save_encoder("other.safetensors", 2);
    let refused = message(place.load(&bundle, Some(&other)));
    assert!(
        refused.contains("not the encoder that this model was trained with"),
        "{refused}"
    );

    let moved = place.path("moved.safetensors");
    fs::rename(place.path("encoder.safetensors"), &moved).unwrap();
    let asked = message(place.load(&bundle, None));
    assert!(asked.contains("--encoder FILE"), "{asked}");
    place.load(&bundle, Some(&moved)).unwrap();

    let larger = DinoConfig::new(32, 1, 2, 32).with_patch_size(4);
    let larger = DinoFile::of(&larger.init(&place.device));
    let larger = larger
        .save(Layout::Official, &place.path("larger.safetensors"))
        .unwrap();
    let refused = message(place.load(&bundle, Some(&larger)));
    assert!(refused.contains("1 layers, 32 channels"), "{refused}");
}

#[test]
fn statistics_can_be_given_later_and_take_the_old_ones_place() {
    let place = Place::new();
    let (mut bundle, _) = place.write(false);
    svg::set_alignment_statistics(&mut bundle, &statistics(-2.0)).unwrap();
    let bundle = Bundle::open(bundle.folder()).unwrap();
    let stored = svg::alignment_statistics(&bundle).unwrap();
    assert_eq!(stored, Some(statistics(-2.0)));
    let files = fs::read_dir(bundle.folder()).unwrap().count();
    assert_eq!(
        files,
        bundle.manifest().files().count() + 1,
        "the old file is gone"
    );
}

#[test]
fn a_manifest_of_another_version_or_with_a_typo_is_refused() {
    let place = Place::new();
    let (bundle, _) = place.write(false);
    let path = bundle.folder().join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let name = autoencoder_file(&bundle);
    let outside = format!("../{name}");
    for (from, to, expected) in [
        ("\"format\": 3", "\"format\": 4", "format 4 is not known"),
        ("\"geometry\"", "\"geometri\"", "geometri"),
        (name.as_str(), outside.as_str(), "lies outside the folder"),
    ] {
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let refused = message(Bundle::open(bundle.folder()));
        assert!(refused.contains(expected), "{refused}");
    }
    // What only the kind of a part knows is checked when it is opened.
    fs::write(
        &path,
        text.replacen("\"d_ff\"", "\"d_fff\": 1, \"d_ff\"", 1),
    )
    .unwrap();
    let bundle = Bundle::open(bundle.folder()).unwrap();
    let refused = message(place.load(&bundle, None));
    assert!(
        refused.contains("part encoder") && refused.contains("d_fff"),
        "{refused}"
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(message(Bundle::open(empty.path())).contains("not a bundle"));
}

#[test]
fn a_manifest_whose_alignment_was_edited_is_refused_when_it_is_opened() {
    let place = Place::new();
    let (bundle, _) = place.write(false);
    let path = bundle.folder().join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"frozen\"", "\"batch\"", 1)).unwrap();
    let bundle = Bundle::open(bundle.folder()).unwrap();
    let refused = message(place.load(&bundle, None));
    assert!(refused.contains("was it edited?"), "{refused}");
}

#[test]
fn a_part_of_an_unknown_kind_is_named_with_the_version_of_the_program() {
    let place = Place::new();
    let (mut bundle, _) = place.write(false);
    let space = NewPart::new("hyperbolic", &());
    bundle.set_part(SPACE, space).unwrap();
    let bundle = Bundle::open(bundle.folder()).unwrap();
    let opened = Registry::standard().space(&bundle, &OpenOptions::default(), &place.device);
    let refused = message(opened.map(|_| ()));
    for expected in [
        "\"space\"",
        "\"hyperbolic\"",
        env!("CARGO_PKG_VERSION"),
        "opens kl_vae, pixels, svg",
    ] {
        assert!(refused.contains(expected), "{refused}");
    }
    // Other parts still open, and a part that no role has is kept.
    Registry::standard()
        .encoder(&bundle, &OpenOptions::default(), &place.device)
        .unwrap();
    let mut bundle = bundle;
    bundle
        .set_part("notes", NewPart::new("prose", &()))
        .unwrap();
    let copy = bundle.copy_to(&place.path("copy")).unwrap();
    assert_eq!(copy.find("notes").unwrap().kind, "prose");
}

#[test]
fn a_copy_is_the_same_bundle_and_takes_the_place_of_bundles_alone() {
    let place = Place::new();
    let (mut bundle, _) = place.write(true);
    bundle
        .set_latent_statistics(&latents(&bundle, 0.1))
        .unwrap();
    let to = place.path("copy");

    let plain = bundle.copy_to(&to).unwrap();
    assert_eq!(plain.manifest(), bundle.manifest());
    assert_eq!(plain.folder(), to);
    let part = flow_part(&bundle, &flow()).unwrap();
    let flowing = bundle.copy_with(&to, FLOW, part).unwrap();
    place.generator(&flowing).unwrap();
    assert!(bundle.find(FLOW).is_none());

    fs::remove_file(svg_model::Manifest::path(&to)).unwrap();
    let refused = message(bundle.copy_to(&to));
    assert!(refused.contains("not empty"), "{refused}");
    let names = fs::read_dir(place.folder.path()).unwrap();
    assert!(names.into_iter().all(|name| {
        let name = name.unwrap().file_name();
        !name.to_string_lossy().starts_with('.')
    }));
}

#[test]
fn features_have_a_fingerprint_that_no_decoder_changes() {
    let place = Place::new();
    let (bundle, model) = place.write(false);
    let decoder = Place::config().decoder.init(&place.device);
    let write = |name: &str, residual: Option<&ResidualEncoder>| {
        let parts = place.parts(residual, &decoder, false);
        let written = Bundle::create(&place.path(name), parts, false);
        written.unwrap().features_fingerprint()
    };
    let fingerprint = bundle.features_fingerprint();
    let same = write("decoder", model.encoder.residual.as_ref());
    assert_eq!(same, fingerprint);
    // Not drawn anew: tests beside this one seed the same generator.
    let residual = model.encoder.residual.map(|own| own.map(&mut Moved));
    assert_ne!(write("residual", residual.as_ref()), fingerprint);
}

#[test]
fn a_folder_with_something_else_in_it_is_not_replaced() {
    let place = Place::new();
    fs::create_dir(place.path("bundle")).unwrap();
    fs::write(place.path("bundle/thesis.tex"), "years").unwrap();
    let space = NewPart::new("anything", &());
    let refused = message(Bundle::create(
        &place.path("bundle"),
        [(SPACE, space)],
        true,
    ));
    assert!(refused.contains("not empty"), "{refused}");
    assert!(place.path("bundle/thesis.tex").exists());
}
