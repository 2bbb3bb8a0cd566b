//! Runs of a small training, whose data and files are watched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::TrainError;
use crate::data::Fingerprint;
use crate::log::Scalars;

/// What has happened, for those who wait for it.
#[derive(Default)]
struct Events(Mutex<BTreeSet<Event>>, Condvar);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The batch of a step is begun.
    Begun(u64),
    /// It is prepared.
    Prepared(u64),
    /// The step is computed.
    Computed(u64),
}

impl Events {
    fn happens(&self, event: Event) {
        self.0.lock().unwrap().insert(event);
        self.1.notify_all();
    }

    fn has(&self, event: Event) -> bool {
        self.0.lock().unwrap().contains(&event)
    }

    /// Waits until it has happened, which it does unless one thread waits for the other.
    fn wait_for(&self, event: Event) {
        let events = self.0.lock().unwrap();
        let waits = |events: &mut BTreeSet<Event>| !events.contains(&event);
        let long = Duration::from_secs(60);
        let (_events, waited) = self.1.wait_timeout_while(events, long, waits).unwrap();
        assert!(!waited.timed_out(), "{event:?} did not happen meanwhile");
    }
}

/// What a small training does and where it waits.
#[derive(Clone, Copy, Default)]
struct Script {
    /// Batches with a number that is none.
    spoilt: &'static [u64],
    /// Whether a step ends after the next batches are prepared.
    waits_for_data: bool,
    /// The step, from 0, that is computed before the first file of the checkpoint of five steps is written.
    writes_after: Option<u64>,
    /// What a step panics with.
    panics: Option<&'static str>,
}

#[derive(Module, Debug)]
struct Net {
    layer: Linear,
}

impl Network for Net {
    type Config = ();

    fn init((): &(), device: &Device) -> Self {
        let config = LinearConfig::new(3, 2).with_bias(false);
        Self {
            layer: config.init(device),
        }
    }
}

struct SmallStage {
    player: Player<Net>,
    average: Average<Net>,
    replicas: Replicas,
    device: Device,
    script: Script,
    events: Arc<Events>,
}

impl Stage for SmallStage {
    type Networks = Net;
    type Batch = Tensor<2>;
    type Observed = ();

    fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    fn networks(&self) -> Net {
        self.player.network().clone()
    }

    /// So short that all gradients are clipped at first.
    fn groups(&self, _step: u64) -> Vec<Group> {
        vec![Group {
            path: "",
            scalar: "norm",
            longest: Some(0.3),
        }]
    }

    fn gradients(&self, team: &Team<'_, Net>, place: Place, batch: Tensor<2>) -> Found<()> {
        let shards = team.shards(batch.dims()[0], |shard| shard.of(&batch));
        let (scalars, gradients) = team.gradients(shards, |net, x| {
            let loss = (net.layer.forward(Tensor::from_inner(x)) - 1.0)
                .square()
                .mean();
            let scalars = Unread::named(["loss"], [loss.clone()]);
            (scalars, GradientsParams::from_grads(loss.backward(), net))
        });
        if let Some(text) = self.script.panics {
            panic!("{text}");
        }
        if self.script.waits_for_data && place.step < 8 {
            let events = &self.events;
            events.wait_for(Event::Prepared(place.step + 1));
            events.wait_for(Event::Prepared(place.step + 2));
            assert!(!events.has(Event::Begun(place.step + 3)), "too far ahead");
        }
        self.events.happens(Event::Computed(place.step));
        Found {
            scalars,
            remarks: Unread::known(Scalars::new().with("batch", place.batch as f64)),
            gradients,
            observed: (),
            finite: true,
        }
    }

    fn learn(&mut self, _step: u64, rate: f64, mut gradients: GradientsParams, _: Vec<()>) {
        self.player.learn(rate, &mut gradients);
        self.average.update(self.player.network());
    }

    fn save(&self, files: &mut Files<'_>) -> Result<(), TrainError> {
        let (after, events) = (self.script.writes_after, self.events.clone());
        files.write(move |folder| {
            let is_fifth = events.has(Event::Computed(4)) && !events.has(Event::Computed(9));
            if let Some(step) = after.filter(|_| is_fifth) {
                events.wait_for(Event::Computed(step));
                // Long enough for a row that does not wait.
                std::thread::sleep(Duration::from_millis(200));
                let run = folder.ancestors().nth(2).unwrap();
                let table = std::fs::read_to_string(run.join("steps.csv")).unwrap();
                assert!(table.lines().last().unwrap().starts_with("5,"), "{table}");
            }
            Ok(svg_store::write_bytes(folder.join("seen"), "")?)
        })?;
        self.player.save(files)?;
        self.average.save(files, "average")
    }

