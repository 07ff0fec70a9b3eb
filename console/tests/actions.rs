//! Who may act, whatever can be done: driven by the description of the API, so that an endpoint that is added
//! is covered.

use chrono::{TimeDelta, Utc};
use console::accounts::{self, Role};
use console::alerts::{Matcher, command};
use reqwest::header::{COOKIE, ORIGIN};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::Value;

use crate::access::{Served, cookie};
use crate::{services, until};

/// What is asked with a body and changes nothing: a viewer may do it, as often as they like.
const READS: [&str; 1] = ["/api/v1/subjects/{subject}/check"];

/// Every address that something is sent to, with names in the place of what varies.
fn posts() -> Vec<String> {
    let api: Value = serde_json::from_str(console::described::COMMITTED).unwrap();
    let paths = api["paths"].as_object().unwrap().iter();
    paths.filter(|(_, methods)| methods.get("post").is_some()).map(|(path, _)| path.clone()).collect()
}

/// With a name that means nothing in the place of each that varies.
fn concrete(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/")
}

impl Served {
    pub(crate) async fn enter(&self, owner: &mut tokio_postgres::Client, name: &str, role: Role) -> String {
        let link = accounts::link(owner, name, Some(role)).await.unwrap();
        cookie(&self.post("/enter", link.split_once('?').unwrap().1).send().await.unwrap())
    }

    async fn form_token(&self, path: &str, session: &str) -> Response {
        let request = self.get("/api/v1/form").query(&[("path", path)]);
        request.header(COOKIE, session).send().await.unwrap()
    }

    /// Sends a form as an operator who gives a reason.
    async fn act(&self, operator: &str, path: &str, form: &str) -> Response {
        let told: Value = self.form_token(path, operator).await.json().await.unwrap();
        let token = told["data"]["form_token"].as_str().unwrap();
        let form = format!("form_token={token}&why=night+shift&{form}");
        self.post(path, &form).header(COOKIE, operator).send().await.unwrap()
    }
}

