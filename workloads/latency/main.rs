//! From a durable INSERT to the changed row of a view at its subscriber, over the wire, with a million rows resident.
//!
//! An insert is known at the subscriber by what it makes of its sensor's row: no other makes (sensor, readings) the same. So
//! every latency belongs to one insert, and a row that is missing, doubled or wrong fails the run.

use std::collections::HashMap;
use std::io::BufRead;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use postgres::{Client, Statement};
use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use workloads::flags::{Failure, Flags, exit};
use workloads::latencies::Latencies;
use workloads::machine::Machine;
use workloads::pace::Pace;
use workloads::report::{Report, Table, duration, mebibytes};
use workloads::scratch::Scratch;
use workloads::server::{self, Server, Settings};
use workloads::{disk, load, resources};

const SCHEMA: &str = include_str!("schema.sql");
const VIEWS: &str = include_str!("views.sql");

/// Readings of a sensor when all are loaded.
const READINGS_A_SENSOR: usize = 10;

/// How long a row may take to arrive before the run fails.
const PATIENCE: Duration = Duration::from_secs(30);

struct Sizes {
    rows: usize,
    inserts: usize,
    rate: f64,
}

fn main() -> ExitCode {
    let flags = Flags::parse("latency", |options| {
        options.optopt("", "rows", "how many rows are resident (default: 1000000)", "N");
        options.optopt("", "inserts", "how many inserts are measured (default: 4000)", "N");
        options.optopt("", "rate", "inserts a second (default: 200)", "N");
        server::declare(options);
    });
    let sizes = Sizes {
        rows: flags.value("rows", 1_000_000, 10_000),
        inserts: flags.value("inserts", 4_000, 200),
        rate: flags.value("rate", 200.0, 100.0),
    };
    exit(run(&flags, &sizes))
}

fn run(flags: &Flags, sizes: &Sizes) -> Result<(), Failure> {
    let machine = Machine::describe();
    let settings = Settings::read(flags)?;
    let scratch = Scratch::new(&settings.directory, "latency")?;
    let mut disk = disk::sync_latencies(scratch.path(), sizes.inserts / 2, sizes.rate)?;
    let server = Server::start(&settings, scratch.path())?;
    let mut inserts = Inserts::prepare(&server, sizes)?;
    let rows = subscribe(server.connect()?);
    inserts.until_heard(&rows)?;
    let cpu = resources::cpu_time_of(server.id());
    let found = inserts.measure(&rows, sizes)?;
    let cpu = resources::cpu_time_of(server.id()).saturating_sub(cpu);
    let memory = resources::memory_of(server.id());
    drop(server);
    disk.extend(&disk::sync_latencies(scratch.path(), sizes.inserts / 2, sizes.rate)?);
    let report = Report {
        workload: "latency",
        run: format!(
            "{} rows resident, {} inserts at {} a second, {} worker(s).",
            sizes.rows, sizes.inserts, sizes.rate, settings.workers
        ),
        table: table(&found, &mut disk),
        notes: vec![
            "Every insert's row arrived, and was right.".to_owned(),
            format!(
                "The server used {} of CPU time for an insert, and {} MiB of memory.",
                duration(cpu / u32::try_from(sizes.inserts).unwrap_or(u32::MAX).max(1)),
                mebibytes(memory.resident)
            ),
        ],
    };
    Ok(report.publish(&machine, flags.smoke())?)
}

/// What was measured of the inserts, each from when it was due.
#[derive(Default)]
struct Found {
    acknowledged: Latencies,
    arrived: Latencies,
}

fn table(found: &Found, disk: &mut Latencies) -> Table {
    let mut table = Table::new(["", "p50", "p99", "max", "p99 beyond the disk's"]);
    let disk_p99 = disk.percentile(99.0);
    let mut row = |name: &str, latencies: &Latencies, beyond: bool| {
        let mut latencies = latencies.clone();
        let p99 = latencies.percentile(99.0);
        table.row([
            name.to_owned(),
            duration(latencies.percentile(50.0)),
            duration(p99),
            duration(latencies.percentile(100.0)),
            if beyond { duration(p99.saturating_sub(disk_p99)) } else { String::new() },
        ]);
    };
    row("the disk's own (fdatasync)", disk, false);
    row("INSERT to acknowledgement", &found.acknowledged, true);
    row("INSERT to SUBSCRIBE row", &found.arrived, true);
    table
}

/// A row of the view as it became, when the subscriber had it.
struct Row {
    at: Instant,
    sensor: i32,
    readings: i64,
    total: i64,
}

