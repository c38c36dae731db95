//! Watches a run that another process trains, through the file it writes.
//!
//!     cargo run --release --example watch_a_run -- DIR
//!
//! A run leaves one JSON object a line in `metrics.jsonl`; the reader keeps its place, waits for whole lines and notices when the run went
//! back to an earlier checkpoint. What is printed here could as well go to a chat, a database or a plot.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use simsiam::train::{Line, MetricsReader, Part, RunFolder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let run = PathBuf::from(std::env::args_os().nth(1).ok_or("which run? Give its folder")?);
    let mut reader = MetricsReader::new(&RunFolder::metrics_of(&run));
    loop {
        match reader.next_part()? {
            None => sleep(Duration::from_millis(500)),
            Some(Part::Cut) => println!("the run goes on from an earlier checkpoint; again from the begin:"),
            Some(Part::Lines(lines)) => {
                for line in lines {
                    match line {
                        Line::Start(start) => println!("{} steps on {}", start.steps, start.adapter),
                        Line::Epoch(epoch) => {
                            let numbers = epoch.numbers.iter().map(|(name, value)| format!("{name} {value:.4}"));
                            println!("epoch {}: {}", epoch.epoch, numbers.collect::<Vec<_>>().join(", "));
                        }
                        Line::Alarm(alarm) => println!("step {}: {}: {}", alarm.step, alarm.kind, alarm.message),
                        Line::Failed(failed) => return Err(failed.message.into()),
                        Line::Done(done) => {
                            println!("done after {} steps", done.steps);
                            return Ok(());
                        }
                        Line::Step(_) | Line::Watch(_) => {}
                    }
                }
            }
        }
    }
}
