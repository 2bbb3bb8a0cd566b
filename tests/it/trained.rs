//! What every training owes: it survives kills and interrupts, and says why it refuses.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use crate::support::{Run, ignores_hangups, kill, signal, text};

/// A place where runs of a training are started.
pub trait Trained {
    fn path(&self, name: &str) -> PathBuf;

    /// The training into a run, with more words; its output is piped.
    fn train(&self, run: &str, words: &str) -> Command;

    fn run(&self, name: &str) -> Run {
        Run(self.path(name))
    }

    #[track_caller]
    fn finish(&self, run: &str, words: &str) -> Output {
        succeed(&mut self.train(run, words))
    }

    /// What was said.
    #[track_caller]
    fn refused(&self, run: &str, words: &str) -> String {
        let output = self.train(run, words).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words}: {said}");
        said
    }

    /// SIGKILL at so many moments takes only the steps since the last checkpoint, which are at most
    /// `between` and come again as they were.
    fn survives_kills(&self, kills: u32, between: u64) {
        // The first checkpoint is written before the first step.
        self.finish("broken", "--max-steps 1");
        let broken = self.run("broken");
        let mut kept = broken.newest().unwrap();
        let mut moment = 12_345u64;
        for number in 0..kills {
            moment = moment
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let child = self.train("broken", "--resume").spawn().unwrap();
            if number % 2 == 1 {
                // Some of them well under way, however slow the machine is.
                broken.wait_for_row(kept + between);
            }
            std::thread::sleep(Duration::from_millis(40 + (moment >> 33) % 240));
            kill(child);
            let (newest, row) = (broken.newest().unwrap(), broken.last_row());
            assert!(newest >= kept, "{kept} was kept, now it is {newest}");
            assert!(row <= newest + between, "step {row}, but {newest} is kept");
            kept = newest;
        }
        let end = kept + 3;
        self.finish("broken", &format!("--resume --max-steps {end}"));
        self.finish("whole", &format!("--max-steps {end}"));
        broken.assert_same(&self.run("whole"), end);
    }

    /// Ctrl-C and the signals of schedulers and closed terminals end the step, write a checkpoint of it and exit with
    /// 130; the run goes on from there.
    fn survives_an_interrupt(&self) {
        let names: &[&str] = match ignores_hangups() {
            true => &["INT", "TERM"],
            false => &["INT", "TERM", "HUP"],
        };
        for name in names {
            let (one, other) = (format!("stopped-{name}"), format!("unstopped-{name}"));
            let child = self.train(&one, "").spawn().unwrap();
            let stopped = self.run(&one);
            stopped.wait_for_row(2);
            signal(&child, name);
            let output = child.wait_with_output().unwrap();
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(130), "{name}: {said}");
            assert!(said.contains("--resume goes on from it"), "{said}");
            let step = stopped.newest().unwrap();
            assert_eq!(step, stopped.last_row());
            let end = step + 2;
            self.finish(&one, &format!("--resume --max-steps {end}"));
            self.finish(&other, &format!("--max-steps {end}"));
            stopped.assert_same(&self.run(&other), end);
        }
    }
}

/// What it said, if it ended well.
#[track_caller]
pub fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}
