//! The report of any runs laid side by side.

use std::path::Path;

use super::group::{SeedGroup, name};
use super::{curves, facts, html};
use crate::experiment::{ExperimentError, Figures};
use crate::picture::{self, ChartSheet, escape, mark};
use crate::train::History;

/// Writes the report of `runs` to the file `out`, and its charts to a PNG of that name. Runs that differ in their seed only are shown as one
/// line with their mean.
pub fn compare(runs: &[History], out: &Path) -> Result<(), ExperimentError> {
    let groups = SeedGroup::all(runs);
    let all: Vec<&History> = runs.iter().collect();
    let title = match runs {
        [one] => name(one),
        several => format!("{} runs side by side", several.len()),
    };
    let charts = curves::charts(&groups);
    let further = curves::further(&groups);

    let mut body = html::element("h1", &title);
    if let [first, ..] = runs {
        body += &facts::overview(&first.config, &all);
        if groups.len() > 1 {
            body += &html::paragraph(
                "note",
                &format!(
                    "Data, network and training are those of {}; what the others differ in stands below.",
                    name(first)
                ),
            );
        }
    }
    body += &html::paragraph("note", curves::legend(&groups));
    body += &curves::figures(&charts, "chart");
    if !further.is_empty() {
        body += &html::details("More curves", &curves::figures(&further, "further"));
    }
    body += "<h3>Last epoch</h3>\n";
    body += &table(&groups);
    body += &facts::alarms(&groups);
    body += &facts::differing(&groups);
    body += &facts::runs(&groups);
    for group in &groups {
        body += &facts::settings(&format!("All settings of {}", group.label), &group.runs[0].config);
    }
    super::write(out, &html::page(&title, &body))?;

    let machine = facts::machine(&all);
    let notes: Vec<&str> = machine.iter().map(|(_, text)| text.as_str()).collect();
    let sheet = ChartSheet { title: &title, subtitle: curves::legend(&groups), charts: &charts, notes: &notes };
    Ok(picture::write(&sheet.to_svg(), &out.with_extension("png"))?)
}

fn table(groups: &[SeedGroup]) -> String {
    let row = |(group, figures): (&SeedGroup, &Figures)| {
        let states: Vec<String> = group.runs.iter().filter_map(|run| facts::state(run)).collect();
        let states =
            if states.is_empty() { String::new() } else { format!("<small>{}</small>", escape(&states.join("; "))) };
        vec![
            format!("{}{}{states}", mark(group.look), escape(&group.label)),
            facts::sample(&figures.knn_untrained, 100.0, 1),
            facts::sample(&figures.knn, 100.0, 1),
            facts::sample(&figures.loss, 1.0, 3),
            facts::sample(&figures.std_ratio, 1.0, 2),
            facts::sample(&figures.output_std, 1.0, 4),
            facts::sample(&figures.rank, 1.0, 1),
            group.runs.len().to_string(),
        ]
    };
    let numbers: Vec<Figures> = groups.iter().map(|group| Figures::at_last(&group.runs)).collect();
    let columns = [
        ("Run", false),
        ("kNN untrained, %", true),
        ("kNN, %", true),
        ("Loss", true),
        ("Std × \u{221A}d", true),
        ("Output std", true),
        ("Rank", true),
        ("Seeds", true),
    ];
    let rows = groups.iter().zip(&numbers).map(row).collect();
    html::Table { caption: "Figures of the last epoch", columns: &columns, rows }.html()
}
