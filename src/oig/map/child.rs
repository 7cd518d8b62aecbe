//! Digests of a child row: equal rows are recognised, and nothing personal is kept; pure.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// The digest that tells rows apart, whatever their case and blanks, as 16 hex digits, and that of the row as it is
/// written; `None` where no field says anything.
pub(super) fn digests(
    child: &mut Vec<(&str, Cow<'_, str>)>,
) -> Option<(Arc<str>, Option<NonZeroU64>)> {
    // an empty field is not shown, which is not a row of its own
    child.retain(|(_, value)| !value.trim().is_empty());
    if child.is_empty() {
        return None;
    }
    child.sort();
    child.dedup();
    let exact = digest(child);
    let mut changed = false;
    for (_, value) in child.iter_mut() {
        let folded = folded(value);
        changed |= folded != **value;
        *value = Cow::Owned(folded);
    }
    let alike = if changed {
        child.sort();
        child.dedup();
        digest(child)
    } else {
        exact
    };
    Some((Arc::from(format!("{alike:016x}")), NonZeroU64::new(exact)))
}

/// Directories and most applications take a name in any case, and the same entry is written with and without blanks
/// after its commas.
fn folded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for word in value.split_whitespace() {
        let joins = |c: char| matches!(c, ',' | '=' | ';');
        if !out.is_empty() && !out.ends_with(joins) && !word.starts_with(joins) {
            out.push(' ');
        }
        out.extend(word.chars().flat_map(char::to_lowercase));
    }
    out
}

/// The first eight bytes of SHA-256 over names and values.
fn digest(child: &[(&str, Cow<'_, str>)]) -> u64 {
    let mut hash = Sha256::new();
    for (name, value) in child {
        hash.update(name.trim().to_ascii_lowercase());
        hash.update([0]);
        hash.update(value.as_bytes());
        hash.update([0xff]);
    }
    let bytes: [u8; 32] = hash.finalize().into();
    bytes
        .iter()
        .take(8)
        .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> (Arc<str>, Option<NonZeroU64>) {
        digests(&mut vec![("Child Form.Group", Cow::Borrowed(value))]).expect("a row")
    }

    #[test]
    fn a_row_is_told_apart_in_any_case_and_with_any_blanks_and_remembered_as_it_is_written() {
        let (sales, exact) = of("cn=sales,ou=groups");
        assert_eq!(*sales, format!("{:016x}", exact.map_or(0, NonZeroU64::get)));
        for same in [
            "CN=Sales,OU=Groups",
            " cn=sales, ou=groups ",
            "cn = sales ,ou=groups",
        ] {
            let (row, written) = of(same);
            assert_eq!(row, sales, "{same}");
            assert_ne!(written, exact, "{same}");
        }
        for other in [
            "cn=sales2,ou=groups",
            "cn=sa les,ou=groups",
            "cn=salesou=groups",
        ] {
            assert_ne!(of(other).0, sales, "{other}");
        }
        assert_eq!(of("Sales  Staff").0, of("sales staff").0);
        assert_ne!(of("Sales Staff").0, of("salesstaff").0);
        assert_eq!(digests(&mut vec![("a", Cow::Borrowed(" "))]), None);
    }
}
