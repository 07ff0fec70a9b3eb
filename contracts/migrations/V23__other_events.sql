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

-- As in V22, and with facts that senders told apart from events.
create or replace function raw.resolve_visits(
    rules text, user_ids uuid[], anonymous_ids uuid[], told_ids uuid[], times timestamp with time zone[], of_visit boolean[]
) returns table (
    visitor uuid, session uuid, began timestamp with time zone, came_before boolean,
    gender text, age integer, country text, city text, latitude double precision, longitude double precision
)
    language plpgsql volatile
    as $$
#variable_conflict use_column
declare
    inferred constant uuid := '00000000-0000-0000-0000-000000000000';
    visitors uuid[];
begin
    perform raw.admit(rules);

    -- The newest event decides, whatever the order in which they come.
    insert into raw.visitor_link as known (anonymous_id, user_id, linked_at)
        select distinct on (a) a, u, t from unnest(user_ids, anonymous_ids, times) told (u, a, t)
        where u is not null and a is not null order by a, t desc, u desc
    on conflict (anonymous_id) do update set user_id = excluded.user_id, linked_at = excluded.linked_at
        where (excluded.linked_at, excluded.user_id) > (known.linked_at, known.user_id);

    visitors := (
        select array_agg(coalesce(u, link.user_id, a) order by n)
        from unnest(user_ids, anonymous_ids) with ordinality told (u, a, n)
            left join raw.visitor_link link on u is null and link.anonymous_id = a
    );

    insert into raw.visitor as known (visitor_id, first_at, last_at)
        select v, min(t), max(t) from unnest(visitors, times, of_visit) told (v, t, w) where w group by v order by v
    on conflict (visitor_id) do update
        set first_at = least(known.first_at, excluded.first_at), last_at = greatest(known.last_at, excluded.last_at);

    -- Everything is found by running through the events and the known visits in the order of time: joined by their places, thousands of
    -- events would be compared with each other, since nobody knows beforehand how many there are.
    return query
    with told as (
        select v, coalesce(s, inferred) as s, t, n, k.first_at
        from unnest(visitors, told_ids, times, of_visit) with ordinality e (v, s, t, w, n)
            join raw.visitor k on k.visitor_id = e.v
        where w
    ), spans as (
        select v, s, min(t) as first, max(t) as last from told group by v, s
    ), known as (
        -- From the last visit that began before all of the events.
        select spans.v, spans.s, visit.started_at, visit.last_at, visit."returning"
        from spans cross join lateral (
            select * from raw.visit k
            where k.visitor_id = spans.v and k.told_id = spans.s and k.started_at <= spans.last
                and k.started_at >= coalesce((
                    select max(before.started_at) from raw.visit before
                    where before.visitor_id = spans.v and before.told_id = spans.s and before.started_at <= spans.first
                ), spans.first)
        ) visit
    ), points as (
        select v, s, started_at as at, last_at as upto, 0::bigint as n, "returning" as had_visited, null::timestamptz as first_at from known
        union all
        select v, s, t, t, n, null, first_at from told
    ), reached as (
        select *, max(upto) over (partition by v, s order by at, n rows between unbounded preceding and 1 preceding) as reach from points
    ), opened as (
        select *, n = 0 or reach is null or s = inferred and at > reach + interval '30 minutes' as opens from reached
    ), numbered as (
        select *, count(*) filter (where opens) over (partition by v, s order by at, n rows unbounded preceding) as visit from opened
    ), whole as (
        select v, s, n, opens, min(at) over same as began, max(upto) over same as ended,
            bool_or(case when n = 0 then had_visited when opens then first_at < at end) over same as had_visited
        from numbered window same as (partition by v, s, visit)
    ), written as (
        insert into raw.visit as known (visitor_id, told_id, started_at, last_at, "returning")
            select v, s, began, ended, had_visited from whole where opens
        on conflict (visitor_id, told_id, started_at) do update set last_at = excluded.last_at
            where known.last_at < excluded.last_at
    ), answered as (
        select n, v, case when s = inferred then raw.visit_id(v, began) else s end as session, began, had_visited from whole where n > 0
        union all
        select n, v, null, null, null from unnest(visitors, of_visit) with ordinality e (v, w, n) where not w
    )
    select a.v, a.session, a.began, a.had_visited, coalesce(f.gender, u.gender),
        coalesce(raw.age_at(f.born_on, times[a.n]), f.age, u.age),
        case when f.has_place then f.country else u.country end, case when f.has_place then f.city else u.city end,
        case when f.has_place then null else u.latitude end, case when f.has_place then null else u.longitude end
    from answered a left join raw.users u on u.user_id = a.v
        left join (select *, coalesce(country, city) is not null as has_place from raw.user_facts) f on f.user_id = a.v
    order by a.n;
end
$$;
