//! Files of weights as trainings leave them: which network is taken, what is said, and what is refused.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::TensorData;
use svg_decoder::DecoderConfig;
use svg_model::{Bundle, FLOW, SPACE, autoencoder_tensors, svg};
use svg_nn::{StoredTensor, TensorFile, save_tensors};
use svg_sit::{SitConfig, checkpoint_tensors};
use tempfile::TempDir;

use crate::checkpoint::published;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn save(&self, name: &str, tensors: &[StoredTensor]) -> PathBuf {
        let path = self.path(name);
        save_tensors(&path, tensors, HashMap::new()).unwrap();
        path
    }

    fn svg(&self, words: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_svg"));
        let command = command.args(words.split_whitespace());
        command.current_dir(self.0.path()).output().unwrap()
    }

    /// What is said on standard error by a command that works.
    #[track_caller]
    fn done(&self, words: &str) -> String {
        let output = self.svg(words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words}: {said}");
        said
    }

    /// What is said by a command that fails, in words and not by a panic.
    #[track_caller]
    fn refused(&self, words: &str) -> String {
        let output = self.svg(words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words}: {said}");
        assert!(!said.contains("panicked"), "{said}");
        said
    }

    /// A bundle of the published layout at a small size, without a flow.
    fn bundle(&self) -> PathBuf {
        self.save("ae.safetensors", &published());
        self.done("import autoencoder ae.safetensors --out bundle --force");
        self.path("bundle")
    }

    fn part(&self, bundle: &str, part: &str, stem: &str) -> Vec<StoredTensor> {
        let bundle = Bundle::open(&self.path(bundle)).unwrap();
        bundle.tensors(part, stem).unwrap().into_tensors()
    }
}

fn before(prefix: &str, tensors: &[StoredTensor]) -> Vec<StoredTensor> {
    let named = |tensor: &StoredTensor| {
        let mut tensor = tensor.clone();
        tensor.name = format!("{prefix}{}", tensor.name);
        tensor
    };
    tensors.iter().map(named).collect()
}

fn zeros(name: &str) -> StoredTensor {
    bridge::from_data(TensorData::from([0.0f32; 4]), name.to_string(), None)
}

fn flow(classes: usize) -> Vec<StoredTensor> {
    let config = SitConfig::new(40, 4, 4, 16, 1, 2, 32).with_n_classes(classes);
    checkpoint_tensors(&config.init(&Device::default()))
}

/// The same tensors with one whose first number is another.
fn with_number(tensors: &[StoredTensor], name: &str, number: f32) -> Vec<StoredTensor> {
    let changed = |tensor: &StoredTensor| {
        if tensor.name != name {
            return tensor.clone();
        }
        let data = bridge::to_data(tensor).unwrap();
        let mut values: Vec<f32> = data.iter().collect();
        values[0] = number;
        let data = TensorData::new(values, tensor.shape.clone());
        bridge::from_data(data, name.to_string(), None)
    };
    tensors.iter().map(changed).collect()
}

#[track_caller]
fn same(found: &[StoredTensor], expected: &[StoredTensor]) {
    for tensor in found {
        let other = expected.iter().find(|other| other.name == tensor.name);
        let bytes = |tensor: &StoredTensor| tensor.to_bytes().unwrap().to_vec();
        let equal = other.is_some_and(|other| bytes(other) == bytes(tensor));
        assert!(equal, "{} is another", tensor.name);
    }
}

