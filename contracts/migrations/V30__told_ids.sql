-- A repeated id is a repeat, also where it is a UUIDv7 whose time is far from that of its event. Such an event stands under an id that is
-- made of its time, and claims that in raw.event_identity. Here stands under which one, by the sender's own: told again with a time that
-- fits, the event would stand under its own id, and count twice.
--
-- Events whose ids fit have no row here. Their writers only ask whether there is any of the days of their ids.
create table raw.event_told (
    told uuid primary key,
    event_id uuid not null
);

comment on table raw.event_told is 'the UUIDv7 of senders whose events stand under another id, since they were told with a time far from it';
comment on column raw.event_told.told is 'the sender''s';
comment on column raw.event_told.event_id is 'the event that counts';

-- Retention goes by time, which the id begins with.
create index event_told_event_id on raw.event_told using brin (event_id);
