-- What dialects of other vendors tell: events without a place in the figures, and facts about users.

-- An event that is well formed and that our vocabulary has no word for. Kept as it came, so that a later version may find a place for it.
-- Personal data, like raw.quarantine: it is in no publication, the console does not read it, retention and erasures remove it.
create table raw.other_events (
    source text not null,
    -- The sender's own id.
    id text not null,
    dialect text not null,
    kind text not null check (kind in ('other', 'bot')),
    name text not null,
    occurred_at timestamp with time zone not null,
    received_at timestamp with time zone not null,
    -- Whose it is: the same ids as in raw.events. The user's where one is named, else the anonymous one.
    visitor_id uuid,
    anonymous_id uuid,
    payload bytea not null,
    primary key (source, id)
);
create index other_events_received_at on raw.other_events using brin (received_at);
create index other_events_visitor on raw.other_events (visitor_id) where visitor_id is not null;
create index other_events_anonymous on raw.other_events (anonymous_id) where anonymous_id is not null;
-- What there is, by name, without the payloads.
create index other_events_names on raw.other_events (dialect, kind, name);

comment on table raw.other_events is 'personal data: left out of every publication, and not shown by the Control Center';
comment on column raw.other_events.kind is 'other: our vocabulary has no word for it; bot: the sender says of itself that it is a program';
comment on column raw.other_events.payload is 'its JSON as it came, without IP addresses and credentials';

alter table ops.ledger add column other bigint not null default 0;
comment on column ops.ledger.other is 'kept in raw.other_events: no place in the figures';

-- Facts about users that senders tell apart from events. Each may be missing, which raw.users does not allow: that table is published, and
-- holds what the API has of a user, all of it. What is here is published nowhere; it fills events that leave it open.
create table raw.user_facts (
    user_id uuid primary key,
    gender text,
    -- The age as it was told, and the day of birth, which decides where both are known.
    age integer check (age between 0 and 130),
    born_on date,
    -- A place is one fact: both are from the same sender's word.
    country text,
    city text,
    registered_at timestamp with time zone,
    -- The newest word decides, whatever the order in which they come.
    told_at timestamp with time zone not null
) with (fillfactor = 80);

comment on table raw.user_facts is 'personal data: left out of every publication; an erasure removes it';

-- Takes facts in, column by column. What a later word leaves out stays as an earlier one told it.
create function raw.tell_facts(
    rules text, user_ids uuid[], genders text[], ages integer[], births date[], countries text[], cities text[],
    registered timestamp with time zone[], times timestamp with time zone[]
) returns void
    language plpgsql volatile
    as $$
declare
    told record;
begin
    perform raw.admit(rules);
    -- In the order of the ids, so that two writers wait for each other and not in a circle.
    for told in
        select * from unnest(user_ids, genders, ages, births, countries, cities, registered, times)
            facts (user_id, gender, age, born_on, country, city, registered_at, told_at)
        order by user_id, told_at
    loop
        insert into raw.user_facts as known (user_id, gender, age, born_on, country, city, registered_at, told_at)
        values (told.user_id, told.gender, told.age, told.born_on, told.country, told.city, told.registered_at, told.told_at)
        on conflict (user_id) do update set
            gender = case when excluded.told_at >= known.told_at then coalesce(excluded.gender, known.gender)
                else coalesce(known.gender, excluded.gender) end,
            age = case when excluded.told_at >= known.told_at then coalesce(excluded.age, known.age)
                else coalesce(known.age, excluded.age) end,
            born_on = case when excluded.told_at >= known.told_at then coalesce(excluded.born_on, known.born_on)
                else coalesce(known.born_on, excluded.born_on) end,
            (country, city) = (
                select case when newer then excluded.country else known.country end,
                    case when newer then excluded.city else known.city end
                from (select case when excluded.told_at >= known.told_at
                    then coalesce(excluded.country, excluded.city) is not null
                    else coalesce(known.country, known.city) is null end) place (newer)
            ),
            registered_at = least(known.registered_at, excluded.registered_at),
            told_at = greatest(known.told_at, excluded.told_at);
    end loop;
end
$$;

-- Years between a day of birth and an instant; nothing where nobody is that old.
create function raw.age_at(born_on date, at timestamp with time zone) returns integer
    language sql immutable strict parallel safe
    return (
        select case when years between 0 and 130 then years end
        from (select extract(year from age((at at time zone 'UTC')::timestamp, born_on::timestamp))::integer) told (years)
    );

-- As raw.resolve_visits, and with facts that senders told apart from events.
create function raw.resolve_visitors(
    rules text, user_ids uuid[], anonymous_ids uuid[], told_ids uuid[], times timestamp with time zone[], of_visit boolean[]
) returns table (
    visitor uuid, session uuid, began timestamp with time zone, came_before boolean,
    gender text, age integer, country text, city text, latitude double precision, longitude double precision
)
    language sql volatile
    as $$
    select v.visitor, v.session, v.began, v.came_before, coalesce(f.gender, v.gender),
        coalesce(raw.age_at(f.born_on, times[v.place]), f.age, v.age),
        case when f.has_place then f.country else v.country end, case when f.has_place then f.city else v.city end,
        case when f.has_place then null else v.latitude end, case when f.has_place then null else v.longitude end
    from raw.resolve_visits(rules, user_ids, anonymous_ids, told_ids, times, of_visit) with ordinality
            v (visitor, session, began, came_before, gender, age, country, city, latitude, longitude, place)
        left join (select *, coalesce(country, city) is not null as has_place from raw.user_facts) f
            on f.user_id = v.visitor
    order by v.place
$$;
