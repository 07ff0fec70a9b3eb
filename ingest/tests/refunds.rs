//! Refunds of orders in whole and in part: no more is paid back than was sold, whatever comes first, and by
//! two writers at once.

use chrono::TimeDelta;
use contracts::Reason;
use contracts::validation::{Accepted, accept};
use ingest::source::draft;
use ingest::store::{Committed, EncodedRows, Fresh, Store};
use serde_json::{Value, json};

use crate::support::{Database, at, with_database};

const NOON: &str = "2026-03-01T12:00:00Z";

fn event(minutes: i64, fields: Value) -> Accepted {
    let occurred_at = at(NOON) + TimeDelta::minutes(minutes);
    let mut event = json!({ "occurred_at": occurred_at, "user_id": "ann" });
    let Value::Object(fields) = fields else { panic!("{fields}") };
    event.as_object_mut().unwrap().extend(fields);
    let draft = draft::read(event.to_string().as_bytes()).unwrap();
    accept(draft, "collector/web", occurred_at, &ingest::rates::built_in()).unwrap()
}

fn line(order_id: &str, (item, quantity, price): (&str, i32, &str), place: [usize; 2]) -> Value {
    json!({
        "order_id": order_id, "item_id": item, "item_name": item, "category": "games", "quantity": quantity,
        "price": price, "currency": "EUR", "order_line": place[0], "order_lines": place[1],
    })
}

fn with(mut fields: Value, name: &str, id: Option<&str>) -> Value {
    fields["event_name"] = name.into();
    fields["source_id"] = id.into();
    fields
}

/// Two lines: 2 × 3.10, and 19.00 after a discount of one euro.
fn order(order_id: &str) -> Vec<Accepted> {
    let mut discounted = line(order_id, ("monopoly", 1, "20.00"), [2, 2]);
    discounted["price"] = Value::Null;
    discounted["amount"] = "19.00".into();
    [line(order_id, ("uno", 2, "3.10"), [1, 2]), discounted]
        .map(|line| event(0, with(line, "purchase", None)))
        .into()
}

fn part(id: &str, order_id: &str, product: (&str, i32, &str), minutes: i64) -> Accepted {
    event(minutes, with(line(order_id, product, [1, 1]), "refund", Some(id)))
}

fn whole(id: &str, order_id: &str) -> Accepted {
    event(90, json!({ "event_name": "refund", "source_id": id, "order_id": order_id }))
}

async fn append(store: &mut Store, accepted: &[Accepted]) -> Committed {
    let mut rows = EncodedRows::default();
    assert!(accepted.iter().all(|accepted| rows.take(accepted)));
    store.append_rows_telling(rows).await.unwrap()
}

/// The reasons for which these were refused.
fn refused(committed: &Committed) -> Vec<Reason> {
    committed.refused.values().map(|rejection| rejection.reason).collect()
}

