-- An event needs a name, a time, an id and a visitor. What else its sender does not tell is taken from here, or is not known.

-- Null where it is not known. Only the catalogue changes: no row is read or written, and each partition is locked for as long as that takes.
alter table raw.events
    alter column age drop not null,
    alter column city drop not null,
    alter column latitude drop not null,
    alter column longitude drop not null;

comment on column raw.events.user_id is
    'Who did it: the user''s id, or that of a visitor who is no known user; UUIDv5 of the source''s own.';
comment on column raw.events.gender is 'Gender as the source gives it, or unknown.';
comment on column raw.events.age is 'Age in years, where it is known.';
comment on column raw.events.age_band is 'Band of the age, or unknown.';
comment on column raw.events.country is 'Country, ISO 3166 alpha-2; ZZ where it is not known.';
comment on column raw.events.city is 'City, where it is known.';
comment on column raw.events.latitude is 'Latitude in degrees, rounded to a tenth, where it is known.';
comment on column raw.events.longitude is 'Longitude in degrees, rounded to a tenth, where it is known.';
comment on column raw.events.device is 'What the shopper used, or unknown.';
comment on column raw.events.channel is 'What brought the shopper here, or unknown.';

-- Which user a browser's or an app's visitor is, as the newest event told that had both ids.
create table raw.visitor_link (
    anonymous_id uuid primary key,
    user_id uuid not null,
    -- The time of that event.
    linked_at timestamp with time zone not null
) with (fillfactor = 80);
create index visitor_link_user_id on raw.visitor_link (user_id);

comment on table raw.visitor_link is 'an event with the anonymous id alone is the user''s, from the moment that this is known';

-- Visitors whose visits are kept here. Whoever decides about visits of a visitor changes the row, so that all others wait.
create table raw.visitor (
    visitor_id uuid primary key,
    -- The first and the last event by which a visit was looked up.
    first_at timestamp with time zone not null,
    last_at timestamp with time zone not null
) with (fillfactor = 80);

comment on table raw.visitor is 'visitors of events that did not bring all of their visit; others are not here';

-- Visits of a visitor: those that the source names, by its id, and those that are inferred, by the nil UUID. Visits of one visitor
-- and one such id do not overlap: what lies between the first and the last event of a visit belongs to it.
create table raw.visit (
    visitor_id uuid not null,
    told_id uuid not null,
    started_at timestamp with time zone not null,
    last_at timestamp with time zone not null,
    -- Whether the visitor had an earlier visit that was known when this one was begun.
    "returning" boolean not null,
    primary key (visitor_id, told_id, started_at)
) with (fillfactor = 80);

-- The id of a visit that nobody names: UUIDv8 of the visitor and of its start in µs.
create function raw.visit_id(visitor_id uuid, started_at timestamp with time zone) returns uuid
    language sql immutable strict parallel safe
    return (
        select (substr(hash, 1, 8) || '-' || substr(hash, 9, 4) || '-8' || substr(hash, 14, 3) || '-'
            || to_hex(8 | (('x' || substr(hash, 17, 1))::bit(4)::integer & 3)) || substr(hash, 18, 3) || '-' || substr(hash, 21, 12))::uuid
        from (select encode(sha256(uuid_send(visitor_id) || int8send((extract(epoch from started_at) * 1000000)::bigint)), 'hex')) hashed (hash)
    );

-- Tells of a batch of events, by their places in the arrays, what they left open: whose they are, their visits where `of_visit` says so,
-- and what is known of a user. Links that the batch tells hold for all of it.
--
-- A visit goes on for 30 minutes of inactivity; one that the source names goes on for as long as it is named. An event that is older than
-- the first one of its visit begins a visit of its own. Asked again about the same events, as after a commit whose answer was lost,
-- it tells the same: the visits that it told of cover them by then.
--
-- Writers at once: rows are locked in the order of their ids, first links, then visitors. So they wait for each other and not in a
-- circle, and whoever comes second sees what the first has decided.
create function raw.resolve_visits(
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
    select a.v, a.session, a.began, a.had_visited, u.gender, u.age, u.country, u.city, u.latitude, u.longitude
    from answered a left join raw.users u on u.user_id = a.v
    order by a.n;
end
$$;
