//! `/problems/<word>`: what each kind of problem means and what to do about it.

use axum::Router;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::routing::get;
use maud::{Markup, html};

use super::Problem;
use crate::page::plain;

struct Word {
    word: &'static str,
    title: &'static str,
    means: &'static str,
    to_do: &'static str,
}

const WORDS: &[Word] = &[
    Word {
        word: "bad-period",
        title: "The period cannot be read",
        means: "A period is [from, to) in whole minutes, as RFC 3339 times or clock times of the viewer's zone.",
        to_do: "Give a beginning before the end, both in whole minutes, as in from=2026-03-01T00:00:00Z.",
    },
    Word {
        word: "period-too-long",
        title: "The period is too long",
        means: "So long a period would read more rows at once than the console lets one request read. `longest_s` says how \
                many seconds would be answered.",
        to_do: "Ask for a shorter period, or for several one after another.",
    },
    Word {
        word: "before-floor",
        title: "The period lies before what is kept",
        means: "Figures of that time were removed by retention, or no event had come in yet. They are not known, which is \
                not the same as zero.",
        to_do: "Ask for a later period. `storepulse retention` says how far back figures are kept.",
    },
    Word {
        word: "unknown-name",
        title: "There is nothing of that name",
        means: "The page, topic, schema, query or record does not exist, or no longer.",
        to_do: "Follow a link of the navigation, or look at the list that names what there is.",
    },
    Word {
        word: "bad-choice",
        title: "A choice cannot be read",
        means: "A part of the address, of the form or of the method is none of those that are known here.",
        to_do: "The problem's detail names it and says what is known.",
    },
    Word {
        word: "store-away",
        title: "A service does not answer",
        means: "PostgreSQL, Kafka, Cassandra, the schema registry or Spark refuses, or did not answer in time. The detail has \
                its own words. What needs no answer of it goes on.",
        to_do: "Look at `storepulse stack status` and `storepulse stack logs SERVICE`, then try again.",
    },
    Word {
        word: "busy",
        title: "Too much is asked at once",
        means: "There are bounds on open streams, searches and expensive questions, so that the page never slows the line.",
        to_do: "Close pages that nobody looks at, wait for as long as Retry-After says, and try again.",
    },
    Word {
        word: "sign-in",
        title: "Nobody is signed in",
        means: "Pages, API and streams need a session or, for reading the API, a key. Sessions end after 12 hours, after 60 \
                minutes without use, and when the password changes.",
        to_do: "Sign in by name and password, by the link of `storepulse console link`, or send a key of `storepulse console \
                key add`.",
    },
    Word {
        word: "not-allowed",
        title: "You may not do this",
        means: "Viewers look, operators act, keys read the API and nothing else. What was refused is written down.",
        to_do: "Ask an operator. `storepulse console user list` shows who is one.",
    },
    Word {
        word: "not-same-origin",
        title: "The request does not come from a page of this console",
        means: "What changes something is taken from a form of this console that was made for this session, so that no other \
                page can send it in your name.",
        to_do: "Load the page again and send its form. Programs send Sec-Fetch-Site or Origin, and the form's token.",
    },
    Word {
        word: "changed-meanwhile",
        title: "Somebody changed it meanwhile",
        means: "It is no longer as it was when the page was drawn, so that the change could undo another's.",
        to_do: "Load the page again, look at what is there now, and decide anew.",
    },
    Word {
        word: "wrong-host",
        title: "This console does not answer to that host name",
        means: "The request names a host that the console was not told of. A page elsewhere can make its own name lead to this \
                machine; it must not be answered.",
        to_do: "Use 127.0.0.1 or localhost, or start the console with --host NAME or --public-url URL.",
    },
    Word {
        word: "too-large",
        title: "The request is too large",
        means: "Bodies of more than 256 KiB are not read.",
        to_do: "Send less at once.",
    },
    Word {
        word: "too-slow",
        title: "The answer took too long",
        means: "A request that is not answered within 30 seconds is given up.",
        to_do: "Ask for a shorter period or a narrower search; look at `storepulse stack status`.",
    },
    Word {
        word: "failed",
        title: "The console failed, which is a defect",
        means: "A part of it ended in a way that nobody thought of. The rest goes on.",
        to_do: "Look at the console's log (`storepulse stack logs console`) and report what it says.",
    },
];

/// Without a session: one of them says that there is none.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/problems/{word}", get(explain))
}

async fn explain(Path(word): Path<String>, headers: HeaderMap) -> Result<Markup, Problem> {
    let word = WORDS
        .iter()
        .find(|known| known.word == word)
        .ok_or_else(|| Problem::not_found("There is no problem of that name."))?;
    let body = html! {
        p { (word.means) }
        p { (word.to_do) }
        p { a href="/" { "To the first page" } }
    };
    Ok(plain::page(plain::theme(&headers), word.title, &html! {}, &body))
}

#[cfg(test)]
pub(super) fn is_explained(kind: &str) -> bool {
    WORDS.iter().any(|known| kind.strip_prefix("/problems/") == Some(known.word))
}
