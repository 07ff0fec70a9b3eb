//! How a figure is shown in every state it can be in, drawn here so that no panel invents its own.

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};

use super::Viewing;
use crate::api::answer::{Freshness, FreshnessState, Proof, ProofState};
use crate::format;
use crate::watch::{Away, Seen};

/// How a hop, a query or an alert does: told by shape and by word, and by colour last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// It does what it should.
    Runs,
    /// It waits for the hop before it.
    Waits,
    /// It trails.
    Late,
    /// It stands still.
    Stopped,
    /// It cannot be told.
    Unknown,
}

impl State {
    /// The word of the style sheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Waits => "waits",
            Self::Late => "late",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
        }
    }

    /// Its shape.
    const fn shape(self) -> &'static str {
        match self {
            Self::Runs => "●",
            Self::Waits => "◌",
            Self::Late => "◆",
            Self::Stopped => "■",
            Self::Unknown => "?",
        }
    }
}

/// A state's shape in its colour; the word that says it stands beside it.
pub(crate) fn mark(state: State) -> Markup {
    html! { span class={ "mark " (state.class()) } aria-hidden="true" { (state.shape()) } }
}

/// An age that goes on counting on the page.
pub(crate) fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    html! {
        time .age data-age datetime=(at.to_rfc3339_opts(SecondsFormat::Millis, true)) {
            (format::stretch(now - at)) " ago"
        }
    }
}

/// How long ago something was, as [`age`], without the word.
pub(crate) fn since(at: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    html! {
        time .age data-age="bare" datetime=(at.to_rfc3339_opts(SecondsFormat::Millis, true)) {
            (format::stretch(now - at))
        }
    }
}

/// A moment as a clock time of the viewer's zone, with the whole of it on hover.
pub(crate) fn moment(at: DateTime<Utc>, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let whole = at.with_timezone(&viewing.zone).format("%Y-%m-%d %H:%M:%S%.3f %Z").to_string();
    html! {
        time datetime=(at.to_rfc3339_opts(SecondsFormat::Millis, true)) title=(whole) {
            (format::clock(at, viewing.zone, now))
        }
    }
}

/// How a figure has changed against an equal earlier stretch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// By this share of what it was.
    Ratio(f64),
    /// By so many points of percent.
    Points(f64),
    /// It was nothing before.
    New,
    /// It cannot be told, and why.
    None(String),
}

/// A figure: the leading ones of a page.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    /// Its element's id within the page, as in `orders-today`.
    pub(crate) id: &'static str,
    /// What it is, as in `Orders today`.
    pub(crate) label: String,
    /// Formatted; nothing where it is not known.
    pub(crate) value: Option<String>,
    /// How it changed; nothing where it is not compared.
    pub(crate) change: Option<Change>,
    /// Whether the last ten minutes, which may still grow, are a large part of it.
    pub(crate) provisional: bool,
    pub(crate) freshness: Freshness,
    /// Nothing where figures of this kind are not proved.
    pub(crate) proof: Option<Proof>,
    /// One line below: what would fill it, why it is not known, how exact it is.
    pub(crate) note: Option<Markup>,
    /// Where "how is this computed" is told.
    pub(crate) explain: Option<String>,
}

/// Draws a figure in whatever state it is.
pub(crate) fn figure(figure: &Figure, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let stale = stale(&figure.freshness);
    html! {
        div .figure .stale[stale && figure.value.is_some()] .not-known[figure.value.is_none()] data-figure=(figure.id) {
            h3 { (figure.label) }
            p .value {
                @match &figure.value {
                    Some(value) => (self::value(value)),
                    None => span .hatched { span .sr { "not known" } },
                }
                @if let Some(change) = &figure.change { " " (self::change(change, figure.provisional)) }
            }
            // What is not known has no age: its note says why.
            @if figure.value.is_some() || figure.note.is_none() {
                p .about {
                    (freshness(&figure.freshness, viewing, now))
                    @if let Some(proof) = &figure.proof { " " (self::proof(proof, viewing, now)) }
                }
            }
            @if let Some(note) = &figure.note { p .note { (note) } }
            @if let Some(href) = &figure.explain { a .explain href=(href) { "how" span .sr { " " (figure.label) " is computed" } } }
        }
    }
}

