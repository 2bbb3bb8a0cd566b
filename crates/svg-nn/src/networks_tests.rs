//! Every way in which trainings are known to store a network, and which of several is taken.

use std::collections::BTreeMap;

use burn::store::bridge;
use burn::tensor::TensorData;

use crate::{ChoiceError, Network, Networks, StoredTensor};

const NAMES: [&str; 3] = ["a.weight", "a.bias", "pos"];

fn tensor(name: String, value: f32) -> StoredTensor {
    bridge::from_data(TensorData::from([value]), name, None)
}

/// A network whose numbers are `value`, with `before` before its names.
fn network(before: &str, value: f32) -> Vec<StoredTensor> {
    let names = NAMES.iter();
    names
        .map(|name| tensor(format!("{before}{name}"), value))
        .collect()
}

/// Networks with 0, 1, 2 ... as numbers.
fn file(before: &[&str]) -> Networks {
    let all = before.iter().zip(0u8..);
    let all = all.flat_map(|(before, value)| network(before, value.into()));
    Networks::of(all.collect(), &["a.weight"])
}

fn number(tensor: &StoredTensor) -> f32 {
    bridge::to_data(tensor).unwrap().iter().next().unwrap()
}

fn numbers(network: &Network) -> Vec<(&str, f32)> {
    let tensors = network.tensors.iter();
    tensors
        .map(|(name, tensor)| (name.as_str(), number(tensor)))
        .collect()
}

#[track_caller]
fn check(found: &Network, key: &str, value: f32) {
    assert_eq!(found.key, key);
    assert_eq!(
        numbers(found),
        [("a.bias", value), ("a.weight", value), ("pos", value)]
    );
}

#[test]
fn one_network_is_found_under_any_names() {
    for (before, key) in [
        ("", ""),
        ("module.", ""),
        ("_orig_mod.", ""),
        ("state_dict.", "state_dict"),
        ("state_dict.model.", "state_dict.model"),
        ("state_dict.net._orig_mod.", "state_dict.net"),
        ("model.module._orig_mod.", "model"),
        ("module.module.backbone.", "backbone"),
        ("params.", "params"),
        ("ema.module._orig_mod.", "ema"),
        ("anything.at.all.", "anything.at.all"),
    ] {
        check(&file(&[before]).choose(None).unwrap(), key, 0.0);
    }
}

#[test]
fn averaged_weights_are_taken_where_there_are_any() {
    for (trained, averaged, key) in [
        ("model.", "ema.", "ema"),
        ("model.module.", "ema.module.", "ema"),
        ("model.", "ema_model.", "ema_model"),
        ("model.", "model_ema.", "model_ema"),
        ("model.", "ema.model.", "ema.model"),
        ("model_state_dict.", "ema_state_dict.", "ema_state_dict"),
        // timm
        ("state_dict.", "state_dict_ema.", "state_dict_ema"),
        // BasicSR
        ("params.", "params_ema.", "params_ema"),
        // ema_pytorch, with and without the model beside it
        ("ema.online_model.", "ema.ema_model.", "ema.ema_model"),
        ("online_model.module.", "ema_model.module.", "ema_model"),
        // Self-distillation
        ("student.backbone.", "teacher.backbone.", "teacher.backbone"),
        ("encoder.", "target_encoder.", "target_encoder"),
        // Lightning's callback for averages puts the trained weights aside
        (
            "current_model_state.model.",
            "state_dict.model.",
            "state_dict.model",
        ),
        ("", "ema.", "ema"),
    ] {
        let both = file(&[trained, averaged]);
        let found = both.choose(None).unwrap();
        check(&found, key, 1.0);
        let note = found.notes.join("; ");
        assert!(
            note.contains("3 tensors") && note.contains("left"),
            "{note}"
        );
        assert_eq!(found.left.len(), 3);
        let other = trained.trim_end_matches('.');
        let other = both.choose(Some(other)).unwrap();
        assert_eq!(number(&other.tensors[0].1), 0.0, "{trained}");
    }
}

