//! Asks whether OIG knows the people whom the absence file names: of a file keyed otherwise nobody would ever be away; it judges no absence.

use super::Online;
use crate::daemon::feed::feed_of;
use crate::model::settings::Settings;
use crate::model::{Clock, Login};
use crate::oig::{Client, OigError};

/// Of so many people it is asked.
const SOME: usize = 10;

/// The first few whom the file names; what is wrong with the file itself `check` says without the server.
pub(super) async fn absent(
    client: &Client,
    settings: &Settings,
    online: &mut Online,
) -> Result<(), OigError> {
    let Some(mut feed) = feed_of(settings) else {
        return Ok(());
    };
    let (roster, _) = feed.read(Clock::wall().now());
    let Some(roster) = roster.value() else {
        return Ok(());
    };
    let logins: Vec<Login> = roster.logins().take(SOME).cloned().collect();
    if logins.is_empty() {
        return Ok(());
    }
    let people = match client.users_by_login(&logins).await {
        Ok(people) => people,
        Err(error) if error.is_login() => return Err(error),
        // that users can't be read is said already
        Err(_) => return Ok(()),
    };
    let (asked, missing) = (logins.len(), people.missing.len());
    if missing == 0 {
        online.good.push(format!(
            "of the people whom the absence file names OIG knows the first {asked}"
        ));
        return Ok(());
    }
    online.warnings.push((
        format!(
            "absence file: of the first {asked} people whom it names OIG shows {missing} not to this login"
        ),
        "the first column is the User Login as OIG has it, no mail address and no staff number; whom OIG does not know is never away".to_owned(),
    ));
    Ok(())
}
