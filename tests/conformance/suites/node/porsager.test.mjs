// porsager's `postgres`: it pipelines on each connection, prepares by itself and describes without asking.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import postgres from "postgres";

const limit = { timeout: 20_000 };
const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE } = process.env;
const options = { host: PGHOST, port: Number(PGPORT), user: PGUSER, password: PGPASSWORD, database: PGDATABASE, onnotice: () => {} };
const sql = postgres({ ...options, max: 5 });
const alone = postgres({ ...options, max: 1 });
after(() => Promise.all([sql.end({ timeout: 1 }), alone.end({ timeout: 1 })]));

test("parameters", limit, async () => {
    const [row] = await sql`select ${1}::int as n, ${"x"}::text as t, ${sql.json({ a: 1 })}::jsonb as j, ${[1, 2]}::int[] as l`;
    assert.deepEqual({ ...row }, { n: 1, t: "x", j: { a: 1 }, l: [1, 2] });
});

test("statements prepared by itself, on all connections", limit, async () => {
    const rows = await Promise.all(Array.from({ length: 1000 }, (_, n) => sql`select ${n}::int as n`));
    rows.forEach(([row], n) => assert.equal(row.n, n));
});

test("without prepared statements", limit, async () => {
    const plain = postgres({ ...options, max: 2, prepare: false });
    const rows = await Promise.all(Array.from({ length: 200 }, (_, n) => plain`select ${n}::int as n`));
    rows.forEach(([row], n) => assert.equal(row.n, n));
    await plain.end();
});

test("transaction, pipelined inside", limit, async () => {
    const sums = await sql.begin((tx) => Array.from({ length: 20 }, (_, n) => tx`select ${n}::int as n`));
    assert.equal(sums.reduce((sum, [row]) => sum + row.n, 0), 190);
});

test("savepoint that fails inside a transaction", limit, async () => {
    const [row] = await sql.begin(async (tx) => {
        await tx.savepoint((inner) => inner`select 1/0`).catch(() => {});
        return tx`select 5 as n`;
    });
    assert.equal(row.n, 5);
});

test("error in the middle of a pipeline", limit, async () => {
    const outcomes = await Promise.allSettled([alone`select ${1}::int`, alone`select ${1}::int / 0`, alone`select ${3}::int as n`]);
    assert.deepEqual(outcomes.map((outcome) => outcome.status), ["fulfilled", "rejected", "fulfilled"]);
    assert.equal(outcomes[1].reason.code, "22012");
});

test("describe", limit, async () => {
    const description = await sql`select ${1}::int as n`.describe();
    assert.deepEqual([description.columns[0].name, description.columns[0].type], ["n", 23]);
});

test("cursor", limit, async () => {
    let count = 0;
    for await (const rows of sql`select generate_series(1, 1000) as n`.cursor(100)) {
        count += rows.length;
    }
    assert.equal(count, 1000);
});

test("cursor left early", limit, async () => {
    await alone`select generate_series(1, 100000) as n`.cursor(10, () => alone.CLOSE);
    assert.equal((await alone`select 1 as n`)[0].n, 1);
});

test("copy in and out", limit, async () => {
    await alone`create table if not exists ported (n int)`;
    await pipeline(Readable.from(["1\n", "2\n", "3\n"]), await alone`copy ported from stdin`.writable());
    let text = "";
    for await (const chunk of await alone`copy ported to stdout`.readable()) {
        text += chunk;
    }
    assert.equal(text, "1\n2\n3\n");
});

test("simple query of several statements", limit, async () => {
    const results = await sql`select 1 as a; select 2 as b`.simple();
    assert.deepEqual(results.map((rows) => ({ ...rows[0] })), [{ a: 1 }, { b: 2 }]);
});

test("cancel", limit, async () => {
    const query = sql`select pg_sleep(15)`;
    setTimeout(() => query.cancel(), 300);
    await assert.rejects(query, (error) => error.code === "57014");
});

test("listen and notify", limit, async () => {
    const other = postgres(options);
    await new Promise((heard, fail) => {
        setTimeout(fail, 5000, new Error("not heard")).unref();
        other.listen("ported", (payload) => (payload === "x" ? heard() : fail(new Error(payload)))).then(() => sql.notify("ported", "x"), fail);
    });
    await other.end({ timeout: 1 });
});

test("a table altered under a prepared statement", limit, async () => {
    await alone`drop table if exists altered`;
    await alone`create table altered (a int)`;
    await alone`insert into altered values (1)`;
    await alone`select * from altered`;
    await alone`alter table altered add b int default 2`;
    await alone`select * from altered`.catch(() => {});
    assert.deepEqual({ ...(await alone`select * from altered`)[0] }, { a: 1, b: 2 });
});

test("large rows", limit, async () => {
    const [row] = await sql`select repeat('x', 5000000) as big`;
    assert.equal(row.big.length, 5_000_000);
});
