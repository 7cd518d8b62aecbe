//! What a verification can find, each with its record and in words; values only.

use jiff::Timestamp;
use serde::Serialize;

/// Something that is not as it was written, or can't be told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "finding")]
pub enum Finding {
    /// The bytes are no record.
    #[error("record {record} was changed: {why}")]
    RecordUnreadable {
        /// The record.
        record: u64,
        /// What is wrong with it.
        why: String,
    },
    /// It says that it is of a version which is not known here.
    #[error(
        "record {record} says that it is of version {version}: it was changed, or a newer provtaskd has written it, which has to verify it"
    )]
    RecordNewer {
        /// The record.
        record: u64,
        /// The version that it names.
        version: u32,
    },
    /// It says another number than the place at which it lies.
    #[error(
        "in the place of record {record} lies record {says}: records were swapped, put in or copied"
    )]
    RecordMoved {
        /// The place.
        record: u64,
        /// What it says.
        says: u64,
    },
    /// Numbers are missing.
    #[error("record {record} comes after record {after}: what was between them was cut out")]
    RecordsMissing {
        /// The record.
        record: u64,
        /// The one before.
        after: u64,
    },
    /// It names another predecessor than the one that is there.
    #[error(
        "record {record} was written after another record {after} than the one that is there: record {after} was changed, or record {record} was put in"
    )]
    RecordChanged {
        /// The record.
        record: u64,
        /// The one before.
        after: u64,
    },
    /// A record says that it was rewritten, and no rewriting is on record after it.
    #[error("record {record} says something else than it did first, as do {} more, and no rewriting is on record that stands for it", count - 1)]
    RewrittenUnsaid {
        /// The first of them.
        record: u64,
        /// How many.
        count: u64,
    },
    /// What was rewritten is not what its rewriting left.
    #[error(
        "of the records up to {to} that were rewritten at least one is not as record {record}, which tells of that, has left it"
    )]
    RewrittenChanged {
        /// The record that tells of the rewriting.
        record: u64,
        /// The last record that it stands for.
        to: u64,
    },
    /// A rewriting for which no anchor vouches.
    #[error(
        "record {record} tells of a rewriting of the records up to {to}, and no anchor after it vouches for that: a daemon that starts anchors it, then verify again; if nobody has ordered it, what was rewritten is not to be believed"
    )]
    RewritingUnanchored {
        /// The record that tells of the rewriting.
        record: u64,
        /// The last record that it stands for.
        to: u64,
    },
    /// The store's own mark says that there was more.
    #[error(
        "record {acknowledged} was acknowledged, and the journal ends with record {last}: its end was cut off"
    )]
    EndMissing {
        /// The last that was acknowledged.
        acknowledged: u64,
        /// The last that is there.
        last: u64,
    },
    /// The anchored record is not there any more.
    #[error("anchor of record {record}, {at:.0} (line {line}): that record was cut off; {}", match rewound {
        Some(of) => format!("record {of} tells that the store was put back or lost its end"),
        None => format!("the journal ends with record {last}, and nothing in it tells of a loss"),
    })]
    AnchorCut {
        /// Line of the anchor.
        line: u64,
        /// Its record.
        record: u64,
        /// When it was noted.
        at: Timestamp,
        /// The journal's last record.
        last: u64,
        /// The record that tells why, if one does.
        rewound: Option<u64>,
    },
    /// Another record is there.
    #[error("anchor of record {record}, {at:.0} (line {line}): another record is there; {}{}", between((proven + 1).min(*record), *record), match later {
        0 => String::new(),
        more => format!("; {more} later anchors differ too"),
    })]
    AnchorDiffers {
        /// Line of the anchor.
        line: u64,
        /// Its record.
        record: u64,
        /// When it was noted.
        at: Timestamp,
        /// The last record that an anchor vouches for.
        proven: u64,
        /// How many later anchors differ as well.
        later: u64,
    },
    /// It belongs to another store.
    #[error("anchor of record {record} (line {line}) is of another store, {store}")]
    OtherStore {
        /// Line of the anchor.
        line: u64,
        /// Its record.
        record: u64,
        /// The store that it names.
        store: String,
    },
    /// It is broken.
    #[error("line {line} is an anchor that can't be read: {why}")]
    AnchorUnreadable {
        /// The line.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// It is not signed.
    #[error(
        "anchor of record {record} (line {line}) has no HMAC: anybody could have written it, it is not counted"
    )]
    HmacMissing {
        /// Line of the anchor.
        line: u64,
        /// Its record.
        record: u64,
    },
    /// It is signed with a key that was not given.
    #[error(
        "anchor of record {record} (line {line}) is signed with key {key}, which was not given: it is not counted"
    )]
    KeyUnknown {
        /// Line of the anchor.
        line: u64,
        /// Its record.
        record: u64,
        /// The key's short digest.
        key: String,
    },
    /// Its signature is wrong.
    #[error(
        "anchor of record {record} (line {line}) was changed or forged: its HMAC is wrong, it is not counted"
    )]
    HmacWrong {
        /// Line of the anchor.
        line: u64,
        /// Its record.
        record: u64,
    },
}

/// Where a change lies that two anchors enclose.
fn between(first: u64, last: u64) -> String {
    if first >= last {
        return format!("record {last} was changed, or another one put in its place");
    }
    format!("something between record {first} and record {last} was changed, cut or put in")
}
