//! Making pictures as a user meets it: statistics, samples, ways between them, flows in and out.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use svg_image::{DecodeOptions, ImageSet, read_image, read_note};
use svg_nn::TensorFile;

use crate::place::{Place, text};

fn tensor(path: &Path, name: &str) -> (Vec<usize>, Vec<u8>) {
    let file = TensorFile::open(path).unwrap();
    let tensor = file.tensors().iter().find(|tensor| tensor.name == name);
    let tensor = tensor.unwrap();
    (tensor.shape.to_vec(), tensor.to_bytes().unwrap().to_vec())
}

const SAMPLE: &str = "sample --bundle bundle --steps 3 --guidance 2.5";

#[test]
fn a_sample_is_the_same_file_in_every_batch() {
    let place = Place::whole();
    for batch in [1, 4, 7] {
        let said = place.done(&format!(
            "{SAMPLE} --classes light --count 7 --batch {batch} --out b{batch} \
             --latents b{batch}.safetensors"
        ));
        assert!(said.contains("7 images, NFE 6"), "{said}");
        assert!(said.contains("images/s"), "{said}");
    }
    // Alone, beside other classes, and among them.
    place.done(&format!("{SAMPLE} --classes 2,1 --count 3 --out mixed"));
    let latents = tensor(&place.path("b1.safetensors"), "latents");
    assert_eq!(latents.0, [7, 16, 20]);
    for batch in ["b4", "b7"] {
        let others = tensor(&place.path(&format!("{batch}.safetensors")), "latents");
        assert!(others == latents, "latents of {batch}");
        for sample in 0..7 {
            let name = format!("class-1-sample-{sample}.png");
            let one = place.bytes(&format!("b1/{name}"));
            assert!(one == place.bytes(&format!("{batch}/{name}")), "{name}");
        }
    }
    assert!(place.bytes("mixed/class-1-sample-2.png") == place.bytes("b1/class-1-sample-2.png"));
    assert!(place.bytes("b1/class-1-sample-2.png") != place.bytes("b1/class-1-sample-3.png"));
    let note = read_note(place.path("b1/class-1-sample-2.png"), "Parameters").unwrap();
    assert!(
        note.contains("class 1, sample 2, seed 0, euler, 3 steps"),
        "{note}"
    );
    assert!(place.path("b1-sheet.png").is_file());
}

#[test]
fn pictures_that_are_there_are_kept_and_those_of_other_settings_are_nobodys() {
    let place = Place::whole();
    let words = format!("{SAMPLE} --classes all --count 2 --out out");
    place.done(&words);
    let (one, sheet) = (
        place.bytes("out/class-2-sample-1.png"),
        place.bytes("out-sheet.png"),
    );
    fs::remove_file(place.path("out/class-2-sample-1.png")).unwrap();
    let said = place.done(&words);
    assert!(said.contains("there already: 5 images"), "{said}");
    assert!(place.bytes("out/class-2-sample-1.png") == one);
    assert!(place.bytes("out-sheet.png") == sheet);
    let said = place.done(&words);
    assert!(said.contains("there already: 6 images"), "{said}");
    // Half a picture still has its note.
    fs::write(
        place.path("out/class-2-sample-1.png"),
        &one[..one.len() - 20],
    )
    .unwrap();
    let said = place.done(&words);
    let damaged = "class-2-sample-1.png is damaged and is made anew";
    assert!(
        said.contains(damaged) && said.contains("there already: 5 images"),
        "{said}"
    );
    assert!(place.bytes("out/class-2-sample-1.png") == one);
    let lock = svg_store::FolderLock::acquire(&place.path("out"), "writes into").unwrap();
    place.refused(&words, "another process writes into");
    drop(lock);
    place.refused(&format!("{words} --seed 1"), "was made in another way");
    place.done(&format!("{words} --seed 1 --force"));
    assert!(place.bytes("out/class-2-sample-1.png") != one);
    // Random classes are some of these, and one sheet is one file.
    place.done(&format!(
        "{SAMPLE} --classes random --count 5 --out five.png"
    ));
    let sheet = read_image(place.path("five.png").as_path(), &DecodeOptions::default());
    assert_eq!(sheet.unwrap().dimensions(), (5 * 16 + 4 * 2, 16));
}

