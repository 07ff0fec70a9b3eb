//! An error with its causes, as people and logs read it.

use std::error::Error;

/// An error and its causes, in one line. Of a cause its first line is told, for servers append stack traces,
/// and one that the text before it ends with already is not told again.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        let text = first_line(&text);
        if !line.ends_with(text) {
            line.push_str(": ");
            line.push_str(text);
        }
        next = cause.source();
    }
    line
}

/// The first line of a text.
#[must_use]
pub fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Failure {
        text: &'static str,
        source: Option<Box<Failure>>,
    }

    #[test]
    fn a_cause_is_told_once_and_without_its_stack() {
        let told = |text, source: Option<Failure>| Failure { text, source: source.map(Box::new) };
        let error =
            told("no answer: reset", Some(told("reset", Some(told("peer left\n\tat Socket.java", None)))));
        assert_eq!(chain(&error), "no answer: reset: peer left");
    }
}
