//! Bar charts as inline SVG with title and description; no script, no colour of their own, every text escaped.

use std::fmt::Write as _;

use super::grouped;
use super::html::escape;

/// Width of the drawing; it is scaled to the room that there is.
const WIDTH: u64 = 360;
/// Height of one row: its words, and below them its bar.
const ROW: u64 = 34;
/// Letters of a label that have room beside the number.
const LABEL: usize = 40;
/// Bars that are drawn; the others are one together.
const BARS: usize = 14;

/// A chart of counts, as long as they are many.
pub fn bars(id: &str, title: &str, counts: &[(String, u64)]) -> String {
    let (shown, rest) = counts.split_at(counts.len().min(BARS));
    let mut rows: Vec<(String, u64)> = shown.to_vec();
    if !rest.is_empty() {
        let sum = rest.iter().map(|(_, count)| count).sum();
        rows.push((format!("{} others", rest.len()), sum));
    }
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let height = ROW * u64::try_from(rows.len()).unwrap_or(0).max(1);
    let words: Vec<String> = rows
        .iter()
        .map(|(label, count)| format!("{label} {}", grouped(*count)))
        .collect();
    let mut out = String::new();
    // writing to a String can't fail
    let _ = write!(
        out,
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
         <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>",
        escape(title),
        escape(&words.join("; "))
    );
    for (at, (label, count)) in (0_u64..).zip(&rows) {
        let y = at * ROW;
        // in hundredths, so that a small share is not lost
        let length = (count * WIDTH * 100).checked_div(most).unwrap_or(0);
        let length = if *count > 0 { length.max(200) } else { 0 };
        let short: String = if label.chars().count() > LABEL {
            label.chars().take(LABEL - 1).chain(['…']).collect()
        } else {
            label.clone()
        };
        let _ = write!(
            out,
            "<g><title>{}: {}</title>\
             <text class=\"label\" x=\"0\" y=\"{}\">{}</text>\
             <text class=\"count\" x=\"{WIDTH}\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <rect class=\"track\" x=\"0\" y=\"{}\" width=\"{WIDTH}\" height=\"8\" rx=\"2\"/>\
             <rect class=\"bar\" x=\"0\" y=\"{}\" width=\"{}.{:02}\" height=\"8\" rx=\"2\"/></g>",
            escape(label),
            grouped(*count),
            y + 14,
            escape(&short),
            y + 14,
            grouped(*count),
            y + 20,
            y + 20,
            length / 100,
            length % 100,
        );
    }
    out.push_str("</svg>");
    out
}
