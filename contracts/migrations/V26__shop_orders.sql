-- Orders that shop systems tell by webhooks: each time as they are, so that what changed follows from what was told before.

create table raw.shop_order (
    order_id text primary key,
    -- When the shop changed it last, and what tells two changes of one moment apart: what is older is ignored.
    as_of timestamp with time zone not null,
    rank bigint not null,
    -- By the shop's id of each line: its lines among the order's, its units, its money. Nothing of a person.
    state jsonb not null
) with (fillfactor = 80);

comment on table raw.shop_order is 'orders as a shop system told them last; what was booked of them is in raw.events';

-- Moves orders on, in the order of their ids, and refuses where somebody else has moved one meanwhile.
create function raw.move_shop_orders(
    orders text[], before timestamp with time zone[], before_rank bigint[],
    changed timestamp with time zone[], ranks bigint[], states text[]
) returns void
    language plpgsql volatile
    as $$
declare
    told record;
begin
    for told in
        select * from unnest(orders, before, before_rank, changed, ranks, states)
            moved (order_id, before, before_rank, as_of, rank, state) order by order_id, as_of, rank
    loop
        if told.before is null then
            insert into raw.shop_order (order_id, as_of, rank, state)
            values (told.order_id, told.as_of, told.rank, told.state::jsonb) on conflict do nothing;
        else
            update raw.shop_order known set as_of = told.as_of, rank = told.rank, state = told.state::jsonb
            where known.order_id = told.order_id and (known.as_of, known.rank) = (told.before, told.before_rank);
        end if;
        if not found then
            raise exception 'an order was told of meanwhile: judge again' using errcode = 'SPREF';
        end if;
    end loop;
end
$$;

-- Webhooks: what they may be refused for.
alter table ops.collector_refusal drop constraint collector_refusal_cause_check;
alter table ops.collector_refusal add constraint collector_refusal_cause_check check (cause in (
    'no_key', 'unknown_key', 'revoked_key', 'no_origin', 'wrong_origin', 'key_in_query',
    -- A webhook without a signature, with one that its secret does not give, or of a shop without a secret here.
    'no_signature', 'wrong_signature', 'unknown_hook'));
