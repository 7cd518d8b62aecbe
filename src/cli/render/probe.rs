//! The traits of a server as text: what was seen, and what it means; it draws no conclusion of its own.

use std::fmt::Write as _;

use super::layout::{Width, paragraph, prose, table, word};
use super::time;
use crate::model::ActionName;
use crate::model::settings::{ServerSettings, TargetLimits};
use crate::traits::{Limits, Traits, beside, meanings, missing};

/// `probe`
pub fn probe(
    traits: &Traits,
    main: Option<&Traits>,
    server: &ServerSettings,
    limits: &TargetLimits,
    width: Width,
) -> String {
    let zone = server.server_zone.iana_name().unwrap_or("UTC");
    let said = meanings(
        traits,
        &Limits {
            server_zone: zone,
            page_size: server.page_size,
            batch_time: limits.batch_time,
            batch_max: limits.batch_max,
        },
    );
    let mut out = String::new();
    // writing to a String can't fail
    let _ = writeln!(
        out,
        "Traits of {} as {} sees it, read {}\n{} read requests; nothing was written to it",
        traits.origin,
        traits.login,
        time(traits.taken_at),
        traits.requests
    );
    let warned = said.iter().filter(|trait_| trait_.warn).count();
    if warned > 0 {
        let _ = writeln!(out, "{warned} of them need a person, marked with !");
    }
    for unseen in &traits.unseen {
        let stands = match unseen.seen_at {
            Some(at) => format!("what stands here is of {}", time(at)),
            None => "nothing is known of it yet".to_owned(),
        };
        let text = format!("{}; {stands}", unseen.why);
        let head = format!("  not seen this time, {}: ", unseen.what);
        paragraph(&mut out, width.or(Some(80)), &head, 4, &text);
    }
    let mut part = "";
    for meaning in &said {
        if meaning.part != part {
            part = meaning.part;
            let _ = writeln!(out, "\n{}", part.to_uppercase());
        }
        let mark = if meaning.warn { '!' } else { ' ' };
        let width = width.or(Some(80));
        let head = format!("{mark} {}: ", meaning.name);
        paragraph(&mut out, width, &head, 4, &meaning.seen);
        paragraph(&mut out, width, "    ", 4, &meaning.means);
    }
    let whole = beside(traits, main);
    let _ = match main {
        None => writeln!(out, "\nWHAT THE DAEMON MAY ENFORCE"),
        Some(main) => writeln!(
            out,
            "\nWHAT THE DAEMON MAY ENFORCE AS {}, WHERE IT MAY AS {}",
            traits.login, main.login
        ),
    };
    out += &table(
        width.or(Some(80)),
        &[word("action"), prose("by what was probed")],
        ActionName::ALL.map(|action| {
            let words = match missing(&whole, action) {
                None => "may be enforced".to_owned(),
                Some(missing) => format!("only observed: {}; {}", missing.what, missing.how),
            };
            vec![action.to_string(), words]
        }),
    );
    let _ = writeln!(out, "\nNOT PROBED: ONLY A WRITE CAN TEACH IT");
    out += &table(
        width.or(Some(80)),
        &[word("what"), prose("how to learn it")],
        traits
            .not_probed
            .iter()
            .map(|entry| vec![entry.what.clone(), entry.how.clone()]),
    );
    out
}
