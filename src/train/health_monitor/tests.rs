use std::error::Error;

use serde_json::Value;

use super::*;
use crate::method::Cadence;
use crate::train::{Epoch, Readings, Step, Watch};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// What runs have reported, one a line: `method` (simsiam where none is named), `set` (beside the demo preset), the alarms expected, loss, output std and effective rank of the
/// untrained network (`first`), loss and output std of every step, and the rank at some (`[step, rank]`).
const RUNS: &str = include_str!("../../../tests/data/alarms.jsonl");
const STEPS_PER_EPOCH: u64 = 15;

fn epoch(loss: f64, output_std: f64, effective_rank: f64) -> Event {
    let numbers = [(names::LOSS, loss), (names::OUTPUT_STD, output_std), (names::EFFECTIVE_RANK, effective_rank)];
    Event::Epoch(Epoch { epoch: 0, readings: Readings::given(Cadence::Epoch, &numbers), seconds: 0.0 })
}

fn step(step: u64, loss: f64, output_std: f64) -> Event {
    Event::Step(Step {
        step,
        epoch: (step - 1) / STEPS_PER_EPOCH + 1,
        // As f32, like those of a device.
        readings: Readings::given(
            Cadence::Step,
            &[(names::LOSS, f64::from(loss as f32)), (names::OUTPUT_STD, f64::from(output_std as f32))],
        ),
    })
}

fn watch(step: u64, effective_rank: f64) -> Event {
    Event::Watch(Watch {
        step,
        epoch: (step - 1) / STEPS_PER_EPOCH + 1,
        readings: Readings::given(Cadence::Watched, &[(names::EFFECTIVE_RANK, effective_rank)]),
        gradient_norms: Vec::new(),
        channel_std: Vec::new(),
        ends_epoch: false,
    })
}

/// The events of a recorded run.
fn events(run: &Value) -> Result<Vec<Event>> {
    let numbers = |value: &Value| -> Result<Vec<f64>> { Ok(serde_json::from_value(value.clone())?) };
    let first = numbers(&run["first"])?;
    let mut events = vec![epoch(first[0], first[1], first[2])];
    let ranks: Vec<(u64, f64)> = serde_json::from_value(run["rank"].clone())?;
    let mut ranks = ranks.into_iter().peekable();
    let (losses, stds) = (numbers(&run["loss"])?, numbers(&run["std"])?);
    for (at, (loss, std)) in (1..).zip(losses.into_iter().zip(stds)) {
        events.push(step(at, loss, std));
        events.extend(ranks.next_if(|(step, _)| *step == at).map(|(_, rank)| watch(at, rank)));
    }
    Ok(events)
}

fn monitor(run: &Value) -> Result<HealthMonitor> {
    let mut config = Config::preset_for("demo", run["method"].as_str().unwrap_or("simsiam"))?;
    for assignment in run["set"].as_array().into_iter().flatten() {
        config.set(assignment.as_str().unwrap_or_default())?;
    }
    Ok(HealthMonitor::new(&config, STEPS_PER_EPOCH))
}

/// The alarms alone.
fn alarms(monitor: &mut HealthMonitor, events: &[Event]) -> Vec<Alarm> {
    let seen = events.iter().filter_map(|event| monitor.observe(event));
    seen.filter_map(|seen| if let Event::Alarm(alarm) = seen { Some(alarm) } else { None }).collect()
}

#[test]
fn collapsed_runs_are_reported_and_healthy_ones_are_not() -> Result {
    for line in RUNS.lines() {
        let run: Value = serde_json::from_str(line)?;
        let mut monitor = monitor(&run)?;
        let alarms = alarms(&mut monitor, &events(&run)?);
        let kinds: Vec<Value> =
            alarms.iter().map(|alarm| serde_json::to_value(alarm.kind)).collect::<std::result::Result<_, _>>()?;
        assert_eq!(Value::from(kinds), run["alarms"], "{} {}: {alarms:?}", run["method"], run["set"]);
    }
    Ok(())
}