impl Database {
    /// What went back of an order, line by line.
    async fn back(&self, order_id: &str) -> Vec<String> {
        let sql = "select concat_ws(' ', item_id, quantity, price, amount_base) from raw.events
                   where event_name = 'refund' and order_id = $1 order by item_id, occurred_at, event_id";
        self.client.query(sql, &[&order_id]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Hundredths that are left of an order.
    async fn left(&self, order_id: &str) -> i64 {
        let sql =
            "select (100 * sum(case event_name when 'refund' then -amount_base else amount_base end))::bigint
                   from raw.events where order_id = $1";
        self.client.query_one(sql, &[&order_id]).await.unwrap().get(0)
    }
}

#[tokio::test]
async fn a_whole_refund_after_one_of_a_part_pays_what_is_left() {
    with_database(async |database| {
        let mut store = database.store().await;
        append(&mut store, &order("o-1")).await;
        append(&mut store, &[part("p-1", "o-1", ("uno", 1, "3.10"), 10)]).await;
        append(&mut store, &[part("p-2", "o-1", ("monopoly", 1, "4.50"), 1_500)]).await;
        assert_eq!(append(&mut store, &[whole("w-1", "o-1")]).await.fresh, Fresh::All);
        let back = ["monopoly 1 14.50 14.50", "monopoly 1 4.50 4.50", "uno 1 3.10 3.10", "uno 1 3.10 3.10"];
        assert_eq!(database.back("o-1").await, back);
        assert_eq!(database.left("o-1").await, 0);
        // Sent again, by whomever and with whatever else.
        for again in [whole("w-1", "o-1"), whole("w-2", "o-1"), part("p-1", "o-1", ("uno", 1, "3.10"), 10)] {
            let said = append(&mut store, &[again]).await;
            assert_eq!((said.fresh, said.refused.len()), (Fresh::Only([].into()), 0));
        }
        assert_eq!(database.left("o-1").await, 0);
        database.ledger().await;
    })
    .await;
}

#[tokio::test]
async fn a_part_after_the_whole_is_refused_by_name() {
    with_database(async |database| {
        let mut store = database.store().await;
        append(&mut store, &order("o-1")).await;
        append(&mut store, &[whole("w-1", "o-1")]).await;
        for _ in 0..2 {
            let said = append(&mut store, &[part("p-1", "o-1", ("uno", 1, "3.10"), 10)]).await;
            assert_eq!(refused(&said), [Reason::OverRefunded]);
        }
        assert_eq!(database.left("o-1").await, 0);
        assert_eq!(database.count("select count(*) from raw.quarantine where payload is not null").await, 1);
        // More than is left, and exactly as much.
        append(&mut store, &order("o-2")).await;
        let said = append(
            &mut store,
            &[
                part("p-2", "o-2", ("uno", 2, "2.00"), 10),
                part("p-3", "o-2", ("uno", 1, "2.21"), 11),
                part("p-4", "o-2", ("uno", 1, "2.20"), 12),
            ],
        )
        .await;
        assert_eq!(refused(&said), [Reason::OverRefunded]);
        assert_eq!(database.back("o-2").await, ["uno 2 2.00 4.00", "uno 1 2.20 2.20"]);
        // Nothing is left at all: refused, not dropped.
        append(&mut store, &[part("p-5", "o-2", ("monopoly", 1, "19.00"), 13)]).await;
        assert_eq!(refused(&append(&mut store, &[whole("w-2", "o-2")]).await), [Reason::OverRefunded]);
        database.ledger().await;
    })
    .await;
}

#[tokio::test]
async fn refunds_of_one_batch_know_of_each_other() {
    with_database(async |database| {
        let mut store = database.store().await;
        // With their purchase, and with one another.
        let batch = [
            order("o-1"),
            vec![
                part("p-1", "o-1", ("uno", 1, "3.10"), 10),
                whole("w-1", "o-1"),
                whole("w-1", "o-1"),
                part("p-2", "o-1", ("uno", 1, "3.10"), 11),
            ],
        ]
        .concat();
        assert_eq!(refused(&append(&mut store, &batch).await), [Reason::OverRefunded]);
        assert_eq!(database.left("o-1").await, 0);
        assert_eq!(database.back("o-1").await.len(), 3);
        // The part is stored before anybody told of the order.
        append(&mut store, &[part("p-3", "o-2", ("uno", 1, "3.10"), 10)]).await;
        append(&mut store, &[order("o-2"), vec![whole("w-2", "o-2")]].concat()).await;
        assert_eq!(database.left("o-2").await, 0);
        assert_eq!(refused(&append(&mut store, &[whole("w-3", "o-3")]).await), [Reason::UnknownOrder]);
        database.ledger().await;
    })
    .await;
}

fn sum(id: &str, order_id: &str, amount: &str, currency: Option<&str>) -> Accepted {
    let told = json!({ "event_name": "refund", "source_id": id, "order_id": order_id, "amount": amount,
                       "currency": currency });
    event(90, told)
}

fn units(id: &str, order_id: &str, item: &str, quantity: i32) -> Accepted {
    let told = json!({ "event_name": "refund", "source_id": id, "order_id": order_id, "item_id": item,
                       "item_name": item, "quantity": quantity, "order_line": 1, "order_lines": 1 });
    event(91, told)
}

#[tokio::test]
async fn a_sum_is_shared_among_the_lines_and_pays_no_more_than_is_left() {
    with_database(async |database| {
        let mut store = database.store().await;
        append(&mut store, &order("o-1")).await;
        let five = sum("s-1", "o-1", "5.04", Some("EUR"));
        assert_eq!(append(&mut store, std::slice::from_ref(&five)).await.fresh, Fresh::All);
        assert_eq!(database.back("o-1").await, ["monopoly 1 3.80 3.80", "uno 1 1.24 1.24"]);
        for _ in 0..2 {
            let again = append(&mut store, std::slice::from_ref(&five)).await;
            assert_eq!((again.fresh, again.refused.len()), (Fresh::Only([].into()), 0));
        }
        // Another one of the same sum; then with shipping, all that is left.
        append(&mut store, &[sum("s-2", "o-1", "5.04", None)]).await;
        assert_eq!(database.left("o-1").await, 1_512);
        let rest = sum("s-3", "o-1", "19.00", None);
        let said = append(&mut store, std::slice::from_ref(&rest)).await;
        // After repeats the rows are counted one by one, and what the sender told is among them.
        assert!(matches!(&said.fresh, Fresh::Only(ids) if ids.contains(&rest.event.event_id)), "{said:?}");
        assert_eq!(database.left("o-1").await, 0);
        let said = append(&mut store, &[sum("s-4", "o-1", "0.01", None)]).await;
        assert_eq!(refused(&said), [Reason::OverRefunded]);
        // All of an order, however it is told, goes back once.
        append(&mut store, &order("o-2")).await;
        append(&mut store, &[sum("s-5", "o-2", "31.90", None)]).await;
        assert_eq!(database.left("o-2").await, 0);
        for again in [whole("w-1", "o-2"), sum("s-5", "o-2", "31.90", None)] {
            let said = append(&mut store, &[again]).await;
            assert_eq!((said.fresh, said.refused.len()), (Fresh::Only([].into()), 0));
        }
        assert_eq!(
            refused(&append(&mut store, &[sum("s-6", "o-3", "1", None)]).await),
            [Reason::UnknownOrder]
        );
        database.ledger().await;
    })
    .await;
}

#[tokio::test]
async fn a_product_without_a_price_goes_back_at_what_was_paid_for_it() {
    with_database(async |database| {
        let mut store = database.store().await;
        append(&mut store, &order("o-1")).await;
        let one = units("u-1", "o-1", "uno", 1);
        assert_eq!(append(&mut store, std::slice::from_ref(&one)).await.fresh, Fresh::All);
        let again = append(&mut store, std::slice::from_ref(&one)).await;
        assert_eq!((again.fresh, again.refused.len()), (Fresh::Only([].into()), 0));
        append(&mut store, &[units("u-2", "o-1", "monopoly", 1)]).await;
        assert_eq!(database.back("o-1").await, ["monopoly 1 19.00 19.00", "uno 1 3.10 3.10"]);
        let said = append(&mut store, &[units("u-3", "o-1", "uno", 2)]).await;
        assert_eq!(refused(&said), [Reason::OverRefunded]);
        let unknown = [units("u-4", "o-1", "chess", 1), units("u-5", "o-9", "uno", 1)];
        assert_eq!(refused(&append(&mut store, &unknown).await), [Reason::UnknownOrder; 2]);
        append(&mut store, &[whole("w-1", "o-1")]).await;
        assert_eq!(database.left("o-1").await, 0);
        // They stand in quarantine as they were told.
        let kept = "select count(*) from raw.quarantine where convert_from(payload, 'UTF8')::jsonb ->> 'item_id' in ('uno', 'chess')";
        assert_eq!(database.count(kept).await, 3);
        database.ledger().await;
    })
    .await;
}

#[tokio::test]
async fn two_at_once_pay_an_order_back_once() {
    with_database(async |database| {
        let orders: Vec<String> = (0..40).map(|number| format!("o-{number}")).collect();
        let mut store = database.store().await;
        for order_id in &orders {
            append(&mut store, &order(order_id)).await;
        }
        let writer = async |wholes: bool, orders: Vec<&String>| {
            let mut store = database.store().await;
            for two in orders.chunks(2) {
                let refunds: Vec<Accepted> = two
                    .iter()
                    .map(|order_id| match wholes {
                        true => whole("w", order_id),
                        false => part(&format!("p-{order_id}"), order_id, ("uno", 2, "3.10"), 10),
                    })
                    .collect();
                append(&mut store, &refunds).await;
            }
        };
        let (up, down) = (orders.iter().collect(), orders.iter().collect());
        futures::join!(writer(true, up), writer(false, down), writer(false, orders.iter().rev().collect()));
        for order_id in &orders {
            assert_eq!(database.left(order_id).await, 0, "{order_id}: {:?}", database.back(order_id).await);
        }
        database.ledger().await;
    })
    .await;
}

#[tokio::test]
async fn a_refund_waits_for_another_of_its_order_and_judges_again() {
    with_database(async |database| {
        let mut store = database.store().await;
        append(&mut store, &order("o-1")).await;
        // Somebody else is about to pay a part back, and has not committed yet.
        let mut other = database.store().await;
        let blocker = crate::support::connect(&database.url).await;
        let hold = "begin; select pg_advisory_xact_lock(hashtext('raw.hold_refunds'), hashtext('o-1') & 255)";
        blocker.batch_execute(hold).await.unwrap();
        let whole = async { append(&mut store, &[whole("w-1", "o-1")]).await };
        let meanwhile = async {
            let waiting = "select count(*) from pg_locks join pg_database d on d.oid = database
                           where not granted and d.datname = current_database()";
            while database.count(waiting).await == 0 {
                tokio::task::yield_now().await;
            }
            // It was judged by an order of which nothing is paid back; now something is.
            let row = "insert into raw.events select (r).* from (
                           select jsonb_populate_record(e, jsonb_build_object('event_id', $1::uuid, 'event_name', 'refund',
                               'quantity', 1, 'amount_base', 3.10)) r
                           from raw.events e where item_id = 'uno' and event_name = 'purchase') one";
            let id = contracts::ids::v7(at(NOON), [9; 10]);
            blocker.execute(row, &[&id]).await.unwrap();
            blocker.batch_execute("commit").await.unwrap();
        };
        let (said, ()) = futures::join!(whole, meanwhile);
        assert_eq!(said.fresh, Fresh::All);
        assert_eq!(database.left("o-1").await, 0);
        assert_eq!(append(&mut other, &[part("p", "o-1", ("uno", 1, "0.01"), 9)]).await.refused.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn refunds_of_an_order_are_found_by_their_index_in_the_days_since_its_purchase() {
    with_database(async |database| {
        let mut store = database.store().await;
        for days in [-20, -10, 0, 1] {
            let early = part(&format!("p-{days}"), "o-9", ("uno", 1, "1.00"), days * 1_440);
            append(&mut store, &[early]).await;
        }
        let plan =
            "explain select count(*) from raw.events where event_name = 'refund' and order_id = any('{o-9}')
                    and event_id >= raw.uuid_v7_lower_bound('2026-02-28T12:00:00Z')";
        database.client.batch_execute("set enable_seqscan = off").await.unwrap();
        let plan: Vec<String> =
            database.client.query(plan, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        assert!(plan.contains("events_20260301_order_id_idx"), "{plan}");
        assert!(!plan.contains("events_20260209") && !plan.contains("events_20260219"), "{plan}");
    })
    .await;
}

#[tokio::test]
async fn a_purchase_that_leaves_nothing_open_is_known_to_the_whole_refund_beside_it() {
    with_database(async |database| {
        let mut store = database.store().await;
        let complete = json!({
            "gender": "female", "age": 33, "country": "CH", "city": "Bern", "latitude": 46.9, "longitude": 7.4,
            "session_id": "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e12", "session_started_at": at(NOON),
            "returning": false, "device": "mobile", "channel": "direct",
        });
        let mut purchase = with(line("o-1", ("uno", 2, "3.10"), [1, 1]), "purchase", None);
        purchase.as_object_mut().unwrap().extend(complete.as_object().unwrap().clone());
        let purchase = event(0, purchase);
        assert!(purchase.open.is_none());
        let said = append(&mut store, &[purchase.clone(), whole("r-1", "o-1")]).await;
        assert_eq!((refused(&said), said.fresh), (Vec::new(), Fresh::All));
        assert_eq!(database.back("o-1").await, ["uno 2 3.10 6.20"]);
        let again = append(&mut store, &[purchase, whole("r-1", "o-1")]).await;
        assert_eq!(again.repeats.len() + refused(&again).len(), 0);
        assert_eq!(database.left("o-1").await, 0);
        database.ledger().await;
    })
    .await;
}