    fn restore(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.player.restore(folder)?;
        self.average.restore(&(), folder, "average", &self.device)
    }
}

struct SmallSource {
    script: Script,
    events: Arc<Events>,
}

impl Source for SmallSource {
    type Batch = Tensor<2>;

    fn batch(&mut self, place: Place, cursor: u64) -> Result<Prepared<Tensor<2>>, TrainError> {
        self.events.happens(Event::Begun(place.step));
        let value = |at: u64| ((cursor + at) % 7) as f32 - 3.0;
        let mut values = [0, 1, 2, 3, 4, 5].map(value);
        if self.script.spoilt.contains(&(cursor / 5)) {
            values[3] = f32::NAN;
        }
        let data = Tensor::<1>::from_floats(values, &Device::default()).reshape([2, 3]);
        self.events.happens(Event::Prepared(place.step));
        Ok(Prepared {
            data,
            cursor_after: cursor + 5,
            remarks: vec![],
        })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Nothing {}

impl Identity for Nothing {}

struct Small;

impl Course for Small {
    type Identity = Nothing;
    type Stage = SmallStage;
    type Source = SmallSource;

    const HEADLINES: &'static [Headline] = &[];

    fn learning_rate(&self, number: u64) -> f64 {
        0.1 / (number + 1) as f64
    }

    fn show(&mut self, _stage: &SmallStage) -> Result<Option<Shown>, TrainError> {
        Ok(None)
    }

    fn finish(&self, _: &SmallStage, out: &Path, _: u64) -> Result<PathBuf, TrainError> {
        Ok(out.to_path_buf())
    }
}

#[derive(Default)]
struct Watched {
    remarks: Vec<String>,
    /// An end is asked for after this row.
    stops_at: Option<u64>,
    row: u64,
}

impl Observer for Watched {
    fn begins(&mut self, _step: u64, _steps: u64, _images_per_step: u64) {}
    fn stepped(&mut self, step: u64, _scalars: &Scalars) {
        self.row = step;
    }
    fn remark(&mut self, text: &str) {
        self.remarks.push(text.to_string());
    }
    fn wants_to_stop(&self) -> bool {
        self.stops_at.is_some_and(|step| self.row >= step)
    }
}

fn train(
    out: &Path,
    script: Script,
    read_every: usize,
    watched: &mut dyn Observer,
) -> Result<Ended, TrainError> {
    let options = RunOptions {
        read_every: Some(read_every),
        resume: out.join("config.json").exists(),
        ..RunOptions::new(out)
    };
    let begin = || {
        let device = Device::default().autodiff();
        let events = Arc::new(Events::default());
        let names = PlayerNames {
            root: "net",
            network: "net",
            optimizer: "optimizer.bpk",
        };
        let mut player = Player::<Net>::new(names, (), AdamConfig::new().init(), &device);
        // The same weights in every test, whichever runs beside it.
        let weights = (0..6).map(|at| at as f32 / 10.0).collect::<Vec<_>>();
        let weights = Tensor::<1>::from_floats(weights.as_slice(), &device).reshape([3, 2]);
        player.change(|mut net| {
            net.layer.weight = net.layer.weight.map(|_| weights.require_grad());
            net
        });
        let data = Fingerprint {
            count: 1,
            sha256: String::new(),
            orientation: Default::default(),
            classes: None,
        };
        Ok(Begun {
            course: Small,
            source: SmallSource {
                script,
                events: events.clone(),
            },
            stage: SmallStage {
                average: Average::new(player.network(), 0.9),
                player,
                replicas: Replicas::new(vec![device.clone()]),
                device,
                script,
                events,
            },
            pace: Pace {
                steps: 23,
                batch_size: 2,
                accumulation: 1,
                checkpoint_every: 5,
                checkpoints_kept: 2,
                samples_every: 100,
                patience: 3,
            },
            document: "{}".to_string(),
            less_memory: vec!["less".to_string(), "still less".to_string()],
            beginning: Standing::new(data, Nothing {}),
        })
    };
    run::<Small>(options, begin, watched)
}

/// Everything but TensorBoard's events, which tell the time, by its path in the folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (name, path) = (PathBuf::from(entry.file_name()), entry.path());
        match path.is_dir() {
            true if name.ends_with("tensorboard") => {}
            true => {
                let below = self::files(&path).into_iter();
                files.extend(below.map(|(file, bytes)| (name.join(file), bytes)));
            }
            false => drop(files.insert(name, std::fs::read(&path).unwrap())),
        }
    }
    files
}

