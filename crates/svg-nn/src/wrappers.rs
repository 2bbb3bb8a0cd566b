//! What trainings and frameworks put before the names of a network.

use std::collections::BTreeSet;

use crate::StoredTensor;

/// What frameworks put around modules, also inside a network: it tells no two networks apart.
const MARKERS: [&str; 5] = [
    // torch.compile
    "_orig_mod",
    // FSDP, now and earlier
    "_fsdp_wrapped_module",
    "_fpw_module",
    // Activation checkpointing
    "_checkpoint_wrapped_module",
    // Lightning Fabric
    "_forward_module",
];

/// The same of DataParallel, DeepSpeed, and of the averages of timm and PyTorch.
const MODULE: &str = "module";

/// Words for averaged weights: `ema`, `ema_model` (ema_pytorch), `state_dict_ema` (timm), `params_ema` (BasicSR),
/// `model_ema` (LitEma), `teacher` of self-distillation, `shadow`, `swa_model`, `target_encoder`, `momentum_encoder`.
const AVERAGED: [&str; 9] = [
    "ema", "teacher", "shadow", "averaged", "average", "avg", "swa", "target", "momentum",
];

/// Words for the weights of the last step where averaged ones stand beside them: `student`, `online_model` of
/// ema_pytorch, `current_model_state` of Lightning, whose `state_dict` is averaged then.
const TRAINED: [&str; 3] = ["student", "online", "current"];

/// Words for what serves a training and is not its result.
const BESIDE: [&str; 14] = [
    "optimizer",
    "optimizers",
    "optim",
    "opt",
    "exp",
    "buffer",
    "grad",
    "grads",
    "loss",
    "losses",
    "criterion",
    "discriminator",
    "disc",
    // An earlier teacher, whose Gram matrices are compared
    "gram",
];

/// Words in names of a training's state, which may stand beside the tensors of a network without a name before them.
const STATE: [&str; 21] = [
    "optimizer",
    "optimizers",
    "optim",
    "opt",
    "exp",
    "buffer",
    "scheduler",
    "schedulers",
    "scaler",
    "loops",
    "callbacks",
    "epoch",
    "step",
    "steps",
    "iteration",
    "iter",
    "rng",
    "updates",
    "decay",
    "averaged",
    "initted",
];

/// What weights are to the training that wrote them; the first of these are the ones to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Averaged over the training.
    Averaged,
    /// Nothing is said.
    Plain,
    /// Of the last step, beside averaged ones.
    Trained,
    /// Of a loss, a discriminator, an optimizer.
    Beside,
}

impl Standing {
    /// By the names before those of the network. The innermost decides: `ema.online_model` is not averaged.
    pub fn of(path: &str) -> Self {
        let mut parts = path.rsplit('.').map(Self::of_part);
        let said = parts.clone().find(|found| *found != Self::Plain);
        match parts.any(|found| found == Self::Beside) {
            true => Self::Beside,
            false => said.unwrap_or(Self::Plain),
        }
    }

    /// By one part of a name.
    pub fn of_part(part: &str) -> Self {
        let says = |known: &[&str]| words(part).any(|word| known.contains(&word.as_str()));
        match () {
            () if says(&BESIDE) => Self::Beside,
            () if says(&AVERAGED) => Self::Averaged,
            () if says(&TRAINED) => Self::Trained,
            () => Self::Plain,
        }
    }
}

/// `state_dict_ema2`: state, dict, ema
fn words(part: &str) -> impl Iterator<Item = String> {
    part.split(['_', '-'])
        .map(|word| word.trim_end_matches(char::is_numeric).to_lowercase())
}

/// Whether a part of a name is of a training's state, such as `optimizer_states`.
pub(crate) fn is_state(part: &str) -> bool {
    words(part).any(|word| STATE.contains(&word.as_str()))
}

/// `ema_decoder`: `decoder`, of which it is the average; `None` if nothing is left.
pub(crate) fn averaged_of(part: &str) -> Option<String> {
    let kept = part.split('_');
    let kept = kept.filter(|word| Standing::of_part(word) != Standing::Averaged);
    let kept = kept.collect::<Vec<_>>().join("_");
    (!kept.is_empty()).then_some(kept)
}

