//! Who gets in, on a console that is served, with PostgreSQL behind it.

use std::net::SocketAddr;

use console::accounts::{self, Role};
use contracts::endpoints::Endpoints;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{services, until};

pub(crate) struct Served {
    base: String,
    http: Client,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

/// A console at a free port, which is told nothing but where the services are.
pub(crate) fn config(endpoints: &Endpoints) -> console::Config {
    console::Config {
        endpoints: endpoints.clone(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        collector_url: None,
        public_url: None,
        hosts: Vec::new(),
        rates: ingest::rates::built_in(),
        time_zone: chrono_tz::UTC,
        alerts: console::alerts::Settings::default(),
    }
}

impl Served {
    pub(crate) async fn new(endpoints: &Endpoints) -> Self {
        let stop = CancellationToken::new();
        let serving = console::serve(config(endpoints), stop.clone()).await.unwrap();
        let base = format!("http://{}", serving.address);
        let server = tokio::spawn(async move { serving.run().await.unwrap() });
        let http = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { base, http, stop, server }
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.base))
    }

    /// As a page of ours sends a form.
    pub(crate) fn post(&self, path: &str, form: &str) -> RequestBuilder {
        self.http
            .post(format!("{}{path}", self.base))
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned())
    }

    async fn sign_in(&self, password: &str) -> Response {
        self.post("/sign-in", &format!("name=ana&password={password}&to=/flow")).send().await.unwrap()
    }

    /// The status of a page as seen with a cookie.
    async fn sees(&self, cookie: &str) -> StatusCode {
        self.get("/flow").header(COOKIE, cookie).send().await.unwrap().status()
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.server.await.unwrap();
    }
}

