use super::*;
use crate::SitConfig;
use crate::model::tests::{samples, woken_module};
use svg_nn::save_tensors;
use svg_roles::Condition;

fn square(learn_sigma: bool) -> DitConfig {
    let sit = SitConfig::new(12, 3, 3, 128, 2, 2, 32).with_n_classes(5);
    let sit = sit.with_qk_norm(false).with_learn_sigma(learn_sigma);
    DitConfig::new(sit, 2)
}

fn repa() -> RepaConfig {
    let mut config = square(false);
    config.sit.n_layers = 9;
    RepaConfig::new(config, 8)
        .with_hidden(10)
        .with_encoders(vec![7])
}

fn lightning() -> LightningConfig {
    LightningConfig::new(6, 3, 3, 128, 1, 2, 21).with_n_classes(5)
}

/// A file of each kind, with `prefix` before its names.
fn file(kind: &str, prefix: &str, folder: &Path) -> PathBuf {
    let device = Device::default();
    let mut tensors = match kind {
        "dit" => square(true).tensors(&woken_module(square(true).init(&device))),
        "diffusers" => square(true).diffusers_tensors(&woken_module(square(true).init(&device))),
        "repa" => repa().tensors(&woken_module(repa().init(&device))),
        "lightning" => lightning().tensors(&woken_module(lightning().init(&device))),
        _ => crate::checkpoint_tensors(&square(true).sit.init(&device)),
    };
    for tensor in &mut tensors {
        tensor.name = format!("{prefix}{}", tensor.name);
    }
    let path = folder.join(format!("{kind}.safetensors"));
    save_tensors(&path, &tensors, Default::default()).unwrap();
    path
}

fn load(path: &Path, system: System, side: Option<usize>) -> Published {
    let file = PublishedFile::open(path, system, None).unwrap();
    file.load(side, &Device::default()).unwrap()
}

#[test]
fn a_file_of_each_system_opens_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let dit = file("dit", "", folder.path());
    let (found, sit) = (load(&dit, System::Dit, None), load(&dit, System::Sit, None));
    assert!(found.velocity().is_none() && found.noise_predictor().is_some());
    assert!(sit.velocity().is_some() && sit.noise_predictor().is_none());
    assert_eq!((found.patch(), sit.patch()), (2, 2));
    assert!(matches!(&found, Published::Dit(config, _) if *config == square(true)));

    let path = file("repa", "ema.", folder.path());
    let found = load(&path, System::Repa, None);
    assert!(matches!(&found, Published::Repa(config, _) if *config == repa()));
    assert_eq!(found.velocity().unwrap().spec().channels, 12);

    let path = file("lightning", "ema.module.", folder.path());
    let found = load(&path, System::LightningDit, None);
    assert!(matches!(&found, Published::LightningDit(config, _) if *config == lightning()));
    assert_eq!(found.patch(), 1);
}

#[test]
fn a_file_of_diffusers_is_the_same_network() {
    let folder = tempfile::tempdir().unwrap();
    let (device, network) = (
        Device::default(),
        woken_module(square(true).init(&Device::default())),
    );
    let paths = [
        ("a", square(true).tensors(&network)),
        ("b", square(true).diffusers_tensors(&network)),
    ]
    .map(|(name, tensors)| {
        let path = folder.path().join(format!("{name}.safetensors"));
        save_tensors(&path, &tensors, Default::default()).unwrap();
        path
    });
    let (x, _) = samples(&square(true).sit, 2, &device);
    let classes = Condition::classes(&[1, 5], &device);
    let [one, two] = paths.map(|path| {
        let network = load(&path, System::Dit, Some(6)).noise_predictor().unwrap();
        let index = Tensor::from_data([999.0, 3.0], &device);
        network
            .predict(x.clone(), index, &classes)
            .noise
            .into_data()
    });
    one.assert_eq(&two, true);
}

