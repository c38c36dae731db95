//! Runs that belong together: the seeds of one variant.

use crate::experiment::folder::same_but_seed;
use crate::train::History;

/// The runs of one variant, one for every seed, in the order of the seeds.
#[derive(Debug, Clone)]
pub struct SeedGroup<'a> {
    /// Its name.
    pub label: String,
    /// Which colour and marks it has.
    pub look: usize,
    /// Its runs.
    pub runs: Vec<&'a History>,
}

impl<'a> SeedGroup<'a> {
    /// Puts runs that differ in nothing but the seed together, in the order of their first ones, and names them by their folders.
    pub fn all(runs: &'a [History]) -> Vec<SeedGroup<'a>> {
        let mut groups: Vec<SeedGroup> = Vec::new();
        for run in runs {
            let same = |group: &&mut SeedGroup| same_but_seed(&group.runs[0].config, &run.config);
            match groups.iter_mut().find(same) {
                Some(group) => group.runs.push(run),
                None => groups.push(SeedGroup { label: String::new(), look: groups.len(), runs: vec![run] }),
            }
        }
        for group in &mut groups {
            group.runs.sort_by_key(|run| run.config.run.seed);
            let names: Vec<String> = group.runs.iter().map(|run| name(run)).collect();
            group.label = common(&names);
        }
        groups
    }
}

/// The last part of a run's folder.
pub fn name(run: &History) -> String {
    let folder = run.folder.canonicalize().unwrap_or_else(|_| run.folder.clone());
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| run.folder.display().to_string())
}

/// What some names begin with, without what only leads to a seed's number.
fn common(names: &[String]) -> String {
    let Some((first, rest)) = names.split_first() else {
        return String::new();
    };
    if rest.is_empty() {
        return first.clone();
    }
    let agree = |(i, c): &(usize, char)| {
        let end = i + c.len_utf8();
        rest.iter().all(|name| name.get(*i..end) == first.get(*i..end))
    };
    let length: usize = first.char_indices().take_while(agree).map(|(_, c)| c.len_utf8()).sum();
    let separators = ['-', '_', ' ', '.', '='];
    let start = first[..length].trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(separators);
    let start = start.strip_suffix("seed").unwrap_or(start).trim_end_matches(separators);
    if start.is_empty() { format!("{first} and {} more", rest.len()) } else { start.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::common;

    #[test]
    fn seeds_are_named_by_what_they_share() {
        let of = |names: &[&str]| common(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["demo-001"]), "demo-001");
        assert_eq!(of(&["base-seed-0", "base-seed-1", "base-seed-10"]), "base");
        assert_eq!(of(&["demo-001", "demo-002"]), "demo");
        assert_eq!(of(&["größe", "großes"]), "gr");
        assert_eq!(of(&["a", "b"]), "a and 1 more");
    }
}
