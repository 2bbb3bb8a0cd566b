//! Every command that writes.

/// A command, and what it works on.
pub struct Writer {
    pub name: &'static str,
    /// What it reads, of the project.
    pub needs: &'static [&'static str],
    pub words: &'static str,
    /// The folder of the run, if it is a training: then it goes on by `--resume`, and SIGTERM leaves a checkpoint.
    pub run: Option<&'static str>,
}

const fn writer(name: &'static str, needs: &'static [&'static str], words: &'static str) -> Writer {
    Writer {
        name,
        needs,
        words,
        run: None,
    }
}

const fn training(
    name: &'static str,
    needs: &'static [&'static str],
    words: &'static str,
) -> Writer {
    Writer {
        name,
        needs,
        words,
        run: Some("run"),
    }
}

/// All of them.
pub static WRITERS: [Writer; 27] = [
    training(
        "pretrain",
        &["data"],
        "pretrain --config smallest --workers 1 --data data --out run",
    ),
    training(
        "train-autoencoder",
        &["data", "encoder.safetensors"],
        "train autoencoder --config autoencoder_tiny --workers 1 --data data --encoder encoder.safetensors --out run",
    ),
    training(
        "train-flow-cache",
        &["cache", "bundle"],
        "train flow --config flow_tiny --workers 1 --cache cache --bundle bundle --out run",
    ),
    training(
        "train-flow",
        &["data", "bundle"],
        "train flow --config flow_tiny --workers 1 --data data --bundle bundle --out run",
    ),
    writer(
        "cache",
        &["data", "bundle"],
        "cache --bundle bundle --data data --shard-size 2 --batch 2 --workers 1 --out made",
    ),
    writer(
        "stats",
        &["data", "bundle"],
        "stats --bundle bundle --images data/dark",
    ),
    writer(
        "align-stats",
        &["data", "bundle"],
        "align-stats --bundle bundle --images data/dark",
    ),
    writer(
        "import-autoencoder",
        &["checkpoint.safetensors"],
        "import autoencoder checkpoint.safetensors --out made",
    ),
    writer(
        "import-autoencoder-force",
        &["checkpoint.safetensors", "bundle"],
        "import autoencoder checkpoint.safetensors --force --out bundle",
    ),
    writer(
        "import-flow",
        &["bundle", "flow.safetensors"],
        "import flow flow.safetensors --bundle bundle",
    ),
    writer(
        "import-flow-stats",
        &["bundle", "flow.safetensors", "statistics.safetensors"],
        "import flow flow.safetensors --bundle bundle --stats statistics.safetensors",
    ),
    writer(
        "export-autoencoder",
        &["bundle"],
        "export autoencoder --bundle bundle --out made.safetensors",
    ),
    writer(
        "export-flow",
        &["flow"],
        "export flow --bundle flow/bundle --out made.safetensors",
    ),
    writer(
        "convert",
        &["encoder.safetensors"],
        "convert encoder.safetensors made.safetensors --to timm",
    ),
    writer(
        "convert-folder",
        &["encoder.safetensors"],
        "convert encoder.safetensors made --to hf",
    ),
    writer(
        "init",
        &[],
        "init encoder --d-model 128 --layers 4 --heads 4 --d-ff 512 --patch 8 --out made.safetensors",
    ),
    writer(
        "dataset",
        &[],
        "dataset shapes --count 100 --test-count 20 --size 32 --out made",
    ),
    writer(
        "features",
        &["data", "encoder.safetensors"],
        "features --weights encoder.safetensors --images data --size 64 --batch 2 --pca pictures --out made.safetensors",
    ),
    writer(
        "encode",
        &["data", "bundle"],
        "encode --bundle bundle --images data --batch 2 --out made.safetensors",
    ),
    writer(
        "decode",
        &["features.safetensors", "bundle"],
        "decode --bundle bundle features.safetensors --out made --raw made.safetensors",
    ),
    writer(
        "reconstruct",
        &["data", "bundle"],
        "reconstruct --bundle bundle --images data --batch 2 --out made",
    ),
    writer(
        "sample",
        &["flow"],
        "sample --bundle flow/bundle --classes all --count 6 --steps 8 --batch 2 --out made --latents made.safetensors",
    ),
    writer(
        "interpolate",
        &["flow"],
        "interpolate --bundle flow/bundle --class 0 --points 4 --steps 8 --out made.png",
    ),
    writer(
        "distance",
        &["data", "decoded", "bundle"],
        "distance --bundle bundle --reference data --samples decoded --save-reference made.safetensors",
    ),
    writer(
        "probe",
        &["data", "encoder.safetensors"],
        "probe --train data --test data --weights encoder.safetensors --size 16 --neighbours 3 --out made",
    ),
    writer("plot", &["flow"], "plot flow --columns loss --out made.svg"),
    writer("demo", &[], "demo --plan tiny --out demo"),
];

impl Writer {
    /// The words for a start: a training that has a checkpoint goes on from it.
    pub fn words(&self, begun: bool) -> Vec<&'static str> {
        let words: Vec<_> = self
            .words
            .split(' ')
            .filter(|word| !word.is_empty())
            .collect();
        if self.run.is_none() || !begun {
            return words;
        }
        let config = words.iter().position(|word| *word == "--config");
        let left_out = config.map_or(0..0, |at| at..at + 2);
        let kept = words.into_iter().enumerate();
        let kept = kept
            .filter(|(at, _)| !left_out.contains(at))
            .map(|(_, word)| word);
        kept.chain(["--resume"]).collect()
    }
}
