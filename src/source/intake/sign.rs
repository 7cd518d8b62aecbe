//! The signature of an event by Standard Webhooks (HMAC-SHA256 over id, timestamp and body); pure, it keeps no secret and remembers no id.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cause::Cause;
use crate::model::hmac::{hmac_sha256, same};

/// Seconds by which a timestamp may be away from our clock, either way.
pub const TOLERANCE: i64 = 300;

/// Seconds for which an id is remembered beyond that: what was judged in time may be written a little later.
const MARGIN: i64 = 60;

/// The longest id of an event.
const ID_MAX: usize = 128;
/// The longest signature header.
const SIGNATURES_MAX: usize = 2048;
/// So many signatures are looked at: a sender that changes its secret sends two.
const SIGNATURES: usize = 8;

/// The headers that name and sign an event.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The id of the event, the same for each repetition.
    pub id: String,
    /// Seconds since 1970 by the sender's clock.
    pub at: i64,
    stamp: String,
    signatures: Vec<[u8; 32]>,
}

impl Signed {
    /// Reads the three headers.
    ///
    /// # Errors
    /// [`Cause::HeaderMalformed`].
    pub fn read(id: &str, stamp: &str, signatures: &str) -> Result<Self, Cause> {
        // a dot would let one signed text be read as two different events
        let good = !id.is_empty()
            && id.len() <= ID_MAX
            && id.bytes().all(|b| b.is_ascii_graphic() && b != b'.');
        let digits = (1..=12).contains(&stamp.len()) && stamp.bytes().all(|b| b.is_ascii_digit());
        if !good || !digits || signatures.len() > SIGNATURES_MAX {
            return Err(Cause::HeaderMalformed);
        }
        let at = stamp.parse().map_err(|_| Cause::HeaderMalformed)?;
        // other versions of signatures are not ours to judge
        let signatures: Vec<[u8; 32]> = signatures
            .split(' ')
            .filter_map(|one| one.strip_prefix("v1,"))
            .take(SIGNATURES)
            .filter_map(|text| STANDARD.decode(text).ok()?.try_into().ok())
            .collect();
        Ok(Self {
            id: id.to_owned(),
            at,
            stamp: stamp.to_owned(),
            signatures,
        })
    }

    /// Whether the timestamp is near enough.
    ///
    /// # Errors
    /// [`Cause::TooLate`] or [`Cause::TooEarly`].
    pub fn check_time(&self, now: i64) -> Result<(), Cause> {
        let age = now.saturating_sub(self.at);
        if age > TOLERANCE {
            return Err(Cause::TooLate);
        }
        if age < -TOLERANCE {
            return Err(Cause::TooEarly);
        }
        Ok(())
    }

    /// Until when the id is remembered, and the event may be taken at all: longer than its timestamp lets it in.
    pub fn until(&self) -> i64 {
        self.at.saturating_add(TOLERANCE + MARGIN)
    }

    /// Whether one of the signatures is right under one of the secrets. All are compared, whatever is found.
    ///
    /// # Errors
    /// [`Cause::Signature`].
    pub fn check(&self, body: &[u8], secrets: &[Vec<u8>]) -> Result<(), Cause> {
        let mut good = false;
        for secret in secrets {
            let parts = [self.id.as_bytes(), b".", self.stamp.as_bytes(), b".", body];
            let code = hmac_sha256(secret, &parts);
            for signature in &self.signatures {
                good |= same(signature, &code);
            }
        }
        if good { Ok(()) } else { Err(Cause::Signature) }
    }
}

/// The value of webhook-signature for an event, for senders in tests and examples.
pub fn sign(secret: &[u8], id: &str, at: i64, body: &[u8]) -> String {
    let stamp = at.to_string();
    let parts = [id.as_bytes(), b".", stamp.as_bytes(), b".", body];
    format!("v1,{}", STANDARD.encode(hmac_sha256(secret, &parts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification.
    #[test]
    fn the_standards_own_example_is_right_and_any_change_of_it_is_not() {
        let secret = STANDARD
            .decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .expect("base64");
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(sign(&secret, id, 1_614_265_330, body), good);
        let signed = |id: &str, at: &str, signatures: &str| Signed::read(id, at, signatures);
        let secrets = [secret];
        let right = signed(id, "1614265330", good).expect("read");
        assert_eq!(right.check(body, &secrets), Ok(()));
        let both = format!("v1a,AAAA v1,AAAA {good}");
        let among = signed(id, "1614265330", &both).expect("read");
        assert_eq!(among.check(body, &secrets), Ok(()));

        let wrong = Err(Cause::Signature);
        assert_eq!(right.check(br#"{"test": 2432232315}"#, &secrets), wrong);
        assert_eq!(right.check(body, &[b"another".to_vec()]), wrong);
        assert_eq!(right.check(body, &[]), wrong);
        for (id, at, signatures) in [
            ("msg_p5jXN8AQM9LWM0D4loKWxJel", "1614265330", good),
            (id, "1614265331", good),
            (id, "01614265330", good),
            (
                id,
                "1614265330",
                "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (id, "1614265330", ""),
        ] {
            let other = signed(id, at, signatures).expect("read");
            assert_eq!(other.check(body, &secrets), wrong, "{id} {at} {signatures}");
        }
    }

    #[test]
    fn headers_without_their_form_are_not_read() {
        let long = "x".repeat(129);
        for (id, at) in [
            ("", "1"),
            ("a b", "1"),
            ("a.b", "1"),
            ("ä", "1"),
            (long.as_str(), "1"),
            ("a", ""),
            ("a", "-1"),
            ("a", "1.5"),
            ("a", "1234567890123"),
            ("a", " 1"),
        ] {
            let read = Signed::read(id, at, "v1,AAAA");
            assert_eq!(read.err(), Some(Cause::HeaderMalformed), "{id} {at}");
        }
    }

    #[test]
    fn five_minutes_either_way_are_near_enough() {
        let signed = Signed::read("a", "1000", "").expect("read");
        assert_eq!(signed.check_time(1300), Ok(()));
        assert_eq!(signed.check_time(700), Ok(()));
        assert_eq!(signed.check_time(1301), Err(Cause::TooLate));
        assert_eq!(signed.check_time(699), Err(Cause::TooEarly));
        // longer than it would be taken by its time
        assert_eq!(signed.until(), 1360);
    }
}
