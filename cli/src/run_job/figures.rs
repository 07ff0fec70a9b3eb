//! The leading figures, read back from Cassandra and drawn as tables.

use audit::figures::{Figures, Totals, share};
use comfy_table::{CellAlignment, Table, presets};
use contracts::event::UNKNOWN_COUNTRY;

/// How many countries and products are shown.
pub(crate) const LEADING: usize = 10;

/// Every table, with a heading.
pub(crate) fn draw(figures: &Figures) -> String {
    [
        section("Sales by country", &sales_by_country(figures)),
        section("Demographics", &demographics(figures)),
        section("Funnel", &funnel(figures)),
        section("Top products, and the hour before", &top_products(figures)),
        section("Closed visits", &visits(figures)),
        section("At the moment and so far", &moment(figures)),
    ]
    .join("\n")
}

/// How many rows of each table were verified.
pub(crate) fn tables(report: &audit::Report) -> String {
    let mut table = table(["table", "rows verified", "rows differing"], 1);
    for of in &report.tables {
        let cells = [of.table.to_owned(), of.rows_verified.to_string(), of.rows_differing.to_string()];
        table.add_row(cells);
    }
    section("Tables", &table)
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
            country_name(&country.country),
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

/// The code of a country, or what there is to say where none is known.
fn country_name(code: &str) -> String {
    if code == UNKNOWN_COUNTRY.as_str() { "unknown".to_owned() } else { code.to_owned() }
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
    let header = ["product", "views", "into cart", "units", "net EUR", "hour so far EUR", "hour before EUR"];
    let mut table = table(header, 1);
    for product in figures.products.iter().take(LEADING) {
        let totals = &product.totals;
        let hour = figures.families.hour_of(&product.item_id);
        table.add_row([
            product.item_name.clone(),
            totals.item_views.to_string(),
            totals.cart_adds.to_string(),
            totals.units.to_string(),
            totals.net.to_string(),
            hour.net.to_string(),
            hour.previous_net.to_string(),
        ]);
    }
    table
}

fn visits(figures: &Figures) -> Table {
    let mut table = table(["ended at", "visits", "of all", "left in the cart EUR"], 1);
    let all = figures.families.visits.values().map(|step| step.visits).sum();
    for (ended_at, step) in &figures.families.visits {
        table.add_row([
            ended_at.clone(),
            step.visits.to_string(),
            percent(share(step.visits, all)),
            step.value_at_risk.to_string(),
        ]);
    }
    table
}

fn moment(figures: &Figures) -> Table {
    let beside = &figures.families;
    let mut table = table(["figure", "value"], 1);
    let live = beside.live.map_or_else(|| "-".into(), |live| live.to_string());
    table.add_row(["visitors of five minutes, at most".to_owned(), live]);
    table.add_row(["users registered, all countries".to_owned(), beside.registrations.to_string()]);
    table.add_row(["order lines by user".to_owned(), beside.order_lines.to_string()]);
    table
}