/// Reads the view's changes on a thread of its own, which ends with the connection.
fn subscribe(mut client: Client) -> Receiver<Result<Row, String>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut read = || -> Result<(), Failure> {
            let changes = client.copy_out("COPY (SUBSCRIBE TO sensors WITH (SNAPSHOT = false)) TO STDOUT")?;
            for line in changes.lines() {
                let (line, at) = (line?, Instant::now());
                if let Some(row) = parse(&line, at).ok_or_else(|| format!("unexpected row {line:?}"))? {
                    sender.send(Ok(row))?;
                }
            }
            Err("the subscription ended".into())
        };
        if let Err(failure) = read() {
            // Nobody listens any more once the run is over.
            let _ = sender.send(Err(failure.to_string()));
        }
    });
    receiver
}

/// A line of the subscription: `tw_timestamp tw_diff sensor readings total`. Of a row that went, nothing.
fn parse(line: &str, at: Instant) -> Option<Option<Row>> {
    let mut fields = line.split('\t').skip(1);
    let diff: i64 = fields.next()?.parse().ok()?;
    let sensor = fields.next()?.parse().ok()?;
    let readings = fields.next()?.parse().ok()?;
    let total = fields.next()?.parse().ok()?;
    Some((diff == 1).then_some(Row { at, sensor, readings, total }))
}

/// The inserting client, and what the view must hold after what it inserted.
struct Inserts {
    client: Client,
    statement: Statement,
    next_id: i64,
    /// Of each sensor, how many readings there are and their sum.
    sensors: Vec<(i64, i64)>,
    random: SmallRng,
}

impl Inserts {
    /// Creates the relations and loads the resident rows.
    fn prepare(server: &Server, sizes: &Sizes) -> Result<Inserts, Failure> {
        let mut client = server.connect()?;
        client.batch_execute(SCHEMA)?;
        client.batch_execute(VIEWS)?;
        let mut sensors = vec![(0, 0); (sizes.rows / READINGS_A_SENSOR).max(1)];
        let count = sensors.len();
        let lines = (0..sizes.rows).map(|id| {
            let (sensor, value) = (id % count, id as i64 % 1_000);
            sensors[sensor].0 += 1;
            sensors[sensor].1 += value;
            format!("{id}\t{sensor}\t{value}")
        });
        load::copy(&mut client, "readings", lines)?;
        let loaded: i64 = client.query_one("SELECT count(*) FROM sensors", &[])?.get(0);
        if loaded != count as i64 {
            return Err(format!("the view has {loaded} rows instead of {count}").into());
        }
        let statement = client.prepare("INSERT INTO readings VALUES ($1, $2, $3)")?;
        let random = SmallRng::seed_from_u64(1);
        Ok(Inserts { client, statement, next_id: sizes.rows as i64, sensors, random })
    }

    /// Inserts a reading; returns its sensor and how many readings that has then.
    fn insert(&mut self, sensor: usize) -> Result<(i32, i64), Failure> {
        let (id, value) = (self.next_id, self.random.random_range(0..1_000i64));
        let number = i32::try_from(sensor)?;
        self.client.execute(&self.statement, &[&id, &number, &value])?;
        self.next_id += 1;
        let (readings, total) = &mut self.sensors[sensor];
        *readings += 1;
        *total += value;
        Ok((number, *readings))
    }

    /// Inserts until the subscriber has heard of it, so that the subscription is running, then lets it hear the rest.
    fn until_heard(&mut self, rows: &Receiver<Result<Row, String>>) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        let (mut row, last) = loop {
            let (_, last) = self.insert(0)?;
            match rows.recv_timeout(Duration::from_millis(100)) {
                Ok(row) => break (row?, last),
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(error) => return Err(format!("the subscriber hears nothing: {error}").into()),
            }
        };
        while row.readings != last {
            row = rows.recv_timeout(PATIENCE)??;
        }
        Ok(())
    }

    fn measure(&mut self, rows: &Receiver<Result<Row, String>>, sizes: &Sizes) -> Result<Found, Failure> {
        let mut found = Found::default();
        let mut due_times = HashMap::new();
        let mut pace = Pace::per_second(sizes.rate);
        for _ in 0..sizes.inserts {
            let due = pace.wait();
            let sensor = self.random.random_range(0..self.sensors.len());
            let inserted = self.insert(sensor)?;
            found.acknowledged.push(due.elapsed());
            due_times.insert(inserted, (due, self.sensors[sensor].1));
        }
        while !due_times.is_empty() {
            let row = rows.recv_timeout(PATIENCE)??;
            let (due, total) = due_times
                .remove(&(row.sensor, row.readings))
                .ok_or_else(|| format!("a row of sensor {} that no insert made", row.sensor))?;
            if row.total != total {
                return Err(format!("sensor {} sums to {}, not {total}", row.sensor, row.total).into());
            }
            found.arrived.push(row.at.duration_since(due));
        }
        Ok(found)
    }
}
