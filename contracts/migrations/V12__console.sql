-- What the Control Center shows and cannot be learned afterwards, and who may look.

-- One row a micro-batch and query, as the supervisor saw it reported. Of no worth after a crash, so not logged: nothing of it
-- passes through the replication slot. Rows are kept for 48 hours.
create unlogged table ops.job_batch (
    query text not null,
    revision bigint not null,
    batch_id bigint not null,
    -- When its trigger began; a micro-batch that is run again begins anew.
    started_at timestamp with time zone not null,
    rows_in bigint not null,
    -- The whole trigger, and its phases by Spark's names.
    duration_ms bigint not null,
    phases_ms jsonb not null,
    state_rows bigint not null,
    -- Rows that came too late for the watermark; anything but 0 is a fault.
    dropped_rows bigint not null,
    watermark timestamp with time zone,
    newest_event_at timestamp with time zone,
    -- How far rows trailed their newest event when they were written; the sink of the cube alone reports it.
    lag_p50_ms bigint,
    lag_p99_ms bigint,
    -- {topic: {partition: offset}}, and how many offsets lay behind these in the topics.
    end_offsets jsonb not null,
    offsets_behind bigint not null,
    primary key (query, revision, started_at, batch_id)
);
create index job_batch_started_at on ops.job_batch (started_at);

-- How each query does now, asked about once every few seconds.
create unlogged table ops.job_query (
    query text not null,
    revision bigint not null,
    -- Whether it is the one whose figures are shown; during a rebuild another runs beside it.
    newest boolean not null,
    state text not null check (state in ('waiting', 'running', 'ended')),
    trigger_ms bigint not null,
    -- Whether a micro-batch is under way, and whether records wait for one.
    trigger_active boolean not null,
    data_available boolean not null,
    started_at timestamp with time zone,
    reported_at timestamp with time zone not null default now(),
    primary key (query, revision)
);

comment on column ops.job_query.state is 'waiting: not started yet, the queries beside the cube start one after another';

-- Why queries ended, whole: what a terminal shows is one line of it.
create table ops.job_fault (
    fault_id bigint generated always as identity primary key,
    job text not null,
    query text not null,
    revision bigint not null,
    batch_id bigint,
    summary text not null,
    exception text not null,
    occurred_at timestamp with time zone not null default now()
);
create index job_fault_by_time on ops.job_fault (job, occurred_at desc);

-- The verdicts of `verify` and `ledger`.
create table ops.verification (
    verification_id bigint generated always as identity primary key,
    kind text not null check (kind in ('verify', 'ledger')),
    -- The one family or all, for verify.
    family text,
    started_at timestamp with time zone not null,
    -- What was committed by then is what was judged: figures of windows that ended before it are proved.
    snapshot_at timestamp with time zone not null,
    finished_at timestamp with time zone not null default now(),
    passed boolean not null,
    -- verify: {table: rows compared}; ledger: {stage: {minutes, in, out, repeated, late, quarantined}}.
    compared jsonb not null,
    -- The first 100 as {table, row, text}, and how many there are.
    differences jsonb not null default '[]',
    differing bigint not null default 0,
    -- Late records that wait for reconciliation, rows that are still moving, rows left to others.
    late_outstanding bigint not null default 0,
    open_rows bigint not null default 0,
    deferred_rows bigint not null default 0,
    by_whom text not null
);
create index verification_by_time on ops.verification (kind, finished_at desc);

alter table ops.relay_status
    add column state_since timestamp with time zone,
    -- From the commit in PostgreSQL to the commit in Kafka, of the last minute.
    add column latency_p50_us bigint,
    add column latency_p99_us bigint,
    -- The consumer that fetches refused bytes, which runs in the same process.
    add column quarantine_state text,
    add column quarantine_detail text not null default '';

comment on column ops.relay_status.state_since is 'since when it is in this state, over restarts of the process too where the state is the same';

-- Who may open the page.
create table ops.console_user (
    name text primary key check (name ~ '^[a-z][a-z0-9._-]{0,31}$'),
    role text not null check (role in ('viewer', 'operator')),
    -- argon2id in PHC's format; none for one who comes by a link alone.
    password text,
    created_at timestamp with time zone not null default now(),
    disabled_at timestamp with time zone
);

-- What a browser's cookie stands for: digests alone, so that who reads this table can enter nowhere.
create table ops.console_session (
    token_sha256 bytea primary key check (length(token_sha256) = 32),
    name text not null,
    role text not null check (role in ('viewer', 'operator')),
    begun_at timestamp with time zone not null default now(),
    seen_at timestamp with time zone not null default now(),
    ends_at timestamp with time zone not null
);

-- Links that let somebody in once.
create table ops.console_ticket (
    ticket_sha256 bytea primary key check (length(ticket_sha256) = 32),
    name text not null,
    role text not null check (role in ('viewer', 'operator')),
    ends_at timestamp with time zone not null
);

-- Keys of programs: viewers all of them.
create table ops.console_key (
    name text primary key check (name ~ '^[a-z][a-z0-9._-]{0,31}$'),
    key_sha256 bytea not null unique check (length(key_sha256) = 32),
    created_at timestamp with time zone not null default now(),
    disabled_at timestamp with time zone
);

-- Who did what: rows are added and never changed. An action has one before it begins and one after.
create table ops.console_audit (
    audit_id bigint generated always as identity primary key,
    at timestamp with time zone not null default clock_timestamp(),
    name text not null,
    role text not null,
    -- What was done, as in sign-in, sign-out, show-personal, and to what.
    action text not null,
    target text not null default '',
    reason text not null default '',
    phase text not null check (phase in ('refused', 'intended', 'done', 'failed')),
    detail jsonb not null default '{}'
);
create index console_audit_by_time on ops.console_audit (at desc);

-- What the poller asks every few seconds has to stay cheap when millions are set aside.
create index quarantine_by_time on raw.quarantine (quarantined_at desc);
-- ... and is counted by kind from here, at a seventieth of the table's size; where a kind is rare, its records are found here too.
create index quarantine_kinds on raw.quarantine (source, reason, outcome);
-- Sources have reasons of their own: without this the planner takes kinds that do not exist for frequent ones.
create statistics raw.quarantine_together (mcv) on source, reason, outcome from raw.quarantine;
-- Pages of records, the newest first, of a source and of those that have passed, however long ago that was.
create index quarantine_by_source on raw.quarantine (source, quarantined_at desc);
create index quarantine_passed on raw.quarantine (quarantined_at desc) where outcome in ('accepted', 'repeated');
