//! Latent spaces compared, as a user meets it.

use std::fs;

use crate::place::Place;

const TINY: &str = "compare --plan tiny --steps 1,3 --count 8";

#[test]
fn a_comparison_goes_on_and_takes_in_more_spaces_and_seeds() {
    let place = Place::empty();
    let whole = place.done(&format!("{TINY} --spaces svg,pixels --seeds 2 --out whole"));
    for words in ["svg: frozen features", "pixels: patches", "3 steps", "PSNR"] {
        assert!(whole.contains(words), "no {words} in {whole}");
    }
    // The same bit by bit, begun with less: one space and one seed.
    place.done(&format!("{TINY} --spaces svg --out parts"));
    let first = fs::metadata(place.path("parts/svg-0/flow/steps.csv")).unwrap();
    // What a killed start was writing goes with the next.
    let left = place.path("parts/svg-0/.tmpAbc123");
    fs::write(&left, "").unwrap();
    place.done(&format!("{TINY} --spaces svg,pixels --seeds 2 --out parts"));
    let again = fs::metadata(place.path("parts/svg-0/flow/steps.csv")).unwrap();
    assert_eq!(
        first.modified().unwrap(),
        again.modified().unwrap(),
        "trained again"
    );
    for name in ["svg-0", "svg-1", "pixels-0", "pixels-1"] {
        let measured = |of: &str| place.bytes(&format!("{of}/{name}/measured.json"));
        assert!(measured("whole") == measured("parts"), "{name}");
    }
    let page = fs::read_to_string(place.path("parts/report.html")).unwrap();
    for id in ["distance", "spaces", "velocities", "planes"] {
        assert!(page.contains(&format!("<!-- {id} -->")), "no section {id}");
    }
    assert!(!place.path("parts/parts").exists() && !left.exists());
    let held = place.done("verify parts/pixels-1/card.json");
    assert!(held.contains("the card holds"), "{held}");
    place.refused(
        &format!("{TINY} --guidance 5 --spaces svg --out parts"),
        "was begun with other settings",
    );
    place.refused(
        &format!("{TINY} --spaces svg,vqgan --out other"),
        "known are svg",
    );
    fs::create_dir(place.path("taken")).unwrap();
    fs::write(place.path("taken/thesis.tex"), "").unwrap();
    place.refused(&format!("{TINY} --out taken"), "thesis.tex");
}

#[test]
fn pixels_come_back_to_the_bit_and_no_alignment_is_another_space() {
    let place = Place::empty();
    place.done(&format!(
        "{TINY} --spaces svg,unaligned,encoder,pixels --out compared"
    ));
    let text = |name: &str| fs::read_to_string(place.path(name)).unwrap();
    let pixels = text("compared/pixels-0/reconstructions.json");
    assert!(pixels.contains("\"value\": 100.0"), "{pixels}");
    let measured = ["svg-0", "unaligned-0", "encoder-0"]
        .map(|name| text(&format!("compared/{name}/measured.json")));
    assert!(measured[0].contains("residual") && measured[1].contains("residual"));
    assert!(!measured[2].contains("residual"), "{}", measured[2]);
    assert_ne!(measured[0], measured[1]);
}
