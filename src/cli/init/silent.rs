//! Reads a line from a terminal without showing it; the terminal is as it was afterwards, whatever happens.

use std::io::Write as _;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;

use super::super::failure::{Failure, Kind};

/// Puts the terminal back.
struct Shown(Termios);

impl Drop for Shown {
    fn drop(&mut self) {
        // a terminal that is gone needs no care
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
        let _ = writeln!(std::io::stderr());
    }
}

/// A line that is not shown while it is typed.
pub fn line(question: &str) -> Result<SecretString, Failure> {
    let failed = |error: rustix::io::Errno| {
        Failure::new(
            Kind::Io,
            format!("the terminal can't be told to hide what is typed: {error}"),
        )
        .hint("give --password-from FILE or --password-stdin; nothing was written")
    };
    let stdin = std::io::stdin();
    let shown = tcgetattr(&stdin).map_err(failed)?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    let _back = Shown(shown);
    tcsetattr(&stdin, OptionalActions::Flush, &hidden).map_err(failed)?;
    let mut out = std::io::stderr().lock();
    let _ = write!(out, "{question}").and_then(|()| out.flush());
    drop(out);
    super::line().map(SecretString::from)
}
