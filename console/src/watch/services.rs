//! Services that no page reads anything from: whether they answer is all that is asked.

use std::time::Duration;

use tokio::net::TcpStream;

use super::{Pace, Refused, keep, words};
use crate::app::App;

const PACE: Pace =
    Pace { watched: Duration::from_secs(5), alone: Duration::from_secs(5), answer: Duration::from_secs(4) };
/// How long one may take.
const ONE: Duration = Duration::from_secs(3);

/// What they said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Services {
    /// By the name that `/metrics` has, why it does not answer; nothing where it does.
    pub(crate) asked: Vec<(&'static str, Option<String>)>,
}

/// Asks again and again until the console stops.
pub(crate) async fn run(app: App) {
    keep(&app.watch, &app.watch.services, PACE, &app.stop, |_| {
        let app = app.clone();
        async move { Ok(ask(&app).await) }
    })
    .await;
}

async fn ask(app: &App) -> Services {
    let collector = async {
        match &app.config.collector_url {
            Some(url) => Some(("collector", why_not(collector(&app.http, url)).await)),
            None => None,
        }
    };
    let (spark, collector) = tokio::join!(why_not(spark(app)), collector);
    Services { asked: [("spark_connect", spark)].into_iter().chain(collector).collect() }
}

async fn why_not(answer: impl Future<Output = Result<(), Refused>>) -> Option<String> {
    match tokio::time::timeout(ONE, answer).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(words(&*error)),
        Err(_) => Some(format!("no answer within {} s", ONE.as_secs())),
    }
}

/// Whether it takes connections: its protocol needs the Spark client, which is not known here.
async fn spark(app: &App) -> Result<(), Refused> {
    TcpStream::connect(app.config.endpoints.spark_address()).await?;
    Ok(())
}

/// Whether it takes events, by its own judgement.
async fn collector(http: &reqwest::Client, url: &str) -> Result<(), Refused> {
    let health = format!("{}/v1/health", url.trim_end_matches('/'));
    // Its address may hold a name and a password.
    let answer = http.get(health).send().await.map_err(reqwest::Error::without_url)?;
    answer.error_for_status().map_err(reqwest::Error::without_url)?;
    Ok(())
}
