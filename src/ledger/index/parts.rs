//! The governor's state, stored in parts: the last whole one counts, and a part of the next one never does.

/// A state that comes in parts.
#[derive(Clone, PartialEq, Debug, Default)]
pub(in crate::ledger) struct Stored {
    /// Version and text of the last whole state.
    whole: Option<(u32, String)>,
    /// What has come of the next one.
    coming: Option<Coming>,
}

#[derive(Clone, PartialEq, Debug)]
struct Coming {
    version: u32,
    next: u32,
    of: u32,
    text: String,
}

impl Stored {
    /// Takes the next part. Only the last one of an unbroken row makes a new state: a crash between
    /// two parts leaves the state before.
    pub fn take_part(&mut self, version: u32, part: u32, of: u32, text: &str) {
        let mut coming = match self.coming.take() {
            Some(coming) if part > 0 => coming,
            _ => Coming {
                version,
                next: 0,
                of,
                text: String::new(),
            },
        };
        if coming.version != version || coming.of != of || coming.next != part {
            return;
        }
        coming.text.push_str(text);
        coming.next += 1;
        if coming.next == of {
            self.whole = Some((version, coming.text));
        } else {
            self.coming = Some(coming);
        }
    }

    /// The last whole state.
    pub fn whole(&self) -> Option<(u32, &str)> {
        self.whole
            .as_ref()
            .map(|(version, text)| (*version, text.as_str()))
    }
}
