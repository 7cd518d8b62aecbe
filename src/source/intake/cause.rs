//! Why an event was not taken, and what became of hints: the words of answers, metrics, status and docs; it counts and judges nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $name:ident => $status:literal $word:literal,)+) => {
        /// Why an event was not taken: word of the answer, metric label and row of the docs.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Cause {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Cause {
            /// Every cause, in the order of the docs.
            pub const ALL: &'static [Cause] = &[$(Self::$name,)+];

            /// The label.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The status of the answer.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// One sentence for the sender and the docs.
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii_start(),)+ }
            }
        }
    };
}

causes! {
    /// Events are taken at one path alone, `/v1/tasks`.
    NoSuchPath => 404 "no_such_path",
    /// Events are sent by POST.
    Method => 405 "method",
    /// One of the headers webhook-id, webhook-timestamp and webhook-signature is missing.
    HeaderMissing => 400 "header_missing",
    /// A header that counts is there more than once.
    HeaderRepeated => 400 "header_repeated",
    /// A header that counts does not have its form: webhook-id is empty or too long, webhook-timestamp is no number of seconds, webhook-signature is no text, or Content-Length is no number.
    HeaderMalformed => 400 "header_malformed",
    /// The timestamp is more than five minutes old.
    TooLate => 401 "too_late",
    /// The timestamp is more than five minutes ahead of this clock.
    TooEarly => 401 "too_early",
    /// No signature is right for the body, the id and the timestamp under a secret that holds now.
    Signature => 401 "signature",
    /// The sender was too slow with its body.
    Slow => 408 "slow",
    /// The length of the body has to be said beforehand (Content-Length, no Transfer-Encoding).
    LengthRequired => 411 "length_required",
    /// The body is larger than 128 KiB.
    TooLarge => 413 "too_large",
    /// More than 1,000 tasks, 100 targets or 100 persons are named at once.
    TooMany => 413 "too_many_tasks",
    /// The content type is none that is read here.
    MediaType => 415 "media_type",
    /// The body is compressed or encoded otherwise; nothing is decompressed here.
    Encoded => 415 "encoded",
    /// The body is not what its content type says.
    Malformed => 400 "malformed",
    /// The body names no task, no target and no person.
    NothingNamed => 400 "nothing_named",
    /// What is named as a task, a target or a person can't be the id, the name or the login of one.
    NotAnId => 400 "not_an_id",
    /// So many hints wait already that no more are taken; send it again later.
    Full => 429 "full",
    /// More events come in than can be taken; send it again later.
    Busy => 429 "busy",
    /// More connections are open than are served; try again later.
    Connections => 429 "connections",
    /// The hint could not be put on disk; send it again later.
    NotStored => 503 "not_stored",
    /// There is no secret that can be used, so nothing is taken.
    NoSecret => 503 "no_secret",
}

macro_rules! ends {
    ($($(#[doc = $doc:literal])+ $name:ident => $word:literal,)+) => {
        /// What became of a hint.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum HintEnd {
            $($(#[doc = $doc])+ $name,)+
        }

        impl HintEnd {
            /// Every end, in the order of the docs.
            pub const ALL: &'static [HintEnd] = &[$(Self::$name,)+];

            /// The label.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// One sentence for the docs.
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii_start(),)+ }
            }
        }
    };
}

ends! {
    /// A list that was read after the hint shows the task.
    Listed => "listed",
    /// The list does not show it; it was read by its id, is open, and is read again in each cycle.
    Followed => "followed",
    /// It was read by its id, and is finished.
    Finished => "finished",
    /// The server has answered 404 to its id twice, after one cycle and after a later one: there is no such task, or this login may not see it.
    NotFound => "not_found",
    /// It could not be read five times; the error is in the log.
    Unreadable => "unreadable",
}

/// What was counted since start.
#[derive(Debug, Default)]
pub struct Counts {
    accepted: AtomicU64,
    duplicates: AtomicU64,
    files: AtomicU64,
    files_failed: AtomicU64,
    refused: [AtomicU64; Cause::ALL.len()],
    ended: [AtomicU64; HintEnd::ALL.len()],
}

/// The counts at one moment.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// Events taken.
    pub accepted: u64,
    /// Events whose id was taken before.
    pub duplicates: u64,
    /// Files of the folder taken.
    pub files: u64,
    /// Files of the folder that could not be used.
    pub files_failed: u64,
    /// Events not taken, by cause.
    pub refused: Vec<(Cause, u64)>,
    /// Hints that came to an end.
    pub ended: Vec<(HintEnd, u64)>,
}

fn rise(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

impl Counts {
    /// An event was taken.
    pub fn accepted(&self) {
        rise(&self.accepted, 1);
    }

    /// An event had been taken before.
    pub fn duplicate(&self) {
        rise(&self.duplicates, 1);
    }

    /// A file was taken, or could not be used.
    pub fn file(&self, taken: bool) {
        rise(
            if taken {
                &self.files
            } else {
                &self.files_failed
            },
            1,
        );
    }

    /// An event was not taken.
    pub fn refused(&self, cause: Cause) {
        if let Some(at) = Cause::ALL.iter().position(|one| *one == cause) {
            rise(&self.refused[at], 1);
        }
    }

    /// So many hints came to this end.
    pub fn ended(&self, end: HintEnd, by: u64) {
        if let Some(at) = HintEnd::ALL.iter().position(|one| *one == end) {
            rise(&self.ended[at], by);
        }
    }

    /// All of them.
    pub fn read(&self) -> Counted {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            accepted: of(&self.accepted),
            duplicates: of(&self.duplicates),
            files: of(&self.files),
            files_failed: of(&self.files_failed),
            refused: Cause::ALL
                .iter()
                .copied()
                .zip(self.refused.iter().map(of))
                .collect(),
            ended: HintEnd::ALL
                .iter()
                .copied()
                .zip(self.ended.iter().map(of))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_a_word_of_its_own_and_is_counted_by_itself() {
        let counts = Counts::default();
        for (at, cause) in Cause::ALL.iter().enumerate() {
            assert!((400..600).contains(&cause.status()), "{cause:?}");
            assert!(cause.explanation().ends_with('.'), "{cause:?}");
            let before = &Cause::ALL[..at];
            assert!(before.iter().all(|other| other.as_str() != cause.as_str()));
        }
        counts.refused(Cause::Full);
        counts.ended(HintEnd::Listed, 3);
        let read = counts.read();
        let total: u64 = read.refused.iter().map(|(_, count)| count).sum();
        assert_eq!(total, 1);
        assert!(read.refused.contains(&(Cause::Full, 1)));
        assert!(read.ended.contains(&(HintEnd::Listed, 3)));
    }
}
