//! Asks the server whether it can be worked with, step by step, and names the first cause that stands in the way; it authenticates once as each login, writes nothing, and opens no store.

use std::net::SocketAddr;

mod absent;

use self::absent::absent;
use super::DaemonError;
use super::probe::administrator;
use super::stopped::StopFile;
use super::survey::while_time_goes_on;
use super::time::clock_for;
use crate::control::RefusedKind;
use crate::model::settings::{AuthKind, ServerSettings, Settings};
use crate::model::{Clock, UserKey};
use crate::oig::more::Said;
use crate::oig::{Client, Look, OigError, dates, misses_header};
use crate::traits::{RENEW, rows_of};

/// A difference of clocks from which tokens and ages are wrong, in milliseconds.
const SKEW: i64 = 120_000;
/// What comes of accounts that can't be read.
const WAITS: &str = "until then retries that give or change access (enable, grant, change, password, and most creates) wait for a person (account_unknown); revokes and disables go on";
/// What asks for a list.
const LIST: &str = "the task list";

/// A cause that stands in the way, with its remedy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// Its sort, for the exit code.
    pub kind: RefusedKind,
    /// What is wrong, and where.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// What a server that can be worked with has shown.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Online {
    /// What was found good, one line each.
    pub good: Vec<String>,
    /// What works and should be mended all the same.
    pub warnings: Vec<(String, String)>,
}

impl Trouble {
    /// True where it lies in one login, and another one may be well.
    fn is_of_the_login(&self) -> bool {
        matches!(
            self.kind,
            RefusedKind::LoginRefused | RefusedKind::NotAllowed
        )
    }
}

fn trouble(kind: RefusedKind, what: impl Into<String>, remedy: impl Into<String>) -> Trouble {
    Trouble {
        kind,
        what: what.into(),
        remedy: remedy.into(),
    }
}

/// Asks the server; `say` tells a person what is waited for.
///
/// # Errors
/// A fault on our side; what the server lacks is the inner [`Trouble`].
pub async fn online(
    settings: Settings,
    say: fn(&str),
) -> Result<Result<Online, Trouble>, DaemonError> {
    if let Err(trouble) = reachable(&settings.server).await {
        return Ok(Err(trouble));
    }
    let (clock, stepper) = match clock_for(&settings.server).await {
        Ok(both) => both,
        Err(error) => {
            let what = error.to_string();
            return Ok(Err(trouble(error.kind(), what, error.hint())));
        }
    };
    let work = work(settings, clock.clone(), say);
    while_time_goes_on(&clock, stepper.as_ref(), work).await
}

/// Name and port, without a byte being sent; behind a proxy both are the proxy's affair.
async fn reachable(server: &ServerSettings) -> Result<(), Trouble> {
    let Some((host, port)) = host_and_port(&server.origin) else {
        return Ok(());
    };
    if server.proxy.is_some() {
        return Ok(());
    }
    let found = tokio::time::timeout(
        server.connect_timeout,
        tokio::net::lookup_host((host.as_str(), port)),
    );
    let addresses: Vec<SocketAddr> = match found.await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            return Err(trouble(
                RefusedKind::Unreachable,
                format!("name resolution: the host name {host} can't be resolved ({error})"),
                format!(
                    "is server.origin spelled right? `getent hosts {host}` has to answer on this machine"
                ),
            ));
        }
        Err(_) => Vec::new(),
    };
    let mut last = None;
    for address in &addresses {
        let connect = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(server.connect_timeout, connect).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => last = Some(error),
            Err(_) => {}
        }
    }
    match last {
        Some(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Err(trouble(
            RefusedKind::Unreachable,
            format!("connection refused: nothing listens on {host}, port {port}"),
            "is the managed server up, and is that its port? OIG's usual ones are 14000 (http) and 14001 (https); the administration server's 7001 is another one",
        )),
        Some(error) => Err(trouble(
            RefusedKind::Unreachable,
            format!("no connection to {host}, port {port}: {error}"),
            "look at the network between this machine and the server",
        )),
        None => Err(trouble(
            RefusedKind::Unreachable,
            format!(
                "no connection to {host}, port {port} within {} s",
                server.connect_timeout.as_secs()
            ),
            "a firewall that drops what it does not like looks like this: have the port opened, or name server.proxy",
        )),
    }
}

