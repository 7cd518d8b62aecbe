//! One conversation with a mail server, bounded as a whole; it says nothing before the way is encrypted as configured, never logs in twice, and counts a mail as sent only where the server has said so.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{CertificateStore, SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Severity;
use secrecy::{ExposeSecret as _, SecretString};

use super::error::{MailError, Refused, Step, harmless, is_later};
use super::message::Parts;
use super::{Sent, secret};
use crate::model::settings::{MailSettings, MailTls};

/// Logins that are understood, the better one first. Both give the password away: the way is encrypted, or
/// ends on this machine.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// Where a conversation is, for whoever waits for its end.
#[derive(Clone, Debug, Default)]
struct Progress(Arc<AtomicUsize>);

const STEPS: [Step; 7] = [
    Step::Connect,
    Step::StartTls,
    Step::Login,
    Step::Sender,
    Step::Recipients,
    Step::Data,
    Step::Content,
];

impl Progress {
    fn at(&self, step: Step) {
        let place = STEPS.iter().position(|have| *have == step).unwrap_or(0);
        self.0.store(place, Ordering::Release);
    }

    fn step(&self) -> Step {
        let place = self.0.load(Ordering::Acquire);
        STEPS.get(place).copied().unwrap_or(Step::Connect)
    }
}

/// Sends a message; comes back after `timeout` whatever the server and the system's resolver do.
pub(super) fn deliver(
    settings: &MailSettings,
    password: Option<SecretString>,
    parts: Parts,
) -> Result<Sent, MailError> {
    let progress = Progress::default();
    let talk = Talk::new(settings, password, progress.clone());
    let (server, timeout) = (talk.server.clone(), settings.timeout);
    let (answer, end) = sync_channel(1);
    // one that hangs ends with the process, which has nothing else to do
    std::thread::Builder::new()
        .name("mail".to_owned())
        .spawn(move || {
            // whoever waited may have gone away
            let _ = answer.send(talk.hold(&parts));
        })
        .map_err(MailError::Thread)?;
    let step = || progress.step();
    match end.recv_timeout(timeout) {
        Ok(ended) => ended,
        Err(RecvTimeoutError::Timeout) => Err(MailError::TimedOut {
            server,
            seconds: timeout.as_secs(),
            step: step(),
        }),
        Err(RecvTimeoutError::Disconnected) => Err(MailError::Broken {
            server,
            step: step(),
            cause: "a fault of provtaskd; please report it".to_owned(),
        }),
    }
}

struct Talk {
    settings: MailSettings,
    server: String,
    password: Option<SecretString>,
    progress: Progress,
}

impl Talk {
    fn new(settings: &MailSettings, password: Option<SecretString>, progress: Progress) -> Self {
        let host = &settings.host;
        let server = if host.contains(':') {
            format!("[{host}]:{}", settings.port)
        } else {
            format!("{host}:{}", settings.port)
        };
        Self {
            settings: settings.clone(),
            server,
            password,
            progress,
        }
    }

    fn hold(&self, parts: &Parts) -> Result<Sent, MailError> {
        let mut connection = self.connect()?;
        if let (Some((login, _)), Some(password)) = (&self.settings.login, &self.password) {
            self.log_in(&mut connection, login, password)?;
        }
        self.at(Step::Sender);
        let mail = Mail::new(Some(parts.from.clone()), Vec::new());
        self.ask(&mut connection, mail)?;
        self.at(Step::Recipients);
        let mut sent = Sent::default();
        for address in &parts.to {
            let asked = connection.command(Rcpt::new(address.clone(), Vec::new()));
            match asked.map_err(|error| self.failed(&error)) {
                Ok(_) => sent.to.push(address.to_string()),
                Err(MailError::Refused { code, said, .. }) => sent.refused.push(Refused {
                    address: address.to_string(),
                    said,
                    later: is_later(code),
                }),
                Err(error) => return Err(error),
            }
        }
        if sent.to.is_empty() {
            // the server has nothing that it could send; how it says good-bye is no matter
            let _ = connection.command(Quit);
            return Err(MailError::Recipients {
                server: self.server.clone(),
                refused: sent.refused,
            });
        }
        self.at(Step::Data);
        let answer = self.ask(&mut connection, Data)?;
        if !answer.has_code(354) {
            return Err(self.out_of_step(&answer));
        }
        self.at(Step::Content);
        let taken = connection
            .message(&parts.bytes)
            .map_err(|error| self.failed(&error))?;
        if taken.code().severity != Severity::PositiveCompletion {
            return Err(self.out_of_step(&taken));
        }
        // an answer to something else here means that those before were not to what was asked: somebody on
        // the way may have put them in before the way was encrypted. One that only hangs up has taken it.
        match connection.command(Quit) {
            Ok(bye) if !bye.has_code(221) => Err(self.out_of_step(&bye)),
            _ => Ok(sent),
        }
    }

