//! The words for what would be done with a row.

use super::row::Row;

/// The verdict, and the name of what holds it back.
pub fn verdict(row: &Row) -> (String, Option<String>) {
    match &row.said {
        Ok(said) => (
            said.verdict.to_owned(),
            said.refused
                .first()
                .map(|reason| reason.as_str().to_owned()),
        ),
        Err(reason) => ("not decided".to_owned(), Some(reason.as_str().to_owned())),
    }
}
