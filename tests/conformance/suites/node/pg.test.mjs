// node-postgres (`pg`) with its cursor, stream and copy companions. The address comes from the PG… variables.

import assert from "node:assert/strict";
import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { test } from "node:test";
import pg from "pg";
import Cursor from "pg-cursor";
import QueryStream from "pg-query-stream";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";

const limit = { timeout: 20_000 };

/** A test with a client of its own, which is closed in any case. */
function withClient(name, body, options = {}) {
    test(name, limit, async () => {
        const client = new pg.Client(options);
        client.on("error", () => {});
        await client.connect();
        try {
            await body(client);
        } finally {
            await client.end();
        }
    });
}

const rejects = (promise, code) => assert.rejects(promise, (error) => error.code === code);

withClient("simple query", async (client) => {
    const result = await client.query("select 1 as one, 'x' as two");
    assert.deepEqual(result.rows, [{ one: 1, two: "x" }]);
    assert.equal(result.command, "SELECT");
});

withClient("several statements in one query", async (client) => {
    const results = await client.query("select 1 as a; select 2 as b");
    assert.deepEqual(results.map((result) => result.rows), [[{ a: 1 }], [{ b: 2 }]]);
});

withClient("empty query", async (client) => {
    assert.equal((await client.query("")).rows.length, 0);
});

withClient("parameters of many types", async (client) => {
    const values = [42, "text", true, null, new Date(0), [1, 2, 3], { a: [1] }, Buffer.from([0, 255])];
    const casts = ["int", "text", "bool", "text", "timestamptz", "int[]", "jsonb", "bytea"];
    const text = `select ${casts.map((cast, n) => `$${n + 1}::${cast} as v${n}`).join(", ")}`;
    assert.deepEqual(Object.values((await client.query(text, values)).rows[0]), values);
});

withClient("binary results", async (client) => {
    const result = await client.query({ text: "select $1::int8 as n, $2::int4 as m", values: ["7", 8], binary: true });
    assert.deepEqual(Object.values(result.rows[0]).map(Number), [7, 8]);
});

withClient("row mode array", async (client) => {
    assert.deepEqual((await client.query({ text: "select 1, 1", rowMode: "array" })).rows, [[1, 1]]);
});

withClient("named statement, used again", async (client) => {
    for (let n = 0; n < 50; n++) {
        const result = await client.query({ name: "double", text: "select $1::int * 2 as n", values: [n] });
        assert.equal(result.rows[0].n, n * 2);
    }
});

withClient("named statement between transactions", async (client) => {
    const query = (n) => client.query({ name: "between", text: "select $1::int + 1 as n", values: [n] });
    assert.equal((await query(1)).rows[0].n, 2);
    await client.query("begin");
    assert.equal((await query(2)).rows[0].n, 3);
    await client.query("commit");
    assert.equal((await query(3)).rows[0].n, 4);
});

test("the same statement name with different text in two clients", limit, async () => {
    const clients = [new pg.Client(), new pg.Client()];
    await Promise.all(clients.map((client) => client.connect()));
    for (let round = 0; round < 20; round++) {
        const rows = await Promise.all(clients.map((client, n) => client.query({ name: "same", text: `select ${n} as n, $1::int`, values: [round] })));
        assert.deepEqual(rows.map((result) => result.rows[0].n), [0, 1]);
    }
    await Promise.all(clients.map((client) => client.end()));
});

withClient("queries in a queue are answered in order", async (client) => {
    const results = await Promise.all(Array.from({ length: 200 }, (_, n) => client.query("select $1::int as n", [n])));
    assert.deepEqual(results.map((result) => result.rows[0].n), Array.from({ length: 200 }, (_, n) => n));
});

withClient("an error between good queries", async (client) => {
    const outcomes = await Promise.allSettled([client.query("select 1"), client.query("select nope"), client.query("select $1::int", [2])]);
    assert.deepEqual(outcomes.map((outcome) => outcome.status), ["fulfilled", "rejected", "fulfilled"]);
});

withClient("fields of an error", async (client) => {
    await client.query("create temporary table unique_rows (n int constraint only_once unique)");
    await assert.rejects(client.query("insert into unique_rows values (1), (1)"), (error) => {
        assert.equal(error.code, "23505");
        assert.equal(error.constraint, "only_once");
        assert.equal(error.table, "unique_rows");
        assert.match(error.detail, /already exists/);
        return true;
    });
});

withClient("transaction and rollback", async (client) => {
    await client.query("create table if not exists ledger (n int)");
    await client.query("begin");
    await client.query("insert into ledger values (1)");
    await client.query("rollback");
    assert.equal((await client.query("select count(*)::int as n from ledger")).rows[0].n, 0);
});

withClient("a failed transaction refuses until its end", async (client) => {
    await client.query("begin");
    await rejects(client.query("select 1/0"), "22012");
    await rejects(client.query("select 1"), "25P02");
    await client.query("rollback");
    await client.query("select 1");
});

