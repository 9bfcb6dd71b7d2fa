-- Has every change of definitions and rights write a word into the log, in the order of commits. What touches temporary
-- tables only is left out: nobody else sees them. And a table that loses what identifies its rows leaves the publication
-- in the same transaction, because PostgreSQL would refuse to update it otherwise.
create schema if not exists weir_follow;

create or replace function weir_follow.mark() returns event_trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    listed bigint := 0;
    shared bigint := 1;
    lost regclass;
begin
    if tg_event = 'ddl_command_end' and tg_tag in ('ALTER TABLE', 'DROP INDEX') then
        for lost in
            select c.oid from pg_publication p
                join pg_publication_rel r on r.prpubid = p.oid
                join pg_class c on c.oid = r.prrelid and c.relkind = 'r'
                where p.pubname = 'weir_cache' and c.relreplident <> 'f' and not exists (
                    select from pg_index i where i.indrelid = c.oid
                        and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null
                        and (c.relreplident = 'd' and i.indisprimary or c.relreplident = 'i' and i.indisreplident))
        loop
            execute format('alter publication %I drop table only %s', 'weir_cache', lost);
        end loop;
    end if;
    if tg_event = 'ddl_command_start' then
        -- Only this commits before its end.
        shared := case when coalesce(current_query() ilike '%concurrently%', true) then 1 else 0 end;
    elsif tg_event = 'ddl_command_end' then
        select count(*), count(*) filter (where schema_name is distinct from 'pg_temp')
            into listed, shared from pg_event_trigger_ddl_commands();
        -- What was dropped is told by the other trigger; what was there already changed nothing.
        if listed = 0 and not (tg_tag like 'DROP %'
            or tg_tag in ('CREATE TABLE', 'CREATE INDEX', 'CREATE SEQUENCE', 'CREATE SCHEMA', 'CREATE EXTENSION')) then
            shared := 1;
        end if;
    elsif tg_event = 'sql_drop' then
        select count(*) filter (where not is_temporary) into shared from pg_event_trigger_dropped_objects();
    elsif tg_event = 'table_rewrite' then
        select count(*) into shared from pg_class
            where oid = pg_event_trigger_table_rewrite_oid() and relpersistence <> 't';
    end if;
    if shared > 0 then
        perform pg_logical_emit_message(true, 'weir.ddl', '');
    end if;
end
$$;

drop event trigger if exists weir_follow_start;
drop event trigger if exists weir_follow_end;
drop event trigger if exists weir_follow_drop;
drop event trigger if exists weir_follow_rewrite;

-- DETACH PARTITION … CONCURRENTLY commits once before its end.
create event trigger weir_follow_start on ddl_command_start when tag in ('ALTER TABLE')
    execute function weir_follow.mark();
create event trigger weir_follow_end on ddl_command_end execute function weir_follow.mark();
create event trigger weir_follow_drop on sql_drop execute function weir_follow.mark();
create event trigger weir_follow_rewrite on table_rewrite execute function weir_follow.mark();

alter event trigger weir_follow_start enable always;
alter event trigger weir_follow_end enable always;
alter event trigger weir_follow_drop enable always;
alter event trigger weir_follow_rewrite enable always;
