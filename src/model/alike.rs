//! What one text has beside another that is much like it: made, stored and undone here; pure, and no stored bytes make it panic.

use serde::{Deserialize, Serialize};

/// One step: copy so many bytes of the base, leave so many out, put these in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Step(pub u32, pub u32, pub String);

/// Where two texts that differ are looked at together again: they are JSON, so values end at it.
const CUT: u8 = b',';
/// What a step costs beside its text, as JSON.
const STEP: usize = 14;

/// The steps that make `text` of `base`; what is left of the base after the last one is copied.
/// `None` where that saves less than half: then the text is better stored whole.
pub fn steps(base: &str, text: &str) -> Option<Vec<Step>> {
    let back = back(base, text);
    let (mut have, mut want) = (&base[..base.len() - back], &text[..text.len() - back]);
    let mut room = text.len() / 2;
    let mut steps = Vec::new();
    while !(have.is_empty() && want.is_empty()) {
        let same = front(have, want);
        let (left, put) = (&have[same..], &want[same..]);
        // the last value, or one side's end: the rest differs as a whole
        let (leave, take) = match (value(left), value(put)) {
            (Some(leave), Some(take)) => (leave, take),
            _ => (left.len(), put.len()),
        };
        if leave > 0 || take > 0 {
            room = room.checked_sub(STEP + take)?;
            steps.push(Step(
                u32::try_from(same).ok()?,
                u32::try_from(leave).ok()?,
                put[..take].to_owned(),
            ));
        } else if same == 0 {
            // both stand before a cut, and yet nothing is the same: can't be, and must not go on for ever
            return None;
        }
        (have, want) = (&left[leave..], &put[take..]);
    }
    Some(steps)
}

/// Where the value ends that a text stands in.
fn value(text: &str) -> Option<usize> {
    memchr::memchr(CUT, text.as_bytes())
}

/// Bytes that are compared at once.
const WIDE: usize = 32;

/// Bytes that both begin with, between characters of both.
fn front(a: &str, b: &str) -> usize {
    let (x, y) = (a.as_bytes(), b.as_bytes());
    let wide = x.chunks_exact(WIDE).zip(y.chunks_exact(WIDE));
    let mut at = wide.take_while(|(x, y)| x == y).count() * WIDE;
    at += common(x[at..].iter(), y[at..].iter());
    while !(a.is_char_boundary(at) && b.is_char_boundary(at)) {
        at -= 1;
    }
    at
}

/// Bytes that both end with, between characters of both.
fn back(a: &str, b: &str) -> usize {
    let (x, y) = (a.as_bytes(), b.as_bytes());
    let wide = x.rchunks_exact(WIDE).zip(y.rchunks_exact(WIDE));
    let mut at = wide.take_while(|(x, y)| x == y).count() * WIDE;
    at += common(
        x[..x.len() - at].iter().rev(),
        y[..y.len() - at].iter().rev(),
    );
    while !(a.is_char_boundary(a.len() - at) && b.is_char_boundary(b.len() - at)) {
        at -= 1;
    }
    at
}

fn common<'a>(a: impl Iterator<Item = &'a u8>, b: impl Iterator<Item = &'a u8>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}

/// Makes the text again; `None` where the steps don't fit the base.
pub fn undo(base: &str, steps: &[Step]) -> Option<String> {
    let mut out = String::with_capacity(base.len());
    let mut rest = base;
    for Step(copy, leave, put) in steps {
        let (same, more) = rest.split_at_checked(usize::try_from(*copy).ok()?)?;
        out.push_str(same);
        out.push_str(put);
        rest = more.get(usize::try_from(*leave).ok()?..)?;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_stored_as_steps_comes_back_to_the_byte(
            base in "[a-cäö,]{0,60}", text in "[a-cäö,]{0,60}", tail in "[x,]{100,120}",
        ) {
            let (base, text) = (format!("{base}{tail}"), format!("{text}{tail}"));
            if let Some(steps) = steps(&base, &text) {
                prop_assert_eq!(undo(&base, &steps), Some(text));
            }
        }

        #[test]
        fn steps_that_do_not_fit_are_no_text_and_no_panic(
            copy in any::<u32>(), leave in 0u32..9, put in "[aä]{0,3}", base in "[aä]{0,8}",
        ) {
            let _ = undo(&base, &[Step(copy % 12, leave, put)]);
        }
    }

    #[test]
    fn alike_texts_cost_little_and_others_are_not_taken() {
        let row = |id: &str, note: &str| {
            format!(
                "{{\"id\":\"{id}\",\"target\":\"Mail\",\"reason\":\"connection refused by host\",\"note\":\"{note}\",\"more\":\"{}\"}}",
                "y".repeat(200)
            )
        };
        let (base, other) = (row("1000", ""), row("1001", "a, b"));
        let found = steps(&base, &other).expect("alike");
        assert_eq!(undo(&base, &found), Some(other));
        let found = steps(&base, &row("1007", "")).expect("alike");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].2, "7");
        assert_eq!(steps(&base, &base), Some(Vec::new()));
        assert_eq!(steps(&base, &"z".repeat(300)), None);
    }
}