/// A value, the currency before it smaller than the amount.
fn value(value: &str) -> Markup {
    let parts =
        value.split_once('\u{a0}').filter(|(unit, _)| unit.chars().all(|letter| letter.is_ascii_uppercase()));
    html! {
        span .long[value.chars().count() > 12] {
            @match parts {
                Some((unit, amount)) => { span .unit { (unit) "\u{a0}" } (amount) },
                None => (value),
            }
        }
    }
}

/// A change against an earlier stretch.
pub(crate) fn change(change: &Change, provisional: bool) -> Markup {
    let (shape, text, class) = match change {
        Change::Ratio(ratio) => (arrow(*ratio), format::percent(ratio.abs()), direction(*ratio)),
        Change::Points(points) => {
            (arrow(*points), format!("{:.1}\u{a0}pt", points.abs()), direction(*points))
        }
        Change::New => ("", "new".to_owned(), "up"),
        Change::None(why) => {
            return html! { span .change .none title=(why) { "–" span .sr { " not compared: " (why) } } };
        }
    };
    html! {
        span class={ "change " (class) } {
            span aria-hidden="true" { (shape) } " " (text)
            @if provisional { span .provisional title="the last ten minutes may still grow" { " provisional" } }
        }
    }
}

fn arrow(change: f64) -> &'static str {
    if change > 0.0 {
        "▲"
    } else if change < 0.0 {
        "▼"
    } else {
        "="
    }
}

fn direction(change: f64) -> &'static str {
    if change > 0.0 {
        "up"
    } else if change < 0.0 {
        "down"
    } else {
        "same"
    }
}

/// How old a figure is, and why it is not newer.
pub(crate) fn freshness(freshness: &Freshness, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let why = freshness.why.as_deref();
    html! {
        @match (freshness.state, freshness.as_of) {
            (FreshnessState::Live, Some(at)) => (age(at, now)),
            (FreshnessState::Idle, Some(at)) => {
                span .idle { "no event for " (since(at, now)) ", nothing is waiting" }
            },
            (FreshnessState::Late, Some(at)) => { span .late { "late: as of " (moment(at, viewing, now)) ", " (age(at, now)) } },
            (FreshnessState::Stalled, Some(at)) => {
                span .stalled { "no newer figure since " (moment(at, viewing, now)) @if let Some(why) = why { ": " (why) } }
            },
            (FreshnessState::Unknown, Some(at)) => {
                span .unknown { "as of " (moment(at, viewing, now)) ", " (age(at, now)) @if let Some(why) = why { ": " (why) } }
            },
            (_, None) => { span .unknown { (why.unwrap_or("nothing has come yet")) } },
        }
    }
}

/// Whether what is shown may not be what is so now: it is drawn in grey.
pub(crate) fn stale(freshness: &Freshness) -> bool {
    matches!(freshness.state, FreshnessState::Stalled | FreshnessState::Late | FreshnessState::Unknown)
}

/// How old a look at a source is. `away` says what it is while the source does not answer.
pub(crate) fn looked<T>(seen: &Seen<T>, away: &str, now: DateTime<Utc>) -> Freshness {
    let state = match (&seen.away, seen.read_at) {
        (None, Some(_)) => FreshnessState::Live,
        _ => FreshnessState::Unknown,
    };
    Freshness {
        state,
        as_of: seen.read_at,
        age_ms: seen.read_at.map(|at| (now - at).num_milliseconds().max(0)),
        why: seen.away.as_ref().map(|told| format!("{away}: {}", told.why)),
    }
}

/// Age and proof of what a panel shows, at the right of its heading. Of a reason it says the first words: the
/// whole of it is a hover away, and stands where the leading figures or a notice tell it.
pub(crate) fn about(freshness: &Freshness, proof: &Proof, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let why = freshness.why.as_deref();
    html! {
        p .asof .old[stale(freshness)] {
            @match (freshness.state, freshness.as_of) {
                (FreshnessState::Live, Some(at)) => (age(at, now)),
                (FreshnessState::Idle, Some(at)) => span .idle title="nothing is waiting" { "no event for " (since(at, now)) },
                (state, Some(at)) => span class=(trailing(state)) title=[why] {
                    "as of " (moment(at, viewing, now)) ", " (age(at, now))
                    @match why {
                        Some(why) => { ": " (first_words(why)) },
                        None => { @if state == FreshnessState::Late { ", late" } },
                    }
                },
                (_, None) => span title=[why] { (first_words(why.unwrap_or("age not known"))) },
            }
            // Together, wherever the line breaks.
            "\u{a0}" (self::proof(proof, viewing, now))
        }
    }
}

