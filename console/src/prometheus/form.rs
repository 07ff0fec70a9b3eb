//! In which of the two text formats a scrape is answered.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// How the page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// The text format 0.0.4, which every reader knows: a counter has `_total` in all its lines.
    #[default]
    Text,
    /// OpenMetrics 1.0, where HELP and TYPE name a counter without `_total`.
    OpenMetrics,
}

/// A media type and how much whoever asks wants it, from 0 to 1.
type Wish<'a> = (&'a str, f64);

impl Form {
    /// The media type of an answer.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The one that a request asks for: OpenMetrics for who names it and wants it no less than text.
    #[must_use]
    pub fn asked(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let wishes: Vec<Wish<'_>> = accepted.flat_map(|value| value.split(',')).map(wish).collect();
        let most = |name: &str| {
            wishes
                .iter()
                .filter(|(media_type, _)| media_type.eq_ignore_ascii_case(name))
                .fold(0.0_f64, |most, (_, weight)| most.max(*weight))
        };
        let openmetrics = most("application/openmetrics-text");
        if openmetrics > 0.0 && openmetrics >= most("text/plain") { Self::OpenMetrics } else { Self::Text }
    }
}

fn wish(accepted: &str) -> Wish<'_> {
    let mut parts = accepted.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let weight = parts.find_map(|parameter| parameter.strip_prefix("q="));
    (media_type, weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn openmetrics_is_for_who_asks_for_it() {
        let of_prometheus = "application/openmetrics-text;version=1.0.0,\
                             application/openmetrics-text;version=0.0.1;q=0.75,\
                             text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, form) in [
            (Some(of_prometheus), Form::OpenMetrics),
            (Some("application/openmetrics-text"), Form::OpenMetrics),
            (Some("Application/OpenMetrics-Text; version=1.0.0; q=0.5, */*; q=0.1"), Form::OpenMetrics),
            (Some("text/plain;version=0.0.4, application/openmetrics-text;q=0.5"), Form::Text),
            (Some("application/openmetrics-text;q=0"), Form::Text),
            (Some("application/openmetrics-text;q=much"), Form::Text),
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), Form::Text),
            (Some("*/*"), Form::Text),
            (Some(""), Form::Text),
            (None, Form::Text),
        ] {
            let headers = accept.map(|value| (ACCEPT, HeaderValue::from_str(value).unwrap()));
            assert_eq!(Form::asked(&headers.into_iter().collect()), form, "{accept:?}");
        }
    }

    #[test]
    fn two_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, HeaderValue::from_static("text/plain;q=0.5"));
        headers.append(ACCEPT, HeaderValue::from_static("application/openmetrics-text"));
        assert_eq!(Form::asked(&headers), Form::OpenMetrics);
    }
}
