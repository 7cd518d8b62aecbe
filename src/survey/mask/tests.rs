//! Masks against error texts of the usual connectors, and against whatever chance writes.

use proptest::prelude::*;

use super::*;

fn mask() -> Mask {
    let mut mask = Mask::default();
    for name in ["JSMITH", "emp0335", "k.berg"] {
        mask.name(name);
    }
    mask.keep("AD Staging");
    mask
}

#[test]
fn what_differs_from_task_to_task_is_gone_and_the_cause_stays() {
    let cases = [
        (
            "javax.naming.CommunicationException: ldap1.example:389 [Root exception is java.net.ConnectException: Connection refused]",
            "javax.naming.CommunicationException: <host>:<n> [Root exception is java.net.ConnectException: Connection refused]",
        ),
        (
            "ORA-01918: user 'ABC' does not exist",
            "ORA-<n>: user <value> does not exist",
        ),
        ("User JSMITH already exists", "User <name> already exists"),
        ("user jmeyer already exists", "user <name> already exists"),
        ("user not found", "user not found"),
        (
            "Mailbox k.berg was not found on server MBX2",
            "Mailbox <name> was not found on server <id>",
        ),
        (
            "[LDAP: error code 68 - Entry Already Exists]; remaining name 'cn=mlopez,ou=users,dc=example'",
            "[LDAP: error code <n> - Entry Already Exists]; remaining name <value>",
        ),
        (
            "CN=John Smith,OU=Staff,DC=corp already exists for John Smith",
            "<dn> already exists for <name>",
        ),
        (
            "couldn't reach 10.1.9.4:3300, please tell otto@corp.example",
            "couldn't reach <host>:<n>, please tell <mail>",
        ),
        (
            "Müller-Lüdenscheidt is locked since 2026-02-03T11:12:13Z",
            "<name> is locked since <n>",
        ),
        (
            "mkdir: cannot create /home/abc: quota",
            "mkdir: cannot create <path>: quota",
        ),
        (
            "JCO_ERROR_COMMUNICATION on AD Staging",
            "JCO_ERROR_COMMUNICATION on AD Staging",
        ),
        ("value=77 login=otto", "value=<value> login=<value>"),
        (
            "tell EMP0335, EMP0336 and OTTO",
            "tell <name>, <id> and <name>",
        ),
    ];
    let mask = mask();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(text, masked)| {
            let got = mask.text(text);
            (got != *masked).then(|| format!("{text}\n  -> {got}\n  != {masked}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_same_cause_for_other_people_is_the_same_text() {
    let mask = mask();
    let of = |who: &str, host: &str, key: u32| {
        mask.text(&format!(
            "Task {key} failed: user {who} on {host}.corp.example:636: \"{who}\" is not known (row {key})"
        ))
    };
    let first = of("JSMITH", "dc01", 600_221);
    assert_eq!(first, of("Otto", "dc2-b", 7));
    assert_eq!(first, of("emp0335", "files", 12));
    assert!(first.contains("is not known"), "{first}");
}

/// What error texts are made of, and what they must not be made of afterwards.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,8}",
        Just(" ".to_owned()),
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("user ".to_owned()),
        Just("CN=Al Bundy,OU=x".to_owned()),
        Just("<name>".to_owned()),
        Just("<n".to_owned()),
        "[A-Z][a-z]{1,8} ?",
        "[0-9]{1,9}",
        "[a-z]{1,6}@[a-z]{1,6}\\.[a-z]{2}",
        "[a-z]{1,6}\\.[a-z]{1,6}(:[0-9]{2})?",
        "'[A-Za-z0-9 ]{1,9}' ",
        "\"[A-Za-z0-9 ]{1,9}\"",
        Just("JSMITH ".to_owned()),
        Just("jsmith ".to_owned()),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn masking_twice_is_masking_once(text in text()) {
        let mask = mask();
        let once = mask.text(&text);
        prop_assert_eq!(mask.text(&once), once.clone(), "from {:?}", text);
    }

    #[test]
    fn no_digit_mail_quotation_or_known_name_is_left(text in text()) {
        let masked = mask().text(&text);
        prop_assert!(!masked.chars().any(char::is_numeric), "{masked}");
        prop_assert!(!masked.contains('"') && !masked.contains('@'), "{masked}");
        let words: Vec<String> = masked.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect();
        prop_assert!(!words.iter().any(|word| word == "jsmith"), "{masked}");
    }

    #[test]
    fn nobody_who_is_named_in_capitals_is_left(name in "[A-Z][a-z]{3,9}x", rest in "[a-z ]{0,20}") {
        // "Linux" and "Javax" have that form, and are nobody's name
        prop_assume!(!dictionary::holds(&name.to_lowercase()));
        let masked = mask().text(&format!("the {name} {rest} {name}"));
        prop_assert!(!masked.contains(&name), "{masked}");
    }
}
