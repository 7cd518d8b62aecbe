//! What one text has beside another that is much like it: made, stored and undone here; pure, and no stored bytes make it panic.

use serde::{Deserialize, Serialize};

/// One step: copy so many bytes of the base, leave so many out, put these in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Step(pub u32, pub u32, pub String);

/// What separates the parts that are compared: texts are JSON, so values end at it.
const CUT: char = ',';

/// The steps that make `text` of `base`; what is left of the base after the last one is copied.
/// `None` where that saves less than half: then the text is better stored whole.
pub fn steps(base: &str, text: &str) -> Option<Vec<Step>> {
    let mut made = Maker::default();
    let (mut base_parts, mut text_parts) = (base.split(CUT), text.split(CUT));
    let alike = base.matches(CUT).count() == text.matches(CUT).count();
    if alike {
        while let (Some(have), Some(want)) = (base_parts.next(), text_parts.next()) {
            made.part(have, want);
            // the cut itself, or at the end of both texts nothing
            made.copy(1);
        }
    } else {
        made.part(base, text);
    }
    let room = text.len() / 2;
    let steps = made.done(room)?;
    // the cut after the last part is none
    Some(steps)
}

#[derive(Default)]
struct Maker {
    steps: Vec<Step>,
    /// Bytes copied since the last step.
    copied: usize,
    /// Bytes put in, with what a step costs beside them.
    cost: usize,
}

/// What a step costs beside its text, as JSON.
const STEP: usize = 14;

impl Maker {
    fn copy(&mut self, bytes: usize) {
        self.copied += bytes;
    }

    /// Copies what begins and ends alike; the middle is left out and put in.
    fn part(&mut self, have: &str, want: &str) {
        if have == want {
            return self.copy(have.len());
        }
        let front = common(have.bytes(), want.bytes());
        let front = floor(have, want, front);
        let (have, want) = (&have[front..], &want[front..]);
        let back = common(have.bytes().rev(), want.bytes().rev());
        let back = ceil(have, want, back);
        self.copy(front);
        let (left, put) = (&have[..have.len() - back], &want[..want.len() - back]);
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let step = Step(number(self.copied), number(left.len()), put.to_owned());
        self.cost += STEP + put.len();
        self.steps.push(step);
        self.copied = back;
    }

    fn done(self, room: usize) -> Option<Vec<Step>> {
        (self.cost <= room).then_some(self.steps)
    }
}

fn common(a: impl Iterator<Item = u8>, b: impl Iterator<Item = u8>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}

/// The longest common front, at most `at`, that ends between characters of both.
fn floor(a: &str, b: &str, mut at: usize) -> usize {
    while !(a.is_char_boundary(at) && b.is_char_boundary(at)) {
        at -= 1;
    }
    at
}

/// The same for a common back.
fn ceil(a: &str, b: &str, mut at: usize) -> usize {
    while !(a.is_char_boundary(a.len() - at) && b.is_char_boundary(b.len() - at)) {
        at -= 1;
    }
    at
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
        assert_eq!(steps(&base, &"z".repeat(300)), None);
    }
}
