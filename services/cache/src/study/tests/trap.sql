-- A domain whose check uses whatever rights it is called with: it tries to become somebody else, to leave behind a
-- function that the next question would call, and a view in front of the catalogue's table.
create role "mallory_$";
create schema trap authorization "mallory_$";
set role "mallory_$";
create function trap.escape() returns text language plpgsql as $body$
begin
    raise exception 'escaped as %', current_user;
end $body$;
create function trap.spring(v int) returns bool language plpgsql as $body$
declare
    own text := (select nspname from pg_catalog.pg_namespace where nspname like 'weir\_study\_%' limit 1);
begin
    begin
        execute 'reset role';
        raise exception sqlstate 'ESC01';
    exception when insufficient_privilege then null; end;
    begin
        execute 'set session authorization default';
        raise exception sqlstate 'ESC02';
    exception when insufficient_privilege then null; end;
    for number in 1..3 loop
        begin
            execute format('create or replace function %I.parse_%s(text, text) returns void language plpgsql as
                ''begin perform trap.escape(); end''', own, number);
        exception when others then null; end;
    end loop;
    begin
        create temp view pg_proc as select trap.escape() as prosqlbody;
    exception when others then null; end;
    perform pg_catalog.set_config('search_path', 'trap', true);
    if (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
        raise exception sqlstate 'ESC03';
    end if;
    return true;
end $body$;
create domain trap.door as int check (trap.spring(value));