/// The status is that of the numbers, whether they come as events or as lines of the file; before a collapse is reported it is watched.
#[test]
fn the_status_follows_the_numbers() -> Result {
    for line in RUNS.lines() {
        let run: Value = serde_json::from_str(line)?;
        let (mut monitor, mut replayed) = (monitor(&run)?, monitor(&run)?);
        let mut grades = vec![monitor.status().grade];
        for event in events(&run)? {
            let alarm = matches!(monitor.observe(&event), Some(Event::Alarm(_)));
            Line::of(&event).iter().for_each(|line| replayed.replay(line));
            let status = monitor.status();
            assert_eq!(status, replayed.status());
            assert!(!alarm || matches!(status.grade, HealthGrade::Alarmed(_)), "{status:?}");
            assert!(status.reason.ends_with('.') && !status.reason.contains('\n'), "{status:?}");
            if grades.last() != Some(&status.grade) {
                grades.push(status.grade);
            }
        }
        assert_eq!(grades[0], HealthGrade::Unknown);
        let at = grades.iter().position(|grade| matches!(grade, HealthGrade::Alarmed(_)));
        match run["alarms"].as_array().is_some_and(|alarms| alarms.is_empty()) {
            true => assert_eq!(at, None, "{}", run["set"]),
            // A loss that does not move is watched only where it moves much less than that.
            false => assert!(
                at.is_some_and(|at| grades[at - 1] == HealthGrade::Watch || run["alarms"][0] == "stagnation"),
                "{}: {grades:?}",
                run["set"]
            ),
        }
    }
    Ok(())
}

/// An alarm is not forgotten where the numbers come back, and is not the last word either.
#[test]
fn numbers_that_come_back_after_an_alarm_are_watched() -> Result {
    let mut monitor = HealthMonitor::new(&Config::preset("demo")?, STEPS_PER_EPOCH);
    monitor.observe(&epoch(0.0, 0.088, 40.0));
    let mut grades = Vec::new();
    for at in 1..=200 {
        monitor.observe(&step(at, -0.5, 0.088));
        if at.is_multiple_of(5) {
            monitor.observe(&watch(at, if (50..100).contains(&at) { 3.0 } else { 20.0 }));
            grades.push(monitor.status().grade);
        }
    }
    grades.dedup();
    let collapse = HealthGrade::Alarmed(AlarmKind::Collapse);
    assert_eq!(grades, [HealthGrade::Healthy, HealthGrade::Watch, collapse, HealthGrade::Watch]);
    let reason = monitor.status().reason;
    assert!(reason.contains("An alarm (collapse) was raised at step 70"), "{reason}");
    Ok(())
}

/// An interrupted run reports the same alarms, and none twice.
#[test]
fn a_checkpoint_keeps_what_was_observed_and_reported() -> Result {
    for line in RUNS.lines() {
        let run: Value = serde_json::from_str(line)?;
        let events = events(&run)?;
        let mut whole = monitor(&run)?;
        let expected: Vec<Event> = events.iter().filter_map(|e| whole.observe(e)).collect();
        for cut in [1, 40, 70, events.len()] {
            let mut checkpoint = Checkpoint::default();
            let mut before = monitor(&run)?;
            let mut reported: Vec<Event> = events[..cut].iter().filter_map(|e| before.observe(e)).collect();
            before.write(&mut checkpoint);
            let mut after = monitor(&run)?;
            after.read(&checkpoint);
            assert_eq!(after.state, before.state);
            reported.extend(events[cut..].iter().filter_map(|e| after.observe(e)));
            assert_eq!(reported, expected, "cut at {cut}");
        }
    }
    Ok(())
}

