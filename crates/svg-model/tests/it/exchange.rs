//! Parts and bundles that take the place of others while somebody else reads or changes them.

use std::fs;
use std::path::Path;
use std::sync::Barrier;

use burn::prelude::*;
use burn::store::burn_pack::Error;
use burn::tensor::{DType, Shape};
use svg_decoder::DecoderConfig;
use svg_dino::{DinoConfig, DinoFile, Layout};
use svg_model::{
    Alignment, AutoencoderConfig, Bundle, Checkpoint, CheckpointOptions, ENCODER, FLOW,
    FlowCheckpoint, LATENTS, ModelError, NewFile, NewPart, SPACE, autoencoder_tensors, kinds, svg,
};
use svg_nn::StoredTensor;
use svg_sit::SitConfig;

use crate::place::*;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// The folder holds the files of its manifest, and nothing else.
#[track_caller]
fn assert_clean(folder: &Path) {
    let bundle = Bundle::open(folder).unwrap();
    let files = bundle.manifest().files().map(|(name, _)| name.clone());
    let mut expected: Vec<_> = files.chain(["manifest.json".to_string()]).collect();
    expected.sort();
    assert_eq!(names(folder), expected);
}

/// With statistics and a flow.
fn whole(place: &Place) -> Bundle {
    let (mut bundle, _) = place.write(true);
    let stored = latents(&bundle, 0.1);
    bundle.set_latent_statistics(&stored).unwrap();
    set_flow(&mut bundle, flow()).unwrap();
    bundle
}

/// Another flow than that of [`whole`].
fn wide() -> SitConfig {
    SitConfig { d_ff: 64, ..flow() }
}

/// A file that fails when it is written.
fn broken() -> NewFile {
    let tensor = StoredTensor::deferred(
        "broken".to_string(),
        DType::F32,
        Shape::from([2]),
        None,
        8,
        || Err(Error::IoError("gone".to_string())),
    );
    NewFile::new(FLOW, vec![tensor], Default::default())
}

#[test]
fn a_change_is_refused_while_another_process_changes_the_bundle() {
    let place = Place::new();
    let bundle = whole(&place);
    let mut first = Bundle::open_to_change(bundle.folder()).unwrap();
    let locked = |refused: Result<(), ModelError>| {
        let refused = message(refused);
        assert!(refused.contains("another process changes"), "{refused}");
    };
    locked(Bundle::open_to_change(bundle.folder()).map(drop));
    let mut second = Bundle::open(bundle.folder()).unwrap();
    locked(second.set_latent_statistics(&latents(&second, 0.2)));
    locked(bundle.copy_to(bundle.folder()).map(drop));
    let stored = latents(&first, 0.3);
    first.set_latent_statistics(&stored).unwrap();
    drop(first);
    // Readers never wait.
    let now = Bundle::open(bundle.folder()).unwrap();
    assert_eq!(now.latent_statistics().unwrap(), Some(stored));
    second
        .set_latent_statistics(&latents(&second, 0.4))
        .unwrap();
    assert_clean(bundle.folder());
}

#[test]
fn what_others_have_changed_since_is_kept_and_what_stands_on_it_refused() {
    let place = Place::new();
    let bundle = whole(&place);
    let open = || Bundle::open(bundle.folder()).unwrap();
    let (mut early, mut other) = (open(), open());
    // A flow that came meanwhile is no part of what statistics stand on.
    set_flow(&mut other, wide()).unwrap();
    let stored = latents(&early, 0.2);
    early.set_latent_statistics(&stored).unwrap();
    let now = open();
    assert_eq!(now.config::<SitConfig>(FLOW).unwrap(), wide());
    assert_eq!(now.latent_statistics().unwrap(), Some(stored));
    // The alignment is what they stand on.
    let (mut early, mut late, mut other) = (open(), open(), open());
    svg::set_alignment_statistics(&mut other, &statistics(-2.0)).unwrap();
    let refused = message(early.set_latent_statistics(&latents(&early, 0.5)));
    assert!(
        refused.contains("has changed space of") && refused.contains("run the command again"),
        "{refused}"
    );
    let refused = message(set_flow(&mut late, flow()));
    assert!(refused.contains("has changed space"), "{refused}");
    let refused = message(svg::set_alignment_statistics(&mut late, &statistics(3.0)));
    assert!(refused.contains("has changed space"), "{refused}");
    let aligned = svg::alignment_statistics(&open()).unwrap();
    assert_eq!(aligned, Some(statistics(-2.0)));
    assert_clean(bundle.folder());
}