/// The files of a whole run, and what was remarked.
fn ran(script: Script, read_every: usize) -> (BTreeMap<PathBuf, Vec<u8>>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let mut watched = Watched::default();
    let ended = train(folder.path(), script, read_every, &mut watched).unwrap();
    assert!(matches!(ended, Ended::Finished(_)));
    let files = files(folder.path());
    let last = "checkpoints/step-00000023/average";
    assert!(files.contains_key(Path::new(last)), "{:?}", files.keys());
    // What tells the time is left out.
    watched
        .remarks
        .retain(|text| !text.starts_with("the steps took"));
    (files, watched.remarks)
}

#[test]
fn numbers_that_are_read_together_leave_the_files_of_numbers_that_are_read_at_once() {
    const SPOILT: [&[u64]; 5] = [&[], &[0], &[7], &[3, 4, 16, 21], &[11, 12, 13, 14]];
    for spoilt in SPOILT {
        let script = Script {
            spoilt,
            ..Script::default()
        };
        let (expected, said) = ran(script, 1);
        assert_eq!(said.is_empty(), spoilt.is_empty(), "{said:?}");
        for read_every in [2, 4, 10] {
            let (found, also) = ran(script, read_every);
            assert!(found == expected, "{spoilt:?}, {read_every} together");
            let again = also.iter().any(|text| text.contains("are taken again"));
            assert_eq!(again, !spoilt.is_empty(), "{also:?}");
        }
    }
}

#[test]
fn an_end_that_is_asked_for_between_two_readings_reads_first_and_goes_on_to_the_same_files() {
    let script = Script {
        spoilt: &[16],
        ..Script::default()
    };
    let (expected, _) = ran(script, 1);
    let folder = tempfile::tempdir().unwrap();
    let mut ends = Vec::new();
    for stops_at in [1, 4, 12, 22] {
        let mut watched = Watched {
            stops_at: Some(stops_at),
            ..Watched::default()
        };
        ends.push(train(folder.path(), script, 4, &mut watched).unwrap());
    }
    assert!(
        matches!(ends[..2], [Ended::Interrupted(4), Ended::Interrupted(_)]),
        "{ends:?}"
    );
    train(folder.path(), script, 4, &mut Watched::default()).unwrap();
    let (found, csv) = (files(folder.path()), Path::new("steps.csv"));
    assert!(found[csv] == expected[csv]);
    let last = "checkpoints/step-00000023";
    let of = |files: &BTreeMap<PathBuf, Vec<u8>>| -> Vec<_> {
        let last = files.iter().filter(|(name, _)| name.starts_with(last));
        last.map(|(name, bytes)| (name.clone(), bytes.clone()))
            .collect()
    };
    assert!(of(&found) == of(&expected));
}

#[test]
fn two_batches_are_prepared_while_a_step_computes_and_no_more() {
    let script = Script {
        waits_for_data: true,
        ..Script::default()
    };
    ran(script, 1);
}

#[test]
fn a_checkpoint_is_written_while_the_next_steps_compute_and_holds_its_own() {
    let (expected, _) = ran(Script::default(), 1);
    for (read_every, step) in [(1, 5), (4, 6)] {
        let script = Script {
            writes_after: Some(step),
            ..Script::default()
        };
        let (found, _) = ran(script, read_every);
        assert!(found == expected, "{read_every} together");
    }
}

#[test]
fn a_checkpoint_that_could_not_be_written_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = folder.path().join("checkpoints");
    struct Removes(PathBuf);
    impl Observer for Removes {
        fn begins(&mut self, _step: u64, _steps: u64, _images_per_step: u64) {}
        fn stepped(&mut self, step: u64, _scalars: &Scalars) {
            if step == 5 {
                std::fs::remove_dir_all(&self.0).unwrap();
            }
        }
        fn remark(&mut self, _text: &str) {}
        fn wants_to_stop(&self) -> bool {
            false
        }
    }
    let script = Script::default();
    let error = train(folder.path(), script, 1, &mut Removes(checkpoints)).unwrap_err();
    assert!(matches!(error, TrainError::Gone(_)), "{error}");
}

#[test]
fn a_step_for_which_the_card_is_too_small_says_what_to_change() {
    for (text, is_said) in [
        ("out of device memory allocating 8 bytes", true),
        ("another fault", false),
    ] {
        let script = Script {
            panics: Some(text),
            ..Script::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let mut watched = Watched::default();
        let work = || train(folder.path(), script, 1, &mut watched);
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().unwrap(), text);
        let said = watched.remarks.join("\n");
        assert_eq!(
            said.contains("with less, or still less;"),
            is_said,
            "{said}"
        );
    }
}