fn host_and_port(origin: &str) -> Option<(String, u16)> {
    let url = reqwest::Url::parse(origin).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    Some((host, url.port_or_known_default()?))
}

async fn work(
    settings: Settings,
    clock: Clock,
    say: fn(&str),
) -> Result<Result<Online, Trouble>, DaemonError> {
    let main = login(&settings, &settings.server, &clock, say).await?;
    // a refused login says nothing of the server, nor of the others: each is asked, so that all are named at once
    let (mut found, mut refused) = match main {
        Ok(online) => (online, Vec::new()),
        Err(trouble) if trouble.is_of_the_login() => (Online::default(), vec![trouble]),
        Err(trouble) => return Ok(Err(trouble)),
    };
    for further in &settings.logins {
        let login_name = &further.server.login;
        match login(&settings, &further.server, &clock, say).await? {
            Ok(online) => {
                found.good.extend(online.good);
                let warnings = online.warnings.into_iter();
                let named =
                    warnings.map(|(what, remedy)| (format!("login {login_name}: {what}"), remedy));
                found.warnings.extend(named);
            }
            Err(mut trouble) => {
                if !trouble.what.contains(login_name.as_str()) {
                    trouble.what = format!("login {login_name}: {}", trouble.what);
                }
                if !trouble.is_of_the_login() {
                    refused.push(trouble);
                    break;
                }
                refused.push(trouble);
            }
        }
    }
    Ok(together(refused).map_or(Ok(found), Err))
}

/// All that stands in the way as one: of several each remedy follows its own cause.
fn together(mut all: Vec<Trouble>) -> Option<Trouble> {
    if all.len() < 2 {
        return all.pop();
    }
    let kind = all.first()?.kind;
    let each = |one: &Trouble| format!("{}: {}", one.what, one.remedy);
    let what: Vec<String> = all.iter().map(each).collect();
    Some(trouble(
        kind,
        format!("{} logins stand in the way: {}", all.len(), what.join("; ")),
        "mend each that is named, then run `provtaskd check --online` again",
    ))
}

/// Asks as one login, whose stop is remembered.
async fn login(
    settings: &Settings,
    server: &ServerSettings,
    clock: &Clock,
    say: fn(&str),
) -> Result<Result<Online, Trouble>, DaemonError> {
    let stop = StopFile::of_login(settings, &server.login).saying(say);
    let client = match stop.client(server, clock.clone()) {
        Ok(client) => client,
        Err(error) => return Ok(Err(cause(&error, server))),
    };
    let main = server.login == settings.server.login;
    let mut asked = ask(&client, server, main).await;
    if main
        && let Ok(Ok(online)) = &mut asked
        && let Err(error) = absent(&client, settings, online).await
    {
        asked = Err(error);
    }
    match asked {
        Ok(online) => {
            stop.works(&client);
            Ok(online)
        }
        Err(error) => Ok(Err(cause(&error, server))),
    }
}

