//! What a decision rests on as a stored text: where what tasks of one sort share ends in it, its digest, and how it is told by a text that is much like it. Pure; what stands in the parts is not known here.
//!
//! A text begins with [`VERSION`]; then come [`BLOCKS`] blocks, each as `length:text,` (bytes), of what tasks
//! of one sort mostly share, then what is the task's own. Older texts have no blocks.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::alike::{Step, undo};
use super::id::Digest;

/// How a text with blocks begins.
pub const VERSION: &str = "3;";
/// How many blocks it has.
pub const BLOCKS: usize = 4;
/// Stands before what is digested of a text with blocks, and in no text: no other text has the same bytes.
const MARK: u8 = 0xff;

/// SHA-256 of one block.
pub type BlockDigest = [u8; 32];

/// SHA-256 of one block.
pub fn block_digest(block: &str) -> BlockDigest {
    Sha256::digest(block).into()
}

/// The digest of a text by those of its blocks, which tasks of one sort share, and the rest.
pub fn composed(blocks: [&BlockDigest; BLOCKS], own: &str) -> Digest {
    let mut sha = Sha256::new();
    sha.update([MARK]);
    sha.update(VERSION);
    for block in blocks {
        sha.update(block);
    }
    sha.update(own);
    Digest::of_hash(&sha.finalize().into())
}

/// The digest of a stored text of any version: equal texts have equal ones, and no others.
pub fn text_digest(text: &str) -> Digest {
    match blocks(text) {
        Some((blocks, own)) => composed(blocks.map(block_digest).each_ref(), own),
        None => Digest::of_hash(&Sha256::digest(text).into()),
    }
}

/// The blocks of a text and the rest; `None` where it has none.
pub fn blocks(text: &str) -> Option<([&str; BLOCKS], &str)> {
    let mut rest = text.strip_prefix(VERSION)?;
    let mut blocks = [""; BLOCKS];
    for block in &mut blocks {
        let (text, behind) = part(rest)?;
        (*block, rest) = (text?, behind);
    }
    Some((blocks, rest))
}

/// A part, `length:text,`, or nothing for one that is absent, `-,`; and what follows it. `None` where none
/// begins here. The length is written in one way only, else two texts could have the same blocks.
pub fn part(text: &str) -> Option<(Option<&str>, &str)> {
    if let Some(rest) = text.strip_prefix("-,") {
        return Some((None, rest));
    }
    let (len, rest) = text.split_once(':')?;
    let digits = len.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (len.starts_with('0') && len.len() > 1) {
        return None;
    }
    let (part, rest) = rest.split_at_checked(len.parse().ok()?)?;
    Some((Some(part), rest.strip_prefix(',')?))
}

/// A text by which others are told; it is stored whole, before the first of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Base {
    /// Its digest.
    pub digest: Digest,
    /// The text.
    pub text: String,
}

impl Base {
    /// With its digest.
    pub fn new(text: String) -> Self {
        let digest = text_digest(&text);
        Self { digest, text }
    }
}

/// The text of one decision's inputs, whole or as what it has beside another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InputsText {
    /// As it is.
    Whole(String),
    /// What makes it of another.
    Alike {
        /// The other one.
        base: Arc<Base>,
        /// The steps, as [`undo`] takes them.
        steps: Vec<Step>,
        /// Bytes of the text that they make.
        len: usize,
    },
}

impl InputsText {
    /// Bytes of the whole text.
    pub fn len(&self) -> usize {
        match self {
            Self::Whole(text) => text.len(),
            Self::Alike { len, .. } => *len,
        }
    }

    /// True where there is no text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that it takes in memory by itself, about.
    pub fn weight(&self) -> usize {
        match self {
            Self::Whole(text) => text.len(),
            Self::Alike { steps, .. } => steps
                .iter()
                .map(|Step(_, _, put)| put.len() + std::mem::size_of::<Step>())
                .sum(),
        }
    }

    /// The text; `None` where the steps do not fit their base, which is a fault of who made them.
    pub fn whole(self) -> Option<String> {
        match self {
            Self::Whole(text) => Some(text),
            Self::Alike { base, steps, .. } => undo(&base.text, &steps),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(blocks: &[String], own: &str) -> String {
        let blocks = blocks
            .iter()
            .map(|block| format!("{}:{block},", block.len()));
        format!("{VERSION}{}{own}", blocks.collect::<String>())
    }

    proptest! {
        #[test]
        fn blocks_come_back_and_other_blocks_have_another_digest(
            a in prop::collection::vec("[-,:0-9ä]{0,5}", BLOCKS),
            b in prop::collection::vec("[-,:0-9ä]{0,5}", BLOCKS),
            own in "[-,:0-9]{0,6}", other in "[-,:0-9]{0,6}",
        ) {
            let (first, second) = (written(&a, &own), written(&b, &other));
            let found = blocks(&first).map(|(blocks, own)| (blocks.map(str::to_owned).to_vec(), own));
            prop_assert_eq!(found, Some((a, own.as_str())));
            prop_assert_eq!(text_digest(&first) == text_digest(&second), first == second);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(3;)?([0-3]{1,2}[:,]|-,|[aä,:]){0,12}") {
            let _ = (blocks(&text), text_digest(&text));
        }
    }

    #[test]
    fn texts_without_blocks_have_the_digest_of_their_bytes() {
        let plain = |text: &str| Digest::of_hash(&Sha256::digest(text).into());
        for text in [
            "2;3:417,5:known,",
            "{\"v\":1}",
            "",
            "3;",
            "3;1:a,1:b,1:c,",
            "3;1:a,1:b,1:c,01:d,",
            "3;1:a,1:b,-,1:d,",
        ] {
            assert_eq!(text_digest(text), plain(text), "{text}");
        }
        let whole = "3;1:a,1:b,1:c,1:d,own";
        assert_ne!(text_digest(whole), plain(whole));
    }

    #[test]
    fn the_digest_of_a_text_with_blocks_stays_what_it_is() {
        // it is on record with decisions
        assert_eq!(
            text_digest("3;1:a,0:,2:ä,1:d,2:41,-,").as_str(),
            "8442d70a2d49d92ca50591c34ffd59d0ef6d0ea308a3a85c5549831a14a15361"
        );
    }
}