    /// A connection on which more than a greeting may be said.
    fn connect(&self) -> Result<SmtpConnection, MailError> {
        self.at(Step::Connect);
        let settings = &self.settings;
        if settings.tls == MailTls::None && !is_loopback(&settings.host) {
            return Err(MailError::Settings(
                "tls = \"none\" is for a server on loopback".to_owned(),
            ));
        }
        let tls = match settings.tls {
            MailTls::None => None,
            MailTls::StartTls | MailTls::Tls => Some(self.tls()?),
        };
        let address = (settings.host.as_str(), settings.port);
        let hello = hello();
        let at_once = tls.as_ref().filter(|_| settings.tls == MailTls::Tls);
        let timeout = Some(settings.timeout);
        let mut connection = SmtpConnection::connect(address, timeout, &hello, at_once, None)
            .map_err(|error| self.failed(&error))?;
        if let (MailTls::StartTls, Some(tls)) = (settings.tls, &tls) {
            self.at(Step::StartTls);
            let no_tls = || MailError::NoStartTls {
                server: self.server.clone(),
            };
            if !connection.can_starttls() {
                return Err(no_tls());
            }
            connection
                .starttls(tls, &hello)
                .map_err(|error| self.failed(&error))?;
            if !connection.is_encrypted() {
                return Err(no_tls());
            }
        }
        Ok(connection)
    }

    fn tls(&self) -> Result<TlsParameters, MailError> {
        let roots = match &self.settings.ca_file {
            Some(path) => Some(secret::authorities(path)?),
            None => None,
        };
        let build = |store: CertificateStore| {
            let mut builder = TlsParameters::builder(self.settings.host.clone());
            if let Some(roots) = &roots {
                builder = builder.add_root_certificate(roots.clone());
            }
            builder.certificate_store(store).build()
        };
        let built = match build(CertificateStore::Default) {
            // no authorities on this machine: the configured ones must do
            Err(_) if roots.is_some() => build(CertificateStore::None),
            built => built,
        };
        built.map_err(|error| MailError::Tls {
            server: self.server.clone(),
            cause: words(&error),
            advice: "if this machine has no CA certificates, install them or name mail.ca_file",
        })
    }

    fn log_in(
        &self,
        connection: &mut SmtpConnection,
        login: &str,
        password: &SecretString,
    ) -> Result<(), MailError> {
        self.at(Step::Login);
        let server = connection.server_info();
        if server.get_auth_mechanism(&MECHANISMS).is_none() {
            return Err(MailError::NoLogin {
                server: self.server.clone(),
            });
        }
        let secret = password.expose_secret().to_owned();
        let credentials = Credentials::new(login.to_owned(), secret);
        connection
            .auth(&MECHANISMS, &credentials)
            .map(drop)
            .map_err(|error| self.failed(&error))
    }

    /// Says something; a "no" ends the conversation.
    fn ask(
        &self,
        connection: &mut SmtpConnection,
        command: impl std::fmt::Display,
    ) -> Result<smtp::response::Response, MailError> {
        let asked = connection.command(command);
        let asked = asked.map_err(|error| self.failed(&error));
        if let Err(MailError::Refused { .. }) = asked {
            // how it says good-bye is no matter
            let _ = connection.command(Quit);
        }
        asked
    }

    fn at(&self, step: Step) {
        self.progress.at(step);
    }