#[test]
fn averages_without_dots_belong_to_the_names_that_they_were_made_of() {
    for (trained, group, dotted) in [
        ("state_dict.model.", "state_dict.model_ema.", ""),
        ("state_dict.", "state_dict.model_ema.", ""),
        // An average of a whole Lightning module, in which the network is a part.
        ("state_dict.net.", "state_dict.model_ema.", "net."),
        ("model.", "model_ema.", "_orig_mod."),
    ] {
        let mut all = network(trained, 0.0);
        for name in &NAMES[..2] {
            let name = format!("{dotted}{name}").replace('.', "");
            all.push(tensor(format!("{group}{name}"), 1.0));
        }
        all.push(tensor(format!("{group}decay"), 0.5));
        let networks = Networks::of(all, &["a.weight"]);
        let found = networks.choose(None).unwrap();
        // What has no average is that of the last step, as when the averages are put in.
        assert_eq!(
            numbers(&found),
            [("a.bias", 1.0), ("a.weight", 1.0), ("pos", 0.0)]
        );
        assert_eq!(found.key, group.trim_end_matches('.'));
        let note = found.notes.join("; ");
        assert!(
            note.contains("1 of them, of which there is no average"),
            "{note}"
        );
        let plain = networks.choose(Some(trained)).unwrap();
        check(&plain, trained.trim_end_matches('.'), 0.0);
    }
}

#[test]
fn averages_of_parts_and_of_parameters_alone_are_completed() {
    let mut all = network("state_dict.", 0.0);
    all.push(tensor("state_dict.ema_a.weight".into(), 1.0));
    all.push(tensor("state_dict.ema_a.bias".into(), 1.0));
    let networks = Networks::of(all, &["a.weight"]);
    let found = networks.choose(None).unwrap();
    assert_eq!(
        numbers(&found),
        [("a.bias", 1.0), ("a.weight", 1.0), ("pos", 0.0)]
    );
    assert_eq!(
        (found.key_of("a"), found.key_of("b")),
        ("state_dict.ema_a".into(), "state_dict.b".into())
    );
    check(
        &networks.choose(Some("state_dict")).unwrap(),
        "state_dict",
        0.0,
    );

    let mut all = network("model.", 0.0);
    all.extend(network("ema.shadow.", 1.0).into_iter().take(2));
    let found = Networks::of(all, &["a.weight"]).choose(None).unwrap();
    assert_eq!(
        numbers(&found),
        [("a.bias", 1.0), ("a.weight", 1.0), ("pos", 0.0)]
    );

    // Another network, some of whose names are the same, is no average.
    let mut all = network("model.", 0.0);
    all.extend(network("teacher.", 1.0).into_iter().skip(1));
    all.push(tensor("teacher.cls_token".into(), 1.0));
    check(
        &Networks::of(all, &["a.weight"]).choose(None).unwrap(),
        "model",
        0.0,
    );

    // A smaller network is not the larger one without some buffers.
    let mut all = network("model.", 0.0);
    all.push(tensor("model.b.weight".into(), 0.0));
    all.extend(network("ema.", 1.0));
    check(
        &Networks::of(all, &["a.weight"]).choose(None).unwrap(),
        "ema",
        1.0,
    );
}

#[test]
fn a_key_takes_another_network_and_a_wrong_one_lists_them() {
    let all = file(&["model.module.", "state_dict.ema.model.", "optimizer."]);
    for (key, value) in [
        ("model", 0.0),
        ("model.module.", 0.0),
        ("state_dict", 1.0),
        ("state_dict.ema", 1.0),
        ("ema", 1.0),
        ("optimizer", 2.0),
    ] {
        let found = all.choose(Some(key)).unwrap();
        assert_eq!(number(&found.tensors[0].1), value, "{key}");
    }
    assert_eq!(all.keys(), ["state_dict.ema.model", "model", "optimizer"]);
    let error = all.choose(Some("teacher")).unwrap_err().to_string();
    assert!(
        error.contains("state_dict.ema.model, model, optimizer"),
        "{error}"
    );
    check(&file(&["", "ema."]).choose(Some(".")).unwrap(), "", 0.0);
}