#[test]
fn a_picture_that_is_removed_while_others_are_made_is_an_error() {
    let place = Place::whole();
    let mut command = place.svg(&format!(
        "{SAMPLE} --classes 1 --count 60 --batch 1 --out out"
    ));
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let (first, begun) = (place.path("out/class-1-sample-0.png"), Instant::now());
    while !first.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no picture");
        std::thread::sleep(Duration::from_millis(1));
    }
    fs::remove_file(&first).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let expected =
        "1 of 60 pictures were removed while this command ran, such as out/class-1-sample-0.png";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn an_array_of_samples_holds_the_pictures_of_the_folder_in_their_order() {
    let place = Place::whole();
    let words = format!("{SAMPLE} --classes 2,0 --count 3 --batch 2");
    let said = place.done(&format!("{words} --npz alone.npz"));
    assert!(said.contains("alone.npz: 6 images, NFE 6"), "{said}");
    assert!(!place.path("alone.npz-sheet.png").exists());
    let said = place.done(&format!("{words} --out out --npz beside.npz"));
    assert!(said.contains("out, beside.npz: 6 images"), "{said}");
    // Pictures that are there come from their files, between those that are made.
    for name in ["class-2-sample-1.png", "class-0-sample-1.png"] {
        fs::remove_file(place.path("out").join(name)).unwrap();
    }
    let said = place.done(&format!("{words} --out out --npz again.npz"));
    assert!(said.contains("there already: 4 images"), "{said}");
    let bytes = place.bytes("alone.npz");
    assert!(bytes == place.bytes("beside.npz") && bytes == place.bytes("again.npz"));

    let set = ImageSet::open(&[place.path("alone.npz")]).unwrap();
    assert_eq!(set.len(), 6);
    assert_eq!(set.classes().unwrap().1, [2, 2, 2, 0, 0, 0]);
    let options = DecodeOptions::default();
    for index in 0..6 {
        let (class, sample) = ([2, 0][index / 3], index % 3);
        let name = format!("out/class-{class}-sample-{sample}.png");
        let picture = read_image(place.path(&name), &options).unwrap();
        let found = svg_image::decode(&set.read(index).unwrap(), &options).unwrap();
        assert_eq!(found, picture, "{name}");
    }
    let said = place.done("info alone.npz");
    assert!(
        said.contains("uint8 [6, 16, 16, 3]") && said.contains("int64 [6]"),
        "{said}"
    );
    // Six pictures of 16 tokens.
    let said = place.done("stats --bundle bundle --images alone.npz");
    assert!(said.contains("20 channels over 96 tokens"), "{said}");

    place.refused(&words, "--out <FOLDER|FILE.png>");
    place.refused(
        &format!("{words} --npz bundle/x.npz"),
        "--npz bundle/x.npz lies in the bundle",
    );
    place.refused(
        &format!("{words} --npz none/x.npz"),
        "--npz none/x.npz cannot be written",
    );
}

#[test]
fn an_array_whose_writer_is_killed_is_not_there_and_the_next_start_clears_up() {
    let place = Place::whole();
    let words = format!("{SAMPLE} --classes 1 --count 100 --batch 1 --npz samples.npz");
    let mut child = place.svg(&words).stderr(Stdio::null()).spawn().unwrap();
    let written = || {
        let entries = fs::read_dir(place.path("")).unwrap().flatten();
        let mut begun = entries.filter(|entry| {
            let name = entry.file_name();
            name.to_string_lossy().starts_with(svg_store::UNFINISHED)
        });
        begun.any(|entry| entry.metadata().is_ok_and(|metadata| metadata.len() > 0))
    };
    let begun = Instant::now();
    while !written() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "nothing is written"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!place.path("samples.npz").exists() && written());
    place.done(&words.replace("100", "2"));
    assert!(place.path("samples.npz").is_file() && !written());
}