    fn out_of_step(&self, answer: &smtp::response::Response) -> MailError {
        let text: Vec<&str> = answer.message().collect();
        let said = format!("{} {}", answer.code(), text.join(" "));
        MailError::OutOfStep {
            server: self.server.clone(),
            said: self.harmless(&said),
        }
    }

    /// What an error means, by where the conversation is.
    fn failed(&self, error: &smtp::Error) -> MailError {
        let (server, step) = (self.server.clone(), self.progress.step());
        let cause = self.harmless(&words(error));
        if let Some(code) = error.status() {
            let code: u16 = code.into();
            let said = self.harmless(&format!("{code} {cause}"));
            return MailError::Refused {
                server,
                step,
                code,
                said,
            };
        }
        if is_late(error) {
            return MailError::TimedOut {
                server,
                seconds: self.settings.timeout.as_secs(),
                step,
            };
        }
        if error.is_tls() || is_of_tls(&cause) {
            let advice = advice(&cause, self.settings.ca_file.is_some());
            return MailError::Tls {
                server,
                cause,
                advice,
            };
        }
        // the crate has no other way to ask for it
        if step == Step::Connect && error.to_string().starts_with("Connection error") {
            return MailError::Connect { server, cause };
        }
        MailError::Broken {
            server,
            step,
            cause,
        }
    }

    /// Words of the server without the password, in whatever form it was sent.
    fn harmless(&self, said: &str) -> String {
        let mut secrets = Vec::new();
        if let (Some((login, _)), Some(password)) = (&self.settings.login, &self.password) {
            let secret = password.expose_secret();
            secrets.push(secret.to_owned());
            secrets.push(STANDARD.encode(secret));
            secrets.push(STANDARD.encode(format!("\0{login}\0{secret}")));
        }
        harmless(said, &secrets)
    }
}

/// How this machine calls itself to the server: by its full name, where it has one.
fn hello() -> ClientId {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if name.contains('.') && name.chars().all(good) {
        ClientId::Domain(name.to_owned())
    } else {
        ClientId::default()
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// The innermost words of an error.
fn words(error: &smtp::Error) -> String {
    let mut text = String::new();
    let mut next = error.source();
    while let Some(inner) = next {
        let said = inner.to_string();
        if !text.contains(&said) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&said);
        }
        next = inner.source();
    }
    if text.is_empty() {
        error.to_string()
    } else {
        text
    }
}

/// True where the system or the socket gave up waiting.
fn is_late(error: &smtp::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    let mut next = error.source();
    while let Some(inner) = next {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return matches!(io.kind(), TimedOut | WouldBlock);
        }
        next = inner.source();
    }
    false
}

/// A handshake happens with the first byte that is read: its errors come as those of the connection.
fn is_of_tls(cause: &str) -> bool {
    let cause = cause.to_ascii_lowercase();
    [
        "invalid peer certificate",
        "peer is incompatible",
        "peer misbehaved",
        "received fatal alert",
        "corrupt message",
        "invalidcontenttype",
        "handshake eof",
    ]
    .iter()
    .any(|word| cause.contains(word))
}

fn advice(cause: &str, has_ca: bool) -> &'static str {
    let cause = cause.to_ascii_lowercase();
    let has = |word: &str| cause.contains(word);
    if has("unknownissuer") || has("unknown issuer") {
        if has_ca {
            "the certificate was issued by an authority that is neither in mail.ca_file nor known to this machine: put the issuing authority's certificate (PEM) into that file"
        } else {
            "the certificate was issued by an authority that this machine does not know: name its certificate (PEM) as mail.ca_file"
        }
    } else if has("not valid for name") || has("notvalidforname") {
        "the certificate is for another host name: use the name in the certificate as mail.server, or have it reissued"
    } else if has("expired") || has("notvalidyet") || has("not valid yet") {
        "the certificate is outside its dates: renew it, and check both clocks"
    } else if has("corrupt message") || has("invalidcontenttype") {
        "the port answers, but not with TLS: with mail.tls = \"tls\" it is usually 465, with \"starttls\" 587"
    } else {
        "the server has to offer TLS 1.2 or newer with a certificate that this machine can check: ask whoever runs it"
    }
}
