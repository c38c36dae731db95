use super::*;
use crate::gpu::GpuOptions;

const WORDS: usize = 1 << 12;

/// Eight times the addition of 1 on one buffer.
fn plan(gpu: &Gpu) -> Result<(Plan, Buffer), GpuError> {
    let text = "@group(0) @binding(0) var<storage, read_write> x: array<f32>;\n\
                @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) { x[id.x] += 1.0; }";
    let buffer = Buffer::new(gpu, "x", WORDS)?;
    let mut builder = PlanBuilder::new(gpu);
    for i in 0..8 {
        builder.push(&Dispatch {
            kernel: Kernel::with_text("add_one", text),
            bindings: vec![Binding { buffer: buffer.clone(), offset: 0, words: WORDS }],
            workgroups: [WORDS as u32 / 64, 1, 1],
            label: format!("addition {i}"),
            flops: WORDS as f64,
        })?;
    }
    Ok((builder.finish(), buffer))
}

#[test]
fn submits_follow_measured_time_and_compute_the_same() -> Result<(), GpuError> {
    let gpu = Gpu::open(None, GpuOptions { checked: true })?;
    let (mut plan, buffer) = plan(&gpu)?;
    let whole = 0..8;
    assert_eq!(plan.parts(), std::slice::from_ref(&whole));
    plan.bound_submits(Plan::SHARED);
    assert_eq!(plan.parts(), std::slice::from_ref(&whole), "the guess for so little work");
    for _ in 0..40 {
        plan.learn(0..8, 0.016);
    }
    // 2 ms each, so two in 4 ms; half of the rounding goes either way.
    assert!((4..=8).contains(&plan.parts().len()), "{:?}", plan.parts());
    plan.bound_submits(Duration::from_micros(2500));
    assert_eq!(plan.parts(), (0..8).map(|i| i..i + 1).collect::<Vec<_>>());
    for _ in 0..3 {
        plan.run(None)?;
    }
    let sums: Vec<f32> = buffer.read(&gpu, 0, WORDS)?;
    assert_eq!(sums, vec![24.0; WORDS]);
    for _ in 0..40 {
        plan.learn(0..8, 0.001);
    }
    assert_eq!(plan.parts(), std::slice::from_ref(&whole));
    Ok(())
}

#[test]
fn the_device_says_when_it_ran_what() -> Result<(), GpuError> {
    let gpu = Gpu::open(None, GpuOptions { checked: true })?;
    let (mut plan, buffer) = plan(&gpu)?;
    if !gpu.has_timestamps() {
        assert!(plan.profile().is_err());
        return Ok(());
    }
    let timed = plan.profile()?;
    let labels: Vec<&str> = timed.iter().map(|t| t.label.as_str()).collect();
    assert_eq!(labels[..2], ["addition 0", "addition 1"]);
    assert!(timed.iter().all(|t| t.kernel == "add_one" && t.end >= t.begin));
    assert!(timed.windows(2).all(|pair| pair[1].begin >= pair[0].begin));
    assert!(timed[7].end > 0.0);
    // More replays than there is room for: the last leave no time.
    plan.mark_replays(3)?;
    for _ in 0..5 {
        plan.run(None)?;
    }
    let replays = plan.replays()?;
    assert_eq!(replays.len(), 3);
    assert!(replays.iter().all(|[begin, end]| end > begin));
    assert!(replays.windows(2).all(|pair| pair[1][0] >= pair[0][1]));
    assert!(plan.replays()?.is_empty());
    let sums: Vec<f32> = buffer.read(&gpu, 0, WORDS)?;
    assert_eq!(sums, vec![48.0; WORDS], "timed replays compute too");
    Ok(())
}
