-- What the stages that write to PostgreSQL counted, by minute of `ingested_at`: one side of the ledger.
--
-- A writer adds to its own rows in the transaction that it counts, so a count is there exactly if its records are.
-- The writer is part of the key so that several of them do not wait for each other's rows; readers sum over it.
create table ops.ledger (
    stage text not null,
    writer uuid not null,
    minute timestamp with time zone not null,
    records_in bigint not null,
    records_out bigint not null,
    repeated bigint not null,
    quarantined bigint not null,
    primary key (minute, stage, writer)
-- A writer updates the same row many times a second: room for the new version on the same page.
) with (fillfactor = 50);

comment on column ops.ledger.minute is 'minute of ingested_at; of quarantined_at for what was set aside';
comment on column ops.ledger.records_in is 'handed in';
comment on column ops.ledger.records_out is 'committed to raw.events';
comment on column ops.ledger.repeated is 'not committed since their id was there already';
comment on column ops.ledger.quarantined is 'set aside in raw.quarantine';