/// The cookie that an answer sets, as a browser sends it back.
pub(crate) fn cookie(answer: &Response) -> String {
    answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_or_a_link_lets_in_and_each_attempt_is_written_down() {
    provision::in_scratch_namespace(&services().await, async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let mut owner = provision::connect(&endpoints.pg_url).await.unwrap();
        accounts::add_user(&mut owner, "ana", Role::Viewer, "correct-horse-battery").await.unwrap();
        let served = Served::new(&endpoints).await;

        let nobody = served.get("/flow").send().await.unwrap();
        assert_eq!(nobody.status(), StatusCode::SEE_OTHER);
        assert_eq!(nobody.headers()[LOCATION], "/sign-in?to=/flow");
        assert_eq!(served.get("/events?pages=live").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);

        assert_eq!(served.sign_in("wrong-horse-battery").await.status(), StatusCode::FORBIDDEN);
        let entered = served.sign_in("correct-horse-battery").await;
        assert_eq!(
            (entered.status(), &entered.headers()[LOCATION]),
            (StatusCode::SEE_OTHER, &"/flow".parse().unwrap())
        );
        let anas = cookie(&entered);
        assert_eq!(served.sees(&anas).await, StatusCode::OK);

        // A link is used up by a click, not by being looked at.
        let link = accounts::link(&mut owner, "ben", Some(Role::Operator)).await.unwrap();
        let (_, ticket) = link.split_once('?').unwrap();
        assert_eq!(served.get(&link).send().await.unwrap().status(), StatusCode::OK);
        let entered = served.post("/enter", ticket).send().await.unwrap();
        assert_eq!(served.sees(&cookie(&entered)).await, StatusCode::OK);
        let again = served.post("/enter", ticket).send().await.unwrap();
        assert_eq!((again.status(), again.headers().get(SET_COOKIE)), (StatusCode::FORBIDDEN, None));

        // A form of no session changes nothing; the session goes on.
        let forged = served.post("/sign-out", "").header(COOKIE, &anas).send().await.unwrap();
        assert_eq!(forged.status(), StatusCode::FORBIDDEN);
        assert_eq!(served.sees(&anas).await, StatusCode::OK);

        accounts::set_disabled(&mut owner, "ana", true).await.unwrap();
        assert_eq!(served.sign_in("correct-horse-battery").await.status(), StatusCode::FORBIDDEN);
        let seen = until("the session of a disabled account ends", 10, async || {
            Some(served.sees(&anas).await).filter(|seen| *seen != StatusCode::OK)
        });
        assert_eq!(seen.await, StatusCode::SEE_OTHER);

        for _ in 0..5 {
            served.sign_in("wrong-horse-battery").await;
        }
        let limited = served.sign_in("wrong-horse-battery").await;
        assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(limited.headers().contains_key("retry-after"));

        let rows = owner
            .query(
                "select name, action, phase from ops.console_audit where role <> 'owner' order by audit_id",
                &[],
            )
            .await
            .unwrap();
        let row = |row: &tokio_postgres::Row| {
            format!("{} {} {}", row.get::<_, &str>(0), row.get::<_, &str>(1), row.get::<_, &str>(2))
        };
        let rows: Vec<String> = rows.iter().map(row).collect();
        let first = [
            "ana sign-in refused",
            "ana sign-in done",
            "ben sign-in done",
            " sign-in refused",
            "ana request refused",
        ];
        assert_eq!(rows[..5], first, "{rows:?}");
        served.end().await;
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_reads_the_api_alone_and_until_it_is_revoked() {
    provision::in_scratch_namespace(&services().await, async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let mut owner = provision::connect(&endpoints.pg_url).await.unwrap();
        let key = accounts::add_key(&mut owner, "notebook").await.unwrap();
        assert!(accounts::add_key(&mut owner, "notebook").await.is_err());
        let served = Served::new(&endpoints).await;
        let page = served.get("/flow").bearer_auth(&key).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::SEE_OTHER);
        let stream = served.get("/events?pages=live").bearer_auth(&key).send().await.unwrap();
        assert_eq!(stream.status(), StatusCode::UNAUTHORIZED);
        // Whatever endpoints there are: with the key none of them asks for a sign-in, and without it each
        // does.
        let api: serde_json::Value = serde_json::from_str(&console::described::render()).unwrap();
        let paths = api["paths"].as_object().unwrap();
        let readable =
            paths.iter().filter(|(path, methods)| methods.get("get").is_some() && !path.contains('{'));
        let readable: Vec<&String> = readable.map(|(path, _)| path).collect();
        for path in &readable {
            let without = served.get(path).send().await.unwrap();
            assert_eq!(without.status(), StatusCode::UNAUTHORIZED, "{path}");
            let with = served.get(path).bearer_auth(&key).send().await.unwrap();
            assert_ne!(with.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
        accounts::revoke_key(&mut owner, "notebook").await.unwrap();
        served.end().await;
        let served = Served::new(&endpoints).await;
        for path in readable {
            let revoked = served.get(path).bearer_auth(&key).send().await.unwrap();
            assert_eq!(revoked.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
        served.end().await;
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_from_elsewhere_is_refused_and_every_error_is_a_problem() {
    // Port 1 of this machine takes nobody: none of this needs PostgreSQL.
    let endpoints = Endpoints { pg_url: "postgresql://nobody@127.0.0.1:1/shop".into(), ..services().await };
    let served = Served::new(&endpoints).await;
    let rebound = served.get("/sign-in").header("host", "rebound.example").send().await.unwrap();
    assert_eq!(rebound.status(), StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(
        served.get("/healthz").header("host", "console").send().await.unwrap().status(),
        StatusCode::OK
    );

    let post = |site: &'static str| {
        served.http.post(format!("{}/sign-in", served.base)).header("sec-fetch-site", site)
    };
    assert_eq!(post("cross-site").send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let large = post("same-origin").body("a".repeat(300_000)).send().await.unwrap();
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let sign_in = served.post("/sign-in", "name=ana&password=x").send().await.unwrap();
    assert_eq!(sign_in.status(), StatusCode::SERVICE_UNAVAILABLE);
    let away: serde_json::Value = sign_in.json().await.unwrap();
    assert_eq!(away["type"], "/problems/store-away");

    for (path, status, kind) in [
        ("/none", 404, "unknown-name"),
        ("/api/v1/none", 404, "unknown-name"),
        ("/problems/none", 404, "unknown-name"),
    ] {
        let program = served.get(path).send().await.unwrap();
        assert_eq!(program.headers()["content-type"], "application/problem+json", "{path}");
        let problem: serde_json::Value = program.json().await.unwrap();
        assert_eq!(problem["type"], format!("/problems/{kind}"));
        assert_eq!((&problem["status"], &problem["instance"]), (&status.into(), &path.into()));
        let person = served.get(path).header("accept", "text/html").send().await.unwrap();
        assert_eq!(person.headers()["content-type"], "text/html; charset=utf-8", "{path}");
        let policy = person.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
    }
    let page = served.http.head(format!("{}/sign-in", served.base)).send().await.unwrap();
    assert_eq!(
        (page.status(), &page.headers()["cache-control"]),
        (StatusCode::OK, &"no-store".parse().unwrap())
    );
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_have_a_bound_and_do_not_hold_up_the_end() {
    provision::in_scratch_namespace(&services().await, async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let mut owner = provision::connect(&endpoints.pg_url).await.unwrap();
        let served = Served::new(&endpoints).await;
        let mut open = Vec::new();
        for session in 0..3 {
            let link =
                accounts::link(&mut owner, &format!("viewer-{session}"), Some(Role::Viewer)).await.unwrap();
            let entered = served.post("/enter", link.split_once('?').unwrap().1).send().await.unwrap();
            let cookie = cookie(&entered);
            for _ in 0..8 {
                let stream = served.get("/events?pages=live").header(COOKIE, &cookie).send().await.unwrap();
                assert_eq!(stream.status(), StatusCode::OK);
                open.push(stream);
            }
            let ninth = served.get("/events?pages=live").header(COOKIE, &cookie).send().await.unwrap();
            assert_eq!(ninth.status(), StatusCode::TOO_MANY_REQUESTS);
        }
        let began = std::time::Instant::now();
        served.end().await;
        assert!(began.elapsed().as_secs_f64() < 2.0, "{:?} with {} streams", began.elapsed(), open.len());
    })
    .await
    .unwrap();
}
