-- A partition of raw.events is a table of its own to TRUNCATE, and a trigger on raw.events does not see it: the same is refused
-- there. Retention drops partitions, which is no TRUNCATE.

create or replace function raw.ensure_events_partition(day date) returns boolean
    language plpgsql
    as $$
declare
    partition text := 'events_' || to_char(day, 'YYYYMMDD');
    lower_bound uuid := raw.uuid_v7_lower_bound(day::timestamp at time zone 'UTC');
    upper_bound uuid := raw.uuid_v7_lower_bound((day + 1)::timestamp at time zone 'UTC');
begin
    if to_regclass('raw.' || partition) is not null then
        return false;
    end if;
    perform pg_advisory_xact_lock(hashtext('raw.ensure_events_partition'));
    if to_regclass('raw.' || partition) is not null then
        return false;
    end if;
    execute format('create table raw.%I (like raw.events including defaults including comments)', partition);
    execute format(
        'create trigger refuse_truncate before truncate on raw.%I for each statement execute function raw.refuse_truncate()',
        partition
    );
    execute format(
        'alter table raw.events attach partition raw.%I for values from (%L) to (%L)',
        partition, lower_bound, upper_bound
    );
    return true;
exception
    -- Taking the advisory lock does not refresh what the catalogue lookup sees: another writer was first.
    when duplicate_table then
        return false;
end
$$;

do $$
declare
    partition regclass;
begin
    for partition in select inhrelid from pg_inherits where inhparent = 'raw.events'::regclass loop
        execute format(
            'create trigger refuse_truncate before truncate on %s for each statement execute function raw.refuse_truncate()',
            partition
        );
    end loop;
end
$$;