withClient("cursor", async (client) => {
    const cursor = client.query(new Cursor("select generate_series(1, 1000) as n"));
    let sum = 0;
    for (let rows = await cursor.read(64); rows.length; rows = await cursor.read(64)) {
        sum += rows.reduce((total, row) => total + row.n, 0);
    }
    assert.equal(sum, 500_500);
    await cursor.close();
});

withClient("cursor closed early, and the connection goes on", async (client) => {
    const cursor = client.query(new Cursor("select generate_series(1, 100000) as n"));
    assert.equal((await cursor.read(10)).length, 10);
    await cursor.close();
    assert.equal((await client.query("select 1 as n")).rows[0].n, 1);
});

withClient("stream of rows", async (client) => {
    let count = 0;
    for await (const row of client.query(new QueryStream("select generate_series(1, 20000) as n"))) {
        count += row.n > 0 ? 1 : 0;
    }
    assert.equal(count, 20_000);
});

withClient("copy in and out", async (client) => {
    await client.query("create table if not exists copied (n int, word text)");
    await client.query("truncate copied");
    const lines = Array.from({ length: 5000 }, (_, n) => `${n}\tword\n`);
    await pipeline(Readable.from(lines), client.query(copyFrom("copy copied from stdin")));
    let bytes = 0;
    for await (const chunk of client.query(copyTo("copy copied to stdout"))) {
        bytes += chunk.length;
    }
    assert.equal(bytes, lines.join("").length);
});

withClient("copy in that fails", async (client) => {
    await client.query("create table if not exists copied (n int, word text)");
    await rejects(pipeline(Readable.from(["x\ty\n"]), client.query(copyFrom("copy copied from stdin"))), "22P02");
    assert.equal((await client.query("select 1 as n")).rows[0].n, 1);
});

withClient("notice", async (client) => {
    const notice = once(client, "notice");
    await client.query("do $$ begin raise notice 'hear'; end $$");
    assert.equal((await notice)[0].message, "hear");
});

withClient("listen and notify", async (listener) => {
    await listener.query("listen news");
    const heard = once(listener, "notification");
    const speaker = new pg.Client();
    await speaker.connect();
    await speaker.query("select pg_notify('news', 'payload')");
    await speaker.end();
    const [message] = await Promise.race([heard, new Promise((_, fail) => setTimeout(fail, 5000, new Error("not heard")).unref())]);
    assert.equal(message.payload, "payload");
});

withClient("set for the session", async (client) => {
    await client.query("set statement_timeout = 4321");
    assert.equal((await client.query("show statement_timeout")).rows[0].statement_timeout, "4321ms");
});

withClient("parameters of the startup packet", async (client) => {
    const names = ["application_name", "statement_timeout"];
    const rows = await client.query("select name, setting from pg_settings where name = any($1) order by name", [names]);
    assert.deepEqual(rows.rows.map((row) => row.setting), ["conformance", "5432"]);
}, { application_name: "conformance", statement_timeout: 5432 });

withClient("options of the startup packet", async (client) => {
    assert.equal((await client.query("show lock_timeout")).rows[0].lock_timeout, "1234ms");
}, { options: "-c lock_timeout=1234ms" });

withClient("temporary table over statements", async (client) => {
    await client.query("create temporary table of_session (n int)");
    await client.query("insert into of_session values ($1)", [5]);
    assert.equal((await client.query("select n from of_session")).rows[0].n, 5);
});

withClient("a value of ten million characters", async (client) => {
    const big = "x".repeat(10_000_000);
    assert.equal((await client.query("select $1::text as big", [big])).rows[0].big.length, big.length);
});

withClient("many parameters", async (client) => {
    const values = Array.from({ length: 30_000 }, (_, n) => n);
    const text = `select count(*)::int as n from (values ${values.map((_, n) => `($${n + 1}::int)`).join(",")}) v`;
    assert.equal((await client.query(text, values)).rows[0].n, 30_000);
});

withClient("statement time-out", async (client) => {
    await client.query("begin");
    await client.query("set local statement_timeout = 100");
    await rejects(client.query("select pg_sleep(10)"), "57014");
    await client.query("rollback");
});

withClient("cancel by another client", async (client) => {
    const sleeping = rejects(client.query("select pg_sleep(10)"), "57014");
    await new Promise((done) => setTimeout(done, 300));
    const helper = new pg.Client();
    // node-postgres has no public call for it: the request of the protocol, with this client's key.
    helper.connection.on("connect", () => helper.connection.cancel(client.processID, client.secretKey));
    helper.connection.on("error", () => {});
    helper.connection.connect(client.port, client.host);
    await sleeping;
});

test("pool under load", limit, async () => {
    const pool = new pg.Pool({ max: 20 });
    const rows = await Promise.all(Array.from({ length: 2000 }, (_, n) => pool.query("select $1::int as n", [n])));
    rows.forEach((result, n) => assert.equal(result.rows[0].n, n));
    await pool.end();
});

test("wrong password", limit, async () => {
    await rejects(new pg.Client({ password: "wrong" }).connect(), "28P01");
});

test("database that does not exist", limit, async () => {
    await rejects(new pg.Client({ database: "nowhere" }).connect(), "3D000");
});
