//! The leading figures, read back from Cassandra and drawn as tables.

use audit::figures::{Figures, Totals, share};
use comfy_table::{CellAlignment, Table, presets};

/// How many countries and products are shown.
pub(crate) const LEADING: usize = 10;

/// Every table, with a heading.
pub(crate) fn draw(figures: &Figures) -> String {
    [
        section("Sales by country", &sales_by_country(figures)),
        section("Demographics", &demographics(figures)),
        section("Funnel", &funnel(figures)),
        section("Top products", &top_products(figures)),
    ]
    .join("\n")
}

fn section(title: &str, table: &Table) -> String {
    format!("{title}\n{table}\n")
}

fn table<const N: usize>(header: [&str; N], left: usize) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(header);
    for index in left..N {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".into(), |share| format!("{:.1} %", share * 100.0))
}

fn conversion(totals: &Totals) -> String {
    percent(share(totals.orders, totals.session_starts))
}

fn sales_by_country(figures: &Figures) -> Table {
    let mut table = table(
        ["country", "visits", "orders", "conversion", "units", "gross EUR", "refunds EUR", "net EUR"],
        1,
    );
    for country in figures.countries.iter().take(LEADING) {
        let totals = &country.totals;
        table.add_row([
            country.country.clone(),
            totals.session_starts.to_string(),
            totals.orders.to_string(),
            conversion(totals),
            totals.units.to_string(),
            totals.gross.to_string(),
            totals.refunds.to_string(),
            totals.net.to_string(),
        ]);
    }
    table
}

fn demographics(figures: &Figures) -> Table {
    let mut table = table(["gender", "age", "events", "visits", "orders", "conversion", "net EUR"], 2);
    for row in &figures.demographics {
        let totals = &row.totals;
        table.add_row([
            row.gender.clone(),
            row.age_band.clone(),
            totals.events.to_string(),
            totals.session_starts.to_string(),
            totals.orders.to_string(),
            conversion(totals),
            totals.net.to_string(),
        ]);
    }
    table
}

fn funnel(figures: &Figures) -> Table {
    let mut table = table(["step", "count", "of the step before", "of visits"], 1);
    for step in figures.totals.funnel() {
        table.add_row([
            step.step.to_owned(),
            step.count.to_string(),
            percent(step.of_previous),
            percent(step.of_visits),
        ]);
    }
    table
}

fn top_products(figures: &Figures) -> Table {
    let mut table = table(["product", "views", "into cart", "units", "net EUR"], 1);
    for product in figures.products.iter().take(LEADING) {
        let totals = &product.totals;
        table.add_row([
            product.item_name.clone(),
            totals.item_views.to_string(),
            totals.cart_adds.to_string(),
            totals.units.to_string(),
            totals.net.to_string(),
        ]);
    }
    table
}
