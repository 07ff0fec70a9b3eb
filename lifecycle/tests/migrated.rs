//! A database of before: what its erasures and quarantine kept is taken out.

use std::sync::Arc;

use contracts::admission::BELONGS_TO_NOBODY;
use contracts::endpoints::Endpoints;
use contracts::migrations::MIGRATIONS;

const BEFORE: &str = "
    select raw.ensure_events_partition('2026-03-01');
    insert into raw.events (event_id, event_name, occurred_at, ingested_at, user_id, session_id, session_started_at, \"returning\",
                            gender, age, age_band, country, city, latitude, longitude, device, channel)
    select raw.uuid_v7_lower_bound('2026-03-01'::timestamptz + n * interval '1 second'), 'session_start', '2026-03-01', '2026-03-01',
           ('0000000' || (n + 2) / 3 || '-0000-4000-8000-000000000000')::uuid, gen_random_uuid(), '2026-03-01', false,
           'other', 40, '35-44', 'DE', 'Kassel', 51.3, 9.5, 'mobile', 'direct'
    from generate_series(1, 9) n;
    insert into ops.erasure (user_hash, fresh_id, erased_at) values
        (sha256('a'), '00000001-0000-4000-8000-000000000000', now()), (sha256('b'), '00000002-0000-4000-8000-000000000000', null);
    insert into raw.quarantine (source, coordinates, reason, detail, payload, size_bytes, sha256, quarantined_at) values
        ('randomuser', '1', 'missing_field', 'd', '{\"login\": {\"salt\": \"hunter2\", \"uuid\": \"u\", \"password\": \"hunter2\"}}', 9, 'x', now()),
        ('randomuser', '2', 'malformed', 'd', '[1]', 3, 'x', now()),
        ('randomuser', '3', 'malformed', 'd', '{\"password\":\"hunter2', 19, 'x', now()),
        ('randomuser', '4', 'erased', 'd', null, 0, 'x', now()),
        ('collector/web', '1', 'malformed', 'd', '{\"login\":{\"password\":\"p\"}}', 28, 'x', now());";

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_of_before_cannot_be_undone_and_no_credentials_are_left() {
    let stack = stack::shared(Arc::new(stack::Silent)).await.unwrap();
    let services = Endpoints::from_variables(&stack.env().unwrap()).unwrap();
    let name = format!("t_{}", uuid::Uuid::now_v7().simple());
    let url = provision::create_database(&services.pg_url, &name).await.unwrap();
    let pg = provision::connect(&url).await.unwrap();
    let at = MIGRATIONS.iter().position(|migration| migration.name == "V15__doors").unwrap();
    for migration in &MIGRATIONS[..at] {
        pg.batch_execute(migration.sql).await.unwrap();
    }
    pg.batch_execute(BEFORE).await.unwrap();
    pg.batch_execute(MIGRATIONS[at].sql).await.unwrap();

    let sql = format!(
        "select count(*) filter (where {BELONGS_TO_NOBODY}), count(distinct user_id), \
                count(*) filter (where user_id::text like '0000000_-%') from raw.events"
    );
    let row = pg.query_one(&sql, &[]).await.unwrap();
    assert_eq!([0, 1, 2].map(|column| row.get::<_, i64>(column)), [6, 3, 3]);
    let erasures = "select string_agg(finished::text, ',' order by hash = sha256('a')) || raw.admission_rules() from ops.erasure";
    assert_eq!(pg.query_one(erasures, &[]).await.unwrap().get::<_, &str>(0), "false,true/2");
    let kept = "select string_agg(coordinates || coalesce(convert_from(payload, 'UTF8'), '-') || detail, ' ' order by source, coordinates)
        from raw.quarantine";
    let kept: String = pg.query_one(kept, &[]).await.unwrap().get(0);
    assert_eq!(
        kept,
        "1{\"login\":{\"password\":\"p\"}}d 1{\"login\": {\"uuid\": \"u\"}}d; kept without credentials 2[1]d 3-d; kept without credentials 4-d"
    );
    drop(pg);
    let server = provision::connect(&services.pg_url).await.unwrap();
    server.batch_execute(&format!("drop database {name} with (force)")).await.unwrap();
}
