-- A transaction id means nothing beyond the PostgreSQL cluster that gave it. Rows that a dump or a logical copy brought from
-- another cluster keep the old one's ids in column tx, which this cluster may not reach for years. What is stored here must lie
-- above them, and snapshots must see them; so ids of this cluster are shifted where that is needed.

create table ops.cluster (
    only_one boolean primary key default true check (only_one),
    -- PostgreSQL's system identifier: whose transaction ids, shifted, are above all that is stored.
    system_id text not null,
    tx_shift bigint not null default 0 check (tx_shift >= 0),
    noted_at timestamp with time zone not null default now()
);

comment on table ops.cluster is 'the cluster whose transaction ids column tx has, and what is added to them';

-- What column tx of a row that this transaction stores has.
create function raw.current_tx() returns xid8 language sql stable parallel restricted as $$
    select case coalesce(max(tx_shift), 0) when 0 then pg_current_xact_id()
        else (pg_current_xact_id()::text::bigint + max(tx_shift))::text::xid8 end
    from ops.cluster
$$;

-- The snapshot of the statement, in the terms of column tx.
create function raw.current_snapshot() returns pg_snapshot language sql stable as $$
    select case when shift = 0 then seen else concat(
            pg_snapshot_xmin(seen)::text::bigint + shift, ':', pg_snapshot_xmax(seen)::text::bigint + shift, ':',
            (select string_agg((running::text::bigint + shift)::text, ',' order by running::text::bigint)
             from pg_snapshot_xip(seen) running)
        )::pg_snapshot end
    from (select pg_current_snapshot() as seen, coalesce((select tx_shift from ops.cluster), 0) as shift) this
$$;

-- Lets this cluster's ids lie above all that is stored. Returns whether they do not anyway; reads every row.
create function ops.adopt_rows(this_system_id text) returns boolean language plpgsql as $$
declare
    before bigint := coalesce((select tx_shift from ops.cluster), 0);
    highest bigint;
    shift bigint;
begin
    select max(tx) into highest from (
        select max(tx::text::bigint) as tx from raw.events
        union all select max(tx::text::bigint) from raw.registrations
        union all select max(pg_snapshot_xmax(snapshot)::text::bigint) - 1 from ops.repair
    ) stored;
    shift := greatest(before, highest + 1 - pg_current_xact_id()::text::bigint);
    insert into ops.cluster (system_id, tx_shift) values (this_system_id, shift)
        on conflict (only_one) do update set system_id = excluded.system_id, tx_shift = excluded.tx_shift, noted_at = now();
    -- A constant and not a look at the table, which every row would pay for. Rows are stored through the parent alone.
    if shift > 0 then
        execute format('alter table only raw.events alter column tx
            set default ((pg_current_xact_id()::text::bigint + %s)::text::xid8)', shift);
        execute format('alter table raw.registrations alter column tx
            set default ((pg_current_xact_id()::text::bigint + %s)::text::xid8)', shift);
    end if;
    return shift > before;
end
$$;
