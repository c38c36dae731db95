//! The shader files, and what wgpu must know of a composed kernel.

pub use super::compose::compose;
use crate::hash::Fnv;

macro_rules! shaders {
    ($($folder:literal: $($name:literal),* ;)*) => {
        /// Every file of `shaders/`: name without folder (`common/` aside) and extension, and text. Names are unique in all folders.
        pub const FILES: &[(&str, &str)] =
            &[$($(($name, include_str!(concat!("../../shaders/", $folder, $name, ".wgsl"))),)*)*];
    };
}

shaders! {
    "":
        "common/batch_norm_gradient", "common/coop", "common/exp_sum", "common/finite", "common/grid", "common/group_softmax",
        "common/merge", "common/negatives", "common/normalize", "common/reduce", "common/relu", "common/remainder", "common/softmax", "common/stored",
        "common/swapped",
        "common/augment_params";
    "augment/":
        "color_jitter", "crop", "gaussian_blur", "solarize";
    "conv/":
        "conv2d", "conv2d_coop", "conv2d_grad_weight", "conv2d_grad_weight_coop", "conv2d_grad_weight_tiled",
        "conv2d_tiled", "winograd_input", "winograd_output", "winograd_weight";
    "elementwise/":
        "add", "add_relu", "cast", "relu", "relu_gradient", "scale";
    "loss/":
        "cosine_similarity", "cosine_similarity_gradient", "info_nce", "info_nce_gradient", "label_cross_entropy",
        "label_cross_entropy_gradient", "mean", "mean_gradient", "sinkhorn_columns", "sinkhorn_columns_gradient",
        "sinkhorn_rows", "sinkhorn_rows_gradient", "soft_cross_entropy",
        "soft_cross_entropy_gradient", "swapped_log_sums", "swapped_prediction",
        "swapped_prediction_code_gradient", "swapped_prediction_gradient";
    "metrics/":
        "center_columns", "column_std", "knn_vote", "topk_rank", "row_entropy", "row_norm";
    "norm/":
        "batch_norm_apply", "batch_norm_eval", "batch_norm_gradient_apply", "batch_norm_gradient_merge",
        "batch_norm_gradient_partial", "batch_norm_merge", "batch_norm_partial", "l2_normalize",
        "l2_normalize_gradient", "unit_columns";
    "optim/":
        "ema", "finite_parts", "lars_column_norms", "lars_norms", "lars_scale", "loss_scale", "segment_norms", "sgd",
        "square_parts";
    "pool/":
        "global_avg_pool", "global_avg_pool_gradient", "max_pool", "max_pool_gradient";
    "roofline/":
        "roofline_coop", "roofline_copy", "roofline_fma";
    "":
        "index_select", "moving_average", "own_rows", "relayout", "sum_parts", "sum_rows", "swap_views";
}

/// A hash of every file: results that were kept are worth nothing once a kernel has changed.
pub fn version() -> u64 {
    let mut hash = Fnv::default();
    for (name, text) in FILES {
        hash.add(name);
        hash.add(text);
    }
    hash.0
}

/// How a kernel binds one buffer, read from its WGSL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `var<uniform>`
    Uniform,
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`
    ReadWrite,
}

/// Bindings 0, 1, 2 … of group 0, by reflection: there is no second, hand-written list.
pub fn reflect(wgsl: &str) -> Result<Vec<Access>, String> {
    let module = naga::front::wgsl::parse_str(wgsl).map_err(|e| e.emit_to_string(wgsl))?;
    let mut found: Vec<(u32, Access)> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| {
            let binding = variable.binding.as_ref()?;
            let access = match variable.space {
                naga::AddressSpace::Uniform => Access::Uniform,
                naga::AddressSpace::Storage { access } if access.contains(naga::StorageAccess::STORE) => {
                    Access::ReadWrite
                }
                naga::AddressSpace::Storage { .. } => Access::Read,
                _ => return None,
            };
            Some((binding.binding, access))
        })
        .collect();
    found.sort_by_key(|(binding, _)| *binding);
    if found.iter().enumerate().any(|(i, (binding, _))| i as u32 != *binding) {
        return Err("bindings are not numbered 0, 1, 2 … without gaps".to_string());
    }
    Ok(found.into_iter().map(|(_, access)| access).collect())
}
