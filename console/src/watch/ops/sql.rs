//! The poller's two statements. Each gives one document, so that a tick is one statement and all of it is of
//! one snapshot.

/// What moves all the time. `$1` slot, `$2` job, `$3`–`$5` query, revision and start of the last batch that
/// is known.
///
/// Every part is an index range or a table of a few rows: none grows with the number of events.
pub(super) const MOVING: &str = "
select json_build_object(
  'at', clock_timestamp(),
  'relay', (select to_json(r) from (
      select holder, state, detail, state_since, warning, warning_detail,
             case when committed_lsn is not null
                  then greatest(pg_current_wal_lsn() - committed_lsn, 0)::bigint end as behind_bytes,
             unacknowledged_ms, events_out, users_out, restarts, started_at, reported_at,
             latency_p50_us, latency_p99_us, quarantine_state, quarantine_detail
      from ops.relay_status where slot = $1) r),
  'slot', (select to_json(s) from (
      select active, wal_status, (pg_current_wal_lsn() - restart_lsn)::bigint as retained_bytes,
             safe_wal_size as safe_bytes
      from pg_replication_slots where slot_name = $1) s),
  'run', (select to_json(r) from (
      select run_id, holder, state, stop_requested, restarts, started_at, reported_at, detail, progress
      from ops.job_run where job = $2 order by started_at desc limit 1) r),
  'lease', (select to_json(l) from (
      select holder, fencing, renewed_at, expires_at from ops.job_lease where job = $2) l),
  'queries', (select coalesce(json_agg(q), '[]') from (
      select query, revision, newest, state, trigger_ms, trigger_active, data_available, started_at, reported_at
      from ops.job_query) q),
  'batches', (select coalesce(json_agg(b), '[]') from (
      select b.* from ops.job_query q
      left join unnest($3::text[], $4::bigint[], $5::timestamptz[]) known (query, revision, after)
          on known.query = q.query and known.revision = q.revision
      cross join lateral (
          select * from ops.job_batch b
          where b.query = q.query and b.revision = q.revision
            and b.started_at > coalesce(known.after, '-infinity')
          order by b.started_at desc limit 120) b) b),
  'minutes', (select coalesce(json_agg(m order by minute), '[]') from (
      select minute, sum(records_in)::bigint as records_in, sum(records_out)::bigint as records_out,
             sum(repeated)::bigint as repeated, sum(quarantined)::bigint as quarantined,
             sum(other)::bigint as other
      from ops.ledger
      where minute >= date_trunc('minute', now()) - interval '15 minutes' and stage = 'ingest'
      group by minute) m),
  'newest_minute', (select max(minute) from ops.ledger),
  'marks', json_build_object(
      'fault', (select max(fault_id) from ops.job_fault),
      'verification', (select max(verification_id) from ops.verification),
      'repair', (select max(repair_id) from ops.repair),
      'rebuild', (select max(rebuild_id) * 2 + (select count(*) from ops.rebuild where ended_at is null)
                  from ops.rebuild),
      'generation', (select max(generation) from ops.topic_generation),
      'setting', (select max(set_at) from ops.setting))
)::text";

/// What changes seldom: asked when a mark has moved, and now and then. `$1` job.
pub(super) const STANDING: &str = "
select json_build_object(
  'faults', (select coalesce(json_agg(f), '[]') from (
      select fault_id, job, query, revision, batch_id, summary, left(exception, 65536) as exception, occurred_at
      from ops.job_fault where job = $1 order by occurred_at desc limit 20) f),
  'faults_15m', (select count(*) from ops.job_fault
      where job = $1 and occurred_at > clock_timestamp() - interval '15 minutes'),
  'verifications', (select coalesce(json_agg(v), '[]') from (
      select v.* from (values ('verify', 12), ('ledger', 3)) kinds (kind, newest)
      cross join lateral (
          select * from ops.verification v where v.kind = kinds.kind
          order by finished_at desc limit kinds.newest) v) v),
  'repaired_at', (select coalesce(json_object_agg(family, at), '{}') from (
      select family, max(repaired_at) as at from ops.repair group by family) r),
  'rebuild', (select to_json(r) from (
      select rebuild_id, generation, revision, cut_minute, done_to, started_at, ended_at
      from ops.rebuild order by rebuild_id desc limit 1) r),
  'plans', (select coalesce(json_agg(p), '[]') from (
      select query, revision, fingerprint, topic_generation, checkpoint, started_at, retired_at,
             owned_from, owned_to, shuffle_partitions
      from ops.job_plan order by revision desc limit 200) p),
  'generations', (select coalesce(json_agg(g), '[]') from (
      select generation, partitions, created_at, retired_at
      from ops.topic_generation order by generation desc limit 50) g),
  'base_currency', (select value from ops.setting where name = 'base_currency'),
  'retention_floor', (select value::timestamptz from ops.setting where name = 'retention_floor')
)::text";
