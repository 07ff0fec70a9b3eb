//! Live parts of pages: rendered once, whoever watches, and sent to each viewer when they are newer than what
//! it has.
//!
//! A panel has a version, which is one counter for all. A viewer knows the last version it was sent; woken,
//! it is sent every panel of its pages that is newer, in one event. A slow reader therefore gets fewer and
//! newer events, and no queue grows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono_tz::Tz;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::panel::{Panel, Viewing};
use crate::self_metrics::SelfMetrics;
use crate::watch::{Source, Watch};

/// How often panels are rendered at most.
const TICK: Duration = Duration::from_millis(250);
/// A panel that shows ages or stretches of time is rendered anew this often, though no source has told
/// anything.
const REFRESH_TICKS: u64 = 40;
/// Of how many time zones and comparisons panels are kept.
const VIEWINGS: usize = 32;

/// One panel as last rendered.
#[derive(Debug, Clone)]
struct Rendered {
    version: u64,
    html: Arc<str>,
}

#[derive(Debug, Default)]
struct Kept {
    viewers: usize,
    /// How many look at each page: what nobody looks at is not rendered.
    pages: BTreeMap<String, usize>,
    panels: BTreeMap<&'static str, Rendered>,
}

/// All panels that somebody watches.
pub(crate) struct Hub {
    /// Every panel there is.
    panels: &'static [&'static [Panel]],
    watch: Arc<Watch>,
    /// Differs from one process to the next, so that a version of an earlier one is recognised.
    epoch: String,
    version: watch::Sender<u64>,
    kept: Mutex<BTreeMap<(String, &'static str), Kept>>,
    /// Held while rendering: two at once would give the same version to two panels, and a viewer would miss
    /// one.
    rendering: Mutex<()>,
}

/// There are as many time zones and comparisons as are kept already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

impl Hub {
    pub(crate) fn new(panels: &'static [&'static [Panel]], watch: Arc<Watch>) -> Self {
        Self {
            panels,
            watch,
            epoch: format!("{:x}", chrono::Utc::now().timestamp_micros()),
            version: watch::Sender::new(0),
            kept: Mutex::default(),
            rendering: Mutex::default(),
        }
    }

    pub(crate) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Begins to keep the panels of these pages in a viewing, until the guard is dropped.
    pub(crate) fn join(self: &Arc<Self>, viewing: &Viewing, pages: &[String]) -> Result<Seat, Busy> {
        let key = key(viewing);
        let mut kept = self.lock();
        if kept.len() >= VIEWINGS && !kept.contains_key(&key) {
            return Err(Busy);
        }
        let of_viewing = kept.entry(key.clone()).or_default();
        of_viewing.viewers += 1;
        let first = of_viewing.viewers == 1 || pages.iter().any(|page| !of_viewing.pages.contains_key(page));
        for page in pages {
            *of_viewing.pages.entry(page.clone()).or_default() += 1;
        }
        drop(kept);
        if first {
            self.render(&Source::ALL);
        }
        Ok(Seat { hub: Arc::clone(self), key, pages: pages.to_vec() })
    }

    fn panels(&self) -> impl Iterator<Item = &'static Panel> + use<> {
        self.panels.iter().flat_map(|panels| panels.iter())
    }

    /// The page that a panel stands on.
    fn page_of(&self, id: &str) -> Option<&'static str> {
        self.panels().find(|panel| panel.id == id).map(|panel| panel.page)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, &'static str), Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renders what is watched and drawn from these sources; says so to viewers where anything differs.
    fn render(&self, changed: &[Source]) {
        let snapshot = self.watch.snapshot();
        let _alone = self.rendering.lock().unwrap_or_else(PoisonError::into_inner);
        let viewings: Vec<_> = self.lock().keys().cloned().collect();
        let mut version = *self.version.borrow();
        let before = version;
        for key in viewings {
            let Some(viewing) = viewing(&key) else { continue };
            let pages: Vec<String> =
                self.lock().get(&key).map(|kept| kept.pages.keys().cloned().collect()).unwrap_or_default();
            let watched =
                |panel: &&Panel| panel.page.is_empty() || pages.iter().any(|page| page == panel.page);
            for panel in self.panels().filter(watched) {
                if !panel.sources.iter().any(|source| changed.contains(source)) {
                    continue;
                }
                let html = (panel.draw)(&snapshot, &viewing).into_string();
                let mut kept = self.lock();
                let Some(of_viewing) = kept.get_mut(&key) else { break };
                if of_viewing.panels.get(panel.id).is_some_and(|rendered| same(&rendered.html, &html)) {
                    continue;
                }
                version += 1;
                of_viewing.panels.insert(panel.id, Rendered { version, html: html.into() });
            }
        }
        if version > before {
            self.version.send_replace(version);
        }
    }
}

