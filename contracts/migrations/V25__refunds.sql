-- What was paid back of an order already, so that nothing is paid back twice.

-- The refunds of an order. Each partition gets the index when it is attached.
create index events_refund_order_id on raw.events (order_id) where event_name = 'refund';

-- Holds orders to the end of the transaction, and refuses if their refunds are not those that were judged by: who pays back at the same
-- time waits here, and judges again. `seen` is how many refunds of each order were found with an id from `since` on, null where no purchase
-- of it is known; `absent` are ids of lines that nobody had told of. Only whoever adds refunds calls this, purchases wait for nobody.
--
-- Orders share 256 locks, so that a large transaction does not fill PostgreSQL's table of locks. They are taken in one order. Each statement
-- of a volatile function has a snapshot of its own, so what is read after the wait is new.
create function raw.hold_refunds(orders text[], seen bigint[], since uuid, absent uuid[]) returns void
    language plpgsql volatile
    as $$
declare
    place integer;
begin
    for place in select distinct hashtext(o) & 255 from unnest(orders) o order by 1 loop
        perform pg_advisory_xact_lock(hashtext('raw.hold_refunds'), place);
    end loop;
    if exists (
        select from unnest(orders, seen) judged (o, n)
        where n is not null and n <> (select count(*) from raw.events where event_name = 'refund' and order_id = o and event_id >= since)
    ) or exists (
        select from unnest(absent) id join raw.event_identity held
            on substring(uuid_send(held.event_id) from 7) = substring(uuid_send(id) from 7)
    ) then
        raise exception 'an order was told of or paid back meanwhile: judge again' using errcode = 'SPREF';
    end if;
end
$$;
