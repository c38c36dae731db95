//! Shader composition: WGSL plus four line directives that are comments, so editors still parse the files.
//!
//! - `//!include common/name` pastes `shaders/common/name.wgsl`, once.
//! - `//!if NAME`, `//!else`, `//!end` keep lines by a flag of the kernel. An unknown flag is an error.
//! - `//!repeat I COUNT`, `//!end` writes the lines out once for each value below a constant of the kernel (or a
//!   literal), with the identifier `I` replaced by it: an array indexed by constants stays in registers on every driver,
//!   one indexed in a loop may not.
//!   In a name such as `sum__I`, `__I` is replaced too: names for what cannot be an array.
//! - The flag `F16` puts `enable f16;` at the top, `COOP` the same for cooperative matrices.
//! - Constants of the kernel become `const NAME: u32 = ..;` lines at the top.

use super::{Kernel, Value};
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
        "common/batch_norm_gradient", "common/coop", "common/finite", "common/grid", "common/group_softmax",
        "common/merge", "common/normalize", "common/reduce", "common/relu", "common/softmax", "common/stored",
        "common/augment_params";
    "augment/":
        "color_jitter", "crop", "gaussian_blur", "solarize";
    "conv/":
        "conv2d", "conv2d_coop", "conv2d_grad_weight", "conv2d_grad_weight_coop", "conv2d_grad_weight_tiled",
        "conv2d_tiled", "winograd_input", "winograd_output", "winograd_weight";
    "elementwise/":
        "add", "add_relu", "cast", "relu", "relu_gradient";
    "loss/":
        "cosine_similarity", "cosine_similarity_gradient", "label_cross_entropy", "label_cross_entropy_gradient",
        "mean", "mean_gradient", "soft_cross_entropy", "soft_cross_entropy_gradient";
    "metrics/":
        "center_columns", "column_std", "knn_vote", "topk_rank", "row_norm";
    "norm/":
        "batch_norm_apply", "batch_norm_eval", "batch_norm_gradient_apply", "batch_norm_gradient_merge",
        "batch_norm_gradient_partial", "batch_norm_merge", "batch_norm_partial", "l2_normalize",
        "l2_normalize_gradient";
    "optim/":
        "ema", "finite_parts", "lars_column_norms", "lars_norms", "lars_scale", "loss_scale", "segment_norms", "sgd",
        "square_parts";
    "pool/":
        "global_avg_pool", "global_avg_pool_gradient", "max_pool", "max_pool_gradient";
    "roofline/":
        "roofline_coop", "roofline_copy", "roofline_fma";
    "":
        "index_select", "moving_average", "sum_parts", "sum_rows", "swap_views";
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

/// The WGSL of a kernel, or what is wrong with its file.
pub fn compose(kernel: &Kernel) -> Result<String, String> {
    let mut out = String::new();
    // WGSL wants these before everything else.
    for (flag, extension) in [("F16", "f16"), ("COOP", "wgpu_cooperative_matrix")] {
        if kernel.constants.contains(&(flag, Value::Flag(true))) {
            out.push_str(&format!("enable {extension};\n"));
        }
    }
    for (name, value) in &kernel.constants {
        match value {
            Value::U32(v) => out.push_str(&format!("const {name}: u32 = {v}u;\n")),
            Value::I32(v) => out.push_str(&format!("const {name}: i32 = i32({v});\n")),
            Value::F32(v) if v.is_finite() => out.push_str(&format!("const {name}: f32 = {v:?}f;\n")),
            Value::F32(v) => return Err(format!("constant {name} is {v}")),
            Value::Flag(_) => {}
        }
    }
    let mut included = Vec::new();
    paste(kernel, kernel.shader, &mut included, &mut out)?;
    Ok(out)
}

fn paste(kernel: &Kernel, name: &str, included: &mut Vec<String>, out: &mut String) -> Result<(), String> {
    let own = kernel.text.filter(|_| name == kernel.shader);
    let file = || FILES.iter().find(|(file, _)| *file == name).map(|(_, text)| *text);
    let text = own.or_else(file).ok_or_else(|| format!("there is no shaders/{name}.wgsl"))?;
    included.push(name.to_string());
    let lines: Vec<(usize, &str)> = text.lines().enumerate().map(|(i, line)| (i + 1, line)).collect();
    expand(kernel, name, &lines, &mut Vec::new(), included, out)
}

