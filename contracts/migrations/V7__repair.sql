-- Windows that were written from raw.events in batch, by reconciliation or a rebuild. The late records that a repair's
-- snapshot saw belong to its windows from then on; others stay late.
create table ops.repair (
    repair_id bigint generated always as identity primary key,
    kind text not null check (kind in ('reconcile', 'rebuild')),
    revision bigint not null,
    -- The windows: from the first up to, not including, the second.
    from_minute timestamp with time zone not null,
    to_minute timestamp with time zone not null,
    -- What was visible: pg_visible_in_snapshot(tx, snapshot).
    snapshot pg_snapshot not null,
    repaired_at timestamp with time zone not null default now()
);
create index repair_by_window on ops.repair (from_minute, to_minute);

comment on table ops.repair is 'a late record belongs to its window where a repair of it saw the record';

-- What reconciliation changed, figure by figure; a row that was missing or too many has no measure.
create table ops.repaired_figure (
    repair_id bigint not null references ops.repair,
    table_name text not null,
    row_key text not null,
    measure text,
    found text,
    expected text
);
create index repaired_figure_by_repair on ops.repaired_figure (repair_id);

-- A rebuild: at most one is open.
create table ops.rebuild (
    rebuild_id bigint generated always as identity primary key,
    -- The generation of the events topic that it made, and the revision of its plan.
    generation integer not null references ops.topic_generation,
    revision bigint,
    -- Why the replication slot had to be made anew, where it had to.
    slot_renewed text,
    -- The new stream owns the windows from here on.
    cut_minute timestamp with time zone,
    -- Windows before this are written.
    done_to timestamp with time zone,
    started_at timestamp with time zone not null default now(),
    ended_at timestamp with time zone
);
create unique index rebuild_open on ops.rebuild ((true)) where ended_at is null;

-- During a rebuild two plans of a query are in force, each with windows of its own.
alter table ops.job_plan
    add column owned_from timestamp with time zone,
    add column owned_to timestamp with time zone;
drop index ops.job_plan_in_force;
create index job_plan_in_force on ops.job_plan (query, revision) where retired_at is null;

-- ... and two generations of the events topic are written.
alter table ops.topic_generation add column retired_at timestamp with time zone;
