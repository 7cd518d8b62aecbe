//! How records lie in the store: many in one compressed block, so that what is alike in them is written once. Pure; it knows nothing of what a record says.
//!
//! A block stands under the number of its first record: a byte [`SHORT`], four bytes with the length
//! of what follows when unpacked, and that as an LZ4 block: every record behind its length in four
//! bytes, little-endian. In a record 64 hexadecimal digits in quotes, which LZ4 can't make smaller, stand as
//! [`MARK`] and 32 bytes. Blocks of the older form [`PACKED`] have the digits as they are; so has one with a
//! record that holds the mark itself, which is no JSON. A record that gains nothing stands alone as it is; records
//! are JSON objects, so their first byte tells, and stores written before there were blocks are read as well.

use std::borrow::Cow;

use lz4_flex::block::{compress_into, get_maximum_output_size};

use super::record::MAX_RECORD;

/// The first byte of a block with digests as digits.
const PACKED: u8 = 1;
/// The first byte of a block with digests as bytes.
const SHORT: u8 = 2;
/// Stands before the 32 bytes of a digest; in no JSON.
const MARK: u8 = 1;
/// Digits of a digest.
const DIGITS: usize = 64;
/// Bytes before the packed part.
const HEAD: usize = 5;
/// Bytes of records that are tried in a first block.
const TRIED: usize = 24 << 10;
/// Bytes that are tried at least: what the last block held says more than a guess, and what does not fit is
/// packed in vain.
const LEAST: usize = 4 << 10;
/// Bytes of records in one block at most: LZ4 looks no further back than half of it.
const MOST: usize = 128 << 10;
/// Bytes of the largest record that was ever written.
const LARGEST: usize = 8 << 10;
/// Bytes that a record takes beside its own.
const BESIDE: usize = 4;

/// What is no block, in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BlockError {
    /// Written by another version of provtaskd.
    #[error("a block of the unknown form {0}; it was written by a newer provtaskd")]
    Unknown(u8),
    /// Lengths or packed bytes are not what they have to be.
    #[error("a block that can't be unpacked")]
    Broken,
}

/// True for a block, whole or not; false for a record that stands alone.
pub fn is_block(value: &[u8]) -> bool {
    matches!(value.first(), Some(&(PACKED | SHORT)))
}

/// How many bytes of records the next block probably takes, by those before it.
#[derive(Clone, Copy, Debug)]
pub struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(TRIED)
    }
}

/// Packs records into values of at most [`MAX_RECORD`] bytes, each under the number of its first
/// record. Records of one block follow each other without a gap.
pub fn pack(records: &[(u64, Vec<u8>)], Room(room): &mut Room) -> Vec<(u64, Vec<u8>)> {
    let mut out = Vec::with_capacity(records.len() / 3 + 1);
    let mut rest = records;
    let mut packer = Packer::default();
    while let Some((first, alone)) = rest.first() {
        let mut run = run_of(rest, *room);
        let value = loop {
            let (raw, packed) = packer.packed(run);
            if packed.len() <= MAX_RECORD && packed.len() < raw {
                // the next ones are probably alike
                *room = (raw.saturating_mul(MAX_RECORD * 9 / 10) / packed.len()).clamp(LEAST, MOST);
                break packed;
            }
            if run.len() == 1 {
                *room = TRIED;
                break alone.clone();
            }
            run = &run[..run.len() / 2];
        };
        out.push((*first, value));
        rest = &rest[run.len()..];
    }
    out
}

/// The records from the first one on that follow each other and fit into `room`; at least one.
fn run_of(records: &[(u64, Vec<u8>)], room: usize) -> &[(u64, Vec<u8>)] {
    let mut bytes = 0;
    let mut next = records.first().map(|(seq, _)| *seq);
    let many = records.iter().take_while(|(seq, record)| {
        bytes += record.len() + BESIDE;
        let follows = next == Some(*seq);
        next = seq.checked_add(1);
        follows && bytes <= room
    });
    &records[..many.count().max(1)]
}

/// Buffers of the blocks of one call: they are as large as a block before it is packed.
#[derive(Default)]
struct Packer {
    plain: Vec<u8>,
    room: Vec<u8>,
}

