//! Flows and latent statistics in a bundle, and which features they belong to.

use std::fs;

use svg_model::{Bundle, LatentStatistics, OpenOptions, Registry, svg};
use svg_sit::SitConfig;

use crate::place::*;

#[test]
fn a_flow_and_its_statistics_come_back_and_take_the_old_ones_place() {
    let place = Place::new();
    let (mut bundle, _) = place.write(false);
    let refused = message(place.generator(&bundle));
    assert!(refused.contains("svg train flow --bundle"), "{refused}");
    set_flow(&mut bundle, flow()).unwrap();
    let refused = message(place.generator(&bundle));
    assert!(refused.contains("svg stats --bundle"), "{refused}");
    for mean in [0.1, 0.2] {
        let stored = latents(&bundle, mean);
        bundle.set_latent_statistics(&stored).unwrap();
        set_flow(&mut bundle, flow()).unwrap();
        bundle = Bundle::open(bundle.folder()).unwrap();
        assert_eq!(bundle.latent_statistics().unwrap(), Some(stored));
    }
    let files = fs::read_dir(bundle.folder()).unwrap().count();
    assert_eq!(files, bundle.manifest().files().count() + 1);
    let names: Vec<_> = bundle.manifest().files().collect();
    assert_eq!(names.len(), 4, "{names:?}");
    let generator = place.generator(&bundle).unwrap();
    assert_eq!(generator.flow.spec(), spec(&flow()));
    let latents = generator.noise(0, &[0, 1]);
    let statistics = latents_of(&bundle);
    let features = statistics.denormalise(latents.narrow(0, 0, 1));
    let space = Registry::standard().space(&bundle, &OpenOptions::default(), &place.device);
    let expected = space.unwrap().decode(features, [2, 2]);
    let images = generator.images(generator.noise(0, &[0, 1]));
    let first = images.narrow(0, 0, 1).into_data();
    first.assert_eq(&expected.into_data(), true);
}

fn latents_of(bundle: &Bundle) -> LatentStatistics {
    bundle.latent_statistics().unwrap().unwrap().statistics
}

#[test]
fn what_belongs_to_other_features_or_statistics_is_refused_with_both_fingerprints() {
    let place = Place::new();
    let (mut bundle, _) = place.write(false);
    let before = bundle.features_fingerprint();
    let old = latents(&bundle, 0.1);
    bundle.set_latent_statistics(&old).unwrap();
    set_flow(&mut bundle, flow()).unwrap();

    let other = latents(&bundle, 0.3);
    bundle.set_latent_statistics(&other).unwrap();
    let refused = message(place.generator(&bundle));
    let both = [&old, &other].map(|stored| stored.statistics.fingerprint());
    assert!(both.iter().all(|one| refused.contains(one)), "{refused}");

    svg::set_alignment_statistics(&mut bundle, &statistics(-2.0)).unwrap();
    let after = bundle.features_fingerprint();
    assert_ne!(before, after);
    assert_eq!(
        Bundle::open(bundle.folder())
            .unwrap()
            .features_fingerprint(),
        after
    );
    let refused = message(bundle.latent_statistics());
    assert!(
        refused.contains(&before) && refused.contains(&after),
        "{refused}"
    );
    assert!(message(bundle.set_latent_statistics(&old)).contains(&before));
    let new = latents(&bundle, 0.1);
    bundle.set_latent_statistics(&new).unwrap();
    let refused = message(place.generator(&bundle));
    assert!(
        refused.contains("Train or import the flow again"),
        "{refused}"
    );
}

#[test]
fn a_flow_of_another_grid_or_other_classes_is_named_on_both_sides() {
    let place = Place::new();
    let (mut bundle, _) = place.write(false);
    let wide = SitConfig {
        columns: 3,
        ..flow()
    };
    let refused = message(set_flow(&mut bundle, wide));
    assert!(
        refused.contains("24 channels on 2 x 3 tokens, the bundle's latents have 24 on 2 x 2"),
        "{refused}"
    );
    let refused = message(set_flow(&mut bundle, flow().with_n_classes(5)));
    assert!(refused.contains("5 classes and 2 names"), "{refused}");
    let mut few = latents(&bundle, 0.0);
    few.statistics = LatentStatistics {
        mean: vec![0.0; 3],
        std: vec![1.0; 3],
    };
    let refused = message(bundle.set_latent_statistics(&few));
    assert!(
        refused.contains("3 channels, the bundle's features 24"),
        "{refused}"
    );
}