/// The names of tensors without what frameworks put around modules, as far as they stay distinct.
pub(crate) fn bare_names(tensors: &[StoredTensor]) -> Vec<String> {
    for wrappers in [&[MODULE][..], &[]] {
        let names = tensors.iter().map(|tensor| bare(&tensor.name, wrappers));
        let names: Vec<_> = names.collect();
        if names.iter().collect::<BTreeSet<_>>().len() == names.len() {
            return names;
        }
    }
    tensors.iter().map(|tensor| tensor.name.clone()).collect()
}

/// A key as [`bare_names`] would have it, without dots at its ends.
pub(crate) fn bare_key(key: &str) -> String {
    bare(key.trim_matches('.'), &[MODULE])
}

fn bare(name: &str, wrappers: &[&str]) -> String {
    let wraps = |part: &&str| MARKERS.contains(part) || wrappers.contains(part);
    let parts = name.split('.').filter(|part| !wraps(part));
    let name = parts.collect::<Vec<_>>().join(".");
    // LitEma takes the dots out of names, and so joins a marker with what follows it.
    let markers = MARKERS.iter();
    markers.fold(name, |name, marker| name.replace(marker, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::store::bridge;
    use burn::tensor::TensorData;

    #[test]
    fn the_innermost_name_says_what_weights_are() {
        for (path, expected) in [
            ("", Standing::Plain),
            ("model", Standing::Plain),
            ("state_dict.net", Standing::Plain),
            ("ema", Standing::Averaged),
            ("ema.model", Standing::Averaged),
            ("model_ema2", Standing::Averaged),
            ("state_dict_ema", Standing::Averaged),
            ("params_ema", Standing::Averaged),
            ("enc_state_dict_ema", Standing::Averaged),
            ("teacher.backbone", Standing::Averaged),
            ("target_encoder", Standing::Averaged),
            ("ema.ema_model", Standing::Averaged),
            ("ema.online_model", Standing::Trained),
            ("student.backbone", Standing::Trained),
            ("current_model_state.model", Standing::Trained),
            ("optimizer.exp_avg", Standing::Beside),
            ("gram_teacher.backbone", Standing::Beside),
            ("state_dict.loss.ema", Standing::Beside),
        ] {
            assert_eq!(Standing::of(path), expected, "{path}");
        }
    }

    #[test]
    fn an_average_is_named_after_what_it_is_of() {
        assert_eq!(averaged_of("ema_decoder").as_deref(), Some("decoder"));
        assert_eq!(averaged_of("state_dict_ema").as_deref(), Some("state_dict"));
        assert_eq!(averaged_of("ema"), None);
    }

    fn bare_of(names: &[&str]) -> Vec<String> {
        let tensor =
            |name: &&str| bridge::from_data(TensorData::from([0.0f32]), name.to_string(), None);
        bare_names(&names.iter().map(tensor).collect::<Vec<_>>())
    }

    #[test]
    fn what_frameworks_put_around_modules_is_taken_off_in_any_order_and_place() {
        for name in [
            "a.b.weight",
            "module.a.b.weight",
            "_orig_mod.module.a.b.weight",
            "module._orig_mod.a.b.weight",
            "_forward_module.a._checkpoint_wrapped_module.b.weight",
            "_fsdp_wrapped_module._fpw_module.a._fsdp_wrapped_module.b.weight",
        ] {
            assert_eq!(bare_of(&[name]), ["a.b.weight"], "{name}");
        }
        assert_eq!(bare_of(&["ema._orig_modab"]), ["ema.ab"]);
    }

    #[test]
    fn names_that_would_become_equal_stay_apart() {
        assert_eq!(bare_of(&["module.a", "a"]), ["module.a", "a"]);
        assert_eq!(bare_of(&["_orig_mod.a", "a"]), ["_orig_mod.a", "a"]);
    }
}
