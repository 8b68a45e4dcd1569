//! Real drivers against a real server: psycopg 3, node-postgres and tokio-postgres create, insert, select and prepare.
//!
//! The first two are scripts in `tests/drivers/`, run by interpreters that `.ci/install` has put into a cache folder.

mod harness;

use std::io::{Read, Write};
use std::process::Command;

use harness::scripts::{installed, run};
use harness::server::{Options, Server};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::Type;

#[test]
fn psycopg() {
    let python = installed("python/bin/python", "psycopg");
    let server = Server::start(Options::default());
    let script = harness::repository("tests/drivers/psycopg3.py");
    assert_eq!(run(Command::new(python).arg(script).arg(server.port.to_string())), "ok");
}

#[test]
fn node_postgres() {
    let modules = installed("node/node_modules", "node-postgres");
    let server = Server::start(Options::default());
    let script = harness::repository("tests/drivers/node_postgres.js");
    let mut command = Command::new("node");
    assert_eq!(run(command.env("NODE_PATH", modules).arg(script).arg(server.port.to_string())), "ok");
}

#[test]
fn tokio_postgres() {
    let server = Server::start(Options::default());
    let mut client = server.connect();
    client.batch_execute("CREATE TABLE t (id int PRIMARY KEY, name text, x float8, big int8)").unwrap();

    let insert = client.prepare("INSERT INTO t VALUES ($1, $2, $3, $4)").unwrap();
    assert_eq!(insert.params(), [Type::INT4, Type::TEXT, Type::FLOAT8, Type::INT8]);
    for id in 0..100i32 {
        let name = (id % 7 != 0).then(|| format!("name {id}"));
        let count =
            client.execute(&insert, &[&id, &name, &(f64::from(id) / 4.0), &(i64::from(id) << 33)]).unwrap();
        assert_eq!(count, 1);
    }

    let by_id = client.prepare("SELECT name, x, big FROM t WHERE id = $1").unwrap();
    assert_eq!(
        by_id.columns().iter().map(|c| c.type_().clone()).collect::<Vec<_>>(),
        [Type::TEXT, Type::FLOAT8, Type::INT8]
    );
    for id in [7i32, 8] {
        let row = client.query_one(&by_id, &[&id]).unwrap();
        let expected = (id != 7).then(|| format!("name {id}"));
        assert_eq!(row.get::<_, Option<String>>(0), expected);
        assert_eq!((row.get::<_, f64>(1), row.get::<_, i64>(2)), (f64::from(id) / 4.0, i64::from(id) << 33));
    }
    assert!(client.query_opt(&by_id, &[&1000i32]).unwrap().is_none());

    // A portal is read in pieces.
    let mut transaction = client.transaction().unwrap();
    let portal = transaction.bind("SELECT id FROM t ORDER BY id DESC", &[]).unwrap();
    let piece = |rows: Vec<postgres::Row>| rows.iter().map(|row| row.get(0)).collect::<Vec<i32>>();
    assert_eq!(piece(transaction.query_portal(&portal, 3).unwrap()), [99, 98, 97]);
    assert_eq!(piece(transaction.query_portal(&portal, 2).unwrap()), [96, 95]);
    assert_eq!(transaction.query_portal(&portal, 0).unwrap().len(), 95);
    transaction.commit().unwrap();

    // A prepared statement notices that its table has changed.
    client.batch_execute("DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, name int)").unwrap();
    let error = client.query_opt(&by_id, &[&1i32]).unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42703");

    let mut writer = client.copy_in("COPY t FROM STDIN (FORMAT csv)").unwrap();
    writer.write_all(b"1,10\n2,").unwrap();
    writer.write_all(b"20\n").unwrap();
    assert_eq!(writer.finish().unwrap(), 2);
    let mut text = String::new();
    client
        .copy_out("COPY (SELECT * FROM t ORDER BY id) TO STDOUT")
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "1\t10\n2\t20\n");
}

#[test]
fn tokio_postgres_cancels_a_stream() {
    let server = Server::start(Options::default());
    let mut client = server.connect();
    client.batch_execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").unwrap();
    let token = client.cancel_token();
    let mut rows = client.query_raw("SUBSCRIBE t", std::iter::empty::<i32>()).unwrap();
    assert_eq!(rows.next().unwrap().unwrap().get::<_, i32>(2), 1);
    token.cancel_query(postgres::NoTls).unwrap();
    let error = rows.next().unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014");
    drop(rows);
    assert_eq!(client.query_one("SELECT count(*) FROM t", &[]).unwrap().get::<_, i64>(0), 1);
}
