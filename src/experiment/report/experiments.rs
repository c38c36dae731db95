//! The report of experiments: what the paper asks and found, and what came out here.

use std::path::PathBuf;

use super::group::SeedGroup;
use super::html::{Table, element, page, paragraph};
use super::{curves, facts, html};
use crate::config::Config;
use crate::experiment::folder::{differences, same_but_seed};
use crate::experiment::plan::Experiment;
use crate::experiment::{Definition, ExperimentError, ExperimentPlan, Figures, Folder, Variant, Verdict};
use crate::format;
use crate::picture::{self, Chart, ChartSheet, escape, mark};
use crate::train::History;

/// The heading of every report.
const TITLE: &str = "SimSiam's experiments";

/// What the paper's figures are.
const PAPER: &str = "The paper's figures are linear top-1 on ImageNet with a ResNet-50 after 100 epochs; ours are kNN top-1 on the data above after the \
                     last epoch. Directions can be compared, numbers cannot. A direction counts as reproduced, or as not, from two standard errors on; the error \
                     comes from the spread between seeds and is never taken below what the number of test images lets one know.";

/// An experiment and what it has left.
struct Section<'a> {
    experiment: &'a Experiment,
    groups: Vec<SeedGroup<'a>>,
    figures: Vec<Figures>,
    charts: Vec<Chart>,
}

/// What an experiment has come to.
#[derive(Debug, Clone)]
pub struct ExperimentResult {
    /// What was asked of whom.
    pub definition: Definition,
    /// What the paper found, judged by the runs that are there, with the numbers that decide it in words.
    pub verdicts: Vec<(Verdict, String)>,
    /// The label of every variant, in the order of the definition, and its numbers.
    pub variants: Vec<(String, Figures)>,
}

/// What the experiments of the report have come to: those that [`experiments`] shows.
pub fn results(plan: &ExperimentPlan, runs: &[History]) -> Result<Vec<ExperimentResult>, ExperimentError> {
    let result = |experiment: &Experiment| {
        let section = Section::new(experiment, runs);
        let labels = section.groups.iter().map(|group| group.label.clone());
        ExperimentResult {
            definition: experiment.definition.clone(),
            verdicts: section.verdicts(),
            variants: labels.zip(section.figures.iter().cloned()).collect(),
        }
    };
    Ok(shown(plan, runs)?.iter().map(result).collect())
}

/// The plan's experiments, and those of the paper that the runs are enough for.
fn shown(plan: &ExperimentPlan, runs: &[History]) -> Result<Vec<Experiment>, ExperimentError> {
    let mut shown = plan.experiments.clone();
    for name in Definition::names() {
        // A base that a variant does not fit has no runs of it.
        let Ok(experiment) = Experiment::new(Definition::built_in(name)?, &plan.base, plan.preset.as_deref()) else {
            continue;
        };
        let planned = shown.iter().any(|other| other.definition.name == name);
        let there = |config: &Config| runs.iter().any(|run| same_but_seed(&run.config, config));
        if !planned && experiment.configs.iter().all(there) {
            shown.push(experiment);
        }
    }
    let order = |experiment: &Experiment| {
        let place = Definition::names().position(|name| name == experiment.definition.name);
        place.unwrap_or(usize::MAX)
    };
    shown.sort_by_key(order);
    Ok(shown)
}