#[test]
fn an_open_bundle_is_what_it_was_whatever_takes_its_place() {
    let place = Place::new();
    let bundle = whole(&place);
    let noise = |bundle: &Bundle| {
        let generator = place.generator(bundle).unwrap();
        generator.images(generator.noise(0, &[0, 1])).into_data()
    };
    let expected = noise(&bundle);
    let mut other = Bundle::open(bundle.folder()).unwrap();
    set_flow(&mut other, wide()).unwrap();
    other.set_latent_statistics(&latents(&other, 7.0)).unwrap();
    let decoder = Place::config().decoder.init(&place.device);
    let parts = place.parts(None, &decoder, true);
    Bundle::create(bundle.folder(), parts, true).unwrap();
    noise(&bundle).assert_eq(&expected, true);
    let stored = bundle.latent_statistics().unwrap();
    assert_eq!(stored, Some(latents(&bundle, 0.1)));
    // Another encoder, which is opened by its name.
    let larger = DinoConfig::new(32, 1, 2, 32).with_patch_size(4);
    let larger = DinoFile::of(&larger.init(&place.device));
    let path = place.path("encoder.safetensors");
    larger.save(Layout::Official, &path).unwrap();
    let parts = place.parts(None, &decoder, true);
    Bundle::create(bundle.folder(), parts, true).unwrap();
    let refused = message(place.load(&bundle, None).map(drop));
    assert!(refused.contains("another process has changed"), "{refused}");
    assert_clean(bundle.folder());
}

#[test]
fn two_parts_are_exchanged_together_or_not_at_all() {
    let place = Place::new();
    let mut bundle = whole(&place);
    let before = fs::read(bundle.folder().join("manifest.json")).unwrap();
    let part = |bundle: &Bundle| bundle.latents_part(&latents(bundle, 0.5)).unwrap();
    let parts = [
        (LATENTS, part(&bundle)),
        (FLOW, NewPart::new("sit", &()).with_file(broken())),
    ];
    let refused = message(bundle.exchange(parts));
    assert!(refused.contains("gone"), "{refused}");
    let after = fs::read(bundle.folder().join("manifest.json")).unwrap();
    assert_eq!(before, after);
    assert_clean(bundle.folder());
    let new = part(&bundle);
    let flow = flow_part(&bundle, &wide()).unwrap();
    bundle.exchange([(FLOW, flow), (LATENTS, new)]).unwrap();
    let found = bundle.latent_statistics().unwrap().unwrap();
    assert_eq!(found.statistics.mean[0], 0.5);
    assert_clean(bundle.folder());
}

#[test]
fn a_bundle_takes_the_place_of_another_and_leaves_other_files_alone() {
    let place = Place::new();
    let bundle = whole(&place);
    fs::write(bundle.folder().join("notes.txt"), "mine").unwrap();
    fs::write(bundle.folder().join("flow-mine.safetensors"), "mine").unwrap();
    let decoder = Place::config().decoder.init(&place.device);
    let parts = place.parts(None, &decoder, false);
    let new = Bundle::create(bundle.folder(), parts, true).unwrap();
    assert!(new.find(FLOW).is_none() && new.find(LATENTS).is_none());
    for name in ["notes.txt", "flow-mine.safetensors"] {
        fs::remove_file(bundle.folder().join(name)).unwrap();
    }
    assert_clean(bundle.folder());
}

/// What a process leaves that is killed before or after its manifest takes its place.
#[test]
fn the_next_change_removes_what_a_killed_one_has_left_and_nothing_else() {
    let place = Place::new();
    let mut bundle = whole(&place);
    let path = |name: &str| bundle.folder().join(name);
    let journal = path(".exchange.json");
    let named = bundle.manifest().files().map(|(name, _)| name.clone());
    let named: Vec<_> = named.collect();
    let left = ["flow-11111111.safetensors", "latents.safetensors"];
    let listed: Vec<_> = named.iter().map(String::as_str).chain(left).collect();
    let foreign = ["../mine.safetensors", "mine.txt", "manifest.json"];
    let listed: Vec<_> = listed.into_iter().chain(foreign).collect();
    fs::write(&journal, serde_json::to_string(&listed).unwrap()).unwrap();
    let mine = ["mine.txt", "flow-22222222.safetensors", ".mine-7", ".tmp"];
    let gone = [".writing-abc", ".flow-4711", ".autoencoder-12"];
    for name in left.into_iter().chain(mine).chain(gone) {
        fs::write(path(name), "x").unwrap();
    }
    fs::write(place.path("mine.safetensors"), "x").unwrap();
    fs::create_dir_all(path(".writing-folder/below")).unwrap();
    fs::write(path(".lock"), "").unwrap();
    Bundle::open(bundle.folder()).unwrap();
    drop(Bundle::open_to_change(bundle.folder()).unwrap());
    for name in mine {
        fs::remove_file(path(name)).unwrap();
    }
    fs::remove_file(place.path("mine.safetensors")).unwrap();
    assert_clean(bundle.folder());
    bundle
        .set_latent_statistics(&latents(&bundle, 0.2))
        .unwrap();
    assert_clean(bundle.folder());
}