/// How many rows say that something was refused at an address.
async fn refusals(owner: &tokio_postgres::Client, path: &str) -> i64 {
    let refused = "select count(*) from ops.console_audit where phase = 'refused' and target = 'POST ' || $1";
    owner.query_one(refused, &[&path]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_can_be_done_is_refused_to_whoever_may_not_and_that_is_written_down() {
    provision::in_scratch_namespace(&services().await, async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let mut owner = provision::connect(&endpoints.pg_url).await.unwrap();
        let key = accounts::add_key(&mut owner, "notebook").await.unwrap();
        let served = Served::new(&endpoints).await;
        let viewer = served.enter(&mut owner, "ana", Role::Viewer).await;
        let operator = served.enter(&mut owner, "ben", Role::Operator).await;
        let posts = posts();
        assert!(posts.len() >= 8, "{posts:?}");

        for described in &posts {
            let path = concrete(described);
            let reads = READS.contains(&described.as_str());
            let before = refusals(&owner, &path).await;
            let mut expected = before;
            let mut refused = async |what: &str, request: RequestBuilder, status: StatusCode| {
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), status, "{what}: {path}");
                expected += 1;
                assert_eq!(refusals(&owner, &path).await, expected, "{what} is written down: {path}");
            };
            refused("nobody", served.post(&path, "why=a+test"), StatusCode::UNAUTHORIZED).await;
            refused("a key", served.post(&path, "why=a+test").bearer_auth(&key), StatusCode::FORBIDDEN).await;
            let foreign = served.post(&path, "why=a+test").header(COOKIE, &operator);
            let foreign = foreign.header(ORIGIN, "https://shop.example").header("sec-fetch-site", "cross-site");
            refused("another origin", foreign, StatusCode::FORBIDDEN).await;
            let without = served.post(&path, "why=a+test").header(COOKIE, &operator);
            refused("no form", without, StatusCode::FORBIDDEN).await;
            if reads {
                continue;
            }

            assert_eq!(served.form_token(&path, &viewer).await.status(), StatusCode::FORBIDDEN);
            let told: Value = served.form_token(&path, &operator).await.json().await.unwrap();
            let token = told["data"]["form_token"].as_str().unwrap();
            let form = format!("form_token={token}&why=a+test");
            let by_viewer = served.post(&path, &form).header(COOKIE, &viewer);
            refused("a viewer", by_viewer, StatusCode::FORBIDDEN).await;
            // Without a reason nothing is done, and the form is used up.
            let unreasoned = served.post(&path, &format!("form_token={token}&why=")).header(COOKIE, &operator);
            assert_eq!(unreasoned.send().await.unwrap().status(), StatusCode::BAD_REQUEST, "{path}");
            let again = served.post(&path, &form).header(COOKIE, &operator);
            refused("a form that was sent before", again, StatusCode::FORBIDDEN).await;
            let elsewhere: Value = served.form_token("/api/v1/none", &operator).await.json().await.unwrap();
            let token = elsewhere["data"]["form_token"].as_str().unwrap();
            let elsewhere = served.post(&path, &format!("form_token={token}&why=a+test"));
            refused("a form of another address", elsewhere.header(COOKIE, &operator), StatusCode::FORBIDDEN)
                .await;
        }
        let done = "select count(*) from ops.console_audit where phase in ('intended', 'done') and action <> 'sign-in'";
        let done: i64 = owner.query_one(&format!("{done} and role <> 'owner'"), &[]).await.unwrap().get(0);
        assert_eq!(done, 0, "nothing was done");
        served.end().await;
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_does_is_in_the_log_before_and_after() {
    provision::in_scratch_namespace(&services().await, async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let mut owner = provision::connect(&endpoints.pg_url).await.unwrap();
        let served = Served::new(&endpoints).await;
        let operator = served.enter(&mut owner, "ben", Role::Operator).await;
        let act = async |path: &str, form: &str| served.act(&operator, path, form).await;
        let wish = "/api/v1/jobs/wish";
        assert_eq!(act(wish, "wish=hold&job=cub").await.status(), StatusCode::BAD_REQUEST);
        let held = act(wish, "wish=hold&job=cube").await;
        assert_eq!(held.status(), StatusCode::ACCEPTED);
        let held: Value = held.json().await.unwrap();
        assert_eq!(act(wish, "wish=restart").await.status(), StatusCode::ACCEPTED);
        let row = owner
            .query_one("select wanted, restart_no, by_whom, reason from ops.job_wish", &[])
            .await
            .unwrap();
        let row: (&str, i64, &str, &str) = (row.get(0), row.get(1), row.get(2), row.get(3));
        assert_eq!(row, ("running", 1, "ben", "night shift"));

        // The contract's subjects take nothing, whoever asks.
        let subject = format!("{}-value", endpoints.namespace.events_topic(1).rsplit_once('.').unwrap().0);
        let owned = act(&format!("/api/v1/subjects/{subject}/versions"), "schema=%22int%22").await;
        assert!(
            matches!(owned.status(), StatusCode::FORBIDDEN | StatusCode::SERVICE_UNAVAILABLE),
            "{owned:?}"
        );

        // What a console that was killed left behind is noted by the next one, and no more than once.
        let left = uuid::Uuid::now_v7();
        let intended = "insert into ops.console_audit (name, role, action, phase, operation)
                        values ('ben', 'operator', 'verify', 'intended', $1)";
        owner.execute(intended, &[&left]).await.unwrap();
        served.end().await;
        for _ in 0..2 {
            let served = Served::new(&endpoints).await;
            // A cookie is of one port.
            let operator = served.enter(&mut owner, "ben", Role::Operator).await;
            let unknown = "select count(*) from ops.console_audit where operation = $1 and phase = 'unknown'";
            until("the outcome is noted as unknown, once", 20, async || {
                let noted: i64 = owner.query_one(unknown, &[&left]).await.unwrap().get(0);
                (noted == 1).then_some(())
            })
            .await;
            let id = held["data"]["operation"].as_str().unwrap();
            let told = served.get(&format!("/api/v1/operations/{id}")).header(COOKIE, &operator);
            let told: Value = told.send().await.unwrap().json().await.unwrap();
            assert_eq!(
                (&told["data"]["stage"], &told["data"]["action"]),
                (&"passed".into(), &"job-hold".into())
            );
            let log = served.get("/api/v1/audit?action=job-hold").header(COOKIE, &operator);
            let log: Value = log.send().await.unwrap().json().await.unwrap();
            let phases: Vec<&str> =
                log["data"].as_array().unwrap().iter().map(|row| row["phase"].as_str().unwrap()).collect();
            assert_eq!(phases, ["done", "intended"], "the newest first");
            served.end().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_by_a_form_is_that_of_the_command() {
    provision::in_scratch_namespace(&services().await, async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let mut owner = provision::connect(&endpoints.pg_url).await.unwrap();
        let served = Served::new(&endpoints).await;
        let operator = served.enter(&mut owner, "ben", Role::Operator).await;
        let to = "/api/v1/alerts/silences";
        let longer =
            format!("for=until&until={}", (Utc::now() + TimeDelta::days(8)).format("%Y-%m-%dT%H:%M"));
        for (form, why) in [
            ("rule=None&for=1h", "no rule"),
            ("severity=grave&for=1h", "no severity"),
            ("subject=a%00b&for=1h", "on one line"),
            ("for=8d", "seven days"),
            ("for=30", "as 2h"),
            ("for=until", "until when"),
            ("for=until&until=2001-01-01T00:00", "a minute"),
            (&longer, "seven days"),
        ] {
            let refused = served.act(&operator, to, form).await;
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{form}");
            let problem: Value = refused.json().await.unwrap();
            assert!(problem["detail"].as_str().unwrap().contains(why), "{form}: {problem}");
        }
        let made = served.act(&operator, to, "rule=ServiceDown&subject=kafka&severity=&for=4h").await;
        assert_eq!(made.status(), StatusCode::CREATED);
        let made: Value = made.json().await.unwrap();
        let number = made["data"]["silence_id"].as_i64().unwrap();
        let [silence] = &command::list(&owner).await.unwrap().silences[..] else { panic!("one silence") };
        let kafka =
            Matcher { rule: Some("ServiceDown".into()), subject: Some("kafka".into()), severity: None };
        assert_eq!((silence.silence_id, &silence.of), (number, &kafka));
        assert_eq!((silence.by_whom.as_str(), silence.reason.as_str()), ("ben", "night shift"));
        let length = silence.until - silence.begun_at;
        assert!((length - TimeDelta::hours(4)).abs() < TimeDelta::seconds(1), "{length}");
        // Whoever made it sees it at once.
        let alerts = served.get("/api/v1/alerts").header(COOKIE, &operator).send().await.unwrap();
        let alerts: Value = alerts.json().await.unwrap();
        assert_eq!(alerts["data"]["silences"][0]["subject"], "kafka", "{alerts}");

        let end = format!("{to}/{number}/end");
        assert_eq!(served.act(&operator, &end, "").await.status(), StatusCode::OK);
        assert!(command::list(&owner).await.unwrap().silences.is_empty());
        for ended in [&end, "/api/v1/alerts/silences/none/end"] {
            assert_eq!(served.act(&operator, ended, "").await.status(), StatusCode::NOT_FOUND, "{ended}");
        }
        let rows = "select action || ' ' || phase || ' ' || target from ops.console_audit
                    where action like 'alert-%' order by audit_id";
        let rows: Vec<String> = owner.query(rows, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        let expected = [
            "alert-silence intended ServiceDown, about kafka alone".to_owned(),
            "alert-silence done ServiceDown, about kafka alone".to_owned(),
            format!("alert-unsilence intended silence {number}"),
            format!("alert-unsilence done silence {number}"),
            format!("alert-unsilence intended silence {number}"),
            format!("alert-unsilence failed silence {number}"),
        ];
        assert_eq!(rows, expected);
        served.end().await;
    })
    .await
    .unwrap();
}
