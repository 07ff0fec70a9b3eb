//! One attempt to tell a target: a signed POST, or a command with the notice on its standard input.

use std::process::Stdio;
use std::time::{Duration, Instant};

use chrono::Utc;
use hmac::{Hmac, Mac};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, redirect};
use sha2::Sha256;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::outbox::{Attempted, Delivery, Outcome};
use super::targets::{Target, Way};

/// How long a receiver may take, and a command.
const WEBHOOK: Duration = Duration::from_secs(10);
const COMMAND: Duration = Duration::from_secs(30);
/// What a receiver tells repetitions by.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Seconds since 1970, and `sha256=` with the HMAC of these, a dot and the body.
const TIMESTAMP: &str = "x-storepulse-timestamp";
const SIGNATURE: &str = "x-storepulse-signature";

/// A client that goes nowhere but where it is told.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    // The client wants a provider even for plain HTTP; where the process has one already, that one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(WEBHOOK).redirect(redirect::Policy::none()).build()
}

/// Tells a target once.
pub(crate) async fn attempt(http: &Client, target: &Target, delivery: &Delivery) -> Attempted {
    let begun = Instant::now();
    let body = delivery.payload.to_string();
    let (outcome, answer) = match &target.way {
        Way::Webhook { url, secret } => {
            let key = format!("{}-{}", delivery.label.incident, delivery.label.news);
            post(http, url.clone(), secret.as_deref(), &key, body).await
        }
        Way::Command(command) => match tokio::time::timeout(COMMAND, run(command, &body)).await {
            Ok(ended) => ended,
            Err(_) => (Outcome::Again, format!("did not end within {} s", COMMAND.as_secs())),
        },
    };
    let took_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    Attempted { outcome, answer, took_ms }
}

async fn post(
    http: &Client,
    url: reqwest::Url,
    secret: Option<&[u8]>,
    key: &str,
    body: String,
) -> (Outcome, String) {
    let mut request = http.post(url).header(CONTENT_TYPE, "application/json").header(IDEMPOTENCY_KEY, key);
    if let Some(secret) = secret {
        let at = Utc::now().timestamp().to_string();
        let signature = sign(secret, &at, &body);
        request = request.header(TIMESTAMP, at).header(SIGNATURE, format!("sha256={signature}"));
    }
    match request.body(body).send().await {
        Ok(answer) => judged(answer.status()),
        // Its address may be all that a receiver asks for.
        Err(error) => (Outcome::Again, crate::watch::words(&error.without_url())),
    }
}

fn judged(status: StatusCode) -> (Outcome, String) {
    let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    let outcome = if status.is_success() {
        Outcome::Delivered
    } else if status.is_client_error() && !later {
        Outcome::Refused
    } else {
        Outcome::Again
    };
    (outcome, status.as_u16().to_string())
}

/// HMAC-SHA256 of the time and the body, in hex.
pub(crate) fn sign(secret: &[u8], at: &str, body: &str) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length");
    mac.update(at.as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Whose arguments everybody on the machine may read: a command that holds a token does not stand in them.
const TAKEN: &str = "STOREPULSE_TARGET";
const TAKE: &str = "command=$STOREPULSE_TARGET; unset STOREPULSE_TARGET; eval \"$command\"";

async fn run(command: &str, body: &str) -> (Outcome, String) {
    let started = Command::new("sh")
        .args(["-c", TAKE])
        .env(TAKEN, command)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        // What it says may hold what it was given to get in somewhere.
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return (Outcome::Again, format!("could not be started: {error}")),
    };
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read what it is told may still do its work.
        let _ = stdin.write_all(body.as_bytes()).await;
        let _ = stdin.shutdown().await;
    }
    match child.wait().await {
        Ok(status) if status.success() => (Outcome::Delivered, "exit status 0".to_owned()),
        Ok(status) => (Outcome::Again, status.to_string()),
        Err(error) => (Outcome::Again, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::outbox::Label;

    #[test]
    fn a_refusal_is_final_unless_it_is_about_now() {
        let outcome = |status: u16| judged(StatusCode::from_u16(status).unwrap()).0;
        assert_eq!(outcome(204), Outcome::Delivered);
        for later in [408, 429, 500, 503, 302] {
            assert_eq!(outcome(later), Outcome::Again, "{later}");
        }
        for never in [400, 401, 404, 410] {
            assert_eq!(outcome(never), Outcome::Refused, "{never}");
        }
    }

    /// As `printf '1800000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef` has it.
    #[test]
    fn others_can_make_the_same_signature() {
        let expected = "1313ae9c874eb1a0868ad0b65f841c4243c23fdcfad69a3ada227726fad9960e";
        assert_eq!(sign(b"0123456789abcdef", "1800000000", "{}"), expected);
    }

    #[tokio::test]
    async fn a_command_gets_the_notice_and_its_failure_tells_nothing_of_it() {
        let http = client().unwrap();
        let label = Label { incident: uuid::Uuid::nil(), news: "firing".into(), target: "a".into() };
        let delivery = Delivery::new(label, "FiguresLate", "", serde_json::json!({"a": 1}), Utc::now());
        for (command, outcome, answer) in [
            ("grep -q '{\"a\":1}'", Outcome::Delivered, "exit status 0"),
            ("echo token=s3cret >&2; exit 3", Outcome::Again, "exit status: 3"),
            // As the shell would take it from its arguments, which everybody may read and which do not have
            // it.
            ("x='a b'; for y in \"$x\"; do [ \"$y\" = 'a b' ]; done", Outcome::Delivered, "exit status 0"),
            ("! tr '\\0' ' ' </proc/$$/cmdline | grep -q s3cret", Outcome::Delivered, "exit status 0"),
            ("[ -z \"${STOREPULSE_TARGET+x}\" ]", Outcome::Delivered, "exit status 0"),
        ] {
            let target = Target { name: "a".into(), way: Way::Command(command.into()) };
            let attempted = attempt(&http, &target, &delivery).await;
            assert_eq!((attempted.outcome, attempted.answer.as_str()), (outcome, answer));
        }
    }
}
