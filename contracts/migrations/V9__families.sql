-- The metrics beside the cube: what they are checked against, and which of them a repair was of.

-- Every user's first storing, without the user: updates and erasure of users leave it as it was.
create table raw.registrations (
    country text not null,
    ingested_at timestamp with time zone not null,
    tx xid8 not null default pg_current_xact_id()
);
create index registrations_ingested_at on raw.registrations using brin (ingested_at);
insert into raw.registrations (country, ingested_at) select country, ingested_at from raw.users;

comment on table raw.registrations is 'one row a user that was inserted into raw.users; holds nothing of the user but the country';

create function raw.note_registrations() returns trigger
    language plpgsql
    as $$
begin
    insert into raw.registrations (country, ingested_at) select country, ingested_at from inserted;
    return null;
end
$$;

-- A row that an upsert updates is not among the inserted ones.
create trigger note_registrations after insert on raw.users
    referencing new table as inserted
    for each statement execute function raw.note_registrations();

-- The range of a repair is on its family's axis.
alter table ops.repair add column family text not null default 'cube';
drop index ops.repair_by_window;
create index repair_by_window on ops.repair (family, from_minute, to_minute);

comment on column ops.repair.family is 'the family of metrics whose rows were written; the minutes are on its axis';
