//! Short, harmless pieces of a server's answer for messages; never a secret, never a control character.

use super::spelled;

/// Most characters of a body in a message.
const LONGEST: usize = 200;

/// Cuts a body to at most 200 characters on one line, with every text of `secrets`, in whatever escapes it is
/// written, and everything that looks like a token or an Authorization value replaced by `***`.
pub(super) fn excerpt(body: &[u8], secrets: &[String]) -> String {
    let head = body.get(..body.len().min(16 * 1024)).unwrap_or(body);
    let text = spelled::mask(&String::from_utf8_lossy(head), secrets);
    let mut out = String::new();
    let mut mask_next = false;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        if mask_next || looks_like_token(word) {
            out.push_str("***");
        } else {
            out.push_str(word);
        }
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        mask_next = bare.eq_ignore_ascii_case("bearer") || bare.eq_ignore_ascii_case("basic");
        if out.chars().count() > LONGEST {
            break;
        }
    }
    match out.char_indices().nth(LONGEST) {
        Some((at, _)) => {
            out.truncate(at);
            out.push('…');
            out
        }
        None => out,
    }
}

/// A JWT in any wrapping: its header `{"` is `eyJ` in base64.
fn looks_like_token(word: &str) -> bool {
    word.match_indices("eyJ")
        .any(|(at, _)| word[at..].len() > 20)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_tokens_and_control_characters_never_show() {
        let body = b"<html>\x1b[31m\npw=tr0mb0ne Authorization: Basic abcdef \"eyJhbGciOiJSUzI1NiJ9.e30.c2ln\"";
        let text = excerpt(body, &["tr0mb0ne".to_owned()]);
        assert_eq!(text, "<html> [31m pw=*** Authorization: Basic *** ***");
        let long = excerpt("x ".repeat(500).as_bytes(), &[]);
        assert_eq!(long.chars().count(), 201);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_the_secret_is_gone(body in prop::collection::vec(any::<u8>(), 0..600), secret in "[a-z0-9]{8,12}") {
            let mut with = body.clone();
            with.extend_from_slice(secret.as_bytes());
            with.extend_from_slice(&body);
            let text = excerpt(&with, std::slice::from_ref(&secret));
            prop_assert!(!text.contains(&secret));
            prop_assert!(text.chars().count() <= 201);
            prop_assert!(!text.chars().any(char::is_control));
        }
    }
}