impl Packer {
    /// Bytes of the records with their lengths, and the block that they make.
    fn packed(&mut self, run: &[(u64, Vec<u8>)]) -> (usize, Vec<u8>) {
        let Self { plain, room } = self;
        let json = run.iter().all(|(_, record)| !record.contains(&MARK));
        let form = if json { SHORT } else { PACKED };
        plain.clear();
        for (_, record) in run {
            let head = plain.len();
            plain.extend_from_slice(&[0; BESIDE]);
            if json {
                shorten(record, plain);
            } else {
                plain.extend_from_slice(record);
            }
            let length = plain.len() - head - BESIDE;
            // records are far below 4 GiB
            let length = u32::try_from(length).unwrap_or(0).to_le_bytes();
            plain[head..head + BESIDE].copy_from_slice(&length);
        }
        let unpacked = plain.len();
        let most = get_maximum_output_size(unpacked);
        if room.len() < most {
            room.resize(most, 0);
        }
        // with that much room it can't fail; empty, it gains nothing and is not taken
        let many = compress_into(plain, room).unwrap_or(0);
        let packed = room.get(..many).filter(|packed| !packed.is_empty());
        let packed = packed.unwrap_or(plain);
        let mut out = Vec::with_capacity(HEAD + packed.len());
        out.push(form);
        out.extend_from_slice(&u32::try_from(unpacked).unwrap_or(0).to_le_bytes());
        out.extend_from_slice(packed);
        let raw = run.iter().map(|(_, record)| record.len() + BESIDE).sum();
        (raw, out)
    }
}

/// The value of each hexadecimal digit, lower-case; of every other byte [`NO_DIGIT`].
const VALUES: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    table
};
const NO_DIGIT: u8 = 0x80;

fn value(byte: u8) -> u8 {
    VALUES[usize::from(byte)]
}

/// The bytes of a digest whose digits begin here, in quotes, both of them.
fn digest_at(record: &[u8], at: usize) -> Option<[u8; DIGITS / 2]> {
    let quoted = record.get(at.checked_sub(1)?..at + DIGITS + 1)?;
    let [b'"', digits @ .., b'"'] = quoted else {
        return None;
    };
    let mut bytes = [0; DIGITS / 2];
    let mut all = 0;
    // without a branch for each digit: three of a task are read
    for (byte, [high, low]) in bytes.iter_mut().zip(digits.as_chunks().0) {
        let (high, low) = (value(*high), value(*low));
        all |= high | low;
        *byte = high << 4 | low;
    }
    (all < NO_DIGIT).then_some(bytes)
}

/// Writes a record with its digests as bytes. Of 64 digits one half at least fills a piece of 32 bytes, so that
/// only the ends of each piece are looked at, mostly.
fn shorten(record: &[u8], out: &mut Vec<u8>) {
    const PIECE: usize = DIGITS / 2;
    let (mut from, mut piece) = (0, 0);
    while let Some(bytes) = record.get(piece..piece + PIECE)
        && piece + PIECE < record.len()
    {
        let ends = value(bytes[0]) | value(bytes[PIECE - 1]) | value(bytes[PIECE / 2]);
        // the digits begin behind the last quote before the piece, if these are some
        let found = (ends < NO_DIGIT)
            .then(|| {
                let first = piece.saturating_sub(PIECE + 1).max(from);
                let quote = record[first..piece]
                    .iter()
                    .rposition(|byte| *byte == b'"')?;
                let at = first + quote + 1;
                Some((at, digest_at(record, at)?))
            })
            .flatten();
        if let Some((at, bytes)) = found {
            out.extend_from_slice(&record[from..at]);
            out.push(MARK);
            out.extend_from_slice(&bytes);
            from = at + DIGITS;
            piece = from.next_multiple_of(PIECE);
        } else {
            piece += PIECE;
        }
    }
    out.extend_from_slice(&record[from..]);
}

/// A record as it was before [`shorten`]; `None` where a digest is cut.
fn lengthen(short: &[u8]) -> Option<Cow<'_, [u8]>> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    if memchr::memchr(MARK, short).is_none() {
        return Some(Cow::Borrowed(short));
    }
    let mut out = Vec::with_capacity(short.len() * 2);
    let mut rest = short;
    while let Some(at) = memchr::memchr(MARK, rest) {
        out.extend_from_slice(&rest[..at]);
        let (bytes, behind) = rest[at + 1..].split_first_chunk::<{ DIGITS / 2 }>()?;
        for byte in bytes {
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 0x0f)]);
        }
        rest = behind;
    }
    out.extend_from_slice(rest);
    Some(Cow::Owned(out))
}

