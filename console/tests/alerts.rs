//! Alerts on a console that is served: judged once, told once, whatever ends or is away in between.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use chrono::TimeDelta;
use console::accounts;
use console::alerts::{
    Matcher, Settings,
    command::{self, Said},
};
use contracts::endpoints::Endpoints;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use reqwest::header::COOKIE;

use crate::{access, services, until};

/// A receiver of notices that fails as often as it is told to.
#[derive(Default)]
struct Hook {
    failures: Mutex<u32>,
    /// Idempotency key, signature, body of each that it took; and how often it refused.
    took: Mutex<Vec<(String, String, Value)>>,
    refused: Mutex<Vec<String>>,
}

async fn receive(State(hook): State<Arc<Hook>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header =
        |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let key = header("idempotency-key");
    let mut failures = hook.failures.lock().unwrap();
    if *failures > 0 {
        *failures -= 1;
        hook.refused.lock().unwrap().push(key);
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let body = serde_json::from_slice(&body).unwrap();
    hook.took.lock().unwrap().push((key, header("x-storepulse-signature"), body));
    StatusCode::NO_CONTENT
}

impl Hook {
    async fn serve(failures: u32) -> (Arc<Self>, String) {
        let hook = Arc::new(Self { failures: Mutex::new(failures), ..Self::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?token=s3cret", listener.local_addr().unwrap());
        let router = Router::new().route("/hook", post(receive)).with_state(Arc::clone(&hook));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (hook, url)
    }

    /// The states that were told of a rule.
    fn told(&self, rule: &str) -> Vec<String> {
        let took = self.took.lock().unwrap();
        let of_rule = took.iter().filter(|(_, _, body)| body["rule"] == rule);
        of_rule.map(|(_, _, body)| body["state"].as_str().unwrap().to_owned()).collect()
    }
}

/// A file of alerts that is gone with the test.
struct File(PathBuf);

impl File {
    fn new(url: &str) -> Self {
        let path = std::env::temp_dir().join(format!("storepulse-alerts-{}.toml", uuid::Uuid::now_v7()));
        let text = format!(
            "every_ms = 200\n[[target]]\nname = \"hook\"\nwebhook = {url:?}\nsecret = \"0123456789abcdef\"\n\
             [rule.RelayNotStreaming]\nfor_s = 1\nclear_for_s = 1\n"
        );
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn settings(&self) -> Settings {
        Settings::new(Some(&self.0), None).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

struct Served {
    base: String,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Served {
    async fn new(endpoints: &Endpoints, file: &File) -> Self {
        let stop = CancellationToken::new();
        let config = console::Config { alerts: file.settings(), ..crate::access::config(endpoints) };
        let serving = console::serve(config, stop.clone()).await.unwrap();
        let base = format!("http://{}", serving.address);
        let server = tokio::spawn(async move { serving.run().await.unwrap() });
        Self { base, stop, server }
    }

    async fn alerts(&self, key: &str) -> Value {
        let asked = reqwest::Client::new().get(format!("{}/api/v1/alerts", self.base)).bearer_auth(key);
        let answer: Value = asked.send().await.unwrap().json().await.unwrap();
        answer["data"].clone()
    }

    async fn end(self) {
        self.stop.cancel();
        self.server.await.unwrap();
    }
}

/// The relay's report, as it would write it.
async fn relay_is(owner: &Client, slot: &str, state: &str) {
    let report = "
        insert into ops.relay_status (slot, holder, state, detail, beat, server_lsn, slot_active, wal_status,
            warning_detail, events_out, users_out, restarts, started_at, reported_at)
        values ($1, 'test', $2, 'kafka is away', 1, '0/0', true, 'reserved', '', 0, 0, 0, now(), now() + interval '1 hour')
        on conflict (slot) do update set state = excluded.state, reported_at = excluded.reported_at";
    owner.execute(report, &[&slot, &state]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_told_once_by_one_of_two_consoles_and_survives_both() {
    provision::in_scratch_namespace(&services().await, async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let mut owner = provision::connect(&endpoints.pg_url).await.unwrap();
        let key = accounts::add_key(&mut owner, "test").await.unwrap();
        let slot = endpoints.namespace.slot();
        let (hook, url) = Hook::serve(1).await;
        let file = File::new(&url);
        relay_is(&owner, &slot, "reconnecting").await;

        let first = Served::new(&endpoints, &file).await;
        until("the first one evaluates", 20, async || {
            (first.alerts(&key).await["evaluator"] == "here").then_some(())
        })
        .await;
        let second = Served::new(&endpoints, &file).await;
        // The receiver fails once: told again after five seconds, under the same key.
        until("it was told", 30, async || (hook.told("RelayNotStreaming") == ["firing"]).then_some(())).await;
        let refused = hook.refused.lock().unwrap().clone();
        let took = hook.took.lock().unwrap().clone();
        assert_eq!(refused, [took[0].0.clone()]);
        assert!(took[0].1.starts_with("sha256=") && took[0].0.ends_with("-firing"), "{took:?}");
        let link = took[0].2["link"].as_str().unwrap();
        assert_eq!(link, format!("{}/alerts/rules/RelayNotStreaming", first.base));
        assert_eq!((&took[0].2["severity"], &took[0].2["detail"]), (&"critical".into(), &"reconnecting: kafka is away".into()));

        let shown = second.alerts(&key).await;
        assert_eq!(shown["evaluator"], "another");
        until("the second one shows what the first one wrote", 10, async || {
            let firing = second.alerts(&key).await["firing"].clone();
            let told = firing.as_array()?.iter().find(|alert| alert["rule"] == "RelayNotStreaming")?.clone();
            (told["deliveries"][0]["status"] == "delivered").then_some(())
        })
        .await;
        let whole = shown.to_string();
        assert!(!whole.contains("s3cret") && !whole.contains("0123456789abcdef"), "{whole}");

        // The one that evaluates ends; the other takes over, and nobody is told anything twice.
        first.end().await;
        until("the second one evaluates", 20, async || {
            (second.alerts(&key).await["evaluator"] == "here").then_some(())
        })
        .await;
        let metrics = reqwest::get(format!("{}/metrics", second.base)).await.unwrap().text().await.unwrap();
        let firing = "storepulse_alert_firing{rule=\"RelayNotStreaming\",severity=\"critical\"} 1.0";
        assert!(metrics.contains(firing), "{metrics}");
        relay_is(&owner, &slot, "streaming").await;
        until("its end was told", 20, async || {
            (hook.told("RelayNotStreaming") == ["firing", "resolved"]).then_some(())
        })
        .await;
        second.end().await;

        let rows = owner
            .query(
                "select state_from || ' ' || state_to from ops.alert_event where rule = 'RelayNotStreaming' order by event_id",
                &[],
            )
            .await
            .unwrap();
        let changes: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(changes, ["ok pending", "pending firing", "firing clearing", "clearing ok"]);
        let delivered = "
            select news, attempts from ops.alert_delivery
            where rule = 'RelayNotStreaming' and status = 'delivered' order by created_at";
        let rows = owner.query(delivered, &[]).await.unwrap();
        let delivered: Vec<(String, i32)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(delivered, [("firing".to_owned(), 2), ("resolved".to_owned(), 1)]);
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_silenced_is_counted_and_what_others_send_takes_the_same_way() {
    provision::in_scratch_namespace(&services().await, async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let owner = provision::connect(&endpoints.pg_url).await.unwrap();
        let (hook, url) = Hook::serve(1).await;
        let file = File::new(&url);
        relay_is(&owner, &endpoints.namespace.slot(), "stopped").await;
        let week = TimeDelta::days(7);
        let all = Matcher::default();
        assert!(command::silence(&owner, &all, week + TimeDelta::seconds(1), "x", "ana").await.is_err());
        let no_rule = Matcher { rule: Some("None".into()), ..Matcher::default() };
        assert!(command::silence(&owner, &no_rule, week, "x", "ana").await.is_err());
        assert!(command::silence(&owner, &all, week, " ", "ana").await.is_err());
        let silence = command::silence(&owner, &all, week, "load test", "ana").await.unwrap();

        // The receiver fails: whoever sent it is told so, and the console goes on.
        let said = Said {
            source: "Airflow".into(),
            incident: Some("users_hourly".into()),
            what: json!({"kind": "task failed"}),
        };
        let sent = command::send(&file.settings(), Some(&owner), &said).await.unwrap();
        assert!(!sent[0].delivered && sent[0].goes_on, "{sent:?}");
        // Said again, it is left to the console.
        let again = command::send(&file.settings(), Some(&owner), &said).await.unwrap();
        assert!(!again[0].delivered && again[0].goes_on, "{again:?}");
        let served = Served::new(&endpoints, &file).await;
        until("the console has told what Airflow sent", 20, async || {
            let took = hook.took.lock().unwrap().clone();
            took.iter()
                .any(|(_, _, body)| body["kind"] == "task failed" && body["source"] == "Airflow")
                .then_some(())
        })
        .await;
        // Said once more it is told nobody, neither with the console nor without PostgreSQL's word for it.
        let again = command::send(&file.settings(), Some(&owner), &said).await.unwrap();
        assert!(again[0].delivered && again[0].answer.contains("before"), "{again:?}");
        let alone = command::send(&file.settings(), None, &said).await.unwrap();
        assert!(alone[0].delivered, "{alone:?}");
        let keys: Vec<String> = hook.took.lock().unwrap().iter().map(|(key, _, _)| key.clone()).collect();
        assert_eq!(keys.len(), 2, "{keys:?}");
        assert_eq!(keys[0], keys[1], "a receiver tells that it is the same");
        until("the silence has counted the relay", 20, async || {
            let listed = command::list(&owner).await.unwrap();
            let fires = listed
                .alerts
                .iter()
                .any(|alert| alert.rule == "RelayNotStreaming" && alert.state == "firing");
            (fires && listed.silences[0].suppressed > 0).then_some(())
        })
        .await;
        assert!(hook.told("RelayNotStreaming").is_empty());
        command::end_silence(&owner, silence).await.unwrap();
        assert!(command::end_silence(&owner, silence).await.is_err());
        until("it is told once the silence is over", 10, async || {
            (hook.told("RelayNotStreaming") == ["firing"]).then_some(())
        })
        .await;
        served.end().await;
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_leads_to_a_page_that_says_what_to_do() {
    provision::in_scratch_namespace(&services().await, async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let mut owner = provision::connect(&endpoints.pg_url).await.unwrap();
        let served = access::Served::new(&endpoints).await;
        let viewer = served.enter(&mut owner, "ana", accounts::Role::Viewer).await;
        let get = async |path: &str| served.get(path).header(COOKIE, &viewer).send().await.unwrap();
        let rules = until("alerts are judged", 20, async || {
            let told: Value = get("/api/v1/alerts").await.json().await.unwrap();
            told["data"]["rules"].as_array().cloned()
        })
        .await;
        assert!(rules.len() >= 20, "{rules:?}");
        for rule in &rules {
            let name = rule["rule"].as_str().unwrap();
            // As a notice has it: `link` ends in this path.
            let page = get(&format!("/alerts/rules/{name}")).await;
            assert_eq!(page.status(), StatusCode::OK, "{name}");
            let page = page.text().await.unwrap();
            let says =
                page.split_once("What to do</h2>").map(|(_, rest)| rest.split("</section>").next().unwrap());
            assert!(says.is_some_and(|says| says.contains(".md, section “")), "{name}: {page}");
            assert!(!page.contains("/alerts/silences/new"), "a viewer is offered nothing");
        }
        served.end().await;
    })
    .await
    .unwrap();
}
