-- Who is at work, as others can see it.

-- Who may submit a job's plan. A row is made with fencing 0 and free; each new holder takes the next number.
create table ops.job_lease (
    job text primary key,
    holder text not null,
    fencing bigint not null check (fencing >= 0),
    renewed_at timestamp with time zone not null,
    expires_at timestamp with time zone not null
);

-- What the relay that holds a slot's lock reports, about every second.
create table ops.relay_status (
    slot text primary key,
    holder text not null,
    state text not null check (state in ('starting', 'streaming', 'reconnecting', 'stopped')),
    detail text not null,
    -- Grows with every report. A position in Kafka names the last one before it: PostgreSQL that knows only of earlier ones was restored.
    beat bigint not null,
    committed_lsn pg_lsn,
    server_lsn pg_lsn not null,
    slot_active boolean not null,
    wal_status text not null,
    retained_bytes bigint,
    safe_bytes bigint,
    -- How long Kafka has left the open transaction unacknowledged, where that is worth telling.
    unacknowledged_ms bigint,
    warning text,
    warning_detail text not null,
    events_out bigint not null,
    users_out bigint not null,
    restarts bigint not null,
    started_at timestamp with time zone not null,
    reported_at timestamp with time zone not null
);
