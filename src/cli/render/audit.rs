//! A verification, rows for auditors and a decision of the past as text; pure, and it says no more than was proven.

use std::fmt::Write as _;

use super::layout::{Width, paragraph};
use super::{counted, explain, time};
use crate::control::{PastView, ReplayView};
use crate::daemon::audit::Verified;
use crate::survey::render::cell;

/// `audit verify`
pub fn verified(view: &Verified, width: Width) -> String {
    let mut out = String::new();
    let mut say = |text: String| paragraph(&mut out, width, "", 2, &text);
    let store = view.store.as_deref().unwrap_or("unknown");
    say(format!(
        "store {store}: {} read, the last is {}",
        counted(view.records, "record", "records"),
        view.last
    ));
    match &view.proven {
        Some(proven) => say(format!(
            "VERIFIED up to record {}, anchored {}{}: nothing up to there was changed, cut or put in{}",
            proven.record,
            time(proven.at),
            if proven.signed { " (HMAC checked)" } else { "" },
            if view.rewritten > 0 {
                ", but for what is said below to have been rewritten"
            } else {
                ""
            }
        )),
        None if view.anchors == 0 => say(
            "no anchor was given: nothing outside the store vouches for it; what follows only says whether it is consistent in itself".to_owned(),
        ),
        None => say("NOTHING is verified: no anchor agrees with the journal".to_owned()),
    }
    if view.beyond > 0 && view.proven.is_some() {
        let many = view.beyond;
        say(if view.findings.is_empty() {
            format!(
                "of the {} after that each follows as it should, and no anchor vouches for it yet",
                counted(many, "record", "records")
            )
        } else {
            format!(
                "of the {} after that nothing is proven: see what was found",
                counted(many, "record", "records")
            )
        });
    }
    if view.anchors > 0 {
        say(format!(
            "{} of {} anchors agree with the journal",
            view.agreeing, view.anchors
        ));
    }
    if view.unchecked_hmacs {
        say("the anchors carry HMACs, which were not checked: no key was given".to_owned());
    }
    for rewriting in &view.rewritings {
        say(format!(
            "rewritten: {} by {} ({:?}): {} of the records up to {} say something else than they did first; told by record {}: {}",
            time(rewriting.at),
            rewriting.by,
            rewriting.why,
            rewriting.changed,
            rewriting.to,
            rewriting.record,
            rewriting.reason
        ));
    }
    for rewind in &view.rewinds {
        let acknowledged = match rewind.acknowledged {
            0 => "what was acknowledged is not known".to_owned(),
            record => format!("record {record} was acknowledged"),
        };
        say(format!(
            "put back or cut: noticed {}; {acknowledged}, {} was the last that was there; told by record {}",
            time(rewind.at),
            rewind.found,
            rewind.record
        ));
    }
    for finding in &view.findings {
        say(format!("FOUND: {finding}"));
    }
    if view.more > 0 {
        say(format!(
            "and {} more",
            counted(view.more, "finding", "findings")
        ));
    }
    if view.findings.is_empty() {
        say("nothing was found".to_owned());
    }
    out
}

/// `explain` of the past
pub fn past(view: &PastView, width: Width) -> String {
    let mut out = String::new();
    let until = view.until.map_or_else(
        || "and is the last on record".to_owned(),
        |until| format!("until {}", time(until)),
    );
    let head = format!(
        "record {}, in force from {} {until}",
        view.record,
        time(view.since)
    );
    paragraph(&mut out, width, "", 2, &head);
    out += &explain(&view.explain, width);
    out.push('\n');
    let same_set = if view.policy_now == view.explain.policy_hash {
        "that is the set in force now".to_owned()
    } else {
        format!("the set in force now is {}", view.policy_now.short())
    };
    let text = match &view.replay {
        ReplayView::Same => format!(
            "same verdict: the recorded policies give the recorded answer to the recorded inputs; {same_set}"
        ),
        ReplayView::Different { what } => {
            let mut text = format!("ANOTHER answer; {same_set}");
            for (name, then, now) in what {
                // writing to a String can't fail
                let _ = write!(text, "; {name} as recorded: {then}, now: {now}");
            }
            text
        }
        ReplayView::Impossible { why } => format!("not possible: {why}; {same_set}"),
    };
    paragraph(&mut out, width, "replayed: ", 2, &text);
    out
}

/// Cells as a line of CSV, none of which a spreadsheet takes for a formula.
pub fn csv<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    // some readers drop blanks at the ends of what is not quoted
    let kept = |text: &str| {
        let cell = cell(text);
        if cell.trim() == cell {
            cell
        } else {
            format!("\"{cell}\"")
        }
    };
    let cells: Vec<String> = cells.into_iter().map(kept).collect();
    cells.join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        let line = csv([
            "a",
            "",
            "b,c",
            "say \"x\"",
            "=1+1",
            "-2",
            "two\nlines",
            " x",
        ]);
        assert_eq!(
            line,
            "a,,\"b,c\",\"say \"\"x\"\"\",\"'=1+1\",\"'-2\",two lines,\" x\"\n"
        );
        // also behind blanks, tabs and what does not show, and in the wide letters
        for (text, shown) in [
            ("\t=1", "\"' =1\""),
            ("\r+1", "\"' +1\""),
            (" @SUM(A1)", "\"' @SUM(A1)\""),
            ("\u{feff}=1", "\"' =1\""),
            ("＝1", "\"'＝1\""),
            ("|calc", "\"'|calc\""),
            ("%0A", "\"'%0A\""),
            ("it's", "\"it's\""),
        ] {
            assert_eq!(csv([text]), format!("{shown}\n"));
        }
    }

    #[test]
    fn without_an_anchor_nothing_is_called_verified() {
        let text = verified(&Verified::default(), None);
        assert!(!text.contains("VERIFIED"), "{text}");
        assert!(text.contains("nothing outside the store vouches"), "{text}");
    }
}
