//! What the benches share: the static server, the floor program, processes and their peaks; nothing of it is part of provtaskd.

pub mod child;
pub mod floor;
pub mod home;
pub mod measure;
pub mod server;
pub mod world;

/// The middle one of several.
///
/// # Panics
/// There is none.
pub fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// The value of an option `--name VALUE`, of this program's own arguments.
///
/// # Panics
/// The value is no number.
pub fn option(name: &str) -> Option<usize> {
    let args: Vec<String> = std::env::args().collect();
    let at = args.iter().position(|arg| arg == name)?;
    Some(args.get(at + 1)?.parse().expect("a number"))
}

/// True where the flag was given.
pub fn flag(name: &str) -> bool {
    std::env::args().any(|arg| arg == name)
}
