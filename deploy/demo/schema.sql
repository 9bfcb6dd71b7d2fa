-- A small shop for `deploy/run --demo`: some 95,000 rows, the same on every machine, loaded in one transaction.
-- deploy/run recognises the schema by its comment and never loads it twice, nor over a shop that is not its own.
-- `weir demo` is the shop's traffic; it asks for the customers and products 1 to 1,000.

create schema shop;
comment on schema shop is 'Weir demo, version 1';

create table shop.customers (
    id bigint generated always as identity primary key,
    name text not null,
    email text not null unique,
    country char(2) not null,
    joined_at timestamptz not null
);

create table shop.products (
    id bigint generated always as identity primary key,
    name text not null,
    price numeric(10, 2) not null check (price > 0),
    stock integer not null,
    tags text[] not null
);

create table shop.orders (
    id bigint generated always as identity primary key,
    customer_id bigint not null references shop.customers,
    status text not null check (status in ('new', 'paid', 'sent', 'returned')),
    total numeric(10, 2) not null,
    placed_at timestamptz not null default now(),
    note text
);

create table shop.order_lines (
    order_id bigint not null references shop.orders on delete cascade,
    position smallint not null,
    product_id bigint not null references shop.products,
    quantity smallint not null check (quantity > 0),
    price numeric(10, 2) not null,
    primary key (order_id, position)
);

-- PostgreSQL's own autovacuum leaves ANALYZE of the two tables with traffic to Weir. It still vacuums them.
alter table shop.orders set (autovacuum_analyze_scale_factor = 2, autovacuum_analyze_threshold = 100000);
alter table shop.products set (autovacuum_analyze_scale_factor = 2, autovacuum_analyze_threshold = 100000);

do $$ begin perform setseed(0.25); end $$;

insert into shop.customers (name, email, country, joined_at)
select
    (array['Ada', 'Ben', 'Chloé', 'Dana', 'Emil', 'Fay', 'Güler', 'Hiro', 'Ines', 'Jan'])[1 + n % 10] || ' ' ||
    (array['Adler', 'Brown', 'Costa', 'Dupont', 'Eriksen', 'Fischer', 'García', 'Horvat', 'Ivanova'])[1 + n % 9],
    'customer' || n || '@shop.example',
    (array['DE', 'FR', 'GB', 'IT', 'JP', 'PL', 'US'])[1 + floor(random() * 7)::integer],
    timestamptz '2024-01-01 00:00+00' + n * interval '3 hours'
from generate_series(1, 5000) as n;

insert into shop.products (name, price, stock, tags)
select
    (array['red', 'blue', 'green', 'plain', 'striped'])[1 + n % 5] || ' ' ||
    (array['mug', 'scarf', 'lamp', 'notebook', 'kettle', 'chair', 'clock'])[1 + n % 7] || ' ' || n,
    (1 + floor(random() * 9900)) / 100,
    100000 + floor(random() * 900000),
    array[(array['kitchen', 'office', 'garden'])[1 + n % 3], (array['new', 'sale', 'classic', 'gift'])[1 + n % 4]]
from generate_series(1, 1000) as n;

-- Order n has one to three lines; its total is the sum of them.
create temporary table lines on commit drop as
select n as order_id, line as position, products.id as product_id, 1 + n % 4 as quantity, products.price
from generate_series(1, 30000) as n
cross join lateral generate_series(1, 1 + n % 3) as line
join shop.products on products.id = 1 + (n * 31 + line * 17) % 1000;

insert into shop.orders (customer_id, status, total, placed_at, note)
select
    -- A few customers order much, most order little.
    1 + floor(power(random(), 3) * 5000),
    (array['new', 'paid', 'paid', 'sent', 'sent', 'sent', 'sent', 'returned'])[1 + floor(random() * 8)::integer],
    sum(quantity * price),
    timestamptz '2025-01-01 00:00+00' + order_id * interval '15 minutes',
    case when order_id % 11 = 0 then 'please ring twice' end
from lines
group by order_id
order by order_id;

insert into shop.order_lines (order_id, position, product_id, quantity, price)
select order_id, position, product_id, quantity, price from lines;

create index orders_by_customer on shop.orders (customer_id, id desc);

-- No ANALYZE here: the first one is Weir's.