/// The word of the style sheet.
const fn trailing(state: FreshnessState) -> &'static str {
    match state {
        FreshnessState::Late => "late",
        FreshnessState::Stalled => "stalled",
        _ => "unknown",
    }
}

/// What a reason says before it goes into details.
fn first_words(why: &str) -> &str {
    let end = [": ", ", ", " since "].iter().filter_map(|mark| why.find(mark)).min();
    end.and_then(|end| why.get(..end)).unwrap_or(why)
}

/// Whether figures were recomputed from the raw events.
pub(crate) fn proof(proof: &Proof, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let (shape, class, word) = match proof.state {
        ProofState::Equal => ("✓", "equal", "recomputed from the raw events and equal"),
        ProofState::Differs => ("✗", "differs", "recomputed from the raw events and not equal"),
        ProofState::NotYet => ("○", "not-yet", "not verified up to here yet"),
        ProofState::None => return html! {},
    };
    let at = proof.at.map(|at| format!(", at {}", format::clock(at, viewing.zone, now))).unwrap_or_default();
    html! { span class={ "proof " (class) } title={ (word) (at) } { (shape) span .sr { (word) (at) } } }
}

/// Nothing there yet: what would fill it, and the command that does.
pub(crate) fn empty(text: &str, command: Option<&str>) -> Markup {
    html! { div .empty { p { (text) } @if let Some(command) = command { p { code { (command) } " sends or makes some." } } } }
}

/// A source that does not answer: its own words, since when, and what to do.
pub(crate) fn away(service: &str, away: &Away, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    no_answer(&format!("{service} does not answer"), away, viewing, now)
}

/// As [`away`], of what is read from more than one source: the words say which of them it is.
pub(crate) fn unread(what: &str, away: &Away, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    no_answer(&format!("{what} cannot be read"), away, viewing, now)
}

fn no_answer(said: &str, away: &Away, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        div .away {
            p { strong { (said) } " since " (moment(away.since, viewing, now)) "." }
            p .why { (away.why) }
            p .todo { "Other panels go on. Look at " a href="/flow" { "Flow" } " or run " code { "storepulse stack status" } "." }
        }
    }
}

/// Something that is not known, and why: never 0.
pub(crate) fn unknown(why: &str) -> Markup {
    html! { span .hatched title=(why) { span .sr { "not known: " (why) } } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::hops::tests_support::{ago, away, now, seen};
    use crate::page::Against;

    const VIEWING: Viewing = Viewing { zone: chrono_tz::Europe::Zurich, against: Against::Yesterday };

    fn told(freshness: &Freshness) -> String {
        about(freshness, &Proof::NONE, &VIEWING, now()).into_string()
    }

    #[test]
    fn a_look_that_failed_tells_its_time_and_its_reason_in_a_few_words() {
        let looked = looked(&away(seen(()), 7, "no answer within 5 s"), "Cassandra does not answer", now());
        assert!(stale(&looked));
        let text = told(&looked);
        for part in ["as of ", "09:00:00", "ago</time>: Cassandra does not answer<", "no answer within 5 s\""]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_is_new_or_quiet_is_not_stale_and_what_trails_is() {
        let of = |state| Freshness { state, as_of: Some(ago(12)), age_ms: Some(12_000), why: None };
        for (state, grey, words) in [
            (FreshnessState::Live, false, "12\u{a0}s ago"),
            (FreshnessState::Idle, false, "no event for "),
            (FreshnessState::Late, true, ", late"),
            (FreshnessState::Stalled, true, "class=\"stalled\""),
            (FreshnessState::Unknown, true, "as of "),
        ] {
            assert_eq!(stale(&of(state)), grey, "{state:?}");
            assert!(told(&of(state)).contains(words), "{state:?}: {}", told(&of(state)));
        }
    }

    #[test]
    fn a_reason_is_cut_before_its_details() {
        assert_eq!(
            first_words("Cassandra does not answer since 09:50:29 UTC: no answer within 5 s"),
            "Cassandra does not answer"
        );
        assert_eq!(first_words("Relay stands still: silent"), "Relay stands still");
        assert_eq!(first_words("half of the figures trail"), "half of the figures trail");
    }
}