#[test]
fn readers_and_writers_at_once_see_whole_bundles() {
    let place = Place::new();
    let bundle = whole(&place);
    let folder = bundle.folder();
    std::thread::scope(|scope| {
        for writer in 0..2 {
            scope.spawn(move || {
                for number in 0..20 {
                    let mut bundle = Bundle::open(folder).unwrap();
                    let mean = f64::from(writer * 100 + number);
                    match bundle.set_latent_statistics(&latents(&bundle, mean)) {
                        Ok(()) | Err(ModelError::Locked(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        for _ in 0..40 {
            let bundle = Bundle::open(folder).unwrap();
            assert!(bundle.latent_statistics().unwrap().is_some());
            assert!(bundle.tensors(FLOW, FLOW).is_ok());
        }
    });
    assert_clean(folder);
}

#[test]
fn of_two_that_make_a_bundle_in_one_place_one_wins_and_the_other_is_told() {
    let place = Place::new();
    let folder = place.path("bundle");
    let barrier = Barrier::new(2);
    let make = || {
        let decoder = Place::config().decoder.init(&Device::default());
        let parts = place.parts(None, &decoder, true);
        barrier.wait();
        Bundle::create(&folder, parts, false)
    };
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads = [scope.spawn(make), scope.spawn(make)];
        threads.map(|thread| thread.join().unwrap()).into()
    });
    let won = made.iter().filter(|made| made.is_ok()).count();
    assert_eq!(won, 1);
    for made in made.into_iter().filter(Result::is_err) {
        assert!(message(made).contains("not empty"));
    }
    assert_clean(&folder);
    let bundle = Bundle::open(&folder).unwrap();
    assert_eq!(bundle.part(ENCODER).unwrap().files.len(), 1);
    assert_eq!(bundle.part(SPACE).unwrap().kind, "svg");
}

#[test]
fn a_file_of_a_bundle_is_read_with_the_sizes_of_its_manifest() {
    let place = Place::new();
    let config = Place::config();
    let decoder = DecoderConfig {
        norm_groups: 8,
        ..config.decoder.clone()
    };
    let tensors = autoencoder_tensors(None, &decoder.init(&place.device));
    let config = AutoencoderConfig::new(decoder).with_alignment(Alignment::None);
    // As earlier versions wrote it: the file itself says nothing.
    let file = NewFile::new(svg::AUTOENCODER, tensors, Default::default());
    let part = NewPart::new(kinds::SVG, &config).with_file(file);
    let bundle = Bundle::create(&place.path("bundle"), [(SPACE, part)], false).unwrap();
    let path = bundle.file(SPACE, svg::AUTOENCODER).unwrap();
    let open = |path: &Path| Checkpoint::open(path, &CheckpointOptions::default()).unwrap();
    let found = open(&path);
    assert_eq!(found.config, config);
    found.check(&place.device).unwrap();
    // Elsewhere nothing tells, and that is said.
    let alone = place.path("alone.safetensors");
    fs::copy(&path, &alone).unwrap();
    let found = open(&alone);
    assert_eq!(found.config.decoder.norm_groups, 32);
    assert!(
        found
            .notes
            .iter()
            .any(|note| note.contains("32 are assumed")),
        "{:?}",
        found.notes
    );
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let refused = message(open(&path).check(&place.device));
    assert!(refused.contains("SHA-256"), "{refused}");
}

#[test]
fn a_file_of_a_flow_is_read_with_the_sizes_of_its_manifest() {
    let place = Place::new();
    let mut bundle = whole(&place);
    let heads = SitConfig {
        n_heads: 4,
        ..flow()
    };
    set_flow(&mut bundle, heads.clone()).unwrap();
    let path = bundle.file(FLOW, FLOW).unwrap();
    let found = FlowCheckpoint::open(&path, None, None).unwrap();
    assert_eq!((found.config, found.classes.len()), (heads, 2));
    let refused = message(FlowCheckpoint::open(&path, None, Some(3)));
    assert!(
        refused.contains("it says that it has 2 classes"),
        "{refused}"
    );
}
