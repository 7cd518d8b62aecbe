//! What a text of others may be: how long it gets once it is written as JSON, cut to that, and one line that nobody takes for anything but text.

use std::borrow::Cow;

/// A text of others in one line that a terminal takes for nothing but text.
pub fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            // line separators, and what turns the direction of writing
            '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

/// Bytes that a character takes in a JSON text.
pub fn json_cost(c: char) -> usize {
    if c < ' ' {
        6
    } else if matches!(c, '"' | '\\') {
        2
    } else {
        c.len_utf8()
    }
}

/// Bytes that a text takes in JSON, the quotes left aside.
pub fn json_len(text: &str) -> usize {
    text.chars().map(json_cost).sum()
}

/// A text that takes at most `max` bytes in JSON; what is cut ends with an ellipsis.
pub fn clip_json(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() * 6 <= max || json_len(text) <= max {
        return Cow::Borrowed(text);
    }
    let room = max.saturating_sub('…'.len_utf8());
    let mut used = 0;
    let end = text.char_indices().find_map(|(at, c)| {
        used += json_cost(c);
        (used > room).then_some(at)
    });
    Cow::Owned(format!("{}…", &text[..end.unwrap_or(text.len())]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_cut_fits_and_is_a_beginning(text in "[a-c\"\\\\\u{1}ä€]{0,80}", max in 3usize..120) {
            let cut = clip_json(&text, max);
            prop_assert!(json_len(&cut) <= max);
            let written = serde_json::to_string(&*cut).expect("a text");
            // \n and its like are shorter than they are counted
            prop_assert!(written.len() <= json_len(&cut) + 2);
            let kept = cut.strip_suffix('…').unwrap_or(&cut);
            prop_assert!(text.starts_with(kept));
            prop_assert!(json_len(&text) > max || cut == text);
        }
    }
}
