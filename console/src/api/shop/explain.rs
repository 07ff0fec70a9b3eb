//! How a figure came about: the statements with the values that were bound, what they read, and what computes
//! it again.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::cube::Grouping;
use contracts::family;
use scylla::value::{CqlTimestamp, CqlValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer;
use crate::api::answer::Answer;
use crate::app::App;
use crate::figures::live::kept_by;
use crate::figures::reader::{BY_DIMENSION, BY_HOUR, BY_PRODUCT, by_product, limit, newest_window, sources};
use crate::figures::view::{By, Measure};
use crate::figures::{Asking, Look};
use crate::problem::Problem;
use crate::watch::shop::store::Ask;
use crate::watch::shop::{Kept, asks};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OfFigure {
    /// A measure of `/shop/totals`, a dimension of `/shop/breakdown`, or `visitors_5m`.
    figure: String,
}

/// How a figure came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Explained {
    pub(crate) figure: String,
    /// The tables that it is read from.
    pub(crate) tables: Vec<TableView>,
    /// Rows that were read just now.
    pub(crate) rows: usize,
    /// The newest event in these, where the table tells.
    pub(crate) newest_event: Option<DateTime<Utc>>,
    /// Computes all of the table again from the raw events, and compares.
    pub(crate) command: String,
    /// The same in SQL over the raw events, where it adds up.
    pub(crate) notebook: &'static str,
}

/// What is read of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TableTold)]
pub(crate) struct TableView {
    pub(crate) table: &'static str,
    /// The question that it answers.
    pub(crate) question: &'static str,
    pub(crate) partition_key: Vec<&'static str>,
    /// One statement a partition, ready to be run.
    pub(crate) cql: Vec<String>,
}

/// How a figure is computed
#[utoipa::path(get, path = "/shop/explain", params(Asking, OfFigure), tag = "shop",
    responses(
        (status = 200, body = Answer<Explained>), (status = 304), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn explain(
    State(app): State<App>,
    Query(asking): Query<Asking>,
    Query(of): Query<OfFigure>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let what = What::of(&of.figure)?;
    answer(&app, &headers, &asking, &format!("explain.{}", of.figure), async |look| {
        let asks = what.asks(look)?;
        let told = tables(look, &asks);
        let rows = look.reader.read(asks).await?;
        let table = told.last().map_or("", |told| told.table);
        let query = family::table(table).map_or("cube", |(family, _)| family.name);
        let explained = Explained {
            figure: of.figure.clone(),
            tables: told,
            rows: rows.len(),
            newest_event: rows.iter().filter_map(|row| row.newest).max(),
            command: format!("storepulse verify --only {query}"),
            notebook: "notebooks/05_explain_this_number.ipynb",
        };
        let (to, as_of) = (look.period.closed.to, look.coverage.as_of);
        let as_of = if matches!(what, What::Visitors) { look.newest_window() } else { as_of };
        Ok((look.teller().part(query, table, to, as_of, Ok(explained)), None))
    })
    .await
}

#[derive(Debug, Clone, Copy)]
enum What {
    Total,
    By(By),
    Visitors,
}

impl What {
    fn of(figure: &str) -> Result<Self, Problem> {
        let of_total = |measure: Measure| measure.is_in(Kept::Activity.grouping());
        if figure == "conversion" || Measure::of(figure).is_some_and(of_total) {
            return Ok(Self::Total);
        }
        if figure == "visitors_5m" {
            return Ok(Self::Visitors);
        }
        By::of(figure).map(Self::By).ok_or_else(|| {
            Problem::not_found(format!(
                "there is no figure {figure:?}: use a measure such as net or orders, conversion, a dimension such as country, or visitors_5m"
            ))
        })
    }

    fn asks(self, look: &Look<'_>) -> Result<Vec<Ask>, Problem> {
        let whole = look.period.whole;
        Ok(match self {
            Self::Total => {
                limit(whole, BY_HOUR)?;
                sources(whole)
            }
            Self::Visitors => vec![newest_window(look.now)],
            Self::By(by) => match kept_by(by) {
                Some((kept, _)) => {
                    limit(whole, BY_DIMENSION)?;
                    asks(kept.grouping(), whole, |_| match kept {
                        Kept::Countries => look.shop.countries.iter().cloned().map(Some).collect(),
                        _ => vec![None],
                    })
                }
                None => {
                    limit(whole, BY_PRODUCT)?;
                    asks(by_product(), whole, |_| vec![None])
                }
            },
        })
    }
}

fn tables(look: &Look<'_>, asks: &[Ask]) -> Vec<TableView> {
    let mut tables: BTreeMap<&'static str, (&'static Grouping, Vec<String>)> = BTreeMap::new();
    for ask in asks {
        let (select, values) = look.reader.store().statement(ask);
        let (_, cql) = tables.entry(ask.grouping.table).or_insert((ask.grouping, Vec::new()));
        cql.push(bound(select.text(), &values));
    }
    let told = |(table, (grouping, cql)): (&'static str, (&Grouping, Vec<String>))| TableView {
        table,
        question: grouping.question,
        partition_key: grouping.partition_key.iter().map(|column| column.name()).collect(),
        cql,
    };
    tables.into_iter().map(told).collect()
}

/// A statement with its values in their places, as cqlsh takes it.
fn bound(text: &str, values: &[CqlValue]) -> String {
    let mut told = String::with_capacity(text.len() + 32 * values.len());
    let mut values = values.iter();
    for part in text.split_inclusive('?') {
        let Some(before) = part.strip_suffix('?') else {
            told.push_str(part);
            continue;
        };
        told.push_str(before);
        let _ = match values.next() {
            Some(CqlValue::Timestamp(CqlTimestamp(ms))) => {
                match DateTime::<Utc>::from_timestamp_millis(*ms) {
                    Some(at) => write!(told, "'{}'", at.format("%Y-%m-%d %H:%M:%S%.3f+0000")),
                    None => write!(told, "{ms}"),
                }
            }
            Some(CqlValue::Date(date)) => match TryInto::<NaiveDate>::try_into(*date) {
                Ok(day) => write!(told, "'{day}'"),
                Err(_) => write!(told, "{}", date.0),
            },
            Some(CqlValue::Int(number)) => write!(told, "{number}"),
            Some(CqlValue::Text(text)) => write!(told, "'{}'", text.replace('\'', "''")),
            other => write!(told, "{other:?}"),
        };
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn statements_are_told_with_their_values() {
        let day: NaiveDate = "2026-11-28".parse().unwrap();
        let values = [
            CqlValue::Text("C'H".into()),
            CqlValue::Date(day.into()),
            CqlValue::Timestamp(CqlTimestamp(1_795_860_000_000)),
        ];
        assert_eq!(
            bound("select a from t where c = ? and day = ? and minute < ?", &values),
            "select a from t where c = 'C''H' and day = '2026-11-28' and minute < '2026-11-28 10:00:00.000+0000'"
        );
    }

    proptest! {
        #[test]
        fn no_value_ends_its_quotes(text in ".{0,30}") {
            let told = bound("x = ?", &[CqlValue::Text(text)]);
            prop_assert_eq!(told.matches('\'').count() % 2, 0);
        }
    }

    #[test]
    fn figures_are_measures_dimensions_and_visitors_and_nothing_else() {
        for figure in ["net", "orders", "conversion", "country", "product", "visitors_5m"] {
            assert!(What::of(figure).is_ok(), "{figure}");
        }
        assert!(What::of("users").is_err());
    }
}
