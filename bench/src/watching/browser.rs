//! What a browser does, without one: signs in, asks for pages, and reads the stream of their live parts.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::header::{ACCEPT_ENCODING, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::processes::Commands;

/// Streams that one session may hold open.
const STREAMS: usize = 8;
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Somebody who is signed in.
pub(super) struct Visitor {
    base: String,
    cookie: String,
    http: reqwest::Client,
}

/// A page and its files, as the wire carries them.
pub(super) struct Weight {
    pub(super) requests: usize,
    pub(super) bytes: usize,
}

impl Visitor {
    /// Signs in with a link that is made for it.
    pub(super) async fn enter(commands: &Commands<'_>, base: &str, name: &str) -> anyhow::Result<Self> {
        let printed = commands.run(&format!("console link --name {name} --role viewer")).await?;
        let ticket = printed
            .split_once("ticket=")
            .map(|(_, rest)| rest.split_whitespace().next().unwrap_or_default().to_owned())
            .with_context(|| format!("`storepulse console link` printed no link: {printed}"))?;
        // Compressed answers are counted as they come, and a redirect would lose the cookie.
        let http = reqwest::Client::builder().redirect(Policy::none()).no_gzip().timeout(ANSWER).build()?;
        let answer = http
            .post(format!("{base}/enter"))
            .header(ORIGIN, base)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("ticket={ticket}"))
            .send()
            .await?;
        ensure!(answer.headers().contains_key(LOCATION), "the link lets nobody in: {}", answer.status());
        let cookie = answer.headers().get(SET_COOKIE).context("no cookie")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { base: base.to_owned(), cookie, http })
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("{}{path}", self.base)).header(COOKIE, &self.cookie)
    }

    /// An answer's text, and how long its first byte took.
    pub(super) async fn ask(&self, path: &str) -> anyhow::Result<(String, Duration)> {
        let began = Instant::now();
        let answer = self.get(path).send().await?.error_for_status()?;
        let first_byte = began.elapsed();
        Ok((answer.text().await?, first_byte))
    }

    /// A page with all files that it names, and with those that its scripts import, which it may name
    /// nowhere: charts come when the first script has seen that the page has one.
    pub(super) async fn weigh(&self, path: &str) -> anyhow::Result<Weight> {
        let mut weight = Weight { requests: 0, bytes: 0 };
        let (mut waiting, mut known) = (vec![path.to_owned()], BTreeSet::from([path.to_owned()]));
        while let Some(asked) = waiting.pop() {
            let answer = self.get(&asked).header(ACCEPT_ENCODING, "gzip").send().await?.error_for_status()?;
            weight.requests += 1;
            weight.bytes += answer.bytes().await?.len();
            let needed = if asked == path {
                named(&self.ask(&asked).await?.0)
            } else if asked.ends_with(".js") {
                imported(&asked, &self.ask(&asked).await?.0)
            } else {
                Vec::new()
            };
            waiting.extend(needed.into_iter().filter(|file| known.insert(file.clone())));
        }
        Ok(weight)
    }

    /// Opens a stream of a page's live parts.
    pub(super) async fn watch(&self, page: &str) -> anyhow::Result<Stream> {
        let request = reqwest::Client::builder().build()?.get(format!("{}/events?pages={page}", self.base));
        let mut answer = request.header(COOKIE, &self.cookie).send().await?.error_for_status()?;
        let (parts, seen) = watch::channel(Parts::default());
        let reading = tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok(Some(chunk)) = answer.chunk().await {
                kept.extend_from_slice(&chunk);
                while let Some(end) = kept.windows(2).position(|two| two == b"\n\n") {
                    let event: Vec<u8> = kept.drain(..end + 2).collect();
                    let event = String::from_utf8_lossy(&event);
                    let Some(data) = event.lines().find_map(|line| line.strip_prefix("data:")) else {
                        continue;
                    };
                    let Ok(news) = serde_json::from_str::<Vec<Part>>(data.trim()) else { continue };
                    parts.send_modify(|parts| parts.extend(news.into_iter().map(|part| (part.p, part.h))));
                }
            }
        });
        Ok(Stream { parts: seen, reading })
    }
}

/// The files that a page names.
fn named(page: &str) -> Vec<String> {
    let file = |word: &&str| {
        let path = word.split('?').next().unwrap_or_default();
        path.starts_with('/') && [".css", ".js", ".svg"].iter().any(|end| path.ends_with(end))
    };
    page.split('"').filter(file).map(str::to_owned).collect()
}

/// The files beside a script that it imports, at once or later.
fn imported(path: &str, script: &str) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let import = |line: &str| {
        let (_, rest) = line.split_once("import")?.1.split_once("'./")?;
        Some(format!("{folder}/{}", rest.split_once('\'')?.0))
    };
    script.lines().filter_map(import).collect()
}

/// The newest of each live part, by its element's id.
type Parts = HashMap<String, String>;

#[derive(serde::Deserialize)]
struct Part {
    p: String,
    h: String,
}

/// An open stream; it closes when it is dropped.
pub(super) struct Stream {
    parts: watch::Receiver<Parts>,
    reading: JoinHandle<()>,
}

impl Stream {
    /// What a part holds now.
    pub(super) fn part(&self, id: &str) -> Option<String> {
        self.parts.borrow().get(id).cloned()
    }

    /// Waits until a part is such; nothing where it is not within the time.
    pub(super) async fn until(
        &self,
        id: &str,
        within: Duration,
        is: impl Fn(&str) -> bool,
    ) -> Option<Instant> {
        let mut parts = self.parts.clone();
        let seen = parts.wait_for(|parts| parts.get(id).is_some_and(|html| is(html)));
        tokio::time::timeout(within, seen).await.ok()?.ok()?;
        Some(Instant::now())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// So many streams of the live page, on as many sessions as that takes.
pub(super) async fn crowd(
    commands: &Commands<'_>,
    base: &str,
    sessions: &mut Vec<Visitor>,
    streams: usize,
) -> anyhow::Result<Vec<Stream>> {
    while sessions.len() * STREAMS < streams {
        sessions.push(Visitor::enter(commands, base, &format!("bench-{}", sessions.len())).await?);
    }
    let mut open = Vec::with_capacity(streams);
    for number in 0..streams {
        open.push(sessions[number / STREAMS].watch("live").await?);
    }
    Ok(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_and_its_scripts_load_is_counted() {
        let page = concat!(
            r#"<link href="/static/1/console.css"><script src="/static/1/console.js"></script>"#,
            r#"<a href="/flow">"#
        );
        assert_eq!(named(page), ["/static/1/console.css", "/static/1/console.js"]);
        let script = "import { pause } from './stream.js';\nconst charts = () => import('./chart.js');\n\
            // @ts-ignore: an import of nothing\nimport uPlot from './uplot.js';\n\
            const other = './part.js';\n";
        let files = imported("/static/1/console.js", script);
        assert_eq!(files, ["/static/1/stream.js", "/static/1/chart.js", "/static/1/uplot.js"]);
    }
}
