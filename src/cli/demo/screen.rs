//! What the demo shows while it runs: a few lines redrawn on a terminal, plain lines elsewhere; it never writes escape sequences into a file or pipe.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::cli::context::{is_live, print, width};
use crate::cli::render::clean;
use crate::control::StatusView;
use crate::model::AttemptState;

/// The shortest time between two drawings.
const FRAME: Duration = Duration::from_millis(200);
/// Plain output has a line each so many steps.
const PLAIN: u64 = 8;

/// Standard output.
pub struct Screen {
    live: bool,
    width: usize,
    drawn: usize,
    last: Option<Instant>,
}

impl Screen {
    /// Looks whether this is a terminal.
    pub fn new() -> Self {
        Self {
            live: is_live(),
            width: width().unwrap_or(80),
            drawn: 0,
            last: None,
        }
    }

    /// A line, or some, that stay.
    pub fn say(&mut self, text: &str) {
        self.leave();
        self.put(&format!("{text}\n"));
    }

    /// Takes the redrawn lines away.
    pub fn leave(&mut self) {
        if self.drawn > 0 {
            let up = format!("\x1b[{}A\x1b[J", self.drawn);
            self.drawn = 0;
            self.put(&up);
        }
    }

    /// A step is through: the plain line, or the drawing.
    pub fn progress(&mut self, view: &StatusView, step: u64, steps: u64, began: Instant) {
        if self.live {
            self.last = None;
            self.show(view, step, steps, began);
        } else if step.is_multiple_of(PLAIN) {
            self.put(&format!("{}\n", summary(view)));
        }
    }

    /// Draws, on a terminal.
    pub fn show(&mut self, view: &StatusView, step: u64, steps: u64, began: Instant) {
        if !self.live || self.last.is_some_and(|last| last.elapsed() < FRAME) {
            return;
        }
        self.last = Some(Instant::now());
        let lines = picture(view, step, steps, began.elapsed());
        let mut text = String::new();
        if self.drawn > 0 {
            let _ = write!(text, "\x1b[{}A\x1b[J", self.drawn);
        }
        for line in &lines {
            // a wrapped line would make the next drawing miss its place
            text.extend(clean(line).chars().take(self.width.saturating_sub(1)));
            text.push('\n');
        }
        self.drawn = lines.len();
        self.put(&text);
    }

    fn put(&mut self, text: &str) {
        // a reader that has gone away must not keep the demo from clearing up
        let _ = print(text);
    }
}

fn count(view: &StatusView, state: AttemptState) -> u64 {
    view.attempts
        .iter()
        .filter(|(of, _)| *of == state)
        .map(|(_, count)| count)
        .sum()
}

/// One line.
fn summary(view: &StatusView) -> String {
    format!(
        "{}  {:>5} open, {:>5} completed, {:>4} bounced, {:>3} not settled, {:>4} PUTs",
        view.now.strftime("%a %H:%M"),
        view.tasks_visible.unwrap_or(0),
        count(view, AttemptState::Completed),
        count(view, AttemptState::Bounced),
        view.attempts_open,
        view.writes_sent,
    )
}

/// The lines that are redrawn.
fn picture(view: &StatusView, step: u64, steps: u64, wall: Duration) -> Vec<String> {
    let filled = usize::try_from(step * 24 / steps.max(1)).unwrap_or(0);
    let mut lines = vec![
        summary(view),
        format!(
            "[{}{}]  {} s",
            "#".repeat(filled),
            ".".repeat(24usize.saturating_sub(filled)),
            wall.as_secs()
        ),
        format!(
            "  {:<14}{:>8}{:>11}{:>9}{:>13}  breaker",
            "target", "open", "completed", "failed", "not settled"
        ),
    ];
    lines.extend(view.targets.iter().map(|row| {
        format!(
            "  {:<14}{:>8}{:>11}{:>9}{:>13}  {}",
            row.target,
            row.visible.unwrap_or(0),
            row.completed,
            row.failed,
            row.open,
            row.breaker
        )
    }));
    lines
}
