//! Reads a person's accounts: which there are, whether each is on, and the person's last day with them; what is not shown stays unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use super::client::{Client, Reading};
use super::error::OigError;
use super::filter::encode;
use super::people;
use super::wire::Row;
use crate::model::standing::{AccountStatus, Standing};
use crate::model::{ProcessKey, UserKey};

/// What is asked for beside the accounts, and of a server that does not know an `End Date`.
const FIELDS: [&str; 2] = ["usr_key,End Date", "usr_key"];

/// One account: its process instance and its status, where they are shown.
fn account(row: &Row<'_>) -> Option<(ProcessKey, Option<AccountStatus>)> {
    let key = row.text(&["processInstanceKey", "Process Instance.Key"])?;
    let status = row.text(&["status", "accountStatus", "Objects.Object Status.Status"]);
    Some((
        ProcessKey::new(key.trim()),
        status.map(|status| AccountStatus::new(&status)),
    ))
}

impl Client {
    /// The process instances of a person's accounts, and whether each account shows its own; `None`: no such person,
    /// or not visible, or the server shows no accounts (contract section 7).
    ///
    /// # Errors
    /// Any [`OigError`].
    pub async fn accounts_of(
        &self,
        key: &UserKey,
    ) -> Result<Option<(BTreeSet<ProcessKey>, bool)>, OigError> {
        let shown = self.standing_with(key, "usr_key").await?;
        Ok(shown.and_then(|shown| {
            let keys = shown.accounts?.into_keys().collect();
            Some((keys, !shown.nameless))
        }))
    }

    /// The same with the status of each, and the person's last day, in one request. A server that does not show him,
    /// or refuses to be asked for accounts (400), shows nothing.
    ///
    /// # Errors
    /// Any [`OigError`].
    pub async fn standing(&self, key: &UserKey) -> Result<Standing, OigError> {
        let [whole, plain] = FIELDS;
        let no_end_date = &self.0.no_end_date;
        if !no_end_date.load(Ordering::Relaxed) {
            match self.standing_with(key, whole).await {
                Err(OigError::Status { status: 400, .. }) => {}
                other => return other.map(Option::unwrap_or_default),
            }
        }
        match self.standing_with(key, plain).await {
            Err(OigError::Status { status: 400, .. }) => Ok(Standing::default()),
            Ok(shown) => {
                no_end_date.store(true, Ordering::Relaxed);
                Ok(shown.unwrap_or_default())
            }
            Err(error) => Err(error),
        }
    }

    async fn standing_with(
        &self,
        key: &UserKey,
        fields: &str,
    ) -> Result<Option<Standing>, OigError> {
        let inner = &self.0;
        let what = format!("the accounts of user {key}");
        let path = inner.api(&format!(
            "/users/{}?fields={}&accounts=all",
            encode(key.as_str()),
            encode(fields)
        ));
        let Some(body) = inner.get(&what, &path, Reading::Optional).await? else {
            return Ok(None);
        };
        let text = inner.text(&body, &what)?;
        let page = inner.page(&text, &["accounts"], &body, &what)?;
        let end = people::end(&page.own, &inner.settings.server_zone);
        if !page.has_list {
            return Ok(Some(Standing {
                end,
                ..Standing::default()
            }));
        }
        let mut accounts: BTreeMap<ProcessKey, Option<AccountStatus>> = BTreeMap::new();
        let mut nameless = false;
        for row in &page.items {
            match account(row) {
                Some((key, status)) if !key.as_str().is_empty() => {
                    accounts.insert(key, status);
                }
                _ => nameless = true,
            }
        }
        Ok(Some(Standing {
            accounts: Some(accounts),
            nameless,
            end,
        }))
    }
}
