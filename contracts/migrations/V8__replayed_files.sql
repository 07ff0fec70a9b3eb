-- Files of past events, and how far each was read. A row moves on in the transaction that its file's rows are committed in, so
-- that a replay that died goes on exactly where it was.
create table ops.replayed_file (
    file_id bigint generated always as identity primary key,
    source text not null,
    -- SHA-256 of the file's bytes, of the mapping it was read by, and of what of the mapping its ids follow from.
    sha256 text not null,
    mapping text not null,
    identity text not null,
    -- Its name when it was first seen; the same bytes under another name are the same file.
    name text not null,
    rows_done bigint not null default 0,
    accepted bigint not null default 0,
    repeated bigint not null default 0,
    rejected bigint not null default 0,
    -- Between these lie the events that the stream leaves to reconciliation.
    first_late_at timestamp with time zone,
    last_late_at timestamp with time zone,
    started_at timestamp with time zone not null default now(),
    finished_at timestamp with time zone,
    unique (source, sha256, mapping),
    constraint replayed_file_accounts check (rows_done = accepted + repeated + rejected)
);

comment on column ops.replayed_file.rows_done is 'rows of the file that were read, each accepted, repeated or rejected';
