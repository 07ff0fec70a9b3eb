//! What roles may do after a set-up: the Control Center's, and an owner who may not do everything.

use contracts::endpoints::Endpoints;
use provision::Outcome;

use crate::support::{in_namespace, sql, steps};

/// Runs a statement as the role of the Control Center, and tells the code it was refused with.
async fn as_console(client: &tokio_postgres::Client, statement: &str) -> Result<(), String> {
    let all = format!("begin; set local role {}; {statement}; commit", contracts::console::ROLE);
    let result = client.batch_execute(&all).await;
    if result.is_err() {
        client.batch_execute("rollback").await.unwrap();
    }
    result.map_err(|error| error.code().unwrap().code().to_owned())
}

#[tokio::test]
async fn the_console_sees_and_writes_what_it_needs_and_no_more() {
    in_namespace(async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let client = provision::connect(&endpoints.pg_url).await.unwrap();
        let columns = "source, coordinates, reason, detail, size_bytes, sha256, quarantined_at, replayed_at, outcome, \
                       outcome_reason, outcome_detail, record_id";
        let reads = [
            "job_run", "job_plan", "job_lease", "job_batch", "job_query", "job_fault", "relay_status", "ledger",
            "verification", "repair", "rebuild", "setting", "topic_generation", "console_user", "console_key",
            "console_session", "console_ticket", "console_audit", "job_wish", "alert_state", "alert_event",
            "alert_silence", "alert_delivery",
        ]
        .map(|table| format!("select * from ops.{table}"));
        let writes = [
            "insert into ops.console_session (token_sha256, name, role, ends_at)
                 values (sha256('t'), 'ana', 'viewer', now() + interval '12 hours')",
            "update ops.console_session set seen_at = now() where name = 'ana'",
            "delete from ops.console_session where name = 'ana'",
            "delete from ops.console_ticket where ends_at < now()",
            "insert into ops.console_audit (name, role, action, phase) values ('ana', 'viewer', 'sign-in', 'done')",
            "insert into ops.job_wish (job, wanted, by_whom) values ('cube', 'stopped', 'ana')",
            "update ops.job_wish set wanted = 'running' where job = 'cube'",
            "insert into ops.alert_event (at, rule, subject, severity, state_from, state_to, value)
                 values (now(), 'Blind', '', 'warning', 'ok', 'pending', 1)",
            "delete from ops.alert_event where at < now() - interval '400 days'",
            "update ops.alert_silence set suppressed = suppressed + 1",
        ]
        .map(str::to_owned);
        let others = [
            format!("select {columns} from raw.quarantine"),
            "select count(*) from raw.quarantine where outcome is null".to_owned(),
            "select source, dialect, kind, name, max(received_at), count(*) from raw.other_events group by 1, 2, 3, 4"
                .to_owned(),
            "select restart_lsn, safe_wal_size, pg_current_wal_lsn() from pg_replication_slots".to_owned(),
        ];
        for statement in reads.iter().chain(&writes).chain(&others) {
            assert_eq!(as_console(&client, statement).await, Ok(()), "{statement}");
        }
        for statement in [
            "select payload from raw.quarantine",
            "select * from raw.quarantine",
            "delete from raw.quarantine",
            "select payload from raw.other_events",
            "select id from raw.other_events",
            "select visitor_id from raw.other_events",
            "select anonymous_id from raw.other_events",
            "select * from raw.other_events",
            "delete from raw.other_events",
            "select * from raw.events",
            "select * from raw.users",
            "select * from ops.erasure",
            "select * from ops.erasure_key",
            "update ops.console_audit set name = 'bob'",
            "delete from ops.console_audit",
            "update ops.alert_event set rule = 'x'",
            "truncate ops.console_audit",
            "delete from ops.job_wish",
            "update ops.console_user set password = null",
            "insert into ops.console_user (name, role) values ('eve', 'operator')",
            "insert into ops.console_ticket (ticket_sha256, name, role, ends_at)
                 values (sha256('t'), 'eve', 'operator', now())",
            "insert into ops.console_key (name, key_sha256) values ('eve', sha256('t'))",
            "update ops.job_run set stop_requested = true",
            "update ops.setting set value = ''",
            "select nextval('ops.revision')",
            "create table ops.more ()",
        ] {
            assert_eq!(as_console(&client, statement).await, Err("42501".to_owned()), "{statement}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_published_table_is_not_emptied_behind_the_relays_back() {
    in_namespace(async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let client = provision::connect(&endpoints.pg_url).await.unwrap();
        client.batch_execute("select raw.ensure_events_partition('2026-03-01')").await.unwrap();
        for table in ["raw.events", "raw.users", "raw.events_20260301"] {
            let refused = client.batch_execute(&format!("truncate {table}")).await.unwrap_err();
            let refused = refused.as_db_error().unwrap();
            assert!(refused.message().contains("is not carried over to Kafka"), "{refused:?}");
            assert!(refused.hint().is_some_and(|hint| hint.starts_with("Use ")), "{refused:?}");
        }
        client.batch_execute("delete from raw.users").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn rights_that_were_given_beside_the_contract_are_taken_back() {
    in_namespace(async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let client = provision::connect(&endpoints.pg_url).await.unwrap();
        let role = contracts::console::ROLE;
        sql(
            &endpoints,
            &format!("grant select on raw.users to {role}; revoke select on ops.job_run from {role}"),
        )
        .await;
        assert_eq!(as_console(&client, "select * from raw.users").await, Ok(()));
        provision::apply(&endpoints).await.unwrap();
        assert_eq!(as_console(&client, "select * from raw.users").await, Err("42501".to_owned()));
        assert_eq!(as_console(&client, "select * from ops.job_run").await, Ok(()));
    })
    .await;
}

/// Set up by an owner who may neither make roles nor is a member of this one.
#[tokio::test]
async fn an_owner_who_may_not_make_roles_is_set_up_all_the_same() {
    in_namespace(async |endpoints| {
        let owner = format!("{}_owner", endpoints.namespace);
        let database = endpoints.pg_url.rsplit_once('/').unwrap().1.to_owned();
        sql(
            &endpoints,
            &format!(
                "create role {owner} login replication password 'pw'; grant pg_monitor to {owner};
                 grant execute on function pg_control_system(), pg_control_checkpoint() to {owner};
                 alter database {database} owner to {owner}; alter schema public owner to {owner}"
            ),
        )
        .await;
        let (_, at) = endpoints.pg_url.rsplit_once('@').unwrap();
        let as_owner =
            Endpoints { pg_url: format!("postgresql://{owner}:pw@{at}").into(), ..endpoints.clone() };
        let (result, steps) = steps(&as_owner).await;
        sql(&endpoints, &format!("reassign owned by {owner} to current_user; drop owned by {owner}")).await;
        let dropped = format!("drop role {owner}");
        sql(&endpoints, &dropped).await;
        result.unwrap();
        let role = steps.iter().find(|step| step.kind == "role").unwrap();
        assert_eq!(role.outcome, Outcome::Refused);
        assert!(steps.iter().any(|step| step.kind == "position" && step.outcome == Outcome::Created));
    })
    .await;
}
