//! The words for what would be done with a row.

use super::row::Row;

/// The verdict, and the names of all that holds it back.
pub fn in_full(row: &Row) -> (String, Option<String>) {
    match &row.said {
        Ok(said) => {
            let refused: Vec<&str> = said.refused.iter().map(|held| held.as_str()).collect();
            let refused = (!refused.is_empty()).then(|| refused.join(", "));
            (said.verdict.to_owned(), refused)
        }
        Err(reason) => ("not decided".to_owned(), Some(reason.as_str().to_owned())),
    }
}
