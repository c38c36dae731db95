//! HTML, made of text that is escaped where it enters.

use crate::picture::{escape, styles};

/// Rules for the page; colours of charts come from [`styles`].
const CSS: &str = include_str!("../../../assets/report.css");

/// A whole page around `body`.
pub fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    let (light, dark) = (styles(false), styles(true));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"simsiam {}\">\n<title>{title}</title>\n\
         <style>\n{CSS}\n{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// An element around text.
pub fn element(tag: &str, text: &str) -> String {
    format!("<{tag}>{}</{tag}>\n", escape(text))
}

/// A paragraph of text of a class; nothing where there is no text.
pub fn paragraph(class: &str, text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!("<p class=\"{class}\">{}</p>\n", escape(text)),
    }
}

/// Something that opens on click. `content` is HTML.
pub fn details(summary: &str, content: &str) -> String {
    format!("<details><summary>{}</summary>\n{content}</details>\n", escape(summary))
}

/// A table that scrolls by itself where the page is narrow.
pub struct Table<'a> {
    /// What it shows, read out and not drawn.
    pub caption: &'a str,
    /// The columns: a name, and whether they hold numbers.
    pub columns: &'a [(&'a str, bool)],
    /// Cells of HTML; the first of a row is its heading.
    pub rows: Vec<Vec<String>>,
}

impl Table<'_> {
    pub fn html(&self) -> String {
        let class = |column: usize| match self.columns.get(column) {
            Some((_, true)) => " class=\"n\"",
            _ => "",
        };
        let mut out = format!(
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{0}\"><table>\n<caption>{0}</caption>\n<thead><tr>",
            escape(self.caption)
        );
        for (column, (name, _)) in self.columns.iter().enumerate() {
            out += &format!("<th scope=\"col\"{}>{}</th>", class(column), escape(name));
        }
        out += "</tr></thead>\n<tbody>\n";
        for row in &self.rows {
            out += "<tr>";
            for (column, cell) in row.iter().enumerate() {
                out += &match column {
                    0 => format!("<th scope=\"row\">{cell}</th>"),
                    _ => format!("<td{}>{cell}</td>", class(column)),
                };
            }
            out += "</tr>\n";
        }
        out + "</tbody>\n</table></div>\n"
    }
}
