-- Alerts as the console that evaluates them keeps them: where they are, what they were, what was told of them, and what nobody
-- wants to be told.

-- Alerts that are not ok.
create table ops.alert_state (
    rule text not null,
    -- The service or query it is about; empty where there is but one.
    subject text not null,
    state text not null check (state in ('pending', 'firing', 'clearing')),
    since timestamp with time zone not null,
    -- When its signal was last known.
    read_at timestamp with time zone not null,
    value double precision not null,
    detail text not null default '',
    -- From firing to ok.
    incident uuid,
    raised_at timestamp with time zone,
    -- When somebody was first told; nothing while a cause or a silence holds it back.
    notified_at timestamp with time zone,
    repeats integer not null default 0,
    -- Whether a silence has counted it.
    suppressed boolean not null default false,
    primary key (rule, subject)
);

-- Every change of state. Rows are kept for 400 days.
create table ops.alert_event (
    event_id bigint generated always as identity primary key,
    at timestamp with time zone not null,
    rule text not null,
    subject text not null,
    severity text not null check (severity in ('warning', 'critical')),
    state_from text not null,
    state_to text not null check (state_to in ('ok', 'pending', 'firing', 'clearing')),
    value double precision not null,
    detail text not null default '',
    incident uuid
);
create index alert_event_by_time on ops.alert_event (at desc);

-- What nobody wants to be told for a while: of a rule, of a severity, of both, or of all there is.
create table ops.alert_silence (
    silence_id bigint generated always as identity primary key,
    rule text,
    severity text check (severity in ('warning', 'critical')),
    begun_at timestamp with time zone not null default now(),
    until timestamp with time zone not null,
    reason text not null check (reason <> ''),
    by_whom text not null,
    -- Of how many incidents nobody was told.
    suppressed bigint not null default 0,
    -- It ends by itself.
    check (until <= begun_at + interval '7 days')
);
create index alert_silence_until on ops.alert_silence (until);

-- Each notice for each target: written with the change that it is about, and told once.
create table ops.alert_delivery (
    incident uuid not null,
    -- firing, repeat-1, resolved.
    news text not null,
    target text not null,
    rule text not null,
    subject text not null,
    payload jsonb not null,
    created_at timestamp with time zone not null,
    -- skipped: of an incident of whose beginning the target was not told.
    status text not null check (status in ('waiting', 'delivered', 'failed', 'skipped')),
    attempts integer not null default 0,
    next_at timestamp with time zone not null,
    ended_at timestamp with time zone,
    took_ms bigint,
    -- What the target said, or why it said nothing.
    answer text not null default '',
    primary key (incident, news, target)
);
create index alert_delivery_by_time on ops.alert_delivery (created_at desc);
create index alert_delivery_waiting on ops.alert_delivery (created_at) where status = 'waiting';
