//! A person is erased from the whole line, and what was counted is not.

use contracts::Reason;
use uuid::Uuid;

use crate::support::{Line, on_shared_stack};

const MORNING: &str = "--rate 20 --duration 10m --start 2026-03-02T10:00:00Z";
const CLOSED: &str = "--at 2026-03-02T12:00:00Z";
const AGAIN: &str = "users --count 400 --source simulated";

async fn of_user(line: &Line, table: &str, user: &Uuid) -> i64 {
    let sql = format!("select count(*) from {table} where user_id = $1");
    line.pg.query_one(&sql, &[user]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_user_stays_erased_after_a_rebuild() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let mut sent = line.simulate(&format!("{MORNING} --late-pct 5")).await;
        line.run("verify").await.succeeded();
        let busiest = "select user_id from raw.events group by 1 order by count(*) desc, 1 limit 1";
        let user: Uuid = line.pg.query_one(busiest, &[]).await.unwrap().get(0);
        let events = of_user(line, "raw.events", &user).await;

        let erased = line.run(&format!("erase {user} --json")).await.succeeded();
        let told: serde_json::Value = serde_json::from_str(&erased.out).unwrap();
        assert_eq!((told["events"].as_i64(), told["users"].as_i64()), (Some(events), Some(1)), "{erased}");
        assert_eq!(of_user(line, "raw.events", &user).await, 0);
        line.run("verify").await.succeeded();

        // The API has the person still, and the simulator's seed makes the same visits again.
        line.run(AGAIN).await.succeeded();
        assert_eq!(of_user(line, "raw.users", &user).await, 0);
        let refused = format!("select count(*) from raw.quarantine where reason = '{}'", Reason::Erased);
        assert_eq!(line.count(&refused).await, 1);

        line.run(&format!("rebuild {CLOSED}")).await.succeeded();
        assert_eq!(of_user(line, "raw.events", &user).await, 0);
        // Late records were counted too, and those that belong to nobody now.
        line.assert_verified(sent).await;

        let again = line.run(&format!("erase {user}")).await.succeeded();
        assert!(again.out.contains("this user was erased before"), "{again}");
        let unknown = line.run(&format!("erase {}", Uuid::from_u128(5))).await.failed();
        assert!(unknown.err.contains("no user, event or quarantined record"), "{unknown}");

        // The next day's retention leaves what is after the floor as right as it was.
        sent += line.simulate("--rate 20 --duration 5m --seed 3 --start 2026-03-02T14:00:00Z").await;
        line.run("retention --keep-days 1 --at 2026-03-03T12:00:00Z").await.succeeded();
        line.assert_verified(sent).await;
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}
