//! Figures of samples, cards that prove them, and grids of settings, as a user meets them.

use std::fs;
use std::path::Path;

use svg_image::{Rgb, RgbImage, save_png};

use crate::place::Place;

/// Pictures of 16 x 16 in a folder, each from its number.
fn pictures(place: &Place, folder: &str, numbers: std::ops::Range<u32>) {
    let folder = place.path(folder);
    fs::create_dir_all(&folder).unwrap();
    for number in numbers {
        let image = RgbImage::from_fn(16, 16, |x, y| {
            let wave = |by: u32| ((x * by + y * (number % 7 + 1) + number * 23) % 256) as u8;
            Rgb([wave(9), wave(13), wave(5)])
        });
        let name = format!("{number:03}.png");
        save_png(&image, folder.join(name), &[]).unwrap();
    }
}

fn figure(text: &str, name: &str) -> f64 {
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with(name));
    let line = line.unwrap_or_else(|| panic!("{name} is not in {text}"));
    let value = line.trim_start()[name.len()..].split_whitespace().next();
    value.unwrap().parse().unwrap()
}

const JUDGE: &str = "evaluate --weights encoder.safetensors --size 16 --resamples 40";

#[test]
fn a_set_has_no_distance_from_itself_and_some_from_another() {
    let place = Place::whole();
    pictures(&place, "real", 0..60);
    pictures(&place, "other", 100..150);
    let same = place.done(&format!("{JUDGE} --reference real --samples real"));
    assert!(figure(&same, "FD") < 1e-6, "{same}");
    for name in ["precision", "recall", "coverage"] {
        assert_eq!(figure(&same, name), 1.0, "{same}");
    }
    let other = place.done(&format!("{JUDGE} --reference real --samples other"));
    assert!(figure(&other, "FD") > 1e-3, "{other}");
    assert!(other.contains("protocol   own"), "{other}");
    assert!(other.contains("95 %"), "no interval: {other}");
    assert!(
        other.contains("compare with nothing but themselves"),
        "{other}"
    );
}

#[test]
fn shards_equal_the_whole() {
    let place = Place::whole();
    pictures(&place, "real", 0..40);
    pictures(&place, "made", 40..77);
    let whole = place.done(&format!("{JUDGE} --reference real --samples made"));
    for part in 0..3 {
        place.done(&format!(
            "{JUDGE} --samples made --shard {part}/3 --save-samples part-{part}.safetensors"
        ));
    }
    let parts = "part-0.safetensors part-1.safetensors part-2.safetensors";
    place.done(&format!(
        "{JUDGE} --samples real --save-samples real.safetensors"
    ));
    let joined = place.done(&format!(
        "{JUDGE} --reference real.safetensors --samples {parts}"
    ));
    for name in ["FD", "precision", "recall", "density", "coverage", "KD"] {
        let (one, other) = (figure(&whole, name), figure(&joined, name));
        assert!((one - other).abs() <= 1e-6, "{name}: {one} and {other}");
    }
    place.refused(
        &format!("{JUDGE} --reference real.safetensors --samples made").replace("16", "12"),
        "of another network or protocol",
    );
}

#[test]
fn a_card_holds_until_a_weight_changes() {
    let place = Place::whole();
    pictures(&place, "real", 0..30);
    let asked = "evaluate --bundle bundle --reference real --steps 1,2 --count 24 --resamples 40";
    let said = place.done(&format!("{asked} --out evaluation"));
    assert!(said.contains("euler, 2 steps"), "{said}");
    let page = fs::read_to_string(place.path("evaluation/report.html")).unwrap();
    for id in ["figures", "likeness", "origin"] {
        assert!(page.contains(&format!("<!-- {id} -->")), "no section {id}");
    }
    assert!(!place.path("evaluation/parts").exists());
    let held = place.done("verify evaluation/card.json");
    assert!(held.contains("the card holds"), "{held}");
    place.set_flow("bundle", 2);
    place.refused("verify evaluation/card.json", "the card does not hold here");
    let output = place.svg("verify evaluation/card.json").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("bundle/flow"), "{said}");
    let card = fs::read_to_string(place.path("evaluation/card.json")).unwrap();
    fs::write(
        place.path("changed.json"),
        card.replacen("\"value\": ", "\"value\": 1", 1),
    )
    .unwrap();
    place.refused("verify changed.json", "was changed");
}

#[test]
fn a_card_of_another_machine_holds() {
    let place = Place::empty();
    pictures(&place, "real", 0..40);
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data");
    let (bundle, files) = (place.path("bundle"), data.join("format-2"));
    fs::create_dir(&bundle).unwrap();
    for entry in fs::read_dir(files).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), bundle.join(entry.file_name())).unwrap();
    }
    fs::copy(data.join("card.json"), place.path("card.json")).unwrap();
    let held = place.done("verify card.json");
    assert!(held.contains("the card holds"), "{held}");
    println!("{held}");
}

#[test]
fn a_sweep_goes_on_where_it_was_ended() {
    let place = Place::whole();
    pictures(&place, "real", 0..30);
    let asked = "sweep --bundle bundle --reference real --steps 1,3 --guidance 1,2 --count 20 --resamples 40 --out sweep";
    place.done(asked);
    let rows = || fs::read_to_string(place.path("sweep/sweep.csv")).unwrap();
    let first = rows();
    let cards = || {
        let entries = fs::read_dir(place.path("sweep")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("card-"))
            .collect::<Vec<_>>()
    };
    assert_eq!(cards().len(), 4);
    fs::remove_file(place.path("sweep").join(&cards()[0])).unwrap();
    let said = place.done(asked);
    assert!(said.contains("there already: 3 of 4"), "{said}");
    assert_eq!(rows(), first);
    assert!(place.path("sweep/report.html").is_file());
}

#[test]
fn what_cannot_be_judged_is_refused_in_words() {
    let place = Place::whole();
    pictures(&place, "real", 0..20);
    pictures(&place, "one-picture", 0..1);
    place.refused(
        &format!("{JUDGE} --reference real --samples one-picture"),
        "at least two images",
    );
    place.refused(
        "evaluate --protocol adm --reference real --samples real",
        "name its weights by --inception",
    );
    place.refused(
        "evaluate --protocol dgm-eval --reference real --samples real",
        "name its weights by --weights",
    );
    place.refused(&format!("{JUDGE} --samples real"), "by --reference");
    place.refused(&format!("{JUDGE} --reference real"), "name what to judge");
    fs::write(place.path("real/broken.png"), "no picture").unwrap();
    place.refused(
        &format!("{JUDGE} --reference real --samples real"),
        "broken.png",
    );
}