#[test]
fn several_of_one_rank_are_an_error_unless_they_are_the_same() {
    let error = file(&["ema1.", "ema2.", "model."])
        .choose(None)
        .unwrap_err();
    assert!(matches!(error, ChoiceError::Several { .. }));
    let said = error.to_string();
    assert!(
        said.contains("ema1 (3 tensors), ema2 (3 tensors)"),
        "{said}"
    );
    assert!(said.contains("such as ema1, with --weights-key"), "{said}");
    // As a training stores one module under two names.
    let twice = network("teacher.", 1.0)
        .into_iter()
        .chain(network("model_ema.", 1.0));
    let twice = Networks::of(
        twice.chain(network("student.", 0.0)).collect(),
        &["a.weight"],
    );
    assert_eq!(number(&twice.choose(None).unwrap().tensors[0].1), 1.0);
    // Losses and earlier teachers are no results.
    check(
        &file(&["loss.model.", "model."]).choose(None).unwrap(),
        "model",
        1.0,
    );
    check(
        &file(&["gram_teacher.", "teacher."]).choose(None).unwrap(),
        "teacher",
        1.0,
    );
}

#[test]
fn a_state_of_a_training_beside_bare_names_is_left() {
    let mut all = network("", 0.0);
    for name in [
        "optimizer.state.0.exp_avg",
        "lr_schedulers.0",
        "epoch",
        "ema.shadow_params.0",
    ] {
        all.push(tensor(name.into(), 3.0));
    }
    let found = Networks::of(all, &["a.weight"]).choose(None).unwrap();
    let names: Vec<_> = found
        .tensors
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["a.bias", "a.weight", "ema.shadow_params.0", "pos"]);
    assert!(found.notes[0].contains("left epoch, lr_schedulers.0, optimizer.state.0.exp_avg"));
    let mut all = network("model.", 0.0);
    all.push(tensor("ema.shadow_params.0".into(), 3.0));
    let notes = Networks::of(all, &["a.weight"]).choose(None).unwrap().notes;
    assert!(notes[0].contains("a list without names"));
    // What is all that there is needs no word.
    assert!(file(&[""]).choose(None).unwrap().notes.is_empty());
}

#[test]
fn what_a_file_holds_instead_is_said() {
    let tensors = network("model.", 0.0);
    let error = Networks::of(tensors, &["b.weight", "c.weight"])
        .choose(None)
        .unwrap_err();
    let said = error.to_string();
    assert!(said.contains("no b.weight or c.weight"), "{said}");
    assert!(said.contains("model.a (2 tensors), model.pos"), "{said}");
}

#[test]
fn the_longer_landmark_says_where_a_network_begins() {
    let all = [
        tensor("loss.net.slice.weight".into(), 0.0),
        tensor("loss.lin".into(), 1.0),
    ];
    let networks = Networks::of(all.to_vec(), &["slice.weight", "net.slice.weight"]);
    let found = networks.choose(None).unwrap();
    assert_eq!((found.key.as_str(), found.tensors.len()), ("loss", 2));
    assert_eq!(found.landmark, "net.slice.weight");
}

/// `tests/names/make.py` makes the file.
#[test]
fn checkpoints_of_real_libraries_give_their_averages() {
    type Form = BTreeMap<String, f32>;
    let text = include_str!("../tests/names/names.json");
    let forms: BTreeMap<String, Form> = serde_json::from_str(text).unwrap();
    assert_eq!(forms.len(), 9);
    for (library, form) in forms {
        let mut weights = form.iter().filter(|(name, _)| name.ends_with("a.weight"));
        let averaged = weights.any(|(_, value)| *value == 1.0);
        let weight = if averaged { 1.0 } else { 0.0 };
        let tensors = form.into_iter().map(|(name, value)| tensor(name, value));
        let found = Networks::of(tensors.collect(), &["a.weight"]).choose(None);
        let found = found.unwrap_or_else(|error| panic!("{library}: {error}"));
        let expected = [("a.bias", weight), ("a.weight", weight), ("pos", 2.0)];
        assert_eq!(numbers(&found), expected, "{library}");
    }
}
