use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn label(incident: u128, news: &str) -> Label {
    Label { incident: Uuid::from_u128(incident), news: news.into(), target: "hook".into() }
}

fn delivery(incident: u128, news: &str, seconds: i64) -> Delivery {
    Delivery::new(label(incident, news), "FiguresLate", "", Value::Null, at(seconds))
}

/// What `storepulse alerts send` has written down is its own until it should be through.
#[test]
fn what_another_program_is_telling_is_left_to_it() {
    let alone = |attempts, next_at: i64| Delivery { attempts, next_at: at(next_at), ..delivery(1, ALONE, 0) };
    assert!(alone(0, 60).is_elsewhere(at(59)));
    assert!(!alone(0, 60).is_elsewhere(at(60)));
    assert!(!alone(1, 60).is_elsewhere(at(5)));
    assert!(!Delivery { next_at: at(60), ..delivery(1, "firing", 0) }.is_elsewhere(at(5)));
}

fn ended(outcome: Outcome) -> Attempted {
    Attempted { outcome, answer: String::new(), took_ms: 1 }
}

fn due(outbox: &Outbox, seconds: i64) -> Option<String> {
    outbox.due("hook", at(seconds)).map(|delivery| delivery.label.news.clone())
}

#[test]
fn the_end_waits_for_the_beginning() {
    let mut outbox = Outbox::default();
    outbox.add(delivery(1, "firing", 0));
    outbox.settle(&label(1, "firing"), ended(Outcome::Again), at(0));
    outbox.add(delivery(1, "resolved", 2));
    assert_eq!(due(&outbox, 4), None);
    assert_eq!(due(&outbox, 5).as_deref(), Some("firing"));
    outbox.settle(&label(1, "firing"), ended(Outcome::Delivered), at(5));
    assert_eq!(due(&outbox, 5).as_deref(), Some("resolved"));
    outbox.settle(&label(1, "resolved"), ended(Outcome::Delivered), at(6));
    assert_eq!((due(&outbox, 99), outbox.deliveries.len()), (None, 0));
}

#[test]
fn the_end_of_what_was_never_told_is_not_told() {
    for later in [false, true] {
        let mut outbox = Outbox::default();
        outbox.add(delivery(1, "firing", 0));
        if later {
            outbox.add(delivery(1, "resolved", 2));
        }
        outbox.settle(&label(1, "firing"), ended(Outcome::Refused), at(3));
        outbox.add(delivery(1, "resolved", 4));
        assert_eq!(due(&outbox, 99), None);
        let told: Vec<(String, Status)> =
            outbox.changes().into_iter().map(|told| (told.label.news, told.status)).collect();
        assert_eq!(told, [("firing".to_owned(), Status::Failed), ("resolved".to_owned(), Status::Skipped)]);
    }
    let mut outbox = Outbox::default();
    outbox.add(delivery(1, "resolved", 0));
    assert_eq!(due(&outbox, 99), None);
}

#[test]
fn pauses_grow_and_after_a_day_it_is_given_up() {
    let mut outbox = Outbox::default();
    outbox.add(delivery(1, "firing", 0));
    let (mut now, mut pauses) = (0, Vec::new());
    while outbox.waiting() > 0 {
        outbox.settle(&label(1, "firing"), ended(Outcome::Again), at(now));
        let Some(next) = outbox.next_at("hook") else { break };
        pauses.push((next - at(now)).num_seconds());
        now = (next - at(0)).num_seconds();
    }
    assert_eq!(pauses[..5], [5, 15, 60, 300, 300]);
    assert!((86_400..86_700).contains(&now), "{now}");
}

#[test]
fn what_was_told_is_not_told_again() {
    let mut outbox = Outbox::default();
    outbox.add(delivery(1, "firing", 0));
    outbox.settle(&label(1, "firing"), ended(Outcome::Delivered), at(1));
    outbox.add(delivery(1, "firing", 2));
    assert_eq!(due(&outbox, 99), None);
}

#[test]
fn what_postgresql_learns_late_is_not_told_again() {
    for news in ["event", "resolved"] {
        let mut outbox = Outbox::default();
        if news == "resolved" {
            outbox.add(delivery(1, "firing", 0));
            outbox.settle(&label(1, "firing"), ended(Outcome::Delivered), at(1));
        }
        outbox.take_over(delivery(1, news, 0));
        outbox.settle(&label(1, news), ended(Outcome::Delivered), at(1));
        outbox.take_over(delivery(1, news, 0));
        assert_eq!(due(&outbox, 99), None, "{news}");
    }
}

proptest! {
    /// Whatever targets say, and however long they are away: no end before its beginning, and nothing
    /// delivered twice.
    #[test]
    fn order_is_kept(
        outcomes in prop::collection::vec(
            prop::sample::select(vec![Outcome::Delivered, Outcome::Again, Outcome::Refused]),
            1..60,
        ),
        resolved_after in prop::collection::vec(0i64..400, 3),
    ) {
        let mut outbox = Outbox::default();
        let mut delivered: Vec<(Uuid, String)> = Vec::new();
        let mut outcomes = outcomes.into_iter();
        for second in 0..2_000 {
            if second == 0 {
                (1..=3).for_each(|incident| outbox.add(delivery(incident, "firing", 0)));
            }
            for (incident, after) in (1..=3).zip(&resolved_after) {
                if second == *after {
                    outbox.add(delivery(incident, "resolved", second));
                }
            }
            while let Some(label) = outbox.due("hook", at(second)).map(|delivery| delivery.label.clone()) {
                let outcome = outcomes.next().unwrap_or(Outcome::Delivered);
                if outcome == Outcome::Delivered {
                    delivered.push((label.incident, label.news.clone()));
                }
                outbox.settle(&label, ended(outcome), at(second));
            }
        }
        for incident in (1..=3).map(Uuid::from_u128) {
            let news: Vec<&str> =
                delivered.iter().filter(|(of, _)| *of == incident).map(|(_, news)| news.as_str()).collect();
            prop_assert!(matches!(news[..], [] | ["firing"] | ["firing", "resolved"]), "{news:?}");
        }
    }
}
