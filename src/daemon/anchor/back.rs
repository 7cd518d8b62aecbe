//! Shows the lines of a file from its end to its beginning, in blocks: whatever follows the line that is looked for, it takes no more memory than two blocks, and it changes nothing.

use std::fs::File;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are read at a time.
const BLOCK: usize = 64 << 10;
/// The longest line that is shown, bytes: an anchor has some three hundred. A longer one is told as such.
const LONGEST: usize = 16 << 10;

/// A line, without its end.
pub(super) enum Shown<'a> {
    /// As it is.
    Whole(&'a [u8]),
    /// Too long to be an anchor.
    TooLong,
}

/// Shows line after line, the last one first. `read` counts the bytes, so that whoever waits sees it go on.
///
/// # Errors
/// The file can't be read, or was cut meanwhile.
pub(super) fn lines_back(
    file: &File,
    read: &AtomicU64,
    mut show: impl FnMut(Shown<'_>) -> ControlFlow<()>,
) -> std::io::Result<()> {
    let mut at = file.metadata()?.len();
    let mut block = vec![0; BLOCK];
    // what is known of the line of which the beginning is not read yet
    let mut rest: Vec<u8> = Vec::new();
    let mut too_long = false;
    let mut tell = |line: &[u8], too_long: bool| {
        if too_long {
            show(Shown::TooLong)
        } else {
            show(Shown::Whole(line))
        }
    };
    while at > 0 {
        let many = usize::try_from(at).map_or(BLOCK, |left| left.min(BLOCK));
        let more = u64::try_from(many).unwrap_or(0);
        at -= more;
        let bytes = &mut block[..many];
        file.read_exact_at(bytes, at)?;
        read.fetch_add(more, Ordering::Relaxed);
        let mut end = many;
        while let Some(newline) = memchr::memrchr(b'\n', &bytes[..end]) {
            let piece = &bytes[newline + 1..end];
            too_long |= piece.len() + rest.len() > LONGEST;
            rest.splice(0..0, piece.iter().copied().take(LONGEST));
            if tell(&rest, too_long).is_break() {
                return Ok(());
            }
            rest.clear();
            (too_long, end) = (false, newline);
        }
        if too_long || end + rest.len() > LONGEST {
            too_long = true;
            rest.clear();
        } else {
            rest.splice(0..0, bytes[..end].iter().copied());
        }
    }
    if too_long || !rest.is_empty() {
        let _ = tell(&rest, too_long);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lines");
        std::fs::write(&path, bytes).expect("written");
        let file = File::open(&path).expect("opened");
        let mut out = Vec::new();
        let read = AtomicU64::new(0);
        lines_back(&file, &read, |line| {
            out.push(match line {
                Shown::Whole(line) => Some(line.to_vec()),
                Shown::TooLong => None,
            });
            ControlFlow::Continue(())
        })
        .expect("read");
        let length = u64::try_from(bytes.len()).expect("small");
        assert_eq!(read.into_inner(), length, "all of it was read");
        out
    }

    /// What has to come, by the plain way.
    fn expected(bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').rev().collect();
        // what would stand before the first byte is no line
        if lines.last().is_some_and(|first| first.is_empty()) {
            lines.pop();
        }
        let lines = lines.into_iter();
        lines
            .map(|line| (line.len() <= LONGEST).then(|| line.to_vec()))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn every_line_comes_once_wherever_blocks_begin(
            lengths in prop::collection::vec(
                prop_oneof![0usize..400, LONGEST - 2..LONGEST + 3, BLOCK - 3..BLOCK + 3, 2 * BLOCK..2 * BLOCK + 9],
                0..12,
            ),
            ended: bool,
        ) {
            let mut bytes = Vec::new();
            for (n, length) in (b'a'..).zip(&lengths) {
                bytes.extend(std::iter::repeat_n(n, *length));
                bytes.push(b'\n');
            }
            if !ended {
                bytes.pop();
            }
            prop_assert_eq!(shown(&bytes), expected(&bytes));
        }
    }
}
