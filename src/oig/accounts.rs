//! Reads a person's accounts: which there are, whether each is on, and the person's last day with them; what is not shown stays unknown.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::atomic::Ordering;

use super::client::{Client, Reading};
use super::error::OigError;
use super::filter::{encode, equals};
use super::more::{More, Said};
use super::people;
use super::wire::Row;
use crate::model::standing::{AccountStatus, LastDay, Standing};
use crate::model::{Login, ProcessKey, UserKey};

/// What is asked for beside the accounts, and of a server that does not know an `End Date`.
const FIELDS: [&str; 2] = ["usr_key,End Date", "usr_key"];

/// The same of many people.
const LAST_DAY_FIELDS: &str = "usr_key,User Login,End Date";

/// So many refusals in a row, of questions that pass without it, say that a server does not know an `End Date`.
const REFUSALS: u32 = 3;
/// Who was shown a moment ago has an answer.
const NEEDED: Reading = Reading::Needed;
/// One in so many questions asks for it all the same.
const AGAIN: u32 = 50;
/// In the place of the number of refusals: the server has answered such a question.
const KNOWN: u32 = u32::MAX;

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
        let shown = self
            .standing_with(key, "usr_key", Reading::Optional)
            .await?;
        Ok(shown.and_then(|shown| {
            let keys = shown.accounts?.into_keys().collect();
            Some((keys, !shown.nameless))
        }))
    }

    /// The same with the status of each, and the person's last day, in one request. One 400 is no proof that the server
    /// does not know an `End Date`: one that has answered such a question knows it for as long as this process lives, and
    /// one that has refused some in a row is asked without it, and with it now and then.
    ///
    /// # Errors
    /// Any [`OigError`]: 404 among them, whoever was shown a moment ago.
    pub async fn standing(&self, key: &UserKey) -> Result<Standing, OigError> {
        let [whole, plain] = FIELDS;
        let refused = &self.0.end_date_refused;
        let before = refused.load(Ordering::Relaxed);
        let known = before == KNOWN;
        let beyond = before.checked_sub(REFUSALS).filter(|_| !known);
        if beyond.is_none_or(|beyond| beyond % AGAIN == AGAIN - 1) {
            return match self.standing_with(key, whole, NEEDED).await {
                Err(refusal @ OigError::Status { status: 400, .. }) if known => Err(refusal),
                Err(refusal @ OigError::Status { status: 400, .. }) => {
                    let shown = self.standing_with(key, plain, NEEDED).await?;
                    let now = refused.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                    match now >= REFUSALS {
                        true => Ok(shown.unwrap_or_default()),
                        false => Err(refusal),
                    }
                }
                told => {
                    let shown = told?;
                    refused.store(KNOWN, Ordering::Relaxed);
                    Ok(shown.unwrap_or_default())
                }
            };
        }
        refused.fetch_add(1, Ordering::Relaxed);
        Ok(self
            .standing_with(key, plain, NEEDED)
            .await?
            .unwrap_or_default())
    }

    /// What the server shows of people's last days, many at a time; whom it does not show at all is not in the answer. A
    /// server that does not know the field is told from a refusal as in [`Client::standing`], and shows none of anybody.
    ///
    /// # Errors
    /// Any [`OigError`].
    pub async fn last_days(&self, logins: &[Login]) -> Result<BTreeMap<Login, LastDay>, OigError> {
        // whom a filter can't name could not be read at all
        let names = logins
            .iter()
            .filter_map(|login| equals("User Login", login.as_str()).ok());
        let asked = names.collect::<Vec<String>>().join(" or ");
        if asked.is_empty() {
            return Ok(BTreeMap::new());
        }
        let none = || {
            let each = logins
                .iter()
                .map(|login| (login.clone(), LastDay::NotShown));
            Ok(each.collect())
        };
        let refused = &self.0.end_date_refused;
        let before = refused.load(Ordering::Relaxed);
        let known = before == KNOWN;
        let beyond = before.checked_sub(REFUSALS).filter(|_| !known);
        if beyond.is_some_and(|beyond| beyond % AGAIN != AGAIN - 1) {
            refused.fetch_add(1, Ordering::Relaxed);
            return none();
        }
        match self.last_days_shown(&asked, logins).await {
            Err(OigError::Status { status: 400, .. })
                if !known
                    && refused.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= REFUSALS =>
            {
                none()
            }
            told => {
                let shown = told?;
                refused.store(KNOWN, Ordering::Relaxed);
                Ok(shown)
            }
        }
    }

    async fn last_days_shown(
        &self,
        asked: &str,
        logins: &[Login],
    ) -> Result<BTreeMap<Login, LastDay>, OigError> {
        let zone = &self.0.settings.server_zone;
        let query = format!("&q={}&fields={}", encode(asked), encode(LAST_DAY_FIELDS));
        let row = |row: &Row<'_>| people::last_day_of(row, zone);
        let found = self.rows("users", "/users", &query, "users", row).await?;
        let asked_for = |(login, _): &(Login, LastDay)| logins.contains(login);
        Ok(found.into_iter().filter(asked_for).collect())
    }

    async fn standing_with(
        &self,
        key: &UserKey,
        fields: &str,
        reading: Reading,
    ) -> Result<Option<Standing>, OigError> {
        let inner = &self.0;
        let what = format!("the accounts of user {key}");
        let path = inner.api(&format!(
            "/users/{}?fields={}&accounts=all",
            encode(key.as_str()),
            encode(fields)
        ));
        let Some(body) = inner.get(&what, &path, reading).await? else {
            return Ok(None);
        };
        let text = inner.text(&body, &what)?;
        let page = inner.page(&text, &["accounts"], &body, &what)?;
        let malformed = |why: String| OigError::Malformed {
            what: what.clone(),
            why,
            excerpt: inner.excerpt(&body.bytes),
        };
        match people::key(&page.own) {
            Some(own) if own == *key => {}
            Some(own) => return Err(malformed(format!("the answer is about user {own}"))),
            None => return Err(malformed("the answer shows no usr_key".to_owned())),
        }
        let end = people::end(&page.own, &inner.settings.server_zone);
        let odd_end = people::odd_end(&page.own, &inner.settings.server_zone);
        if !page.has_list {
            return Ok(Some(Standing {
                end,
                odd_end,
                ..Standing::default()
            }));
        }
        let mut accounts: BTreeMap<ProcessKey, Option<AccountStatus>> = BTreeMap::new();
        let mut nameless = Said::of(&page).more(0, u64::MAX) != More::No;
        for row in &page.items {
            match account(row) {
                Some((key, status)) if !key.as_str().is_empty() => {
                    match accounts.entry(key) {
                        Entry::Vacant(place) => {
                            place.insert(status);
                        }
                        // shown twice and otherwise each time: it can't be told
                        Entry::Occupied(mut place) if *place.get() != status => {
                            let word = |of: &Option<AccountStatus>| {
                                of.as_ref().map_or("-".to_owned(), ToString::to_string)
                            };
                            let both = format!("{} and {}", word(place.get()), word(&status));
                            place.insert(Some(AccountStatus::new(&both)));
                        }
                        Entry::Occupied(_) => {}
                    }
                }
                _ => nameless = true,
            }
        }
        Ok(Some(Standing {
            accounts: Some(accounts),
            nameless,
            end,
            odd_end,
        }))
    }
}