/// Asks as one login; what is the server's own is asked as the main one.
async fn ask(
    client: &Client,
    server: &ServerSettings,
    main: bool,
) -> Result<Result<Online, Trouble>, OigError> {
    let mut online = Online::default();
    let Some(list) = client.look(LIST, "/provtasks?offset=1&limit=1").await? else {
        return Ok(Err(no_such_path(server, LIST)));
    };
    let is_list = ["tasks", "hasMore", "count"]
        .iter()
        .any(|key| list.body.get(key).is_some());
    if !is_list {
        return Ok(Err(trouble(
            RefusedKind::Config,
            format!(
                "wrong path: {}{} answers with JSON that is no list of tasks",
                server.origin, server.api_path
            ),
            "another program answers there: check host, port and server.api_path",
        )));
    }
    if main && let Some(skew) = skew(&list) {
        let seconds = skew / 1_000;
        if skew.abs() > SKEW {
            let side = if skew > 0 { "ahead of" } else { "behind" };
            return Ok(Err(trouble(
                RefusedKind::Findings,
                format!(
                    "clock: the server's is {} s {side} this machine's",
                    seconds.abs()
                ),
                "set both by NTP: tokens expire and ages are counted by them",
            )));
        }
        online
            .good
            .push(format!("clocks agree within {} s", seconds.abs() + 1));
    }
    if let Some(peer) = &list.peer
        && let Some(until) = peer.until
    {
        let said = format!(
            "{}: the certificate, issued by {}, holds until {until:.0}",
            peer.version.unwrap_or("TLS"),
            peer.issuer
                .as_deref()
                .unwrap_or("an authority without a name")
        );
        if until.duration_since(Clock::wall().now()) < RENEW {
            online.warnings.push((
                said,
                "have it renewed: from then on nothing is read and nothing sent".to_owned(),
            ));
        } else {
            online.good.push(said);
        }
    }
    let rows = rows_of(&list.body, "tasks").len();
    online.good.push(if rows == 0 {
        format!("{} may read the list; it shows no task now", server.login)
    } else {
        format!("{} may read the list, and sees tasks", server.login)
    });
    let said = Said::of_tree(&list.body, u64::try_from(rows).unwrap_or(u64::MAX));
    if let Some(why) = said.contradiction(0) {
        online.warnings.push((
            format!("the server contradicts itself about the end of the list: {why}"),
            "the list is read on to where nothing more comes; look at what stands between this machine and OIG, and run `provtaskd probe`".to_owned(),
        ));
    }
    let own = people(client, server, &mut online).await?;
    // whose accounts are read is the main login's affair, whoever acts
    if main {
        accounts(client, &list, own, &mut online).await?;
    }
    if main && server.auth == AuthKind::Basic {
        // a token is asked for by POST, which needs the header as a write does
        online.good.push(
            "no write was tried: where a front end removes X-Requested-By, the first write shows it"
                .to_owned(),
        );
    }
    Ok(Ok(online))
}

/// Whether users can be read, and whether the login may do more than it has to. Answers the login's own key.
async fn people(
    client: &Client,
    server: &ServerSettings,
    online: &mut Online,
) -> Result<Option<UserKey>, OigError> {
    let own = match client.user_by_login(&server.login).await {
        Ok(own) => own,
        Err(error) if error.is_login() => return Err(error),
        Err(error) => {
            online.warnings.push((
                format!("users can't be read: {error}"),
                "give the login the User Viewer admin role: without it every create and grant waits for a person".to_owned(),
            ));
            return Ok(None);
        }
    };
    let key = own.and_then(|person| person.key);
    let roles = match &key {
        Some(key) => roles(client, key).await?,
        None => Vec::new(),
    };
    match administrator(&server.login, key.as_ref(), roles.iter().map(String::as_str)) {
        Some(why) => online.warnings.push((
            format!("system administrator: {why}"),
            "a lesser account does: an own one that is a member of the roles that own tasks; what it can't do it can't do by mistake".to_owned(),
        )),
        None => online.good.push(format!(
            "{} does not look like a system administrator",
            server.login
        )),
    }
    Ok(key)
}

