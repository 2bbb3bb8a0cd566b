//! Checkpoints whose tensors are cut into parts: those of DeepSpeed and of torch's distributed checkpoints.

use std::path::Path;

use svg_store::printable_path;

use crate::LoadError;
use crate::weight_folder::{file_names, name_of};

/// The error about a folder that holds parts itself.
pub(crate) fn parts_in(folder: &Path) -> Option<LoadError> {
    let names = file_names(folder);
    let holds = |test: fn(&str) -> bool| names.iter().any(|name| test(name));
    if holds(is_distributed) {
        return Some(distributed(folder, folder));
    }
    if !holds(is_deepspeed) {
        return None;
    }
    // Where the parameters themselves are not cut, one file has them whole.
    let whole = "mp_rank_00_model_states.pt";
    let models = names.iter().filter(|n| n.ends_with("_model_states.pt"));
    let is_whole = models.eq([whole]);
    let also = format!(
        "; {} has the weights, too, in the number type of the training",
        printable_path(&folder.join(whole))
    );
    Some(deepspeed(folder, folder, is_whole.then_some(also)))
}

/// An error if a file is a part by its name.
pub(crate) fn refuse_part(file: &Path) -> Result<(), LoadError> {
    let (name, folder) = (name_of(file), file.parent().unwrap_or(Path::new("")));
    if is_distributed(&name) {
        return Err(distributed(file, folder));
    }
    match is_zero(&name) {
        true => Err(deepspeed(file, folder, None)),
        false => Ok(()),
    }
}

fn is_distributed(name: &str) -> bool {
    name.ends_with(".distcp") || name == ".metadata"
}

fn is_deepspeed(name: &str) -> bool {
    name.ends_with("_model_states.pt") || name.ends_with("_optim_states.pt")
}

/// `zero_pp_rank_0_mp_rank_00_model_states.pt`, `bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt`
fn is_zero(name: &str) -> bool {
    name.contains("zero_pp_rank_") && is_deepspeed(name)
}

fn distributed(path: &Path, folder: &Path) -> LoadError {
    LoadError::Partitioned {
        path: path.to_path_buf(),
        found: "parts of a distributed checkpoint of torch".to_string(),
        command: format!(
            "python -m torch.distributed.checkpoint.format_utils dcp_to_torch {} whole.pth",
            shown(folder)
        ),
        also: String::new(),
    }
}

/// The script lies in the folder of the file `latest`, above those of the steps.
fn deepspeed(path: &Path, folder: &Path, also: Option<String>) -> LoadError {
    let above = std::path::absolute(folder).ok();
    let above = above.as_deref().and_then(Path::parent);
    let root = above.filter(|above| above.join("latest").is_file());
    let root = root.unwrap_or(folder);
    LoadError::Partitioned {
        path: path.to_path_buf(),
        found: "parts of a DeepSpeed checkpoint".to_string(),
        command: format!("python {0}/zero_to_fp32.py {0} whole", shown(root)),
        also: also.unwrap_or_default(),
    }
}

fn shown(folder: &Path) -> String {
    match folder.as_os_str().is_empty() {
        true => ".".to_string(),
        false => printable_path(folder),
    }
}

#[cfg(test)]
mod tests {
    use crate::TensorFile;

    #[track_caller]
    fn fails(files: &[&str], open: &str, reasons: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "global_step5").unwrap();
        }
        let error = TensorFile::open(folder.path().join(open)).unwrap_err();
        let error = error.to_string();
        for reason in reasons {
            let reason = reason.replace("ROOT", &folder.path().display().to_string());
            assert!(error.contains(&reason), "{error}");
        }
    }

    const ZERO_2: [&str; 4] = [
        "latest",
        "zero_to_fp32.py",
        "global_step5/mp_rank_00_model_states.pt",
        "global_step5/zero_pp_rank_0_mp_rank_00_optim_states.pt",
    ];
    const ZERO_3: [&str; 3] = [
        "latest",
        "global_step5/zero_pp_rank_0_mp_rank_00_model_states.pt",
        "global_step5/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt",
    ];

    #[test]
    fn deepspeed_says_how_to_make_one_file() {
        let command = "`python ROOT/zero_to_fp32.py ROOT whole`";
        let also = "ROOT/global_step5/mp_rank_00_model_states.pt has the weights, too";
        fails(&ZERO_2, "", &[command, also]);
        fails(&ZERO_2, "global_step5", &[command, also]);
        for open in ["", "global_step5", ZERO_3[1], ZERO_3[2]] {
            fails(&ZERO_3, open, &["parts of a DeepSpeed checkpoint", command]);
        }
    }

    #[test]
    fn a_distributed_checkpoint_says_how_to_make_one_file() {
        let command = "format_utils dcp_to_torch ROOT";
        let files = ["step-5/.metadata", "step-5/__0_0.distcp"];
        for open in ["", "step-5", files[1]] {
            fails(&files, open, &["distributed checkpoint of torch", command]);
        }
        let files = [
            "optimizer_0/__0_0.distcp",
            "pytorch_model_fsdp_0/__0_0.distcp",
            "scheduler.bin",
        ];
        fails(
            &files,
            "",
            &["dcp_to_torch ROOT/pytorch_model_fsdp_0 whole.pth"],
        );
    }
}
