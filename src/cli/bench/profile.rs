//! Where the time of a step goes: by kernel, by layer, and dispatch by dispatch in a Chrome trace.

use std::collections::HashMap;

use anyhow::Result;
use serde_json::{Value, json};
use simsiam::gpu::Timed;
use simsiam::graph::Program;

use crate::cli::say;

/// Profiled replays; the one of median length is shown.
const REPLAYS: usize = 5;

/// The dispatches of a step with their times, and the limits to hold them against.
pub struct Profile {
    dispatches: Vec<Timed>,
    /// From the begin of the first to the end of the last.
    seconds: f64,
    peak_flops: f64,
    copy_bytes: f64,
}

/// A row of a table: some dispatches together.
#[derive(Default)]
struct Group {
    name: String,
    dispatches: usize,
    seconds: f64,
    /// Those of the backward pass.
    backward: f64,
    flops: f64,
    bytes: f64,
}

impl Profile {
    /// Runs the program some times with its dispatches timed.
    pub fn take(program: &mut Program, peak_flops: f64, copy_bytes: f64) -> Result<Profile> {
        let mut replays = Vec::new();
        for _ in 0..REPLAYS {
            replays.push(program.plan().profile()?);
        }
        let span = |replay: &Vec<Timed>| replay.iter().map(|d| d.end).fold(0.0, f64::max);
        replays.sort_by(|a, b| span(a).total_cmp(&span(b)));
        let dispatches = replays.swap_remove(REPLAYS / 2);
        Ok(Profile { seconds: span(&dispatches), dispatches, peak_flops, copy_bytes })
    }

    /// Sums of the dispatches that `name` gives one name, in the order of their first.
    fn groups(&self, name: impl Fn(&Timed) -> &str) -> Vec<Group> {
        let mut index: HashMap<&str, usize> = HashMap::new();
        let mut groups: Vec<Group> = Vec::new();
        for dispatch in &self.dispatches {
            let name = name(dispatch);
            let at = *index.entry(name).or_insert(groups.len());
            if at == groups.len() {
                groups.push(Group { name: name.to_owned(), ..Group::default() });
            }
            let group = &mut groups[at];
            group.dispatches += 1;
            group.seconds += dispatch.seconds();
            if dispatch.label.contains(" backward ") {
                group.backward += dispatch.seconds();
            }
            group.flops += dispatch.flops;
            group.bytes += dispatch.bytes;
        }
        groups
    }

    fn tables(&self) -> [(&'static str, Vec<Group>); 2] {
        let mut kernels = self.groups(|d| d.kernel);
        kernels.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        [("kernel", kernels), ("layer", self.groups(layer))]
    }

    pub fn print(&self) {
        let total: f64 = self.dispatches.iter().map(Timed::seconds).sum();
        for (what, groups) in self.tables() {
            let widest = groups.iter().map(|g| g.name.len()).max().unwrap_or(0);
            let width = widest.max(what.len());
            say!("");
            say!("{what:width$}  dispatches        ms  backward   share  GFLOP/s  of peak    GB/s  of copy");
            for group in groups {
                let or_dash = |value: f64, text: String| match value > 0.0 {
                    true => text,
                    false => "-".to_owned(),
                };
                let rate = group.flops / group.seconds;
                say!(
                    "{:width$}  {:10}  {:8.2}  {:8.2}  {:4.1} %  {:>7}  {:>7}  {:6.1}  {:5.0} %",
                    group.name,
                    group.dispatches,
                    group.seconds * 1e3,
                    group.backward * 1e3,
                    group.seconds / total * 1e2,
                    or_dash(rate, format!("{:.1}", rate * 1e-9)),
                    or_dash(rate, format!("{:.0} %", rate / self.peak_flops * 1e2)),
                    group.bytes / group.seconds * 1e-9,
                    group.bytes / group.seconds / self.copy_bytes * 1e2,
                );
            }
        }
        say!("");
        say!("sum of the dispatches {:.1} ms, from the first to the last {:.1} ms", total * 1e3, self.seconds * 1e3);
    }

    /// The tables as JSON.
    pub fn object(&self) -> Value {
        let rows = |groups: Vec<Group>| -> Vec<Value> {
            let row = |g: Group| {
                json!({
                    "name": g.name,
                    "dispatches": g.dispatches,
                    "seconds": g.seconds,
                    "backward_seconds": g.backward,
                    "gflops_per_second": g.flops / g.seconds * 1e-9,
                    "share_of_peak": g.flops / g.seconds / self.peak_flops,
                    "gb_per_second": g.bytes / g.seconds * 1e-9,
                })
            };
            groups.into_iter().map(row).collect()
        };
        let [(_, kernels), (_, layers)] = self.tables();
        json!({"seconds": self.seconds, "kernels": rows(kernels), "layers": rows(layers)})
    }

    /// One step in the trace event format: microseconds, a complete event a dispatch.
    pub fn trace(&self, adapter: &str) -> Value {
        let event = |d: &Timed| {
            json!({
                "ph": "X", "pid": 1, "tid": 1, "cat": d.kernel, "name": d.label,
                "ts": d.begin * 1e6, "dur": d.seconds() * 1e6,
                "args": {
                    "kernel": d.kernel,
                    "workgroups": d.workgroups,
                    "gflops_per_second": d.flops / d.seconds().max(1e-9) * 1e-9,
                    "share_of_peak": d.flops / d.seconds().max(1e-9) / self.peak_flops,
                    "gb_per_second": d.bytes / d.seconds().max(1e-9) * 1e-9,
                },
            })
        };
        let name = json!({"ph": "M", "pid": 1, "name": "process_name", "args": {"name": adapter}});
        let events: Vec<Value> = [name].into_iter().chain(self.dispatches.iter().map(event)).collect();
        json!({"traceEvents": events, "displayTimeUnit": "ms"})
    }
}

/// The layer in a label: `encoder.layer1.0.conv1 conv2d backward conv2d_grad_weight` belongs to `encoder.layer1.0.conv1`.
fn layer(dispatch: &Timed) -> &str {
    let label = &dispatch.label;
    label.split_once(' ').map_or(label, |(layer, _)| layer)
}
