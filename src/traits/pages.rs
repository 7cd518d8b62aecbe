//! Judges pages and order from what two readings of the list showed; a list that fits one page is "not seen", never "stable".

use std::collections::HashSet;

use jiff::Timestamp;

use super::learned::Order;
use crate::model::{Task, TaskId};

/// One reading of the list's pages. Each page but the first begins with the last row of the one before.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// Ids in the order in which they came, each once.
    pub ids: Vec<TaskId>,
    /// Their creation dates.
    pub created: Vec<Option<Timestamp>>,
    /// Pages that were read.
    pub pages: u64,
    /// Pages that did not begin with the last row of the one before.
    pub torn: u64,
    /// Rows that came again elsewhere than at the start of a page.
    pub again: u64,
    /// True where the list was read to its end.
    pub whole: bool,
    seen: HashSet<TaskId>,
    last: Option<TaskId>,
    /// The page before has said that it is the last one.
    ended: bool,
}

impl Pass {
    /// Adds a page; a row that can't be read has no id. `ends`: the page says that it is the last one.
    pub fn page(&mut self, tasks: &[Option<Task>], ends: bool) {
        let first_page = self.pages == 0;
        self.pages += 1;
        let mut rows = tasks.iter();
        let ended = std::mem::replace(&mut self.ended, ends);
        if !first_page && tasks.is_empty() && !ended {
            self.torn += 1;
        } else if !first_page && !tasks.is_empty() {
            let first = tasks.first().and_then(Option::as_ref).map(|task| &task.id);
            if first.is_some() && self.last.is_some() && first != self.last.as_ref() {
                self.torn += 1;
            } else {
                rows.next();
            }
        }
        for task in rows.flatten() {
            if self.seen.insert(task.id.clone()) {
                self.ids.push(task.id.clone());
                self.created.push(task.created);
            } else {
                self.again += 1;
            }
        }
        if let Some(last) = tasks.last() {
            self.last = last.as_ref().map(|task| task.id.clone());
        }
    }
}

/// Whether pages are stable, with the evidence, and whether the order is the same twice.
pub fn passes(first: &Pass, second: Option<&Pass>) -> (&'static str, String, Option<bool>) {
    let seams = first.pages.saturating_sub(1) + second.map_or(0, |p| p.pages.saturating_sub(1));
    let torn = first.torn + second.map_or(0, |p| p.torn);
    let again = first.again + second.map_or(0, |p| p.again);
    let (mut missing, mut repeatable) = (0, None);
    if let Some(second) = second {
        let common = |of: &Pass, with: &Pass| -> Vec<TaskId> {
            let ids = of.ids.iter().filter(|id| with.seen.contains(*id));
            ids.cloned().collect()
        };
        let (one, two) = (common(first, second), common(second, first));
        if one.len() > 1 {
            repeatable = Some(one == two);
        }
        if first.whole && second.whole {
            missing = first.ids.len().max(second.ids.len()) - one.len();
        }
    }
    if seams == 0 {
        let why = "all rows fit into one page".to_owned();
        return ("not seen", why, repeatable);
    }
    let evidence = format!(
        "{seams} seams between pages: {torn} did not hold, {again} rows came twice, {missing} were in one reading only"
    );
    let stable = torn == 0 && again == 0 && repeatable != Some(false);
    (
        if stable { "stable" } else { "unstable" },
        evidence,
        repeatable,
    )
}

/// By what the rows are sorted.
pub fn order_of(pass: &Pass, repeatable: Option<bool>) -> Order {
    let numbers: Option<Vec<_>> = pass.ids.iter().map(TaskId::number).collect();
    let created: Option<Vec<_>> = pass.created.iter().copied().collect();
    let different = |dates: &[Timestamp]| dates.first() != dates.last();
    let by = if pass.ids.len() < 3 {
        "not seen"
    } else if numbers.as_ref().is_some_and(|ids| ids.is_sorted()) {
        "id ascending"
    } else if numbers.is_some_and(|ids| ids.iter().rev().is_sorted()) {
        "id descending"
    } else if created
        .as_ref()
        .is_some_and(|dates| dates.is_sorted() && different(dates))
    {
        "created ascending"
    } else if created.is_some_and(|dates| dates.iter().rev().is_sorted() && different(&dates)) {
        "created descending"
    } else {
        "none"
    };
    Order {
        by: by.to_owned(),
        repeatable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TaskStatus;

    fn page(ids: &[u64]) -> Vec<Option<Task>> {
        let task = |id: &u64| Task::bare(TaskId::new(&id.to_string()), TaskStatus::Rejected);
        ids.iter().map(|id| Some(task(id))).collect()
    }

    fn pass(pages: &[&[u64]]) -> Pass {
        let mut pass = Pass::default();
        for ids in pages {
            pass.page(&page(ids), false);
        }
        pass.whole = true;
        pass
    }

    #[test]
    fn seams_that_hold_twice_are_stable_and_nothing_else_is() {
        let good = pass(&[&[1, 2, 3], &[3, 4, 5]]);
        let (word, _, same) = passes(&good, Some(&good));
        assert_eq!((word, same), ("stable", Some(true)));
        assert_eq!(order_of(&good, same).by, "id ascending");
        // a row left between the pages
        let torn = pass(&[&[1, 2, 3], &[4, 5, 6]]);
        assert_eq!(passes(&torn, Some(&torn)).0, "unstable");
        // a row came a second time
        let again = pass(&[&[1, 2, 3], &[3, 1, 5]]);
        assert_eq!(passes(&again, None).0, "unstable");
        // as many rows left as stood behind the first page
        let short = pass(&[&[1, 2, 3], &[]]);
        assert_eq!(passes(&short, None).0, "unstable");
        // another order the second time
        let moved = pass(&[&[5, 4, 3], &[3, 2, 1]]);
        let (word, _, same) = passes(&good, Some(&moved));
        assert_eq!((word, same), ("unstable", Some(false)));
        assert_eq!(order_of(&moved, same).by, "id descending");
        // one page has no seam
        let one = pass(&[&[1, 2, 3]]);
        assert_eq!(passes(&one, Some(&one)).0, "not seen");
        assert_eq!(order_of(&pass(&[&[2, 9]]), None).by, "not seen");
        assert_eq!(order_of(&pass(&[&[2, 9, 4]]), None).by, "none");
    }
}