/// Writes `report.html` in the folder and a PNG of every experiment's charts. Shown are the plan's experiments, and those of the paper of which the folder
/// holds a run of every variant, in the paper's order. Returns the report's path.
pub fn experiments(folder: &Folder, plan: &ExperimentPlan, runs: &[History]) -> Result<PathBuf, ExperimentError> {
    let shown = shown(plan, runs)?;
    let sections: Vec<Section> = shown.iter().map(|experiment| Section::new(experiment, runs)).collect();
    let used: Vec<&History> = (runs.iter())
        .filter(|run| shown.iter().any(|e| e.configs.iter().any(|config| same_but_seed(&run.config, config))))
        .collect();

    let mut body = element("h1", TITLE);
    body += &paragraph(
        "lead-in",
        "After Chen & He, \u{201C}Exploring Simple Siamese Representation Learning\u{201D} (2020), repeated at a size for the machine at hand.",
    );
    body += &facts::overview(&plan.base, &used);
    if sections.len() > 1 {
        body += &contents(&sections);
    }
    for section in &sections {
        body += &section.html(plan);
        let svg = section.sheet(&used);
        picture::write(&svg, &folder.path().join(format!("{}.png", section.definition().name)))?;
    }
    body += "<section>\n<h2>How to read this</h2>\n";
    body += &paragraph("", PAPER);
    body += &facts::settings("All common settings", &plan.base);
    body += &facts::runs(&SeedGroup::all(runs));
    body += "</section>\n";
    let path = folder.path().join("report.html");
    super::write(&path, &page(TITLE, &body))?;
    Ok(path)
}

/// A line for every experiment: where it is, and how many of the paper's directions it shows.
fn contents(sections: &[Section]) -> String {
    let entry = |section: &Section| {
        let Definition { name, title, .. } = section.definition();
        let verdicts: Vec<Verdict> = section.verdicts().into_iter().map(|(verdict, _)| verdict).collect();
        let count = |verdict| verdicts.iter().filter(|other| **other == verdict).count();
        let parts = [
            (count(Verdict::Reproduced), "reproduced"),
            (count(Verdict::NotReproduced), "not reproduced"),
            (count(Verdict::TooClose), "too close to call"),
            (count(Verdict::Unknown), "not run yet"),
        ];
        let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, text)| format!("{n} {text}")).collect();
        format!("<li><a href=\"#{}\">{}</a> <span>{}</span></li>\n", escape(name), escape(title), parts.join(", "))
    };
    let entries: String = sections.iter().map(entry).collect();
    format!("<nav aria-label=\"Experiments\"><h3>Experiments</h3><ol>\n{entries}</ol></nav>\n")
}

