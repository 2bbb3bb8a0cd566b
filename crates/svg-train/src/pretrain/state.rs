//! A stage on disk.

use std::collections::HashMap;
use std::path::Path;

use burn::module::Param;
use burn::prelude::*;
use burn::store::bridge;
use serde::{Deserialize, Serialize};
use svg_nn::{LoadError, TensorFile, load_exact, module_tensors, save_tensors};

use crate::TrainError;
use crate::average::Average;
use crate::identity::name_parameters;
use crate::optimizer::{load_optimizer, save_optimizer};
use crate::pretrain::stage::adamw;
use crate::pretrain::{Learner, PretrainStage, Targets};
use crate::run::Identity;

const STUDENT: &str = "student.safetensors";
const TEACHER: &str = "teacher.safetensors";
const CENTRES: &str = "centres.safetensors";
const OPTIMIZER: &str = "optimizer.bpk";

/// What a self-distillation learns from, beside pictures: nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainIdentity {}

impl Identity for PretrainIdentity {
    fn differs(&self, _now: &Self) -> Option<String> {
        None
    }
}

/// The moving means of the teacher's scores, as a module that is saved.
#[derive(Module, Debug)]
struct Centres {
    class: Param<Tensor<2>>,
    patch: Param<Tensor<2>>,
}

impl PretrainStage {
    /// Writes everything that learning goes on from into a folder.
    ///
    /// # Errors
    ///
    /// [`TrainError::Load`] or [`TrainError::System`] if a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), TrainError> {
        let put =
            |name: &str, tensors: &[_]| save_tensors(&folder.join(name), tensors, HashMap::new());
        put(STUDENT, &module_tensors(&self.student))?;
        put(TEACHER, &module_tensors(self.teacher.network()))?;
        let centres = [
            ("class", &self.class_targets),
            ("patch", &self.patch_targets),
        ];
        let centres = centres.map(|(name, targets)| {
            bridge::from_data(targets.centre().to_data(), name.to_string(), None)
        });
        put(CENTRES, &centres)?;
        save_optimizer(&self.optimizer, &folder.join(OPTIMIZER))
    }

    /// Takes up what [`save`](Self::save) has written.
    ///
    /// # Errors
    ///
    /// [`TrainError::Load`] or [`TrainError::System`] if a file cannot be read or does not fit.
    pub fn restore(mut self, folder: &Path) -> Result<Self, TrainError> {
        let plain = self.device.clone().without_autodiff();
        let student = Learner::new(&self.config, &self.device);
        let teacher = Learner::new(&self.config, &plain);
        self.student = name_parameters(loaded(student, folder, STUDENT)?, "student");
        let teacher = loaded(teacher, folder, TEACHER)?;
        self.teacher = Average::new(&teacher, self.config.teacher.momentum[0]);
        let empty = |targets: &Targets| Param::from_tensor(targets.centre().clone());
        let centres = Centres {
            class: empty(&self.class_targets),
            patch: empty(&self.patch_targets),
        };
        let Centres { class, patch } = loaded(centres, folder, CENTRES)?;
        self.class_targets = self.class_targets.with_centre(class.val());
        self.patch_targets = self.patch_targets.with_centre(patch.val());
        self.optimizer = load_optimizer(adamw(&self.config), &folder.join(OPTIMIZER))?;
        Ok(self)
    }
}

fn loaded<M: Module>(module: M, folder: &Path, name: &str) -> Result<M, LoadError> {
    let file = TensorFile::open(folder.join(name))?;
    let source = file.path().display().to_string();
    load_exact(module, file.into_tensors(), &source)
}