#[test]
fn the_averaged_flow_of_a_training_is_imported_and_the_other_by_its_key() {
    let place = Place::new();
    let bundle = place.bundle();
    let (trained, averaged) = (flow(3), flow(3));
    let mut all = before("model.module.", &trained);
    all.extend(before("ema._orig_mod.", &averaged));
    all.push(zeros("opt.state.0.exp_avg"));
    place.save("last.safetensors", &all);
    let said = place.done("import flow last.safetensors --bundle bundle");
    for part in [
        "the averaged weights under ema (26 tensors)",
        "left",
        "opt",
        "--weights-key",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Three classes and no class, which nothing in the file says.
    assert!(said.contains("read as 3 classes and no class"), "{said}");
    same(&place.part("bundle", FLOW, FLOW), &averaged);
    let opened = Bundle::open(&bundle).unwrap();
    let notes = &opened.part(FLOW).unwrap().provenance.notes;
    assert!(notes[0].contains("under ema"), "{notes:?}");
    place.done("import flow last.safetensors --bundle bundle --weights-key model --classes 3");
    same(&place.part("bundle", FLOW, FLOW), &trained);
    let said = place.refused("import flow last.safetensors --bundle bundle --weights-key teacher");
    assert!(said.contains("its keys are ema, model"), "{said}");
    let said = place.refused("import flow ae.safetensors --bundle bundle");
    assert!(said.contains("It holds decoder ("), "{said}");
}

#[test]
fn averages_of_an_autoencoder_are_taken_and_unknown_parts_refused() {
    let place = Place::new();
    let trained = published();
    let averaged = |tensor: &&StoredTensor| tensor.name.starts_with("decoder.");
    let device = Device::default();
    let config = {
        place.bundle();
        svg::space_config(&Bundle::open(&place.path("bundle")).unwrap()).unwrap()
    };
    let other = autoencoder_tensors(None, &config.decoder.init(&device));
    let other: Vec<_> = other.iter().filter(averaged).cloned().collect();
    let expected: Vec<_> = trained
        .iter()
        .filter(|tensor| !averaged(tensor))
        .cloned()
        .collect();
    let expected = [other.clone(), expected].concat();
    let mut dotless = other.clone();
    for tensor in &mut dotless {
        tensor.name = format!("model_ema.{}", tensor.name.replace('.', ""));
    }
    dotless.push(zeros("model_ema.num_updates"));
    for (name, averages) in [("litema", dotless), ("part", before("ema_", &other))] {
        let all = [trained.clone(), averages].concat();
        place.save("file.safetensors", &before("state_dict.", &all));
        let said = place.done(&format!("import autoencoder file.safetensors --out {name}"));
        assert!(said.contains("averaged weights"), "{said}");
        same(&place.part(name, SPACE, svg::AUTOENCODER), &expected);
        let words = "import autoencoder file.safetensors --force --weights-key state_dict --out";
        place.done(&format!("{words} {name}"));
        same(&place.part(name, SPACE, svg::AUTOENCODER), &trained);
    }
    let unknown = ["quant_conv.weight", "post_quant_conv.bias"].map(zeros);
    place.save("quant.safetensors", &[trained, unknown.to_vec()].concat());
    let said = place.refused("import autoencoder quant.safetensors --out quant");
    assert!(
        said.contains("post_quant_conv.bias, quant_conv.weight"),
        "{said}"
    );
    assert!(!place.path("quant").exists());
}

#[test]
fn the_encoder_of_a_bundle_is_found_again_by_its_numbers() {
    let place = Place::new();
    let (one, other) = (published(), published());
    let mut all = before("model.", &one);
    all.extend(before("ema.", &other));
    place.save("both.safetensors", &all);
    svg_image::save_png(&svg_image::RgbImage::new(16, 16), place.path("a.png"), &[]).unwrap();
    for (options, file) in [("", &other), ("--weights-key model", &one)] {
        place.done(&format!(
            "import autoencoder both.safetensors --force --out bundle {options}"
        ));
        place.done("encode --bundle bundle --images a.png --out found.safetensors");
        place.save("alone.safetensors", file);
        place.done("import autoencoder alone.safetensors --force --out alone");
        place.done("encode --bundle alone --images a.png --out expected.safetensors");
        let features = |name: &str| TensorFile::open(place.path(name)).unwrap().into_tensors();
        same(
            &features("found.safetensors"),
            &features("expected.safetensors"),
        );
        place.done("export autoencoder --bundle bundle --out back.safetensors");
        same(&features("back.safetensors"), file);
    }
    // The encoder itself, where only that is wanted.
    let said = place
        .done("features --weights both.safetensors --size 16 --images a.png --out t.safetensors");
    assert!(said.contains("under ema.encoder"), "{said}");
    place.done(
        "features --weights both.safetensors --weights-key model --size 16 --images a.png --out u.safetensors",
    );
    let tokens = |name: &str| std::fs::read(place.path(name)).unwrap();
    assert_ne!(tokens("t.safetensors"), tokens("u.safetensors"));
}

#[test]
fn numbers_that_are_none_are_refused_by_name_and_leave_nothing() {
    let place = Place::new();
    place.bundle();
    for number in [f32::NAN, f32::INFINITY] {
        let name = "blocks.0.attn.proj.bias";
        place.save("flow.safetensors", &with_number(&flow(3), name, number));
        let said = place.refused("import flow flow.safetensors --bundle bundle");
        let expected = format!("{name}: 1 of 16 numbers is NaN or infinite");
        assert!(said.contains(&expected), "{said}");
        for name in [
            "decoder.conv_in.bias",
            "extra_vit.heads.2.bias",
            "encoder.norm.weight",
        ] {
            place.save("bad.safetensors", &with_number(&published(), name, number));
            let said = place.refused("import autoencoder bad.safetensors --out bad");
            let inner = name.strip_prefix("encoder.").unwrap_or(name);
            assert!(
                said.contains(inner) && said.contains("NaN or infinite"),
                "{said}"
            );
            assert!(!place.path("bad").exists());
        }
        // Carried on for a training, and computed with there.
        let critic = "loss.discriminator.main.0.bias";
        let with_critic = [published(), vec![zeros(critic)]].concat();
        place.save(
            "bad.safetensors",
            &with_number(&with_critic, critic, number),
        );
        let said = place.refused("import autoencoder bad.safetensors --out bad");
        let expected = format!("{critic}: 1 of 4 numbers is NaN or infinite");
        assert!(said.contains(&expected), "{said}");
        assert!(!place.path("bad").exists());
    }
    let encoder = published().into_iter().filter_map(|mut tensor| {
        tensor.name = tensor.name.strip_prefix("encoder.")?.to_string();
        Some(tensor)
    });
    let encoder: Vec<_> = encoder.collect();
    place.save(
        "encoder.safetensors",
        &with_number(&encoder, "norm.weight", f32::NAN),
    );
    let said = place.refused("convert encoder.safetensors converted.safetensors --to official");
    assert!(
        said.contains("norm.weight: 1 of 32 numbers is NaN or infinite"),
        "{said}"
    );
    assert!(!place.path("converted.safetensors").exists());
    assert!(
        Bundle::open(&place.path("bundle"))
            .unwrap()
            .find(FLOW)
            .is_none()
    );
}

#[test]
fn samples_that_overflow_are_refused_and_not_written() {
    let place = Place::new();
    place.bundle();
    let huge = with_number(&flow(3), "final_layer.linear.bias", f32::MAX);
    place.save("flow.safetensors", &huge);
    let numbers = |name: &str, value: f32| {
        bridge::from_data(TensorData::from([value; 40]), name.to_string(), None)
    };
    place.save(
        "stats.safetensors",
        &[numbers("mean", 0.0), numbers("std", 4.0)],
    );
    place.done("import flow flow.safetensors --bundle bundle --stats stats.safetensors");
    let said = place.refused("sample --bundle bundle --classes all --steps 2 --out samples");
    assert!(said.contains("NaN or infinite in the"), "{said}");
    let written = std::fs::read_dir(place.path("samples")).map_or(0, Iterator::count);
    assert_eq!(written, 0, "nothing is written");
    let features = bridge::from_data(
        TensorData::new(vec![f32::NAN; 16 * 40], [1, 16, 40]),
        "features".to_string(),
        None,
    );
    place.save("features.safetensors", &[features]);
    let said = place.refused("decode --bundle bundle features.safetensors --out decoded");
    assert!(said.contains("image 0 decodes to the value NaN"), "{said}");
}

#[test]
fn a_decoder_whose_groups_nothing_tells_is_refused_and_read_with_an_option() {
    let place = Place::new();
    let narrow = DecoderConfig::new(40)
        .with_width(8)
        .with_width_multipliers(vec![1, 1, 1])
        .with_n_res_blocks(1)
        .with_attention_resolutions(vec![])
        .with_norm_groups(4);
    let decoder = autoencoder_tensors(None, &narrow.init(&Device::default()));
    let mut all = published();
    all.retain(|tensor| !tensor.name.starts_with("decoder."));
    all.extend(decoder);
    place.save("narrow.safetensors", &all);
    let said = place.refused("import autoencoder narrow.safetensors --out narrow");
    assert!(
        said.contains("32 groups do not divide the 8 channels"),
        "{said}"
    );
    assert!(said.contains("--norm-groups"), "{said}");
    let said = place.refused("import autoencoder narrow.safetensors --norm-groups 3 --out narrow");
    assert!(said.contains("3 groups do not divide"), "{said}");
    place.done("import autoencoder narrow.safetensors --norm-groups 4 --out narrow");
    let bundle = Bundle::open(&place.path("narrow")).unwrap();
    assert_eq!(svg::space_config(&bundle).unwrap().decoder.norm_groups, 4);
}

#[test]
fn the_raw_file_of_a_bundle_keeps_its_groups_wherever_it_lies() {
    let place = Place::new();
    place.bundle();
    let groups = |bundle: &str| {
        let bundle = Bundle::open(&place.path(bundle)).unwrap();
        svg::space_config(&bundle).unwrap().decoder.norm_groups
    };
    let said = place.done("import autoencoder ae.safetensors --norm-groups 8 --out eight");
    assert!(!said.contains("are assumed"), "{said}");
    assert_eq!((groups("bundle"), groups("eight")), (32, 8));
    let raw = Bundle::open(&place.path("eight")).unwrap();
    let raw = raw.file(SPACE, svg::AUTOENCODER).unwrap();
    std::fs::copy(&raw, place.path("alone.safetensors")).unwrap();
    for (number, file) in [raw.display().to_string(), "alone.safetensors".to_string()]
        .iter()
        .enumerate()
    {
        let import = format!("import autoencoder {file} --encoder ae.safetensors");
        place.done(&format!("{import} --out again-{number}"));
        assert_eq!(groups(&format!("again-{number}")), 8);
        let said = place.refused(&format!("{import} --norm-groups 16 --out other"));
        assert!(said.contains("its norms have 8 groups"), "{said}");
    }
    let said = place.done("import autoencoder ae.safetensors --out assumed");
    assert!(said.contains("32 are assumed"), "{said}");
}

#[test]
fn a_label_table_without_a_row_for_no_class_is_refused() {
    let place = Place::new();
    place.bundle();
    place.save("flow.safetensors", &flow(9));
    let import = "import flow flow.safetensors --bundle bundle";
    let said = place.refused(import);
    assert!(
        said.contains("--classes 9 if it is, or --classes 10"),
        "{said}"
    );
    let said = place.refused(&format!("{import} --classes 10"));
    assert!(said.contains("Append a row"), "{said}");
    place.done(&format!("{import} --classes 9"));
}

#[test]
fn statistics_by_which_nothing_can_be_divided_are_refused() {
    let place = Place::new();
    let bundle = place.bundle();
    place.save("flow.safetensors", &flow(3));
    let numbers = |name: &str, values: Vec<f32>| {
        bridge::from_data(TensorData::new(values, [40]), name.to_string(), None)
    };
    for (place_of_bad, bad) in [(3, 0.0), (5, f32::NAN), (7, f32::INFINITY), (9, -1.0)] {
        let mut deviations = vec![1.0; 40];
        deviations[place_of_bad] = bad;
        let tensors = [
            numbers("a.mean", vec![0.0; 40]),
            numbers("a.std", deviations),
        ];
        place.save("stats.safetensors", &tensors);
        let said =
            place.refused("import flow flow.safetensors --bundle bundle --stats stats.safetensors");
        let expected = format!("channel {place_of_bad} has the mean 0 and the deviation {bad}");
        assert!(said.contains(&expected), "{said}");
    }
    assert!(Bundle::open(&bundle).unwrap().find(FLOW).is_none());
    place.save("other.safetensors", &[zeros("average"), zeros("variance")]);
    let said =
        place.refused("import flow flow.safetensors --bundle bundle --stats other.safetensors");
    assert!(said.contains("it holds average, variance"), "{said}");
}