#[test]
fn a_point_and_a_divergence() -> Result {
    let run = |loss: &dyn Fn(u64) -> f64, std: &dyn Fn(u64) -> f64, rank: f64| -> Result<Vec<Alarm>> {
        let mut monitor = HealthMonitor::new(&Config::preset("demo")?, STEPS_PER_EPOCH);
        let mut events = vec![epoch(0.0, 0.088, 40.0)];
        for at in 1..=200 {
            events.push(step(at, loss(at), std(at)));
            if at.is_multiple_of(5) {
                events.push(watch(at, rank));
            }
        }
        Ok(alarms(&mut monitor, &events))
    };
    let learns = |at: u64| -0.8 * (1.0 - (-(at as f64) / 40.0).exp());
    let healthy = |_: u64| 0.088;
    assert_eq!(run(&learns, &healthy, 20.0)?, []);
    // A batch now and then that is far off, and a rank that is no number, are no alarm.
    let jumps = |at: u64| {
        if at.is_multiple_of(20) { 0.0 } else { learns(at) }
    };
    assert_eq!(run(&jumps, &healthy, f64::NAN)?, []);

    // The std falls; the rank is that of the noise around the point.
    let point = run(&learns, &|at| 0.088 * (-(at as f64) / 50.0).exp(), 30.0)?;
    assert_eq!(point.len(), 1, "{point:?}");
    assert_eq!(point[0].kind, AlarmKind::Collapse);
    assert!(point[0].message.contains("one point"), "{point:?}");

    let breaks = |at: u64| if at < 100 { learns(at) } else { -0.2 };
    let rises = run(&breaks, &healthy, 20.0)?;
    assert_eq!(rises.len(), 1, "{rises:?}");
    assert_eq!(rises[0].kind, AlarmKind::Divergence);
    assert!((116..140).contains(&rises[0].step), "{rises:?}");
    Ok(())
}

/// While MoCo's queue fills with keys its loss rises from that of random negatives.
#[test]
fn a_loss_whose_state_fills_is_observed_from_then_on() -> Result {
    let observe = |loss: &dyn Fn(u64) -> f64| -> Result<Vec<Alarm>> {
        let mut monitor = HealthMonitor::new(&Config::preset_for("demo", "mocov2")?, STEPS_PER_EPOCH);
        // 2048 keys, 128 a step.
        assert_eq!(monitor.health.settles, Some((16, 2049.0_f64.ln())));
        let steps = (1..=300).map(|at| step(at, loss(at), 0.088));
        Ok(alarms(&mut monitor, &std::iter::once(epoch(3.8, 0.088, 40.0)).chain(steps).collect::<Vec<_>>()))
    };
    // The longest training that was observed had its lowest loss as the queue was full, and learnt on as keys became harder.
    let fills = |end: f64| move |at: u64| 3.8 + (end - 3.8) * (at.min(16) as f64 / 16.0) + 0.001 * at as f64;
    assert_eq!(observe(&fills(6.0))?, []);
    let still = observe(&fills(7.6))?;
    assert_eq!(still.iter().map(|alarm| alarm.kind).collect::<Vec<_>>(), [AlarmKind::Stagnation], "{still:?}");
    assert!(still[0].message.contains("+7.625 where nothing is learnt"), "{still:?}");
    Ok(())
}

/// A learning rate of 3 takes the rank of the demo down to where collapses have it, and lets it come back: a warning, once, and no alarm. Scaled as
/// on small pictures it stays low for longer; where it went on falling it would be a collapse.
#[test]
fn a_low_rank_that_comes_back_is_a_warning() -> Result {
    let run = RUNS.lines().find(|line| line.starts_with(r#"{"set":["optim.lr=3"],"#)).ok_or("the run")?;
    let mut run: Value = serde_json::from_str(run)?;
    let ranks: Vec<(u64, f64)> = serde_json::from_value(run["rank"].clone())?;
    let mut observed = |scale: &dyn Fn(u64) -> f64| -> Result<[usize; 2]> {
        run["rank"] = serde_json::to_value(ranks.iter().map(|(at, rank)| (at, rank * scale(*at))).collect::<Vec<_>>())?;
        let mut monitor = monitor(&run)?;
        let seen: Vec<Event> = events(&run)?.iter().filter_map(|event| monitor.observe(event)).collect();
        let warnings = seen.iter().filter(|event| matches!(event, Event::Warning(_))).count();
        Ok([warnings, seen.len() - warnings])
    };
    assert_eq!(observed(&|_| 1.0)?, [0, 0]);
    assert_eq!(observed(&|_| 0.8)?, [1, 0]);
    assert_eq!(observed(&|at| 0.8 * (-(at.saturating_sub(60) as f64) / 150.0).exp())?, [1, 1]);
    Ok(())
}
