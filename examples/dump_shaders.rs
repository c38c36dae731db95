//! Writes every kernel permutation to files, as each platform's compiler would get it, for `.ci/portability.sh`:
//! `cargo run --release --example dump_shaders -- DIR`.
//!
//! `DIR/manifest.tsv` has a line a permutation, tab-separated: name of its files, `f16` or `f32`, `coop` or `-`, `subgroups` or `-`,
//! kernel file, key. `DIR/wgsl/NAME.wgsl` is for Tint, `DIR/spirv/NAME.spv` for Vulkan, `DIR/msl/NAME.metal` for Metal,
//! `DIR/hlsl51/NAME.hlsl` for FXC (no f16, no subgroups), `DIR/hlsl60/NAME.hlsl` for DXC (6.2 where there is f16).

#[path = "../tests/common/permutations.rs"]
mod permutations;
#[path = "../tests/common/written.rs"]
mod written;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use naga::back::hlsl::ShaderModel;
use written::Written;

fn main() -> anyhow::Result<()> {
    let Some(out) = std::env::args_os().nth(1).map(PathBuf::from) else {
        anyhow::bail!("give the folder to write to");
    };
    for folder in ["wgsl", "spirv", "msl", "hlsl51", "hlsl60"] {
        let folder = out.join(folder);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
    }
    let mut kernels = permutations::of_cases();
    kernels.extend(permutations::of_presets());
    let mut manifest = String::new();
    for (number, (key, kernel)) in kernels.iter().enumerate() {
        let name = format!("{number:05}_{}", kernel.shader.replace('/', "_"));
        let written = Written::new(kernel).map_err(|e| anyhow::anyhow!("{key}: {e}"))?;
        dump(&out, &name, &written).map_err(|e| e.context(key.clone()))?;
        let precision = if written.f16 { "f16" } else { "f32" };
        let coop = if written.coop { "coop" } else { "-" };
        let subgroups = if written.subgroups() { "subgroups" } else { "-" };
        writeln!(manifest, "{name}\t{precision}\t{coop}\t{subgroups}\t{}\t{key}", kernel.shader)?;
    }
    std::fs::write(out.join("manifest.tsv"), manifest)?;
    println!("{} permutations of {} kernels", kernels.len(), {
        let files: std::collections::BTreeSet<_> = kernels.values().map(|k| k.shader).collect();
        files.len()
    });
    Ok(())
}

fn dump(out: &Path, name: &str, written: &Written) -> anyhow::Result<()> {
    let fail = anyhow::Error::msg;
    let spirv: Vec<u8> = written.spirv(false).map_err(fail)?.iter().flat_map(|word| word.to_le_bytes()).collect();
    std::fs::write(out.join(format!("spirv/{name}.spv")), spirv)?;
    std::fs::write(out.join(format!("msl/{name}.metal")), written.msl(false).map_err(fail)?)?;
    if written.coop {
        return Ok(());
    }
    let enable = if written.subgroups() { "enable subgroups;\n" } else { "" };
    std::fs::write(out.join(format!("wgsl/{name}.wgsl")), format!("{enable}{}", written.wgsl))?;
    let model = if written.f16 { ShaderModel::V6_2 } else { ShaderModel::V6_0 };
    std::fs::write(out.join(format!("hlsl60/{name}.hlsl")), written.hlsl(model, false).map_err(fail)?)?;
    if !written.f16 && !written.subgroups() {
        std::fs::write(out.join(format!("hlsl51/{name}.hlsl")), written.hlsl(ShaderModel::V5_1, false).map_err(fail)?)?;
    }
    Ok(())
}
