//! What of a server's answer gets into a message: never a secret, however the server has spelled it.

use crate::client_stub::{Stub, http, setup, write_password};

/// The server's error page shows the password as JSON or HTML writes it.
#[tokio::test]
async fn a_password_that_comes_back_in_escapes_is_not_shown() {
    for (secret, page) in [
        ("tr0m\"bone7", r#"{"message":"bad header tr0m\"bone7"}"#),
        ("tr0m&bone7", "<p>bad header tr0m&amp;bone7</p>"),
        ("tr0m<bone7", "<p>bad header tr0m&lt;bone7</p>"),
        ("tr0m bone7", "bad header tr0m%20bone7"),
    ] {
        let stub = Stub::start(move |_, _| http("500 Internal Server Error", "", page)).await;
        let setup = setup(&stub.origin());
        write_password(&setup.settings.password_file, secret);
        let error = setup.client().list().await.expect_err("a 500").to_string();
        assert!(!error.contains("bone7"), "{error}");
    }
}
