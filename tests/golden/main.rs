//! Equality with the PyTorch reference: one suite for every network and every device.
//!
//! `BURN_DEVICE=wgpu cargo test --features wgpu --test golden` runs the same comparisons on a GPU, and `svg-check` holds
//! them in a program that can be carried to one. Both run in the root of the repository, where the recorded numbers are.

mod alignment;
pub mod compare;
mod decoder;
mod dinov3;
mod fill;
mod flow_training;
mod generate;
mod libraries;
mod perceptual;
mod residual;
mod sampler;
mod sit;
mod stage1;

/// The names of functions and the functions.
macro_rules! goldens {
    ($($module:ident::$name:ident,)*) => {
        &[$((stringify!($name), $module::$name as fn())),*]
    };
}

/// All of them; each panics if numbers differ.
pub const GOLDENS: &[(&str, fn())] = goldens! {
    alignment::alignment_and_its_gradient_are_those_of_the_reference,
    decoder::a_tiny_decoder_equals_the_reference,
    decoder::a_tiny_decoder_under_autodiff_equals_the_reference_too,
    decoder::the_released_decoder_equals_the_reference,
    dinov3::tiny_models_in_every_layout_equal_the_reference_at_every_stage,
    dinov3::tiny_models_under_autodiff_equal_the_reference_too,
    dinov3::tiny_models_with_rounded_periods_equal_the_official_code,
    dinov3::full_size_models_equal_the_reference_square_and_not,
    dinov3::the_encoder_of_svg_equals_the_reference_at_both_sizes_and_roundings,
    dinov3::a_layout_written_from_another_is_the_published_file,
    dinov3::a_file_of_torch_save_is_read_like_any_other,
    dinov3::a_mask_of_nan_stands_for_one_zero_one,
    dinov3::an_image_encodes_the_same_alone_and_among_seven_others,
    fill::both_rules_make_the_published_numbers,
    flow_training::three_steps_of_training_equal_the_reference_with_and_without_checkpointing,
    generate::five_guided_steps_from_a_seed_are_those_of_the_cpu,
    libraries::timm_with_its_config_beside,
    libraries::transformers_without_registers,
    libraries::shards_of_every_kind,
    libraries::a_whole_file_beside_the_shards_of_an_earlier_save,
    perceptual::perceptual_distances_are_those_of_the_reference,
    residual::the_tiny_residual_encoder_is_torchvision_s,
    residual::the_published_residual_encoder_is_torchvision_s,
    sampler::every_way_of_sampling_ends_where_the_reference_does,
    sit::a_tiny_velocity_network_equals_the_reference,
    sit::a_tiny_velocity_network_under_autodiff_equals_the_reference_too,
    sit::the_released_size_equals_the_reference,
    stage1::the_critic_judges_like_the_reference,
    stage1::one_step_has_the_losses_and_gradients_of_the_reference,
};

/// A golden that is missing in the list would not run in `svg-check`.
#[cfg(test)]
mod tests {
    #[test]
    fn the_list_of_goldens_is_whole() {
        let is_golden = |line: &&str| line.starts_with("#[cfg_attr(test, test)]");
        let files = std::fs::read_dir("tests/golden").unwrap();
        let files = files.map(|file| file.unwrap().path());
        let sources = files.filter(|file| file.extension().is_some_and(|end| end == "rs"));
        let count = sources.map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            text.lines().filter(is_golden).count()
        });
        assert_eq!(count.sum::<usize>(), super::GOLDENS.len());
    }
}
