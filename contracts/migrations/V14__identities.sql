-- A repeated id is a repeat, whatever else changed. An event that comes without a UUIDv7 of its own gets an id that is made of its time
-- and of a hash of its source and the source's id; the hash, which is all of the id but its time, may stand here once. Events with
-- an id of their own have no row: the key of raw.events decides about them.
--
-- A row has nothing that raw.events does not have in event_id, and nothing of a person. Retention deletes it with the event; where an
-- event is gone in another way its row claims nothing.
create table raw.event_identity (
    event_id uuid not null
);

comment on table raw.event_identity is 'the events that were the first of their source with its id, whatever time a repeat has';
comment on column raw.event_identity.event_id is 'the event that counts; from the 7th byte on it is the hash of source and id';

-- Retention goes by time, which the id begins with.
create index event_identity_event_id on raw.event_identity using brin (event_id);

-- Writes down the events that are in raw.events already. Which of them have an id of their own cannot be told any more, and is of no
-- account. Of several that are the same but for their time, the first that came in counts. Safe to be run again: after rows were
-- brought back without this table, or when an older version has written into this database meanwhile.
create function raw.carry_identities() returns bigint
    language plpgsql
    as $$
declare
    carried bigint;
begin
    insert into raw.event_identity (event_id)
    select event_id from (
        select distinct on (substring(uuid_send(event_id) from 7)) event_id
        from raw.events order by substring(uuid_send(event_id) from 7), ingested_at, event_id
    ) as first
    on conflict do nothing;
    get diagnostics carried = row_count;
    return carried;
end
$$;

select raw.carry_identities();

-- Last, so that it is built at once. It decides.
create unique index event_identity_once on raw.event_identity (substring(uuid_send(event_id) from 7));
