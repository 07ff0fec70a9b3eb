//! Lines that are refused, replayed and edited in whatever order.

use super::*;

/// A line of a telling: how it is told, its units, and hundredths that they cost.
type Told = (Way, i32, i64);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Read,
    Refused,
    /// Refused, or not, while nothing of it is sold.
    RefusedUnsold,
    Unsold,
}

fn line() -> impl Strategy<Value = Option<Told>> {
    let way = prop_oneof![
        4 => Just(Way::Read), 4 => Just(Way::Refused), 1 => Just(Way::RefusedUnsold), 1 => Just(Way::Unsold)
    ];
    prop::option::weighted(0.8, (way, 1..4i32, 1..500i64))
}

fn telling(minutes: i64, lines: &[Option<Told>]) -> ShopOrder {
    let sold = |(way, units, hundredths): Told| match way {
        Way::Read | Way::Refused => (units, hundredths),
        Way::RefusedUnsold | Way::Unsold => (0, 0),
    };
    let there: Vec<Option<Line>> = lines.iter().map(|line| line.map(sold)).collect();
    let mut order = told(minutes, &there, &[]);
    let is_refused = |line: &ShopLine| {
        let told = lines[line.key.parse::<usize>().unwrap()];
        told.is_some_and(|(way, ..)| matches!(way, Way::Refused | Way::RefusedUnsold))
    };
    let (refused, read) = order.lines.into_iter().partition(is_refused);
    order.lines = read;
    let refused: Vec<ShopLine> = refused;
    order.unread = refused
        .iter()
        .map(|line| {
            let refused = unread(&line.key, line.purchase.event.order_line.unwrap());
            let aside = refused.aside.filter(|_| line.quantity > 0);
            UnreadLine { sold: Some((line.quantity, line.amount)), aside, ..refused }
        })
        .collect();
    order
}

impl Books {
    /// Judges what is in quarantine of a line again, as [`as_told`](crate::store::orders::as_told) does.
    pub(super) fn replay(&mut self, key: usize) {
        let name = key.to_string();
        let Some(aside) = self.unread.iter().find(|aside| aside.coordinates == name) else { return };
        let payload: Value = serde_json::from_slice(&aside.payload).unwrap();
        let at = i32::try_from(payload["order_line"].as_i64().unwrap()).unwrap();
        let Some((units, sum)) = self.known.told_of((&aside.source, &name), at) else { return };
        if units == 0 || self.order.has_line(at) {
            return;
        }
        let hundredths = i64::try_from(sum * Decimal::ONE_HUNDRED).unwrap();
        let place = usize::try_from(at).unwrap();
        let event_id = ids::rekeyed(super::at(0), ids::SHARED, &ids::order_line("o-1", at));
        let event = Event { event_id, ..purchase(key, (units, hundredths), [place, place]).event };
        self.order.sell(at, event.clone());
        self.booked.insert(ids::identity(&event_id), event);
        self.known.records.replayed.insert(event_id);
    }
}

proptest! {
    #[test]
    fn whatever_of_an_order_is_refused_and_replayed_it_is_worth_what_it_costs_at_last(
        steps in prop::collection::vec(
            (prop::collection::vec(line(), 4), prop::collection::vec(0..4usize, 0..4)), 1..9),
        last in prop::collection::vec(prop::option::of((1..4i32, 1..500i64)), 4),
    ) {
        let mut books = Books::default();
        for (minutes, (lines, replays)) in (1..).zip(&steps) {
            let order = telling(minutes, lines);
            books.take(&order);
            prop_assert_eq!(books.take(&order), 0);
            replays.iter().for_each(|key| books.replay(*key));
            // A line that is told and read is worth what it costs, whatever becomes of the others.
            let left = books.left();
            for (key, line) in lines.iter().enumerate() {
                let Some((Way::Read, _, hundredths)) = line else { continue };
                prop_assert_eq!(left.get(&format!("item-{key}")), Some(hundredths));
            }
        }
        books.take(&told(99, &last, &[]));
        let wanted: BTreeMap<String, i64> = (0..)
            .zip(&last)
            .filter_map(|(key, line): (usize, _)| Some((format!("item-{key}"), (*line)?.1)))
            .collect();
        prop_assert_eq!(books.left(), wanted);
        prop_assert!(books.unsold.is_empty());
    }
}