#[test]
fn noise_from_a_file_is_the_noise_of_the_seed() {
    let place = Place::whole();
    let words = format!("{SAMPLE} --classes 0,2 --count 2");
    place.done(&format!("{words} --out a --latents a.safetensors"));
    place.done(&format!(
        "{SAMPLE} --from-noise a.safetensors --out b --latents b.safetensors"
    ));
    for name in ["noise", "latents", "labels"] {
        let [a, b] = ["a.safetensors", "b.safetensors"].map(|f| tensor(&place.path(f), name));
        assert!(a == b, "{name}");
    }
    place.done(&format!(
        "{SAMPLE} --from-noise a.safetensors --classes red --out red"
    ));
    let note = read_note(place.path("red/class-2-sample-3.png"), "Parameters").unwrap();
    assert!(note.contains("sample 3, noise "), "{note}");
    let said = place.done(&format!("{SAMPLE} --classes red --out one"));
    assert!(said.contains("one: 1 image, NFE 6"), "{said}");
    place.refused(
        &format!("{SAMPLE} --from-noise a.safetensors --classes 0,1,2 --out c"),
        "names 3 classes, the noise is of 4 samples",
    );
    place.refused(
        &format!("{SAMPLE} --from-noise encoder.safetensors --out c"),
        "holds no tensor called noise",
    );
}

#[test]
fn what_cannot_be_sampled_is_answered_with_what_to_do() {
    let place = Place::whole();
    for (words, expected) in [
        ("--classes 12", "no class 12: the model has 3, from 0 to 2"),
        (
            "--classes dog",
            "none of the model's classes dark, light, red",
        ),
        (
            "--classes 1 --steps 0",
            "expected a number from 1 to 100000",
        ),
        (
            "--classes 1 --guidance nan",
            "expected a number from -1000 to 1000",
        ),
        (
            "--classes 1 --shift inf",
            "expected a number from 0.001 to 1000",
        ),
        ("--classes 1 --solver ddim", "write one of euler, heun"),
        (
            "--classes 1 --guidance-mode interval:0.8:0.1",
            "give the lower time first",
        ),
        (
            "--classes 1 --solver dopri5 --guidance-mode late",
            "dopri5 makes its own",
        ),
        ("--classes 1 --batch 0", "0 is not in 1.."),
        ("", "--classes"),
    ] {
        place.refused(
            &format!("sample --bundle bundle {words} --out out"),
            expected,
        );
    }
    assert!(!place.path("out").exists(), "nothing half-made is left");
    place.done("sample --bundle bundle --classes 1 --solver dopri5 --out out");
    place.done("sample --bundle bundle --classes 1 --solver sde --steps 5 --out sde");
}

#[test]
fn a_bundle_that_lacks_a_part_says_which_and_how_to_get_it() {
    let place = Place::new();
    let words = "sample --bundle bundle --classes 1 --out out";
    place.refused(words, "svg train flow --bundle");
    place.set_flow("bundle", 1);
    place.refused(words, "svg stats --bundle");
    place.done("stats --bundle bundle --images data --dry-run");
    place.refused(words, "svg stats --bundle");
    place.done("stats --bundle bundle --images data");
    place.done(words);
    let said = place.done("info bundle");
    assert!(
        said.contains("statistics  20 channels over 96 tokens"),
        "{said}"
    );
    assert!(
        said.contains("d_model 32") && said.contains("n_layers 2, qk_norm"),
        "{said}"
    );
    // Another alignment makes other features, and of others the statistics and the flow.
    place.done("align-stats --bundle bundle --images data");
    place.refused(words, "the latent statistics of bundle belong to features");
    place.refused("info bundle", "1 of 1 files have problems");
    place.done("stats --bundle bundle --images data");
    place.refused(words, "Train or import the flow again");
}