/// Whether the accounts of whoever the first task is for can be read, and whether they are on; where the list shows
/// nobody, the login's own. Without that nothing is given.
async fn accounts(
    client: &Client,
    list: &Look,
    own: Option<UserKey>,
    online: &mut Online,
) -> Result<(), OigError> {
    let first = client.tasks_of(list, "tasks").into_iter().flatten().next();
    let person = first.as_ref().and_then(|task| task.beneficiary.as_ref());
    let person = match person {
        None => None,
        Some(login) => match client.user_by_login(login).await {
            Err(error) if error.is_login() => return Err(error),
            // that people can't be read is said already
            other => other.ok().flatten().and_then(|person| person.key),
        },
    };
    let mut well = true;
    if let Some(key) = person.or(own) {
        let asked =
            "give the login the right to read people's accounts (GET /users/KEY?accounts=all)";
        match client.accounts_of(&key).await {
            Err(error) if error.is_login() => return Err(error),
            Err(error) => {
                well = false;
                online.warnings.push((
                    format!("whether people's accounts are on can't be read: {error}"),
                    format!("{asked}: {WAITS}"),
                ));
            }
            Ok(shown) if shown.as_ref().is_none_or(|(_, all)| !all) => {
                well = false;
                let what = match shown {
                    None => "the server does not show the accounts of a person whom it shows",
                    Some(_) => "the server does not show all accounts of a person with their keys",
                };
                online
                    .warnings
                    .push((what.to_owned(), format!("{asked}: {WAITS}")));
            }
            Ok(_) => {}
        }
    }
    if let Some(process) = first.as_ref().and_then(|task| task.process.as_ref()) {
        let read = client.process(process).await;
        let why = match read {
            Err(error) if error.is_login() => return Err(error),
            Err(error) => Some(error.to_string()),
            Ok(None) => Some("the server does not show it".to_owned()),
            Ok(Some(_)) => None,
        };
        if let Some(why) = why {
            well = false;
            online.warnings.push((
                format!("the tasks of an account can't be read: {why}"),
                format!("give the login the right to read accounts (process instances) and their tasks: {WAITS}"),
            ));
        }
    }
    if well && first.is_some() {
        online
            .good
            .push("the account of its first task can be read".to_owned());
    }
    Ok(())
}

async fn roles(client: &Client, key: &UserKey) -> Result<Vec<String>, OigError> {
    let path = super::probe::roles_path(key);
    match client.look("the login's roles", &path).await {
        Ok(Some(look)) => Ok(super::probe::roles(&look.body).unwrap_or_default()),
        Ok(None) => Ok(Vec::new()),
        Err(error) if error.is_login() => Err(error),
        Err(_) => Ok(Vec::new()),
    }
}

/// Milliseconds by which the server is ahead of this machine's own clock.
fn skew(look: &Look) -> Option<i64> {
    let server = look.date.as_deref().and_then(dates::http_date)?;
    // the header has no fractions
    let server = server.as_millisecond().saturating_add(500);
    Some(server.saturating_sub(Clock::wall().now().as_millisecond()))
}

fn no_such_path(server: &ServerSettings, what: &str) -> Trouble {
    trouble(
        RefusedKind::Config,
        format!(
            "wrong path: {} has nothing at {}{} ({what})",
            server.origin,
            server.api_path,
            if what == LIST { "/provtasks" } else { "" }
        ),
        "is server.api_path right, and is it the managed server of OIG (usually port 14000 or 14001) that answers? 11.1.2.3 and 12c use /iam/governance/selfservice/api/v1",
    )
}

