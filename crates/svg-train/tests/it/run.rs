//! A run that cannot go well.

use std::sync::Arc;

use burn::prelude::*;
use svg_dino::DinoConfig;
use svg_image::{ImageSet, Rgb, RgbImage, save_png};
use svg_model::{NewEncoder, kinds};
use svg_train::TrainError;
use svg_train::autoencoder::{
    AutoencoderIdentity, AutoencoderTraining, FeatureDistance, RunInputs, train,
};
use svg_train::log::Scalars;
use svg_train::run::{Checkpoints, Observer, RunOptions, Standing};

use crate::my_turn;

#[derive(Default)]
struct Remarks(Vec<String>);

impl Observer for Remarks {
    fn begins(&mut self, _step: u64, _steps: u64, _images_per_step: u64) {}
    fn stepped(&mut self, _step: u64, _scalars: &Scalars) {}
    fn remark(&mut self, text: &str) {
        self.0.push(text.to_string());
    }
    fn wants_to_stop(&self) -> bool {
        false
    }
}

#[test]
fn a_loss_without_a_value_leads_back_to_the_checkpoint_with_half_the_rate_and_then_to_an_error() {
    let _turn = my_turn();
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    for number in 0..5u8 {
        let image = RgbImage::from_fn(16, 16, |x, y| Rgb([x as u8 * 9, y as u8 * 7, number * 40]));
        save_png(&image, pictures.join(format!("{number}.png")), &[]).unwrap();
    }
    let mut config = AutoencoderTraining::tiny();
    config.optimizer.learning_rate = 1e38;
    let device = Device::default();
    let encoder = DinoConfig::new(16, 1, 2, 32)
        .with_patch_size(4)
        .init(&device);
    let distance = Box::new(FeatureDistance::new(&encoder, &device));
    let part = NewEncoder {
        kind: kinds::DINOV3.to_string(),
        name: String::new(),
        config: Default::default(),
        fingerprint: encoder.fingerprint().unwrap(),
        path: Some(folder.path().join("encoder")),
        copy: None,
        notes: vec![],
    };
    let inputs = RunInputs {
        options: RunOptions::new(folder.path().join("run")),
        data: Arc::new(ImageSet::open(&[pictures]).unwrap()),
        data_name: String::new(),
        validation: None,
        workers: 1,
        perceptual_name: "a test".to_string(),
        replicas: vec![],
    };
    let mut remarks = Remarks::default();
    let out = inputs.options.out.clone();
    let error = train(
        config,
        Arc::new(encoder),
        part,
        inputs,
        distance,
        &device,
        &mut remarks,
    )
    .unwrap_err();
    assert!(
        matches!(error, TrainError::Diverged { patience: 3, .. }),
        "{error}"
    );
    let said = |text: &str| remarks.0.iter().any(|remark| remark.contains(text));
    assert!(said("(3 in a row, 3 in all)"), "{:?}", remarks.0);
    assert!(
        said("back to step 0 with the learning rate 5e37"),
        "{:?}",
        remarks.0
    );
    assert!(
        said("back to step 0 with the learning rate 2.5e37"),
        "{:?}",
        remarks.0
    );
    let checkpoints = Checkpoints::open(&out.join("checkpoints"), 2).unwrap();
    let found = checkpoints
        .newest::<Standing<AutoencoderIdentity>>()
        .unwrap()
        .unwrap();
    assert_eq!((found.state.step, found.passed_over.len()), (0, 0));
}