impl<'a> Section<'a> {
    fn new(experiment: &'a Experiment, runs: &'a [History]) -> Section<'a> {
        let group = |(look, (variant, config)): (usize, (&Variant, &Config))| {
            let mut of: Vec<&History> = runs.iter().filter(|run| same_but_seed(&run.config, config)).collect();
            of.sort_by_key(|run| run.config.run.seed);
            SeedGroup { label: Definition::label(variant, config), look, runs: of }
        };
        let groups: Vec<SeedGroup> = experiment.variants().enumerate().map(group).collect();
        Section { experiment, figures: curves::numbers(&groups), charts: curves::charts(&groups), groups }
    }

    fn definition(&self) -> &'a Definition {
        &self.experiment.definition
    }

    /// The paper's claims, judged.
    fn verdicts(&self) -> Vec<(Verdict, String)> {
        let names = self.definition().variants.iter().map(|variant| variant.name.as_str());
        let all: Vec<_> = names.zip(self.groups.iter().zip(&self.figures)).collect();
        let find = |name: &str| {
            let (_, (group, figures)) = all.iter().find(|(other, _)| *other == name)?;
            Some((group.label.as_str(), *figures))
        };
        self.definition().claims.iter().map(|claim| Verdict::of(claim, find)).collect()
    }

    fn html(&self, plan: &ExperimentPlan) -> String {
        let Definition { name, title, source, question, finding, note, .. } = self.definition();
        let mut out = format!("<section id=\"{}\">\n", escape(name));
        out += &element("h2", title);
        out += &paragraph("source", source);
        out += &paragraph("question", question);
        if !finding.is_empty() {
            out += &format!("<p><strong>The paper:</strong> {}</p>\n", escape(finding));
        }
        out += &paragraph("note", note);
        out += &self.claims();
        out += &curves::figures(&self.charts, &format!("{name}-chart"));
        out += &paragraph("note", curves::legend(&self.groups));
        out += &self.table(plan);
        out += &facts::alarms(&self.groups);
        let further = curves::further(&self.groups);
        if !further.is_empty() {
            out += &html::details("More curves", &curves::figures(&further, &format!("{name}-further")));
        }
        out + "</section>\n"
    }

    fn claims(&self) -> String {
        let item = |(verdict, text): (Verdict, String)| {
            let class = verdict.name();
            format!("<li><span class=\"verdict {class}\">{}</span>: {}</li>\n", verdict.text(), escape(&text))
        };
        let items: String = self.verdicts().into_iter().map(item).collect();
        match items.as_str() {
            "" => String::new(),
            items => format!("<h3>The paper's directions, here</h3>\n<ul class=\"claims\">\n{items}</ul>\n"),
        }
    }

    /// Ours beside the paper's.
    fn table(&self, plan: &ExperimentPlan) -> String {
        let rows = self.experiment.variants().zip(self.groups.iter().zip(&self.figures));
        let row = |((variant, config), (group, figures)): ((&Variant, &Config), (&SeedGroup, &Figures))| {
            let mut heading = format!("{}{}", mark(group.look), escape(&group.label));
            heading += &format!("<small>{}</small>", settings(&plan.base, config));
            if !variant.note.is_empty() {
                heading += &format!("<small>{}</small>", escape(&variant.note));
            }
            let states: Vec<String> = group.runs.iter().filter_map(|run| facts::state(run)).collect();
            if !states.is_empty() {
                heading += &format!("<small>{}</small>", escape(&states.join("; ")));
            }
            let paper = match variant.paper_setting.as_str() {
                "" => escape(&variant.paper),
                setting => format!("{}<small>at {}</small>", escape(&variant.paper), escape(setting)),
            };
            let collapsed = match figures.ended {
                0 => "–".to_owned(),
                of => format!("{} of {of}", figures.collapsed),
            };
            vec![
                heading,
                paper,
                facts::sample(&figures.knn, 100.0, 1),
                collapsed,
                facts::sample(&figures.loss, 1.0, 3),
                facts::sample(&figures.std_ratio, 1.0, 2),
                facts::sample(&figures.output_std, 1.0, 4),
                facts::sample(&figures.rank, 1.0, 1),
                figures.seconds.mean().map_or("–".to_owned(), format::duration),
                figures.images_per_second.mean().map_or("–".to_owned(), facts::rate),
            ]
        };
        let mut columns = vec![
            ("Variant", false),
            ("Paper, %", true),
            ("Ours: kNN, %", true),
            ("Collapsed", true),
            ("Loss", true),
            ("Std × \u{221A}d", true),
            ("Output std", true),
            ("Rank", true),
            ("Time a run", true),
            ("Images/s", true),
        ];
        let mut rows: Vec<Vec<String>> = rows.map(row).collect();
        // A user's own experiment has no paper.
        if self.definition().variants.iter().all(|variant| variant.paper.is_empty()) {
            columns.remove(1);
            for row in &mut rows {
                row.remove(1);
            }
        }
        let caption = format!("{}: ours beside the paper's", self.definition().title);
        Table { caption: &caption, columns: &columns, rows }.html()
    }

    /// The charts by themselves, as SVG.
    fn sheet(&self, used: &[&History]) -> String {
        let definition = self.definition();
        let machine = facts::machine(used);
        let adapter = machine.iter().find(|(name, _)| *name == "Adapter").map_or("", |(_, text)| text.as_str());
        let notes: Vec<&str> =
            [curves::legend(&self.groups), adapter].into_iter().filter(|note| !note.is_empty()).collect();
        ChartSheet { title: &definition.title, subtitle: &definition.question, charts: &self.charts, notes: &notes }
            .to_svg()
    }
}

/// What a variant changes in the common settings, as code.
fn settings(base: &Config, config: &Config) -> String {
    let changed = differences(&[base, config]);
    let parts: Vec<String> = (changed.iter())
        // Keys of the other method have no value here.
        .filter(|(_, values)| !values[1].is_empty())
        .map(|(key, values)| format!("<code>{} = {}</code>", escape(key), escape(&values[1])))
        .collect();
    if parts.is_empty() { "the common settings".to_owned() } else { parts.join("<br>") }
}