/// Shows the records of a value that stands under `first`, in order, until the visitor answers false;
/// answers false where it did.
///
/// # Errors
/// The value is no block and no record.
pub fn unpack(
    first: u64,
    value: &[u8],
    mut visitor: impl FnMut(u64, &[u8]) -> bool,
) -> Result<bool, BlockError> {
    let (short, rest) = match value.split_first() {
        Some((&PACKED, rest)) => (false, rest),
        Some((&SHORT, rest)) => (true, rest),
        Some((form, _)) if *form < b' ' => return Err(BlockError::Unknown(*form)),
        _ => return Ok(visitor(first, value)),
    };
    let (raw, packed) = rest.split_first_chunk().ok_or(BlockError::Broken)?;
    let raw = length(*raw).filter(|raw| *raw <= MOST + LARGEST);
    let plain = lz4_flex::block::decompress(packed, raw.ok_or(BlockError::Broken)?)
        .map_err(|_| BlockError::Broken)?;
    if Some(plain.len()) != raw {
        return Err(BlockError::Broken);
    }
    let (mut seq, mut rest) = (first, plain.as_slice());
    while !rest.is_empty() {
        let (len, behind) = rest.split_first_chunk().ok_or(BlockError::Broken)?;
        let record = length(*len).and_then(|len| behind.split_at_checked(len));
        let (record, behind) = record.ok_or(BlockError::Broken)?;
        let record = if short {
            lengthen(record).ok_or(BlockError::Broken)?
        } else {
            Cow::Borrowed(record)
        };
        if !visitor(seq, &record) {
            return Ok(false);
        }
        (seq, rest) = (seq.checked_add(1).ok_or(BlockError::Broken)?, behind);
    }
    Ok(true)
}

