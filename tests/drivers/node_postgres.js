// node-postgres over its ordinary paths: queries with and without parameters, named statements, blocks, errors.
// Usage: node_postgres.js PORT, with NODE_PATH to the folder that has `pg`. Fails by an assertion.
const assert = require('node:assert/strict');
const { Client } = require('pg');

async function main() {
  const client = new Client({ host: '127.0.0.1', port: Number(process.argv[2]), user: 'ann', database: 'test' });
  await client.connect();
  await client.query('CREATE SCHEMA node');
  await client.query('CREATE TABLE node.t (id int PRIMARY KEY, a text, n numeric, j jsonb, b boolean, bytes bytea)');

  const inserted = await client.query(
    'INSERT INTO node.t VALUES ($1, $2, $3, $4, $5, $6) RETURNING id, a',
    [1, "é'\\", '12.30', { a: [1, null] }, true, Buffer.from([0, 255])],
  );
  assert.deepEqual(inserted.rows, [{ id: 1, a: "é'\\" }]);
  assert.equal(inserted.rowCount, 1);
  assert.equal(inserted.command, 'INSERT');

  const all = await client.query('SELECT * FROM node.t');
  assert.deepEqual(all.rows, [
    { id: 1, a: "é'\\", n: '12.30', j: { a: [1, null] }, b: true, bytes: Buffer.from([0, 255]) },
  ]);
  assert.deepEqual(all.fields.map((field) => field.dataTypeID), [23, 25, 1700, 3802, 16, 17]);

  for (let id = 0; id < 5; id++) {
    const found = await client.query({ name: 'by-id', text: 'SELECT a FROM node.t WHERE id = $1', values: [id] });
    assert.equal(found.rowCount, id === 1 ? 1 : 0);
  }

  const several = await client.query("INSERT INTO node.t (id) VALUES (2); SELECT count(*)::int AS c FROM node.t");
  assert.deepEqual(several[1].rows, [{ c: 2 }]);

  await assert.rejects(client.query('INSERT INTO node.t (id) VALUES (2)'), (error) => {
    assert.equal(error.code, '23505');
    assert.equal(error.constraint, 't_pkey');
    return true;
  });
  await assert.rejects(client.query('SELECT nonsense FROM node.t'), { code: '42703', position: '8' });

  await client.query('BEGIN');
  await client.query('INSERT INTO node.t (id) VALUES ($1)', [3]);
  await client.query('ROLLBACK');
  assert.equal((await client.query('SELECT * FROM node.t')).rowCount, 2);

  // Queries sent without waiting for each other.
  const many = await Promise.all([1, 2, 3].map((n) => client.query('SELECT $1::int + 1 AS n', [n])));
  assert.deepEqual(many.map((result) => result.rows[0].n), [2, 3, 4]);

  await client.end();
  console.log('ok');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