/// Whether nothing differs but how long ago something was: browsers go on counting that by themselves.
fn same(before: &str, after: &str) -> bool {
    // Within text, quotation marks are escaped: it is `states::age` that wrote these.
    fn without_ages(html: &str) -> impl Iterator<Item = &str> {
        html.split("</time>").map(|part| {
            let age = part.rfind("<time class=\"age\" data-age");
            let text = age.and_then(|at| Some(at + part.get(at..)?.find('>')?));
            text.and_then(|end| part.get(..=end)).unwrap_or(part)
        })
    }
    without_ages(before).eq(without_ages(after))
}

fn key(viewing: &Viewing) -> (String, &'static str) {
    (viewing.zone.name().to_owned(), viewing.against.word())
}

fn viewing((zone, against): &(String, &'static str)) -> Option<Viewing> {
    Some(Viewing { zone: zone.parse::<Tz>().ok()?, against: against.parse().ok()? })
}

/// A viewer's place.
pub(crate) struct Seat {
    hub: Arc<Hub>,
    key: (String, &'static str),
    pages: Vec<String>,
}

impl Seat {
    /// Waits for a version above the one given and returns it with every panel of these pages that is newer.
    pub(crate) async fn newer(&self, pages: &[&str], than: u64) -> (u64, Vec<(&'static str, Arc<str>)>) {
        let mut versions = self.hub.version.subscribe();
        loop {
            let version = *versions.borrow_and_update();
            let newer = self.collect(pages, than);
            if !newer.is_empty() {
                return (version, newer);
            }
            if versions.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn collect(&self, pages: &[&str], than: u64) -> Vec<(&'static str, Arc<str>)> {
        let kept = self.hub.lock();
        let Some(of_viewing) = kept.get(&self.key) else { return Vec::new() };
        self.hub
            .panels()
            .filter(|panel| panel.page.is_empty() || pages.contains(&panel.page))
            .filter_map(|panel| Some((panel.id, of_viewing.panels.get(panel.id)?)))
            .filter(|(_, rendered)| rendered.version > than)
            .map(|(id, rendered)| (id, Arc::clone(&rendered.html)))
            .collect()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut kept = self.hub.lock();
        if let Some(of_viewing) = kept.get_mut(&self.key) {
            of_viewing.viewers -= 1;
            for page in &self.pages {
                if let Some(viewers) = of_viewing.pages.get_mut(page) {
                    *viewers -= 1;
                    if *viewers == 0 {
                        of_viewing.pages.remove(page);
                        // Old when somebody comes back.
                        of_viewing.panels.retain(|id, _| self.hub.page_of(id) != Some(page.as_str()));
                    }
                }
            }
            if of_viewing.viewers == 0 {
                kept.remove(&self.key);
            }
        }
    }
}

/// Renders at a steady pace whatever has changed, until the console stops.
pub(crate) async fn run(hub: Arc<Hub>, own: Arc<SelfMetrics>, stop: CancellationToken) {
    let watch = &hub.watch;
    let mut channels = (
        watch.ops.subscribe(),
        watch.shop.subscribe(),
        watch.kafka.subscribe(),
        watch.orders.subscribe(),
        watch.registry.subscribe(),
        watch.quarantine.subscribe(),
        watch.others.subscribe(),
        watch.operations.subscribe(),
        watch.alerts.subscribe(),
    );
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ticks = 0_u64;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        ticks += 1;
        macro_rules! changed {
            ($channel:expr) => {{
                let changed = $channel.has_changed().unwrap_or(false);
                $channel.mark_unchanged();
                changed
            }};
        }
        let news = [
            (Source::Ops, changed!(channels.0)),
            (Source::Shop, changed!(channels.1)),
            (Source::Kafka, changed!(channels.2)),
            (Source::Orders, changed!(channels.3)),
            (Source::Registry, changed!(channels.4)),
            (Source::Quarantine, changed!(channels.5)),
            (Source::Others, changed!(channels.6)),
            (Source::Operations, changed!(channels.7)),
            (Source::Alerts, changed!(channels.8)),
        ];
        let due = ticks.is_multiple_of(REFRESH_TICKS);
        let changed: Vec<Source> =
            news.into_iter().filter_map(|(source, changed)| (changed || due).then_some(source)).collect();
        if !changed.is_empty() {
            let begun = Instant::now();
            hub.render(&changed);
            own.drew(begun);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use maud::html;

    use super::*;
    use crate::page::states;

    #[test]
    fn a_part_is_sent_again_where_more_than_an_age_differs() {
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let drawn = |of: DateTime<Utc>, seconds: i64, orders: i64| {
            let now = at + TimeDelta::seconds(seconds);
            html! { p { (orders) " " (states::age(of, now)) " " (states::since(of, now)) "." } }.into_string()
        };
        assert_ne!(drawn(at, 1, 7), drawn(at, 2, 7));
        assert!(same(&drawn(at, 1, 7), &drawn(at, 2, 7)));
        assert!(!same(&drawn(at, 1, 7), &drawn(at, 1, 8)), "a figure");
        assert!(!same(&drawn(at, 1, 7), &drawn(at + TimeDelta::seconds(1), 1, 7)), "the time itself");
        assert!(!same("<p>1</p>", "<p>2</p>"));
    }
}
