//! Numbers as people read them: the same in the terminal, the window, reports and pictures.

/// A number with `digits` decimals and a real minus sign.
pub fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match text.strip_prefix('-') {
        // No minus before a zero that rounding made.
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        Some(rest) => format!("\u{2212}{rest}"),
        None => text,
    }
}

/// A count with commas between thousands: `50,000`.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Seconds for people.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..172_800 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{:.1} days", seconds / 86400.0),
    }
}

/// Text of several lines, as drivers and compilers have it, in one.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One line of text that a terminal shows as it is: control characters, among them line breaks and the start of escape sequences, and those
/// that turn the direction of writing become the replacement character. For names that come from files, settings and drivers.
pub fn clean(text: &str) -> String {
    let turns =
        |c| matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = |c| matches!(c, '\u{2028}' | '\u{2029}');
    text.chars().map(|c| if c.is_control() || turns(c) || breaks(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_reaches_the_terminal_as_a_command() {
        assert_eq!(
            clean("a\x1b[2Jb\nerror: c\u{9b}d\u{202e}e\u{7f}\t"),
            "a\u{fffd}[2Jb\u{fffd}error: c\u{fffd}d\u{fffd}e\u{fffd}\u{fffd}"
        );
        let good = "Füchse 狐 🦊 \u{2212}1 – {\"json\": \"\\u001b\"}";
        assert_eq!(clean(good), good);
    }

    #[test]
    fn numbers_have_real_signs_and_separators() {
        assert_eq!(number(-1.25, 1), "\u{2212}1.2");
        assert_eq!(number(-0.001, 2), "0.00");
        assert_eq!(number(3.0, 0), "3");
        let counts = [0, 999, 1000, 1_234_567].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn durations() {
        let text = [0.123, 9.4, 59.2, 61.0, 7260.0, 400_000.0].map(duration);
        assert_eq!(text, ["0.1 s", "9.4 s", "59 s", "1 min 1 s", "2 h 1 min", "4.6 days"]);
    }
}
