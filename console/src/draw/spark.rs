//! A line the height of a row, without axes.

use std::fmt::Write;

use maud::{Markup, html};

const HEIGHT: f64 = 22.0;
/// Between two values.
const STEP: f64 = 4.0;

/// `label` says in words what the line shows. What is not known is a gap, never 0.
pub(crate) fn spark(label: &str, values: &[Option<f64>]) -> Markup {
    let most = values.iter().flatten().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let width = STEP * values.len().saturating_sub(1).max(1) as f64;
    html! {
        svg .spark viewBox=(format!("0 0 {width:.0} {HEIGHT:.0}")) preserveAspectRatio="none" role="img" aria-label=(label) {
            @for (index, value) in values.iter().enumerate() {
                @if value.is_none() { rect .gap x=(format!("{:.0}", index as f64 * STEP)) width="4" height="22" {} }
            }
            path d=(line(values, most)) {}
        }
    }
}

/// The runs of what is known.
fn line(values: &[Option<f64>], most: f64) -> String {
    let mut path = String::new();
    let mut pen = false;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            pen = false;
            continue;
        };
        let up = if most > 0.0 { (value / most).clamp(0.0, 1.0) } else { 0.0 };
        let (x, y) = (index as f64 * STEP, HEIGHT - 1.0 - up * (HEIGHT - 2.0));
        // Writing to a string does not fail.
        let _ = write!(path, "{}{x:.0} {y:.1}", if pen { "L" } else { "M" });
        pen = true;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_breaks_the_line() {
        let values = [Some(0.0), Some(10.0), None, Some(5.0)];
        assert_eq!(line(&values, 10.0), "M0 21.0L4 1.0M12 11.0");
        assert_eq!(line(&[Some(f64::NAN), Some(0.0)], 0.0), "M4 21.0");
        assert!(spark("orders an hour", &values).into_string().contains("class=\"gap\""));
        assert!(spark("nothing yet", &[]).into_string().contains("nothing yet"));
    }
}
