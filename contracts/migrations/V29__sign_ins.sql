-- A visit goes on when its visitor signs in, and clocks that differ a little begin no other one.

-- Only the catalogue changes.
alter table raw.visit add column begun_as uuid;

comment on column raw.visit.begun_as is
    'Whose visit it was when it began, if that was another visitor: the anonymous one before the sign-in. The visit keeps the id that it had.';

-- Tells of a batch of events, by their places in the arrays, what they left open: whose they are, their visits where `of_visit` says so,
-- and what is known of a user. Links that the batch tells hold for all of it.
--
-- A visit goes on for 30 minutes of inactivity; one that the source names goes on for as long as it is named. An event that is older than
-- the first one of its visit begins a visit of its own, unless it is shortly before: times that were corrected by the time of receipt
-- differ by what the way took, so that the second event of a visit may come first. Such an event belongs to the visit, from its start on.
--
-- A visit that nobody names and that an anonymous visitor began goes on when the visitor signs in: it becomes the user's, with the id that
-- it has, unless the user is in another visit. Asked again about the same events, as after a commit whose answer was lost,
-- it tells the same: the visits that it told of cover them by then.
--
-- Writers at once: rows are locked in the order of their ids, first links, then visitors. So they wait for each other and not in a
-- circle, and whoever comes second sees what the first has decided.
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
    shortly constant interval := interval '10 seconds';
    pause constant interval := interval '30 minutes';
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

    -- With those whose visits go on as another visitor's.
    insert into raw.visitor as known (visitor_id, first_at, last_at)
        select v, min(t), max(t) from (
            select v, t from unnest(visitors, times, of_visit) told (v, t, w) where w
            union all
            select a, t from unnest(visitors, anonymous_ids, told_ids, times, of_visit) told (v, a, s, t, w)
            where w and s is null and a <> v and exists (
                select from raw.visit k where k.visitor_id = a and k.told_id = inferred
                    and k.started_at <= t + shortly and k.last_at >= t - pause
            )
        ) told group by v order by v
    on conflict (visitor_id) do update
        set first_at = least(known.first_at, excluded.first_at), last_at = greatest(known.last_at, excluded.last_at);

    with signed_in as (
        -- The first event of each browser that is another visitor's by now.
        select distinct on (a) v, a, t from unnest(visitors, anonymous_ids, told_ids, times, of_visit) told (v, a, s, t, w)
        where w and s is null and a <> v order by a, t, v
    ), going_on as (
        -- One visit of a visitor, which overlaps none that the visitor has.
        select distinct on (v) v, a, visit.started_at, visit.last_at, visit."returning", visit.begun_as
        from signed_in cross join lateral (
            select * from raw.visit k where k.visitor_id = a and k.told_id = inferred and k.started_at <= t + shortly
            order by k.started_at desc limit 1
        ) visit
        where visit.last_at >= t - pause and not exists (
            select from raw.visit k where k.visitor_id = v and k.told_id = inferred
                and k.started_at <= greatest(t, visit.last_at) and k.last_at >= least(visit.started_at, t - pause)
        )
        order by v, t, a
    ), gone as (
        delete from raw.visit k using going_on
        where k.visitor_id = going_on.a and k.told_id = inferred and k.started_at = going_on.started_at
    )
    insert into raw.visit (visitor_id, told_id, started_at, last_at, "returning", begun_as)
        select v, inferred, started_at, last_at, "returning", coalesce(begun_as, a) from going_on;

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
        select spans.v, spans.s, visit.started_at, visit.last_at, visit."returning", visit.begun_as
        from spans cross join lateral (
            select * from raw.visit k
            where k.visitor_id = spans.v and k.told_id = spans.s and k.started_at <= spans.last + shortly
                and k.started_at >= coalesce((
                    select max(before.started_at) from raw.visit before
                    where before.visitor_id = spans.v and before.told_id = spans.s and before.started_at <= spans.first
                ), spans.first)
        ) visit
    ), points as (
        select v, s, started_at as at, last_at as upto, 0::bigint as n, "returning" as had_visited, begun_as, null::timestamptz as first_at
        from known
        union all
        select v, s, t, t, n, null, null, first_at from told
    ), reached as (
        select *, max(upto) over (partition by v, s order by at, n rows between unbounded preceding and 1 preceding) as reach from points
    ), begun as (
        select *, n > 0 and (reach is null or s = inferred and at > reach + pause) as begins from reached
    ), followed as (
        select *, max(case when begins then at end) over before as told_from, max(case when n = 0 then at end) over before as known_from
        from begun window before as (partition by v, s order by at, n rows between unbounded preceding and 1 preceding)
    ), opened as (
        -- Events that begin shortly before a known visit belong to it.
        select *, begins or n = 0 and not coalesce(told_from >= at - shortly and (known_from is null or told_from > known_from), false)
            as opens
        from followed
    ), numbered as (
        select *, count(*) filter (where opens) over (partition by v, s order by at, n rows unbounded preceding) as visit from opened
    ), whole as (
        select v, s, n, opens, coalesce(min(case when n = 0 then at end) over same, min(at) over same) as began,
            max(upto) over same as ended, max(begun_as::text) over same as begun_as,
            coalesce(bool_or(had_visited) over same, bool_or(case when opens then first_at < at end) over same) as had_visited
        from numbered window same as (partition by v, s, visit)
    ), written as (
        insert into raw.visit as known (visitor_id, told_id, started_at, last_at, "returning")
            select v, s, began, ended, had_visited from whole where opens
        on conflict (visitor_id, told_id, started_at) do update set last_at = excluded.last_at
            where known.last_at < excluded.last_at
    ), answered as (
        select n, v, case when s = inferred then raw.visit_id(coalesce(begun_as::uuid, v), began) else s end as session, began, had_visited
        from whole where n > 0
        union all
        select n, v, null, null, null from unnest(visitors, of_visit) with ordinality e (v, w, n) where not w
    )
    select a.v, a.session, a.began, a.had_visited, u.gender, u.age, u.country, u.city, u.latitude, u.longitude
    from answered a left join raw.users u on u.user_id = a.v
    order by a.n;
end
$$;