/// A line directive: its word and arguments.
fn directive(line: &str) -> Option<(&str, Vec<&str>)> {
    let mut words = line.trim_start().strip_prefix("//!")?.split_whitespace();
    Some((words.next().unwrap_or(""), words.collect()))
}

/// Writes `lines` with the identifiers of the open repeats replaced by their values.
fn expand(
    kernel: &Kernel,
    file: &str,
    lines: &[(usize, &str)],
    repeats: &mut Vec<(String, u32)>,
    included: &mut Vec<String>,
    out: &mut String,
) -> Result<(), String> {
    let mut at = 0;
    while let Some(&(number, line)) = lines.get(at) {
        let fail = |what: String| Err(format!("shaders/{file}.wgsl:{number}: {what}"));
        at += 1;
        let Some((word, arguments)) = directive(line) else {
            out.push_str(&substitute(line, repeats));
            out.push('\n');
            continue;
        };
        match (word, arguments.as_slice()) {
            ("include", [name]) => {
                if !included.iter().any(|f| f == name) {
                    paste(kernel, name, included, out)?;
                }
            }
            ("if", [flag]) => {
                let given = kernel.constants.iter().find_map(|(n, v)| match v {
                    Value::Flag(on) if n == flag => Some(*on),
                    _ => None,
                });
                let Some(on) = given else {
                    return fail(format!("flag `{flag}` is not given"));
                };
                let Some((middle, end)) = block(&lines[at..]) else {
                    return fail("`if` without `end`".into());
                };
                let (yes, no) = (&lines[at..at + middle], &lines[(at + middle + 1).min(at + end)..at + end]);
                expand(kernel, file, if on { yes } else { no }, repeats, included, out)?;
                at += end + 1;
            }
            ("repeat", [name, count]) => {
                let constant = kernel.constants.iter().find_map(|(n, v)| match v {
                    Value::U32(v) if n == count => Some(*v),
                    _ => None,
                });
                let Some(times) = constant.or_else(|| count.parse().ok()) else {
                    return fail(format!("`{count}` is not a constant of the kernel"));
                };
                let Some((_, end)) = block(&lines[at..]) else {
                    return fail("`repeat` without `end`".into());
                };
                for value in 0..times {
                    repeats.push((name.to_string(), value));
                    expand(kernel, file, &lines[at..at + end], repeats, included, out)?;
                    repeats.pop();
                }
                at += end + 1;
            }
            _ => return fail(format!("directive `{}` is not expected here", line.trim())),
        }
    }
    Ok(())
}

/// The lines up to the `else` (or the `end`) and up to the `end` of a block that has just been opened.
fn block(lines: &[(usize, &str)]) -> Option<(usize, usize)> {
    let (mut depth, mut middle) = (0, None);
    for (i, (_, line)) in lines.iter().enumerate() {
        match directive(line) {
            Some(("if" | "repeat", _)) => depth += 1,
            Some(("else", _)) if depth == 0 => middle = Some(i),
            Some(("end", _)) if depth == 0 => return Some((middle.unwrap_or(i), i)),
            Some(("end", _)) => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Replaces whole identifiers.
fn substitute(line: &str, repeats: &[(String, u32)]) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    while !rest.is_empty() {
        let length = rest.find(|c| !word(c)).unwrap_or(rest.len());
        let (identifier, after) = rest.split_at(length);
        match repeats.iter().rev().find(|(name, _)| name == identifier) {
            Some((_, value)) => out.push_str(&format!("{value}u")),
            None => out.push_str(&indexed(identifier, repeats)),
        }
        let other = after.find(word).unwrap_or(after.len());
        out.push_str(&after[..other]);
        rest = &after[other..];
    }
    out
}

/// `name__I` with the parts after each `__` replaced, as parts of the name.
fn indexed(identifier: &str, repeats: &[(String, u32)]) -> String {
    let mut parts = identifier.split("__");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        match repeats.iter().rev().find(|(name, _)| name == part) {
            // One underscore: two are reserved in the languages that WGSL is translated to.
            Some((_, value)) => out.push_str(&format!("_{value}")),
            None => out.push_str(&format!("__{part}")),
        }
    }
    out
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
