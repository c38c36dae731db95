//! A kernel as wgpu's back ends hand it to each platform's compiler: as training runs it, a module created with
//! `ShaderRuntimeChecks::unchecked()` and workgroup memory not zeroed (`src/gpu/device.rs`), or checked, as tests do.

#![allow(dead_code, reason = "the test and the example use a part of it each")]

use std::collections::BTreeMap;

use naga::back::{hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{
    AddressSpace, BinaryOperator, Expression, Module, ResourceBinding, ScalarKind, ShaderStage, StorageAccess,
    TypeInner,
};
use simsiam::gpu::{Kernel, Value, shader};

/// What adapters of the higher tiers have.
const CAPABILITIES: Capabilities =
    Capabilities::SUBGROUP.union(Capabilities::SHADER_FLOAT16).union(Capabilities::COOPERATIVE_MATRIX);

fn bounds(checked: bool) -> BoundsCheckPolicies {
    let policy = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    BoundsCheckPolicies { index: policy, buffer: policy, image_load: policy, binding_array: policy }
}

/// A kernel, parsed and validated.
pub struct Written {
    /// Its WGSL.
    pub wgsl: String,
    /// Whether it has cooperative matrices: DX12 and WebGPU have none.
    pub coop: bool,
    /// Whether it has f16, which shader model 5.1 lacks.
    pub f16: bool,
    module: Module,
    info: ModuleInfo,
}

impl Written {
    /// Composes, parses and validates a kernel.
    pub fn new(kernel: &Kernel) -> Result<Written, String> {
        let has = |flag| kernel.constants.contains(&(flag, Value::Flag(true)));
        Written::of_text(shader::compose(kernel)?, has("COOP"), has("F16"))
    }

    /// Parses and validates WGSL.
    pub fn of_text(wgsl: String, coop: bool, f16: bool) -> Result<Written, String> {
        let module = naga::front::wgsl::parse_str(&wgsl).map_err(|e| e.emit_to_string(&wgsl))?;
        let info = Validator::new(ValidationFlags::all(), CAPABILITIES)
            .validate(&module)
            .map_err(|e| e.emit_to_string(&wgsl))?;
        Ok(Written { wgsl, coop, f16, module, info })
    }

    /// For Vulkan. SPIR-V 1.6 is what wgpu writes for Vulkan 1.3.
    pub fn spirv(&self, checked: bool) -> Result<Vec<u32>, String> {
        let options = spv::Options {
            lang_version: (1, 6),
            flags: spv::WriterFlags::empty(),
            bounds_check_policies: bounds(checked),
            zero_initialize_workgroup_memory: match checked {
                true => spv::ZeroInitializeWorkgroupMemoryMode::Polyfill,
                false => spv::ZeroInitializeWorkgroupMemoryMode::None,
            },
            force_loop_bounding: checked,
            emit_int_div_checks: checked,
            ..Default::default()
        };
        spv::write_vec(&self.module, &self.info, &options, None).map_err(|e| format!("SPIR-V: {e}"))
    }

    /// For Metal.
    pub fn msl(&self, checked: bool) -> Result<String, String> {
        let options = msl::Options {
            // What has matrices has this.
            lang_version: if self.coop { (2, 3) } else { (1, 0) },
            fake_missing_bindings: true,
            bounds_check_policies: bounds(checked),
            zero_initialize_workgroup_memory: checked,
            force_loop_bounding: checked,
            emit_int_div_checks: checked,
            ..Default::default()
        };
        let written = msl::write_string(&self.module, &self.info, &options, &Default::default());
        written.map(|(text, _)| text).map_err(|e| format!("MSL: {e}"))
    }

    /// For DX12: FXC takes shader model 5.1, DXC 6.0 and more.
    pub fn hlsl(&self, shader_model: hlsl::ShaderModel, checked: bool) -> Result<String, String> {
        let options = hlsl::Options {
            shader_model,
            binding_map: self.registers(),
            fake_missing_bindings: false,
            zero_initialize_workgroup_memory: checked,
            restrict_indexing: checked,
            force_loop_bounding: checked,
            mesh_shader_primitive_indices_clamp: false,
            ray_query_initialization_tracking: false,
            ..Default::default()
        };
        let entry = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, "main".to_string())) };
        let mut text = String::new();
        let mut writer = hlsl::Writer::new(&mut text, &options, &entry);
        let written = writer.write(&self.module, &self.info, None).map_err(|e| format!("HLSL: {e}"))?;
        match &written.entry_point_names[..] {
            [Ok(name)] if name == "main" => Ok(text),
            names => Err(format!("HLSL: entry points {names:?}")),
        }
    }

    /// The registers that wgpu counts up over the bindings of group 0: uniforms, read-only and writable buffers by themselves.
    fn registers(&self) -> BTreeMap<ResourceBinding, hlsl::BindTarget> {
        let variables = self.module.global_variables.iter();
        let mut bound: Vec<_> = variables.filter_map(|(_, v)| Some((v.binding?, v.space))).collect();
        bound.sort_by_key(|(binding, _)| binding.binding);
        let mut next = [0; 3];
        let target = |(binding, space)| {
            let kind = match space {
                AddressSpace::Uniform => 0,
                AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => 2,
                _ => 1,
            };
            let register = next[kind];
            next[kind] += 1;
            (binding, hlsl::BindTarget { register, ..Default::default() })
        };
        bound.into_iter().map(target).collect()
    }

    /// The parsed kernel.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Whether `&` or `|` joins vectors of booleans, which FXC folds wrongly.
    pub fn joins_boolean_vectors(&self) -> bool {
        let entries = self.module.entry_points.iter().enumerate();
        let entries = entries.map(|(at, entry)| (&entry.function, self.info.get_entry_point(at)));
        let functions = self.module.functions.iter().map(|(handle, function)| (function, &self.info[handle]));
        entries.chain(functions).any(|(function, info)| {
            function.expressions.iter().any(|(_, expression)| match *expression {
                Expression::Binary { op: BinaryOperator::And | BinaryOperator::InclusiveOr, left, .. } => {
                    let kind = info[left].ty.inner_with(&self.module.types);
                    matches!(kind, TypeInner::Vector { scalar, .. } if scalar.kind == ScalarKind::Bool)
                }
                _ => false,
            })
        })
    }

    /// Bytes of workgroup memory.
    pub fn workgroup_memory(&self) -> u32 {
        let variables = self.module.global_variables.iter().map(|(_, variable)| variable);
        let shared = variables.filter(|variable| variable.space == AddressSpace::WorkGroup);
        shared.map(|variable| self.module.types[variable.ty].inner.size(self.module.to_ctx())).sum()
    }

    /// Invocations of a workgroup.
    pub fn threads(&self) -> u32 {
        self.module.entry_points.iter().map(|entry| entry.workgroup_size.iter().product::<u32>()).sum()
    }

    /// Whether it calls subgroup functions: Tint wants `enable subgroups;` then, which naga refuses.
    pub fn subgroups(&self) -> bool {
        self.wgsl.lines().any(|line| line.split("//").next().is_some_and(|code| code.contains("subgroup")))
    }
}
