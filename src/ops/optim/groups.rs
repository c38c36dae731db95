//! Parameter groups: which elements an optimiser updates alike, and how an arena is cut into pieces for workgroups.

use crate::graph::{Shape, Target};

/// Bindings and segments start at multiples of this many words.
const ALIGNMENT: usize = 64;

/// Elements of a flat arena that an optimiser updates alike; where LARS applies, one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// The word after its last: a multiple of 64, or the arena's end or more. It begins where the one before ends, the first at 0.
    pub end: usize,
    /// Index of its learning rate.
    pub rate: usize,
    /// Whether weight decay applies. It usually does not to biases and to the scales and shifts of norms.
    pub decay: bool,
    /// Whether LARS scales its gradient; where not, its scale is 1.
    pub lars: bool,
}

/// How parameters divide into groups.
#[derive(Debug, Clone, PartialEq)]
pub enum Groups {
    /// A flat arena `[n]` in segments that follow each other and hold all of it; several may share a rate.
    Segments(Vec<Segment>),
    /// Parameters `[.., groups · C]` of that many classifiers side by side; group g has rate g, weight decay and LARS.
    Columns(usize),
}

impl Groups {
    /// Number of groups that LARS tells apart.
    pub(super) fn count(&self) -> usize {
        match self {
            Groups::Segments(segments) => segments.len(),
            Groups::Columns(groups) => *groups,
        }
    }

    /// Where the segments end.
    pub(super) fn ends(segments: &[Segment]) -> Vec<usize> {
        segments.iter().map(|segment| segment.end).collect()
    }

    /// What is wrong with them for parameters of this shape and, where given, for that many rates.
    pub(super) fn check(&self, parameters: &Shape, rates: Option<usize>) -> Result<(), String> {
        match self {
            Groups::Segments(segments) => {
                if parameters.dims().len() != 1 {
                    return Err(format!("segments divide an arena [n], not {parameters:?}"));
                }
                covers(&Groups::ends(segments), parameters.len())?;
                match segments.iter().find(|s| rates.is_some_and(|rates| s.rate >= rates)) {
                    Some(segment) => Err(format!("there is no learning rate {}", segment.rate)),
                    None => Ok(()),
                }
            }
            Groups::Columns(groups) => match parameters.channels().is_multiple_of((*groups).max(1)) {
                true if rates.is_none_or(|rates| rates == *groups) => Ok(()),
                _ => Err(format!("{groups} classifiers need parameters [.., {groups} C] and {groups} rates")),
            },
        }
    }

    /// The group of element `i` of parameters with `columns` columns.
    pub(super) fn of(&self, i: usize, columns: usize) -> usize {
        match self {
            Groups::Segments(segments) => segments.partition_point(|s| s.end <= i),
            Groups::Columns(groups) => i % columns / (columns / groups),
        }
    }

    /// Index of the learning rate of a group, whether weight decay applies, and whether LARS does.
    pub(super) fn settings(&self, group: usize) -> (usize, bool, bool) {
        match self {
            Groups::Segments(segments) => {
                let Segment { rate, decay, lars, .. } = segments[group];
                (rate, decay, lars)
            }
            Groups::Columns(_) => (group, true, true),
        }
    }
}

/// First word and end of every segment among `n` words, the last of which is the last segment's, padding or not.
pub(super) fn ranges(ends: &[usize], n: usize) -> impl Iterator<Item = (usize, usize)> {
    let begins = std::iter::once(0).chain(ends.iter().copied());
    let inner = &ends[..ends.len().saturating_sub(1)];
    begins.zip(inner.iter().copied().chain([n]))
}

/// Whether segments that end there hold every one of `n` words, and none is empty.
pub(super) fn covers(ends: &[usize], n: usize) -> Result<(), String> {
    let fits = ends.split_last().is_some_and(|(&last, inner)| {
        inner.iter().all(|end| end.is_multiple_of(ALIGNMENT))
            && ranges(ends, n).all(|(begin, end)| begin < end)
            && last >= n
    });
    match fits {
        true => Ok(()),
        false => Err(format!(
            "segments must end at ascending multiples of {ALIGNMENT}, the last at the arena's end, not at {ends:?}"
        )),
    }
}

/// The largest part of an arena that a device binds at once, in words.
pub(super) fn most_words(target: &Target) -> usize {
    (target.max_words / ALIGNMENT * ALIGNMENT).max(ALIGNMENT)
}

/// What a workgroup takes of an arena: a part of one segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Piece {
    /// First vec4, from the start of its binding.
    pub first: usize,
    /// Number of vec4s.
    pub vectors: usize,
    /// Its segment.
    pub segment: usize,
}

/// A part of an arena that a device binds at once, and its pieces in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// First word.
    pub first: usize,
    /// Number of words.
    pub words: usize,
    /// Its pieces.
    pub pieces: Vec<Piece>,
}

/// Cuts `n` stored words in segments that end at `ends` into pieces of at most `size` words.
pub(super) fn parts(ends: &[usize], n: usize, size: usize, target: &Target) -> Vec<Part> {
    let most = most_words(target);
    let size = size.min(most);
    let bound = most / size * size;
    let mut parts: Vec<Part> =
        (0..n).step_by(bound).map(|first| Part { first, words: bound.min(n - first), pieces: Vec::new() }).collect();
    for (segment, (begin, end)) in ranges(ends, n).enumerate() {
        let mut at = begin;
        while at < end {
            // Up to the next multiple of the size, so that none lies in two parts.
            let next = (at + 1).next_multiple_of(size).min(end);
            let part = &mut parts[at / bound];
            part.pieces.push(Piece { first: (at - part.first) / 4, vectors: (next - at) / 4, segment });
            at = next;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hold_every_word_once_and_lie_in_one_segment_and_one_binding() {
        let target = Target { max_words: 450, ..Target::basic(true) };
        let parts = parts(&[64, 640, 1004], 1004, 128, &target);
        assert_eq!(parts.iter().map(|p| (p.first, p.words)).collect::<Vec<_>>(), [(0, 384), (384, 384), (768, 236)]);
        let pieces = parts.iter().flat_map(|part| part.pieces.iter().map(|p| (part.first + 4 * p.first, *p)));
        let mut at = 0;
        for (first, piece) in pieces {
            assert_eq!(first, at);
            at += 4 * piece.vectors;
            let segment = [64, 640, 1004].iter().position(|&end| first < end);
            assert_eq!(Some(piece.segment), segment, "{piece:?}");
            assert!(piece.vectors <= 32 && at <= [64, 640, 1004][piece.segment]);
        }
        assert_eq!(at, 1004);
        let fits = |part: &Part| part.pieces.iter().all(|p| 4 * (p.first + p.vectors) <= part.words);
        assert!(parts.iter().all(fits));
    }

    #[test]
    fn segments_that_leave_a_word_out_are_refused() {
        // No segment, one that ends inside a vec4, one too short, an empty one; and one that is well.
        let ends: [&[usize]; 5] = [&[], &[7, 65], &[64], &[0, 65], &[64, 128]];
        assert_eq!(ends.map(|ends| covers(ends, 65).is_err()), [true, true, true, true, false]);
        let segment = Segment { end: 65, rate: 1, decay: true, lars: false };
        let groups = Groups::Segments(vec![segment]);
        assert!(groups.check(&Shape::rows([65]), Some(2)).is_ok());
        assert_eq!(groups.check(&Shape::rows([65]), Some(1)), Err("there is no learning rate 1".to_string()));
        assert!(Groups::Columns(3).check(&Shape::rows([5, 7]), None).is_err());
    }
}
