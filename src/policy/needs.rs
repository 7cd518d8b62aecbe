//! Which facts a policy declares with `const NEEDS`; a set of words, never the facts themselves.

use std::fmt;

/// One group of facts that has to be declared because it has to be fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// The owner's state, absence and stand-in.
    Owner,
    /// The person whose access it is.
    Beneficiary,
    /// The account's other tasks.
    Siblings,
    /// What the ledger remembers of the lineage.
    History,
    /// What OIG has taught about the definition.
    Definition,
}

impl Need {
    /// Every need, in the order of the docs.
    pub const ALL: [Need; 5] = [
        Self::Owner,
        Self::Beneficiary,
        Self::Siblings,
        Self::History,
        Self::Definition,
    ];

    /// The word in `NEEDS`, which is also the property of `facts`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Beneficiary => "beneficiary",
            Self::Siblings => "siblings",
            Self::History => "history",
            Self::Definition => "definition",
        }
    }

    /// Reads a word of `NEEDS`.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|need| need.as_str() == word)
    }

    fn bit(self) -> u8 {
        match self {
            Self::Owner => 1,
            Self::Beneficiary => 2,
            Self::Siblings => 4,
            Self::History => 8,
            Self::Definition => 16,
        }
    }
}

/// A set of needs.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs(u8);

impl Needs {
    /// No needs.
    pub const NONE: Needs = Needs(0);

    /// Adds one.
    #[must_use]
    pub fn with(self, need: Need) -> Self {
        Self(self.0 | need.bit())
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Needs) -> Self {
        Self(self.0 | other.0)
    }

    /// True where the need was declared.
    pub fn contains(self, need: Need) -> bool {
        self.0 & need.bit() != 0
    }

    /// The set as bits, for an atomic.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The set of these bits; unknown bits mean nothing.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The declared needs, in the order of the docs.
    pub fn iter(self) -> impl Iterator<Item = Need> {
        Need::ALL.into_iter().filter(move |n| self.contains(*n))
    }
}

impl fmt::Debug for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
