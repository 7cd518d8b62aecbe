//! The `q` language: conditions with `eq`, `sw`, `co`, joined by AND and OR; it must never guess at what it can't read.

/// The operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Equal,
    Starts,
    Contains,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition<F> {
    field: F,
    op: Op,
    value: String,
}

/// A filter: any of its groups, each of which needs all of its conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter<F> {
    groups: Vec<Vec<Condition<F>>>,
}

impl<F> Filter<F> {
    /// Reads a `q`. `field` knows the attributes.
    ///
    /// # Errors
    /// A sentence on what can't be read.
    pub fn parse(q: &str, field: impl Fn(&str) -> Option<F>) -> Result<Self, String> {
        let mut groups = vec![Vec::new()];
        let mut words = q.split_whitespace();
        loop {
            let name = words
                .next()
                .ok_or("a condition is missing")?
                .replace("::", " ");
            let op = match words.next().map(str::to_ascii_lowercase).as_deref() {
                Some("eq") => Op::Equal,
                Some("sw") => Op::Starts,
                Some("co") => Op::Contains,
                other => {
                    return Err(format!(
                        "operator {other:?} after {name:?} is not eq, sw or co"
                    ));
                }
            };
            let value = words
                .next()
                .ok_or_else(|| format!("{name:?} has no value"))?;
            let value = value.trim_matches('\'').replace("::", " ").to_lowercase();
            let field =
                field(&name).ok_or_else(|| format!("attribute {name:?} is not searchable"))?;
            if let Some(group) = groups.last_mut() {
                group.push(Condition { field, op, value });
            }
            match words.next().map(str::to_ascii_lowercase).as_deref() {
                None => return Ok(Self { groups }),
                Some("and") => {}
                Some("or") => groups.push(Vec::new()),
                Some(other) => return Err(format!("{other:?} is neither AND nor OR")),
            }
        }
    }

    /// Whether something with these values passes. A field may have several spellings of its value.
    pub fn passes(&self, mut values: impl FnMut(&F, &mut dyn FnMut(&str) -> bool) -> bool) -> bool {
        self.groups.iter().any(|group| {
            group.iter().all(|condition| {
                let mut test = |value: &str| condition.test(value);
                values(&condition.field, &mut test)
            })
        })
    }
}

impl<F> Condition<F> {
    fn test(&self, value: &str) -> bool {
        if self.op == Op::Equal && value.is_ascii() {
            return value.eq_ignore_ascii_case(&self.value);
        }
        let value = value.to_lowercase();
        match self.op {
            Op::Equal => value == self.value,
            Op::Starts => value.starts_with(&self.value),
            Op::Contains => value.contains(&self.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(q: &str, name: &str, status: &str) -> bool {
        let filter = Filter::parse(q, |field| Some(field.to_owned())).unwrap();
        filter.passes(|field, test| {
            test(match field.as_str() {
                "Objects.Name" => name,
                _ => status,
            })
        })
    }

    #[test]
    fn conditions_join_and_blanks_are_doubled_colons() {
        let q = "Objects.Name eq Plan::View AND Status.Category eq Rejected";
        assert!(passes(q, "Plan View", "Rejected"));
        assert!(!passes(q, "Plan View", "Pending"));
        assert!(passes(
            "Objects.Name sw 'G' or Objects.Name co mm",
            "Comma",
            ""
        ));
        assert!(!passes("Objects.Name sw 'G'", "AG", ""));
    }

    #[test]
    fn what_can_not_be_read_is_said() {
        for bad in ["", "a", "a eq", "a ne b", "a eq b c", "a eq b AND"] {
            assert!(
                Filter::parse(bad, |field| Some(field.to_owned())).is_err(),
                "{bad}"
            );
        }
        assert!(Filter::<String>::parse("a eq b", |_| None).is_err());
    }
}
