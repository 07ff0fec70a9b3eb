-- What the system remembers about itself.

create schema ops;

-- Every rebuild, repair or changed plan takes the next one: a row of a higher revision replaces a row of a
-- lower one, even where its figures are smaller.
create sequence ops.revision as bigint minvalue 1 maxvalue 1048576 no cycle;

-- One row a generation of the events topic; the highest is in force.
create table ops.topic_generation (
    generation integer primary key check (generation >= 1),
    generation_id uuid not null unique,
    created_at timestamp with time zone not null default now()
);

-- Where the replication slot stood when it was created. A slot that has moved on without a position in Kafka
-- would be a silent gap.
create table ops.relay_slot (
    slot text primary key,
    system_id text not null,
    timeline integer not null,
    created_lsn pg_lsn not null,
    publication_hash text not null,
    created_at timestamp with time zone not null default now()
);

-- The plan that owns a checkpoint. At most one per query is in force.
create table ops.job_plan (
    query text not null,
    revision bigint not null,
    fingerprint text not null,
    topic_generation integer not null references ops.topic_generation,
    checkpoint text not null,
    started_at timestamp with time zone not null default now(),
    retired_at timestamp with time zone,
    primary key (query, revision)
);
create unique index job_plan_in_force on ops.job_plan (query) where retired_at is null;

-- What a supervisor reports, and what it is asked to do.
create table ops.job_run (
    run_id uuid primary key,
    job text not null,
    holder text not null,
    state text not null check (state in ('starting', 'running', 'restarting', 'stopping', 'stopped')),
    stop_requested boolean not null default false,
    restarts integer not null default 0,
    started_at timestamp with time zone not null default now(),
    reported_at timestamp with time zone not null default now(),
    detail text not null default '',
    progress jsonb
);
create index job_run_by_job on ops.job_run (job, started_at desc);