#[test]
fn files_of_one_system_given_to_another_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let all = [System::Dit, System::Sit, System::Repa, System::LightningDit];
    for (kind, fits, said) in [
        (
            "dit",
            &all[..2],
            "outputs for a variance, as files of DiT and SiT: read it as dit",
        ),
        ("diffusers", &all[..1], "the names of diffusers' DiT"),
        (
            "repa",
            &all[2..3],
            "as files of REPA, whose time runs from data to noise",
        ),
        (
            "lightning",
            &all[3..],
            "the gated feed-forward layers (mlp.w12) of LightningDiT",
        ),
        (
            "svg",
            &[],
            "the linear first layer (ln1) of SVG's own network",
        ),
    ] {
        let path = file(kind, "", folder.path());
        for system in all {
            match PublishedFile::open(&path, system, None) {
                Ok(_) => assert!(fits.contains(&system), "{kind} opens as {system}"),
                Err(error) => {
                    assert!(!fits.contains(&system), "{kind} as {system}: {error}");
                    assert!(
                        matches!(error, PublishedError::OtherSystem { .. }),
                        "{error}"
                    );
                    let error = error.to_string();
                    assert!(
                        error.contains(&format!("was to be a file of {system}")),
                        "{error}"
                    );
                    assert!(error.contains(said), "{error}");
                }
            }
        }
    }
}

#[test]
fn systems_parse_what_they_print() {
    for (system, name) in NAMES {
        assert_eq!(name.parse(), Ok(system));
        assert_eq!(system.to_string(), name);
    }
    let error = "rae".parse::<System>().unwrap_err();
    assert!(
        error.contains("choose one of dit, sit, repa, lightning-dit"),
        "{error}"
    );
}

/// Whatever shape a tensor has, the file is refused with words.
#[test]
fn no_shape_of_a_tensor_ends_in_a_panic() {
    use burn::store::bridge;
    use burn::tensor::TensorData;
    let device = Device::default();
    let dit = crate::dit_weights::tests::tiny();
    let repa = RepaConfig::new(dit.clone().without_variance(), 1)
        .with_hidden(10)
        .with_encoders(vec![7]);
    let lightning = LightningConfig::new(6, 2, 3, 16, 1, 2, 21)
        .with_n_classes(5)
        .with_qk_norm(true);
    type Check<'a> = Box<dyn Fn(Vec<StoredTensor>) -> [bool; 2] + 'a>;
    let kinds: [(Vec<StoredTensor>, Check); 4] = [
        (
            dit.tensors(&dit.init(&device)),
            Box::new(|tensors| {
                let infers = DitConfig::infer(&tensors).is_ok();
                [infers, dit.load(tensors, "test", &device).is_ok()]
            }),
        ),
        (
            dit.diffusers_tensors(&dit.init(&device)),
            Box::new(|tensors| {
                let infers = DitConfig::infer_diffusers(&tensors, 4).is_ok();
                [infers, dit.load_diffusers(tensors, "test", &device).is_ok()]
            }),
        ),
        (
            repa.tensors(&repa.init(&device)),
            Box::new(|tensors| {
                let infers = RepaConfig::infer(&tensors).is_ok();
                [infers, repa.load(tensors, "test", &device).is_ok()]
            }),
        ),
        (
            lightning.tensors(&lightning.init(&device)),
            Box::new(|tensors| {
                let infers = LightningConfig::infer(&tensors).is_ok();
                [infers, lightning.load(tensors, "test", &device).is_ok()]
            }),
        ),
    ];
    let shapes: [&[usize]; 7] = [&[], &[0], &[1], &[34], &[3, 5], &[96, 7], &[16, 3, 2, 5]];
    for (tensors, check) in kinds {
        for (i, tensor) in tensors.iter().enumerate() {
            let shapes = shapes
                .iter()
                .filter(|shape| tensor.shape.to_vec() != **shape);
            for shape in shapes {
                let numbers = vec![0.5f32; shape.iter().product()];
                let data = TensorData::new(numbers, shape.to_vec());
                let mut changed = tensors.clone();
                changed[i] = bridge::from_data(data, tensor.name.clone(), None);
                let [_, loads] = check(changed);
                assert!(!loads, "{} with the shape {shape:?}", tensor.name);
            }
        }
    }
}
