//! What does not answer, and for how long it has told nothing.

use std::collections::BTreeMap;

use super::{Reading, Readings, Sight, seconds};
use crate::watch::{Away, Snapshot};

/// How many of them there are.
const SERVICES: usize = 4;

/// Each source by its service's name: whether it was asked, and why it does not answer.
fn services(snapshot: &Snapshot) -> BTreeMap<&'static str, Option<Away>> {
    let mut services = BTreeMap::new();
    macro_rules! service {
        ($name:literal, $seen:expr) => {
            if $seen.away.is_some() || $seen.value.is_some() {
                services.insert($name, $seen.away.clone());
            }
        };
    }
    service!("postgres", snapshot.ops);
    service!("kafka", snapshot.kafka);
    service!("cassandra", snapshot.shop);
    service!("schema_registry", snapshot.registry);
    services
}

pub(super) fn down(sight: &Sight<'_>, wanted: impl Fn(&str) -> bool) -> Readings {
    let (watched, asked) = (services(sight.snapshot), sight.snapshot.services.value.as_deref());
    // Before the first answer of each, one that is not there yet would count as well.
    let (SERVICES, Some(asked)) = (watched.len(), asked) else { return Readings::Missing };
    let readings = watched
        .into_iter()
        .map(|(name, away)| (name, away.map(|away| away.why)))
        .chain(asked.asked.iter().cloned())
        .filter(|(service, _)| wanted(service))
        .map(|(service, why)| Reading::flag(service, why.is_some(), why.unwrap_or_default()));
    Readings::Known(readings.collect())
}

/// For how long each source of signals has told nothing.
pub(super) fn blind(sight: &Sight<'_>) -> Readings {
    let mut away = services(sight.snapshot);
    if away.len() < SERVICES {
        return Readings::Missing;
    }
    if let Some(quarantine) = &sight.snapshot.quarantine.away {
        away.insert("quarantine", Some(quarantine.clone()));
    }
    let readings = away.into_iter().map(|(source, away)| {
        let for_s = away.as_ref().map_or(0.0, |away| seconds(sight.now - away.since).max(0.0));
        Reading { detail: away.map(|away| away.why).unwrap_or_default(), ..Reading::of(source, for_s) }
    });
    Readings::Known(readings.collect())
}
