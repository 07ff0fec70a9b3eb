//! A table whose rows have a bar each.

use maud::{Markup, html};

#[derive(Debug)]
pub(crate) struct Bar {
    /// Told apart by this when the table changes.
    pub(crate) key: String,
    /// What it is.
    pub(crate) label: Markup,
    /// How long, from 0 to 1.
    pub(crate) share: f64,
    /// Where it ended before, from 0 to 1.
    pub(crate) before: Option<f64>,
    /// What stands behind the bar, right-aligned.
    pub(crate) cells: Vec<Markup>,
}

/// Heads are of the label and of what stands behind the bar.
pub(crate) fn bars(caption: &str, heads: &[&str], rows: &[Bar]) -> Markup {
    html! {
        table .bars {
            caption .sr { (caption) }
            thead {
                tr {
                    @for (index, head) in heads.iter().enumerate() {
                        @if index == 1 { td {} }
                        th scope="col" .num[index > 0] { (head) }
                    }
                }
            }
            tbody {
                @for row in rows {
                    tr data-key=(row.key) {
                        th scope="row" { (row.label) }
                        td .bar { (bar(row.share, row.before)) }
                        @for cell in &row.cells { td .num { (cell) } }
                    }
                }
            }
        }
    }
}

/// One bar, with a tick where it ended before.
pub(crate) fn bar(share: f64, before: Option<f64>) -> Markup {
    html! {
        svg .bar viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
            rect width=(thousandths(share)) height="10" {}
            @if let Some(before) = before { rect .before x=(thousandths(before).saturating_sub(6)) width="6" height="10" {} }
        }
    }
}

fn thousandths(share: f64) -> u16 {
    // A float beyond an integer's range becomes its end, and what is no number becomes 0.
    let thousandths = (share.clamp(0.0, 1.0) * 1_000.0).round() as u16;
    if share > 0.0 { thousandths.max(3) } else { thousandths }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share_and_seen_where_it_is_little() {
        assert_eq!([0.0, 0.000_01, 0.25, 1.0, 7.0, f64::NAN].map(thousandths), [0, 3, 250, 1_000, 1_000, 0]);
    }

    #[test]
    fn what_is_drawn_is_written_too() {
        let row = Bar {
            key: "<a>".into(),
            label: html! { "Tent & bag" },
            share: 0.5,
            before: Some(0.25),
            cells: vec![html! { "1,204.00" }],
        };
        let text = bars("Sales", &["product", "net"], &[row]).into_string();
        for part in
            ["Tent &amp; bag", "1,204.00", "width=\"500\"", "x=\"244\"", "data-key=\"&lt;a&gt;\"", "<caption"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
