//! Who has handed over work, as the lineages' former owners tell; it is asked, and changes nothing.

use super::Index;
use crate::model::hash::FastSet;
use crate::model::{Login, Owner};

impl Index {
    /// How many of these people had work once that was handed to somebody else.
    pub fn gave_work(&self, people: &FastSet<&Login>) -> usize {
        let mut gave: FastSet<&Login> = FastSet::default();
        if people.is_empty() {
            return 0;
        }
        let pasts = self.lineages.iter().filter_map(|of| of.past.as_ref());
        for owner in pasts.flat_map(|past| &past.owners) {
            if let Some(Owner::User {
                login: Some(login), ..
            }) = self.owners.get(*owner)
                && people.contains(login)
            {
                gave.insert(login);
            }
        }
        gave.len()
    }
}
