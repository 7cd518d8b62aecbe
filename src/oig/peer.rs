//! What the TLS connection of an answer was: version, and of the server's certificate who issued it and how long it holds; pure over bytes, it verifies nothing (the connection was), and what it can't read it does not tell.

use jiff::Timestamp;

/// The other side of a TLS connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// `TLS 1.2`, `TLS 1.3`.
    pub version: Option<&'static str>,
    /// The issuer's common name, else its organisation.
    pub issuer: Option<String>,
    /// The end of the certificate.
    pub until: Option<Timestamp>,
}

impl Peer {
    /// Of an answer that came over TLS.
    pub(super) fn of(answer: &reqwest::Response) -> Option<Self> {
        let info = answer.extensions().get::<reqwest::tls::TlsInfo>()?;
        let version = info.version().and_then(|version| {
            [
                (reqwest::tls::Version::TLS_1_2, "TLS 1.2"),
                (reqwest::tls::Version::TLS_1_3, "TLS 1.3"),
            ]
            .into_iter()
            .find(|(known, _)| *known == version)
            .map(|(_, word)| word)
        });
        let (issuer, until) = info.peer_certificate().and_then(certificate).unzip();
        Some(Self {
            version,
            issuer: issuer.flatten(),
            until: until.flatten(),
        })
    }
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANISATION: [u8; 3] = [0x55, 0x04, 0x0a];

/// One element of DER: its tag, its content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(*first & 0x7f))?;
        if digits.is_empty() || digits.len() > 4 {
            return None;
        }
        let length = digits
            .iter()
            .fold(0_usize, |sum, digit| sum << 8 | usize::from(*digit));
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// The content of an element of this tag, and what follows it.
fn of(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(bytes)?;
    (found == tag).then_some((content, rest))
}

/// Issuer and end of a certificate (RFC 5280, 4.1).
fn certificate(der: &[u8]) -> Option<(Option<String>, Option<Timestamp>)> {
    let (whole, _) = of(SEQUENCE, der)?;
    let (mut at, _) = of(SEQUENCE, whole)?;
    if let Some((_, rest)) = of(VERSION, at) {
        at = rest;
    }
    let (_, at) = of(INTEGER, at)?;
    let (_, at) = of(SEQUENCE, at)?;
    let (issuer, at) = of(SEQUENCE, at)?;
    let (validity, _) = of(SEQUENCE, at)?;
    let (_, _, ends) = element(validity)?;
    let (tag, text, _) = element(ends)?;
    Some((name(issuer), time(tag, text)))
}

/// The common name, else the organisation, without control characters.
fn name(mut sets: &[u8]) -> Option<String> {
    let (mut common, mut organisation) = (None, None);
    while let Some((_, set, rest)) = element(sets) {
        sets = rest;
        let Some((pair, _)) = of(SEQUENCE, set) else {
            continue;
        };
        let Some((_, kind, value)) = element(pair) else {
            continue;
        };
        let text = element(value).and_then(|(_, text, _)| std::str::from_utf8(text).ok());
        let text = text.map(|text| text.chars().filter(|c| !c.is_control()).collect::<String>());
        if kind == COMMON_NAME {
            common = text;
        } else if kind == ORGANISATION {
            organisation = text;
        }
    }
    common.or(organisation).filter(|text| !text.is_empty())
}

/// A time with seconds in UTC, the only form that certificates may have.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match tag {
        UTC_TIME => {
            let (two, rest) = text.split_at_checked(2)?;
            let century = if two < "50" { "20" } else { "19" };
            (format!("{century}{two}"), rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.to_owned(), rest)
        }
        _ => return None,
    };
    let two = |n: usize| rest.get(n * 2..n * 2 + 2);
    let (month, day, hour, minute, second) = (two(0)?, two(1)?, two(2)?, two(3)?, two(4)?);
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn made(year: i32, names: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["oig.example.com".to_owned()]).expect("made");
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        params.not_after = date_time_ymd(year, 3, 1);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("signed").der().to_vec()
    }

    #[test]
    fn issuer_and_end_are_read_in_both_forms_of_time() {
        let both = [
            (DnType::OrganizationName, "Example Inc"),
            (DnType::CommonName, "Example CA 2"),
        ];
        let end = |text: &str| text.parse::<Timestamp>().ok();
        assert_eq!(
            certificate(&made(2031, &both)),
            Some((Some("Example CA 2".to_owned()), end("2031-03-01T00:00:00Z")))
        );
        assert_eq!(
            certificate(&made(2061, &both[..1])),
            Some((Some("Example Inc".to_owned()), end("2061-03-01T00:00:00Z")))
        );
        assert_eq!(
            time(UTC_TIME, b"990301120000Z"),
            end("1999-03-01T12:00:00Z")
        );
        assert_eq!(time(UTC_TIME, b"2703011200Z"), None);
        assert_eq!(certificate(b""), None);
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_are_nothing_panics(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            cut in any::<prop::sample::Index>(),
            to in any::<u8>(),
        ) {
            let _ = certificate(&bytes);
            let mut der = made(2031, &[(DnType::CommonName, "CA")]);
            let at = cut.index(der.len());
            der[at] = to;
            let _ = certificate(&der);
            let _ = certificate(&der[..at]);
        }
    }
}
