//! Which of several logins have seen the rows of a snapshot; a login shows only what is assigned to it or to its roles, so nothing follows from the silence of one that was not asked.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Login;

/// Logins as bits: bit `n` is the `n`-th as configured, the main one first.
pub type Bits = u16;

/// The bit of the `n`-th login; none of one that there can't be.
pub fn bit(n: usize) -> Bits {
    u32::try_from(n)
        .ok()
        .and_then(|n| Bits::checked_shl(1, n))
        .unwrap_or(0)
}

/// Names in a row, as a sentence takes them; none are one that is not named.
pub fn all_of<'a>(names: impl IntoIterator<Item = &'a Login>) -> String {
    let names: Vec<&str> = names.into_iter().map(Login::as_str).collect();
    match names.split_last() {
        None => "this login".to_owned(),
        Some((one, [])) => (*one).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// What several logins have shown in one pass.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seers {
    /// All that are configured, the main one first.
    pub logins: Arc<[Login]>,
    /// Those whose list was read to its end in this pass.
    pub read: Bits,
    /// Those of them in whose list nothing has moved meanwhile: what it does not show is not there.
    pub whole: Bits,
    /// By which each row was seen, in the rows' order; never none.
    pub rows: Vec<Bits>,
}

impl Seers {
    /// The login that acts on a row: the first that sees it.
    pub fn by(&self, row: usize) -> usize {
        let first = self.rows.get(row).map_or(0, |bits| bits.trailing_zeros());
        usize::try_from(first)
            .ok()
            .filter(|n| *n < self.logins.len())
            .unwrap_or(0)
    }

    /// The bits of all that are configured.
    pub fn all(&self) -> Bits {
        (0..self.logins.len()).fold(0, |all, n| all | bit(n))
    }

    /// True where the main login's list was read.
    pub fn has_main(&self) -> bool {
        self.read & bit(0) != 0
    }

    /// The name of the login that acts on a row.
    pub fn name(&self, row: usize) -> Option<&Login> {
        self.logins.get(self.by(row))
    }
}

/// A login whose list the last cycle did not read: what only it sees is in none of the cycle's counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NotRead {
    /// Whose list.
    pub login: Login,
    /// Tasks that only it showed when it was read last; `None` where it never was.
    pub tasks: Option<u64>,
    /// When that was.
    pub list_read: Option<Timestamp>,
}

impl std::fmt::Display for NotRead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.tasks, self.list_read) {
            (Some(many), Some(at)) => write!(
                f,
                "{many} {} of {}, whose list of {at:.0} was its last",
                if many == 1 { "task" } else { "tasks" },
                self.login
            ),
            _ => write!(
                f,
                "what only {} sees, whose list was not read yet",
                self.login
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_sees_a_row_acts_on_it() {
        let logins: Arc<[Login]> = ["A", "B", "C"].map(Login::new).into();
        let seers = Seers {
            logins,
            read: 0b111,
            whole: 0b111,
            rows: vec![0b001, 0b110, 0b100, 0b101],
        };
        assert_eq!(seers.all(), 0b111);
        let by: Vec<usize> = (0..5).map(|row| seers.by(row)).collect();
        assert_eq!(by, [0, 1, 2, 0, 0]);
        assert_eq!(bit(99), 0);
    }
}
