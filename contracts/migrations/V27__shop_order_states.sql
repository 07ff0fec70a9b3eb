-- Moves orders of shop systems on where they are in the very states that the changes were made from. What an older telling adds to a state
-- has the time and the rank of that state: so the states themselves are compared, too. A state before is null where the order was unknown.
create function raw.move_shop_orders(
    orders text[], before timestamp with time zone[], before_rank bigint[], before_states text[],
    changed timestamp with time zone[], ranks bigint[], states text[]
) returns void
    language plpgsql volatile
    as $$
declare
    told record;
begin
    for told in
        select * from unnest(orders, before, before_rank, before_states, changed, ranks, states)
            moved (order_id, before, before_rank, before_state, as_of, rank, state) order by order_id, as_of, rank
    loop
        if told.before is null then
            insert into raw.shop_order (order_id, as_of, rank, state)
            values (told.order_id, told.as_of, told.rank, told.state::jsonb) on conflict do nothing;
        else
            update raw.shop_order known set as_of = told.as_of, rank = told.rank, state = told.state::jsonb
            where known.order_id = told.order_id and (known.as_of, known.rank) = (told.before, told.before_rank)
              and known.state = told.before_state::jsonb;
        end if;
        if not found then
            raise exception 'an order was told of meanwhile: judge again' using errcode = 'SPREF';
        end if;
    end loop;
end
$$;

comment on function raw.move_shop_orders(text[], timestamp with time zone[], bigint[], timestamp with time zone[], bigint[], text[])
    is 'for collectors of before V27, until they are stopped: their statement compares the states';