#[test]
fn a_flow_goes_out_and_comes_back_to_the_bit() {
    let place = Place::whole();
    place.done("export flow --bundle bundle --out flow.safetensors");
    place.done("export autoencoder --bundle bundle --out autoencoder.safetensors");
    place.done("import autoencoder autoencoder.safetensors --out other");
    place.refused(
        "stats --bundle other --images data",
        "svg align-stats --bundle other",
    );
    place.done("align-stats --bundle other --images data");
    let said = place.done("import flow flow.safetensors --bundle other");
    assert!(said.contains("svg stats --bundle other"), "{said}");
    let statistics = fs::read_dir(place.path("bundle")).unwrap();
    let statistics = statistics
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|name| name.starts_with("latents-"));
    let statistics = statistics.unwrap();
    let said = place.done(&format!(
        "import flow flow.safetensors --bundle other --stats bundle/{statistics}"
    ));
    assert!(!said.contains("svg stats"), "{said}");
    place.done("export flow --bundle other --out back.safetensors");
    let flow = |name: &str| {
        let file = TensorFile::open(place.path(name)).unwrap();
        let (metadata, tensors) = (file.metadata().clone(), file.into_tensors());
        let bytes = tensors.into_iter().map(|tensor| {
            let bytes = tensor.to_bytes().unwrap().to_vec();
            (tensor.name, tensor.shape.to_vec(), bytes)
        });
        (metadata, bytes.collect::<Vec<_>>())
    };
    assert!(flow("flow.safetensors") == flow("back.safetensors"));
    // The names of the classes have come along, and the pictures are those of the first bundle.
    for bundle in ["bundle", "other"] {
        place.done(&format!(
            "sample --bundle {bundle} --classes red --steps 2 --out {bundle}.png"
        ));
    }
    let picture = |name: &str| {
        let path = place.path(name);
        read_image(&path, &DecodeOptions::default()).unwrap()
    };
    assert!(picture("bundle.png") == picture("other.png"));
    place.refused(
        "import flow autoencoder.safetensors --bundle other",
        "holds no velocity network of SVG: there is no ln1.weight",
    );
    place.refused(
        "import flow flow.safetensors --bundle other --stats flow.safetensors",
        "mean is missing",
    );
}

#[test]
fn a_way_between_two_noises_begins_and_ends_at_their_samples() {
    let place = Place::whole();
    let settings = "--bundle bundle --steps 3 --guidance 2";
    place.done(&format!(
        "interpolate {settings} --class light --points 4 --seeds 5,6 --mode both --out way.png"
    ));
    let read = |name: &str| read_image(place.path(name).as_path(), &DecodeOptions::default());
    let way = read("way.png").unwrap();
    assert_eq!(way.dimensions(), (4 * 16 + 3 * 2, 2 * 16 + 2));
    for (seed, place_in_row) in [(5, 0), (6, 3)] {
        place.done(&format!(
            "sample {settings} --classes light --seed {seed} --out {seed}.png"
        ));
        let end = read(&format!("{seed}.png")).unwrap();
        for row in 0..2 {
            let same = (0..16).all(|y| {
                let left = place_in_row * 18;
                (0..16).all(|x| way.get_pixel(left + x, row * 18 + y) == end.get_pixel(x, y))
            });
            assert!(same, "seed {seed}, row {row}");
        }
    }
    for (words, expected) in [
        ("--class 9 --out way.png", "no class 9: the model has 3"),
        ("--class 1 --out way.jpg", "name a .png file"),
        ("--class 1 --seeds 5 --out way.png", "write them as 233,234"),
        (
            "--class 1 --mode bent --out way.png",
            "write linear, slerp or both",
        ),
    ] {
        place.refused(&format!("interpolate {settings} {words}"), expected);
    }
}