/// One cause, one remedy.
fn cause(error: &OigError, server: &ServerSettings) -> Trouble {
    use RefusedKind::{Config, LoginRefused, NotAllowed, Unreachable};
    let origin = &server.origin;
    match error {
        OigError::LoginStopped { why, since, .. } if why.contains("401") => trouble(
            LoginRefused,
            format!(
                "401: {origin} refused login {} and its password",
                server.login
            ),
            format!(
                "put the right password into {}; it was tried once ({since}) and is not tried again until the file changes, because OIG locks accounts; where it is right by now, OIG may have locked the account: have it unlocked, then `provtaskd login clear`",
                server.password_file.display()
            ),
        ),
        OigError::LoginStopped { .. } | OigError::Unauthorized { .. } => trouble(
            LoginRefused,
            error.to_string(),
            "put the right password into its file; nothing is tried until it changes",
        ),
        OigError::OthersTurn { .. } => {
            trouble(RefusedKind::Busy, error.to_string(), super::OTHERS_TURN)
        }
        OigError::Connect { why, .. } => trouble(
            Unreachable,
            format!("no connection to {origin}: {why}"),
            "mend what is named, then run `provtaskd check --online` again; nothing was sent",
        ),
        OigError::Status {
            status: 400,
            what,
            excerpt,
            ..
        } if misses_header(excerpt) => trouble(
            Config,
            format!(
                "missing header: {origin} answers 400 to {what} and misses X-Requested-By, which was sent: something on the way removes it ({excerpt})"
            ),
            "have the front end (proxy, web gate) let X-Requested-By through to OIG, or name the managed server's own address in server.origin; without it OIG refuses every write",
        ),
        OigError::Status { status: 403, .. } => trouble(
            NotAllowed,
            format!(
                "403: {origin} knows the login {} and does not let it use the REST API",
                server.login
            ),
            "can it open OIG's self service with a browser? is it locked, disabled, or told to change its password first? is an address filter in front?",
        ),
        OigError::Status {
            status: 404, what, ..
        } => {
            let mut found = no_such_path(server, what);
            if server.auth == AuthKind::Bearer && what != LIST {
                found.what = format!(
                    "wrong path: {origin} has no token service at {}",
                    server.token_path
                );
                found.remedy = "correct server.token_path, or use server.auth = \"basic\": 11.1.2.3 has no token service".to_owned();
            }
            found
        }
        OigError::Redirect {
            status, location, ..
        } => trouble(
            Config,
            format!("login page: {origin} answers {status} and sends callers to {location}"),
            "a single-sign-on front end stands there: name the managed server's own address in server.origin, or have the path of the REST API excluded from it",
        ),
        OigError::Html { .. } => trouble(
            Config,
            format!("login page: {origin} answers with an HTML page where JSON was asked for"),
            "a single-sign-on front end or a portal stands there: name the managed server's own address in server.origin, or have the path of the REST API excluded from it",
        ),
        OigError::Malformed { .. } | OigError::Xml { .. } | OigError::Empty { .. } => trouble(
            Config,
            format!("wrong path: {error}"),
            "another program answers there: check host, port and server.api_path",
        ),
        OigError::Timeout { seconds, .. } => trouble(
            Unreachable,
            format!("{origin} took the question and gave no answer within {seconds} s"),
            "is the server overloaded? a long list may need a larger server.read_timeout",
        ),
        OigError::Broken { why, .. } if origin.starts_with("http://") => trouble(
            Unreachable,
            format!("{origin} broke the connection: {why}"),
            "does that port speak TLS? then write https:// in server.origin",
        ),
        OigError::Settings(_) | OigError::File { .. } => trouble(
            Config,
            error.to_string(),
            "mend what is named; `provtaskd check` looks at it without a server",
        ),
        OigError::Status { status, .. } if *status >= 500 => trouble(
            Unreachable,
            format!("{origin} answers {status}: {error}"),
            "look at OIG's own log: is the managed server still starting, or its database away?",
        ),
        other => trouble(
            Unreachable,
            format!("{origin}: {other}"),
            "look at the server; nothing was written to it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn hosts_and_ports_are_told_of_every_origin() {
        let of = |origin| host_and_port(origin).expect("both");
        assert_eq!(
            of("https://oig.example.com"),
            ("oig.example.com".to_owned(), 443)
        );
        assert_eq!(of("http://[::1]:14000"), ("::1".to_owned(), 14_000));
        assert_eq!(of("http://127.0.0.1:9"), ("127.0.0.1".to_owned(), 9));
    }
}
