//! A table whose cells are the darker the more they hold.

use maud::{Markup, html};
use rust_decimal::Decimal;

use super::{shade, share};

/// A cell: how much, and as it is written. Nothing where it is not known.
pub(crate) type Cell = Option<(Decimal, String)>;

/// `corner` names the rows; a row is its label and a cell a column.
pub(crate) fn heat(caption: &str, corner: &str, columns: &[String], rows: &[(String, Vec<Cell>)]) -> Markup {
    let most = rows.iter().flat_map(|(_, cells)| cells).flatten().map(|(amount, _)| *amount).max();
    let most = most.unwrap_or_default();
    html! {
        table .heat {
            caption .sr { (caption) }
            thead { tr { th scope="col" { (corner) } @for column in columns { th scope="col" title=(column) { (column) } } } }
            tbody {
                @for (label, cells) in rows {
                    tr {
                        th scope="row" title=(label) { (label) }
                        @for cell in cells {
                            @match cell {
                                Some((amount, text)) => td class=(shade(share(*amount, most))) { (text) },
                                None => td .h0 { span .hatched { span .sr { "not known" } } },
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_is_darkest_nothing_has_no_shade_and_unknown_is_no_zero() {
        let cell = |amount: i64| Some((Decimal::from(amount), amount.to_string()));
        let rows = [("18–24".to_owned(), vec![cell(0), cell(70), None])];
        let text = heat("Who", "age", &["f".into(), "m".into(), "x".into()], &rows).into_string();
        assert!(text.contains("<td class=\"h0\">0</td><td class=\"h7\">70</td>"), "{text}");
        assert!(text.contains("not known"), "{text}");
    }
}