fn length(bytes: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn back(values: &[(u64, Vec<u8>)]) -> Vec<(u64, Vec<u8>)> {
        let mut out = Vec::new();
        for (first, value) in values {
            let whole = unpack(*first, value, |seq, record| {
                out.push((seq, record.to_vec()));
                true
            });
            assert_eq!(whole, Ok(true));
        }
        out
    }

    fn record() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            "\\{[a-c0-9]{0,300}",
            "\\{(same in all of them, ){0,300}",
            // digests among whatever else, and what is nearly one
            prop::collection::vec(
                prop_oneof![
                    "\\{\"[0-9a-f]{64}\"",
                    "\"[0-9a-f]{63,65}\"",
                    "[0-9a-fA-F\"]{60,70}",
                    "[a-z0-9\",:]{0,40}",
                    "\\{\u{1}",
                ],
                0..30
            )
            .prop_map(|parts| format!("{{{}", parts.concat())),
            prop::collection::vec(any::<u8>(), 0..7000).prop_map(|bytes| {
                // what can't be made smaller
                let text: String = bytes
                    .iter()
                    .map(|byte| char::from(b'#' + byte % 90))
                    .collect();
                format!("{{{text}")
            }),
        ]
        .prop_map(String::into_bytes)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_packed_comes_back_and_no_value_is_too_large(
            records in prop::collection::vec((1u64..3, record()), 0..80)
        ) {
            let mut seq = 0;
            let records: Vec<(u64, Vec<u8>)> = records
                .into_iter()
                .map(|(step, record)| {
                    // every tenth or so leaves a gap
                    seq += if record.len() % 10 == 0 { step } else { 1 };
                    (seq, record)
                })
                .collect();
            let values = pack(&records, &mut Room::default());
            prop_assert!(values.iter().all(|(_, value)| value.len() <= MAX_RECORD));
            prop_assert!(values.windows(2).all(|two| two[0].0 < two[1].0));
            prop_assert_eq!(back(&values), records);
        }

        #[test]
        fn no_bytes_make_it_panic(mut value in prop::collection::vec(any::<u8>(), 0..200), packed: bool) {
            if packed && !value.is_empty() {
                value[0] = if value.len().is_multiple_of(2) { PACKED } else { SHORT };
                if value.len() > 4 {
                    value[3] = 0;
                    value[4] = 0;
                }
            }
            let _ = unpack(1, &value, |_, _| true);
        }
    }

    #[test]
    fn what_is_alike_takes_little_and_the_visitor_may_stop() {
        let record = |n: u64| {
            (
                n,
                format!("{{\"seq\":{n},\"text\":\"{}\"}}", "the same ".repeat(80)).into_bytes(),
            )
        };
        let records: Vec<_> = (5..205).map(record).collect();
        let values = pack(&records, &mut Room::default());
        let bytes: usize = values.iter().map(|(_, value)| value.len()).sum();
        assert!(bytes < 12_000, "{bytes}");
        assert_eq!(values[0].0, 5);
        let mut seen = Vec::new();
        let whole = unpack(5, &values[0].1, |seq, _| {
            seen.push(seq);
            seq < 7
        });
        assert_eq!((whole, seen), (Ok(false), vec![5, 6, 7]));
    }

    #[test]
    fn what_does_not_fit_is_tried_once_and_the_next_blocks_are_of_the_right_size() {
        // two thirds of each can't be made smaller: a block has room for a few, fewer than are tried first
        let record = |n: u64| {
            let own: String = (0..30)
                .map(|at| {
                    crate::ledger::record::digest_of(&[1, at, n.to_le_bytes()[0]]).to_string()
                })
                .collect();
            (
                n,
                format!("{{{own}{}", "as before ".repeat(200)).into_bytes(),
            )
        };
        let records: Vec<_> = (1..60).map(record).collect();
        let (mut room, mut packer) = (Room::default(), Packer::default());
        let values = pack(&records[..30], &mut room);
        assert!(values.len() < 30, "{}", values.len());
        let run = run_of(&records[30..], room.0);
        let (raw, packed) = packer.packed(run);
        assert!(packed.len() <= MAX_RECORD, "{} of {raw}", packed.len());
        assert!(room.0 < TRIED);
    }

    #[test]
    fn records_of_older_stores_are_read_and_newer_forms_are_named() {
        let mut seen = Vec::new();
        let old = br#"{"v":2}"#;
        let whole = unpack(9, old, |seq, record| {
            seen.push((seq, record.to_vec()));
            true
        });
        assert_eq!((whole, seen), (Ok(true), vec![(9, old.to_vec())]));
        assert_eq!(unpack(9, &[3, 0], |_, _| true), Err(BlockError::Unknown(3)));
        for form in [PACKED, SHORT] {
            assert_eq!(
                unpack(9, &[form, 9, 0, 0, 0, 0], |_, _| true),
                Err(BlockError::Broken)
            );
        }
    }

    #[test]
    fn digests_stand_as_bytes_and_blocks_that_have_them_as_digits_are_read() {
        let digest = |n: u8| crate::ledger::record::digest_of(&[n]).to_string();
        let records: Vec<(u64, Vec<u8>)> = (0..40)
            .map(|n: u8| {
                let text = format!("{{\"i\":\"{}\",\"prev\":\"{}\"}}", digest(n), digest(n + 1));
                (u64::from(n) + 1, text.into_bytes())
            })
            .collect();
        let values = pack(&records, &mut Room::default());
        assert_eq!(values.len(), 1);
        assert_eq!((values[0].1[0], back(&values)), (SHORT, records.clone()));
        // two of 64 digits each, of which the second is the next one's first
        assert!(
            values[0].1.len() < 40 * (2 * 32 + 24),
            "{}",
            values[0].1.len()
        );
        let mut plain = Vec::new();
        for (_, record) in &records {
            plain.extend_from_slice(&u32::try_from(record.len()).expect("short").to_le_bytes());
            plain.extend_from_slice(record);
        }
        let mut old = vec![PACKED];
        old.extend_from_slice(&u32::try_from(plain.len()).expect("short").to_le_bytes());
        old.extend_from_slice(&lz4_flex::block::compress(&plain));
        assert_eq!(back(&[(1, old)]), records);
        // what a digest is cut from is no record
        let cut = [
            &[SHORT][..],
            &9_u32.to_le_bytes(),
            &[0x90, 5, 0, 0, 0, b'{', MARK, 7, 7, 7],
        ]
        .concat();
        assert_eq!(unpack(1, &cut, |_, _| true), Err(BlockError::Broken));
    }
}
