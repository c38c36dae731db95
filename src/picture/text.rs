//! Fonts, and text that fits: cleaned, measured, shortened, wrapped.

use std::sync::{Arc, OnceLock};

use epaint_default_fonts::{HACK_REGULAR, UBUNTU_LIGHT};
use resvg::usvg::fontdb::Database;
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};

/// The family of [`UBUNTU_LIGHT`]. Its digits, plus and minus are of one width, so columns of numbers align.
pub const FAMILY: &str = "Ubuntu";
/// Height of a capital letter, in parts of the font's size.
pub const CAP_HEIGHT: f64 = 0.693;
/// For what is missing or has no meaning in a picture.
const REPLACEMENT: char = '\u{FFFD}';

/// Ubuntu Light, and Hack for the letters it lacks.
pub fn fonts() -> Arc<Database> {
    static FONTS: OnceLock<Arc<Database>> = OnceLock::new();
    let load = || {
        let mut fonts = Database::new();
        fonts.load_font_source(resvg::usvg::fontdb::Source::Binary(Arc::new(UBUNTU_LIGHT)));
        fonts.load_font_source(resvg::usvg::fontdb::Source::Binary(Arc::new(HACK_REGULAR)));
        Arc::new(fonts)
    };
    Arc::clone(FONTS.get_or_init(load))
}

/// Width in units of a line of text set at `size`, without kerning.
pub fn width(text: &str, size: f64) -> f64 {
    let [ubuntu, hack] = [UBUNTU_LIGHT, HACK_REGULAR].map(|bytes| FontRef::new(bytes).ok());
    let advance = |font: &Option<FontRef>, c: char| {
        let font = font.as_ref()?;
        let glyph = font.charmap().map(c)?;
        font.glyph_metrics(Size::new(1.0), LocationRef::default())
            .advance_width(glyph)
    };
    let em: f32 = text
        .chars()
        // A letter that neither font has is at most a box of one em.
        .map(|c| {
            advance(&ubuntu, c)
                .or_else(|| advance(&hack, c))
                .unwrap_or(1.0)
        })
        .sum();
    f64::from(em) * size
}

/// One line of what XML can hold: line breaks and tabs become spaces, control characters and those that turn the direction of reading
/// (a name must not rearrange itself) the replacement character.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            '\u{61C}'
            | '\u{200E}'
            | '\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2066}'..='\u{2069}' => REPLACEMENT,
            '\u{FFFE}' | '\u{FFFF}' => REPLACEMENT,
            c if c.is_control() => REPLACEMENT,
            c => c,
        })
        .collect()
}

/// Text for an XML element or attribute: cleaned, and nothing in it is markup.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c => out.push(c),
        }
    }
    out
}

/// `text` where it is at most `max` units wide at `size`; else its start and its end, which tells the file's kind, with an ellipsis between.
pub fn shorten(text: &str, size: f64, max: f64) -> String {
    let text = clean(text);
    if width(&text, size) <= max {
        return text;
    }
    let room = max - width("…", size);
    let take = |chars: &mut dyn Iterator<Item = char>, room: f64| {
        let mut used = 0.0;
        let taken: Vec<char> = chars
            .take_while(|c| {
                used += width(c.encode_utf8(&mut [0; 4]), size);
                used <= room
            })
            .collect();
        taken
    };
    let mut end = take(&mut text.chars().rev(), room * 0.4);
    end.reverse();
    let end: String = end.into_iter().collect();
    let start: String = take(&mut text.chars(), room - width(&end, size))
        .into_iter()
        .collect();
    format!("{}…{}", start.trim_end(), end.trim_start())
}

/// Breaks `text` between words into lines of at most `max` units; a longer word is shortened.
pub fn wrap(text: &str, size: f64, max: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in clean(text).split_whitespace() {
        let word = shorten(word, size, max);
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size) <= max => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

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
