//! Shader composition: WGSL plus three line directives that are comments, so editors still parse the files.
//!
//! - `//!include common/name` pastes `shaders/common/name.wgsl`, once.
//! - `//!if NAME`, `//!else`, `//!end` keep lines by a flag of the kernel. An unknown flag is an error.
//! - Constants of the kernel become `const NAME: u32 = ..;` lines at the top.

use super::{Kernel, Value};

macro_rules! shaders {
    ($($name:literal),* $(,)?) => {
        /// Every file of `shaders/`: name without extension, and text.
        pub const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../shaders/", $name, ".wgsl")))),*];
    };
}

shaders![
    "common/grid",
    "add",
    "common/normalize",
    "common/view_row",
    "crop",
    "color_jitter",
    "gaussian_blur",
    "knn_vote",
];

/// The WGSL of a kernel, or what is wrong with its file.
pub fn compose(kernel: &Kernel) -> Result<String, String> {
    let mut out = String::new();
    for (name, value) in &kernel.constants {
        match value {
            Value::U32(v) => out.push_str(&format!("const {name}: u32 = {v}u;\n")),
            Value::F32(v) if v.is_finite() => {
                out.push_str(&format!("const {name}: f32 = {v:?}f;\n"))
            }
            Value::F32(v) => return Err(format!("constant {name} is {v}")),
            Value::Flag(_) => {}
        }
    }
    let mut included = Vec::new();
    paste(kernel, kernel.shader, &mut included, &mut out)?;
    Ok(out)
}

fn paste(
    kernel: &Kernel,
    name: &str,
    included: &mut Vec<String>,
    out: &mut String,
) -> Result<(), String> {
    let text = FILES
        .iter()
        .find(|(file, _)| *file == name)
        .map(|(_, text)| *text)
        .ok_or_else(|| format!("there is no shaders/{name}.wgsl"))?;
    included.push(name.to_string());
    // One entry an open `//!if`: whether its lines are kept.
    let mut kept: Vec<bool> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let at = |what: &str| format!("shaders/{name}.wgsl:{}: {what}", number + 1);
        let Some(directive) = line.trim_start().strip_prefix("//!") else {
            if kept.iter().all(|&k| k) {
                out.push_str(line);
                out.push('\n');
            }
            continue;
        };
        let (word, argument) = directive.split_once(' ').unwrap_or((directive, ""));
        match (word.trim(), argument.trim()) {
            ("include", file) => {
                if kept.iter().all(|&k| k) && !included.iter().any(|f| f == file) {
                    paste(kernel, file, included, out).map_err(|e| at(&e))?;
                }
            }
            ("if", flag) => {
                let value = kernel.constants.iter().find_map(|(n, v)| match v {
                    Value::Flag(on) if *n == flag => Some(*on),
                    _ => None,
                });
                kept.push(value.ok_or_else(|| at(&format!("flag `{flag}` is not given")))?);
            }
            ("else", "") => {
                let last = kept.last_mut().ok_or_else(|| at("`else` without `if`"))?;
                *last = !*last;
            }
            ("end", "") => {
                kept.pop().ok_or_else(|| at("`end` without `if`"))?;
            }
            _ => return Err(at(&format!("unknown directive `{line}`"))),
        }
    }
    if kept.is_empty() {
        Ok(())
    } else {
        Err(format!("shaders/{name}.wgsl: `if` without `end`"))
    }
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
                naga::AddressSpace::Storage { access }
                    if access.contains(naga::StorageAccess::STORE) =>
                {
                    Access::ReadWrite
                }
                naga::AddressSpace::Storage { .. } => Access::Read,
                _ => return None,
            };
            Some((binding.binding, access))
        })
        .collect();
    found.sort_by_key(|(binding, _)| *binding);
    if found
        .iter()
        .enumerate()
        .any(|(i, (binding, _))| i as u32 != *binding)
    {
        return Err("bindings are not numbered 0, 1, 2 … without gaps".to_string());
    }
    Ok(found.into_iter().map(|(_, access)| access).collect())
}
