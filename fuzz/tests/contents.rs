//! What a run that was asked to end may leave.

#[allow(dead_code)] // what reads folders
#[path = "../src/kills/contents.rs"]
mod contents;

use contents::{Contents, differences, without_extra};

/// A run with checkpoints of these steps.
fn run(steps: &[u64]) -> Contents {
    let steps = steps.iter().flat_map(|step| {
        let folder = format!("run/checkpoints/step-{step:08}/");
        [
            (format!("{folder}weights"), step.to_string()),
            (folder, String::new()),
        ]
    });
    let page = ("run/training.json".to_string(), "page".to_string());
    steps.chain([page]).collect()
}

fn differ(found: &[u64], asked: &[u64]) -> Option<String> {
    let (mut found, mut expected) = (run(found), run(&[20, 30]));
    without_extra(&mut found, &mut expected, &asked.iter().copied().collect());
    differences(&found, &expected)
}

#[test]
fn a_checkpoint_of_a_step_at_which_the_run_was_asked_to_end_takes_the_place_of_an_older_one() {
    assert_eq!(differ(&[20, 30], &[7]), None);
    assert_eq!(differ(&[23, 30], &[23]), None);
    assert_eq!(differ(&[30], &[23]).unwrap(), differ(&[30], &[]).unwrap());
    assert!(differ(&[23, 30], &[24]).is_some());
    assert!(differ(&[23, 20, 30], &[]).unwrap().contains("is left"));
    let missing = differ(&[23], &[23]).unwrap();
    assert!(missing.contains("step-00000030/ is missing"), "{missing}");
}
