-- TRUNCATE of a published table is not carried over to Kafka: users would stay in the topic for ever, and figures would count events
-- that are gone. Publishing it would not help, since no key is told. So it is refused, with what to do instead.

create function raw.refuse_truncate() returns trigger language plpgsql as $$
begin
    raise exception 'TRUNCATE of %.% is not carried over to Kafka', tg_table_schema, tg_table_name
        using errcode = 'feature_not_supported', hint = case tg_table_name
            when 'users' then 'Use DELETE, which the relay carries over.'
            else 'Use `storepulse retention` for what is old; `storepulse stack down --purge` empties a stack.'
        end;
end
$$;

create trigger refuse_truncate before truncate on raw.events
    for each statement execute function raw.refuse_truncate();
create trigger refuse_truncate before truncate on raw.users
    for each statement execute function raw.refuse_truncate();
