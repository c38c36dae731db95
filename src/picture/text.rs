//! Fonts, and text that fits: cleaned, measured, shortened, wrapped.

use std::sync::{Arc, OnceLock};

use epaint_default_fonts::{HACK_REGULAR, UBUNTU_LIGHT};
use resvg::usvg::fontdb::{Database, Source};
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
        for bytes in [UBUNTU_LIGHT, HACK_REGULAR] {
            fonts.load_font_source(Source::Binary(Arc::new(bytes)));
        }
        Arc::new(fonts)
    };
    Arc::clone(FONTS.get_or_init(load))
}

/// Width in units of a line of text set at `size`, without kerning (a per cent or less).
pub fn width(text: &str, size: f64) -> f64 {
    // Advances are rounded to 1/64: measured at a size where that is nothing.
    const EM: f32 = 1000.0;
    /// The box for a letter that neither font has.
    const MISSING: f32 = EM / 2.0;
    let [ubuntu, hack] = [UBUNTU_LIGHT, HACK_REGULAR].map(|bytes| FontRef::new(bytes).ok());
    let advance = |font: &Option<FontRef>, c: char| {
        let font = font.as_ref()?;
        let glyph = font.charmap().map(c)?;
        font.glyph_metrics(Size::new(EM), LocationRef::default()).advance_width(glyph)
    };
    let sum: f32 = text.chars().map(|c| advance(&ubuntu, c).or_else(|| advance(&hack, c)).unwrap_or(MISSING)).sum();
    f64::from(sum / EM) * size
}

/// One line of what XML can hold: line breaks and tabs become spaces, control characters and those that turn the direction of reading
/// (a name must not rearrange itself) the replacement character.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => REPLACEMENT,
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
    let start: String = take(&mut text.chars(), room - width(&end, size)).into_iter().collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_what_pictures_write() {
        let font = FontRef::new(UBUNTU_LIGHT).expect("a font");
        for c in "AZaz09\u{2212}+×σ°–…·,.%&()ÄéЖΩ".chars() {
            assert!(font.charmap().map(c).is_some(), "{c:?}");
        }
        let advance = |c: &str| width(c, 100.0);
        for c in "123456789\u{2212}+×".chars() {
            assert!((advance(&c.to_string()) - advance("0")).abs() < 1e-3, "{c}");
        }
        assert!((advance("0") - 56.4).abs() < 0.01);
        assert_eq!(fonts().len(), 2);
        let families = fonts().faces().any(|face| face.families[0].0 == FAMILY);
        assert!(families, "{:?}", fonts().faces().collect::<Vec<_>>());
    }

    #[test]
    fn long_text_is_shortened_in_its_middle() {
        for name in ["W", "i", "🐈", "ش", "\u{301}", "\u{1}"] {
            let long = format!("start{}end.png", name.repeat(300));
            let short = shorten(&long, 13.0, 200.0);
            assert!(width(&short, 13.0) <= 200.0, "{short}");
            // Marks without a width of their own may all fit.
            if width(&clean(&long), 13.0) > 200.0 {
                assert!(width(&short, 13.0) > 170.0, "{short}");
                assert!(short.starts_with("start") && short.ends_with("end.png"));
                assert_eq!(short.matches('…').count(), 1);
            }
        }
        assert_eq!(shorten("as it is", 13.0, 200.0), "as it is");
        assert_eq!(shorten("no room", 13.0, 0.0), "…");
    }

    #[test]
    fn lines_break_between_words() {
        let lines = wrap("one two three  four\nfive", 10.0, 40.0);
        assert!(lines.iter().all(|line| width(line, 10.0) <= 40.0));
        assert_eq!(lines.join(" "), "one two three four five");
        assert!(lines.len() > 1);
        assert!(wrap(" ", 10.0, 40.0).is_empty());
    }
}
