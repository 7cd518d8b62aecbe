//! `*` and `?` patterns without regard to case, as regular expressions; it only translates.

/// The anchored, case-insensitive regular expression of a glob; blanks around it don't count.
pub fn to_regex(glob: &str) -> String {
    let mut out = String::from("(?is)^\\s*");
    for c in glob.trim().chars() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push_str("\\s*$");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_runs_and_everything_else_is_literal() {
        let regex =
            regex::Regex::new(&to_regex("Add User to * (v2)")).expect("valid by construction");
        assert!(regex.is_match(" add user TO Group (V2)"));
        assert!(!regex.is_match("add user to group v2"));
    }
}
