//! Prepared point SELECTs over the wire, by Tidewater and by PostgreSQL 15 in turns: the same client, table and statement.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use postgres::{Client, Statement};
use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use workloads::flags::{Failure, Flags, exit};
use workloads::latencies::Latencies;
use workloads::machine::Machine;
use workloads::postgresql::Postgresql;
use workloads::report::{Report, Table, duration};
use workloads::scratch::Scratch;
use workloads::server::{self, Server, Settings};
use workloads::{load, resources};

const SCHEMA: &str = include_str!("schema.sql");
const QUERY: &str = include_str!("queries.sql");

const CONNECTIONS: [usize; 2] = [1, 8];

/// What a connection asks before it is measured: enough for either server to have planned the statement for good.
const WARM_UP_QUERIES: usize = 50;

struct Sizes {
    rows: i64,
    seconds: f64,
    rounds: usize,
}

fn main() -> ExitCode {
    let flags = Flags::parse("serve", |options| {
        options.optopt("", "rows", "rows of the table (default: 1000000)", "N");
        options.optopt("", "seconds", "how long each is asked in each round (default: 5)", "N");
        options.optopt("", "rounds", "how often the two take turns (default: 3)", "N");
        server::declare(options);
    });
    let sizes = Sizes {
        rows: flags.value("rows", 1_000_000, 10_000),
        seconds: flags.value("seconds", 5.0, 0.5),
        rounds: flags.value("rounds", 3, 1),
    };
    exit(run(&flags, &sizes))
}

/// Who is asked.
enum System {
    Tidewater(Server),
    Postgresql(Postgresql),
}

impl System {
    fn name(&self) -> &'static str {
        match self {
            System::Tidewater(_) => "Tidewater",
            System::Postgresql(_) => "PostgreSQL 15",
        }
    }

    fn connect(&self) -> Result<Client, Failure> {
        match self {
            System::Tidewater(server) => server.connect(),
            System::Postgresql(server) => server.connect(),
        }
    }

    /// The CPU time that it has used.
    fn cpu_time(&self) -> Duration {
        resources::cpu_time_of(match self {
            System::Tidewater(server) => server.id(),
            System::Postgresql(server) => server.id(),
        })
    }

    fn load(&self, rows: i64) -> Result<(), Failure> {
        let mut client = self.connect()?;
        client.batch_execute(SCHEMA)?;
        let lines = (0..rows).map(|id| {
            let (owner, balance) = account(id);
            format!("{id}\t{owner}\t{balance}")
        });
        load::copy(&mut client, "accounts", lines)?;
        if let System::Postgresql(_) = self {
            client.batch_execute("VACUUM ANALYZE accounts")?;
            client.batch_execute("CHECKPOINT")?;
        }
        Ok(())
    }
}

/// What the table holds of an account.
fn account(id: i64) -> (String, i64) {
    (format!("owner {id:08}"), id * 7_919 % 1_000_003)
}

/// What a system did with so many connections, over all rounds.
#[derive(Default)]
struct Served {
    latencies: Latencies,
    wall: Duration,
    cpu: Duration,
}

impl Served {
    fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.wall.as_secs_f64()
    }
}

fn run(flags: &Flags, sizes: &Sizes) -> Result<(), Failure> {
    let machine = Machine::describe();
    let settings = Settings::read(flags)?;
    let scratch = Scratch::new(&settings.directory, "serve")?;
    let systems = [
        System::Postgresql(Postgresql::start(&settings.directory)?),
        System::Tidewater(Server::start(&settings, scratch.path())?),
    ];
    for system in &systems {
        system.load(sizes.rows)?;
    }
    let mut table =
        Table::new(["server", "connections", "queries/s", "p50", "p99", "CPU a query", "of PostgreSQL"]);
    for connections in CONNECTIONS {
        let mut served = [Served::default(), Served::default()];
        for _ in 0..sizes.rounds {
            for (system, served) in systems.iter().zip(&mut served) {
                ask(system, connections, sizes, served)?;
            }
        }
        let yardstick = served[0].per_second();
        for (system, served) in systems.iter().zip(&mut served) {
            let queries = served.latencies.len();
            table.row([
                system.name().to_owned(),
                connections.to_string(),
                format!("{:.0}", served.per_second()),
                duration(served.latencies.percentile(50.0)),
                duration(served.latencies.percentile(99.0)),
                duration(served.cpu.div_f64(queries.max(1) as f64)),
                format!("{:.2}", served.per_second() / yardstick),
            ]);
        }
    }
    let report = Report {
        workload: "serve",
        run: format!(
            "{} rows, {} round(s) of {} s each, {} worker(s).",
            sizes.rows, sizes.rounds, sizes.seconds, settings.workers
        ),
        table,
        notes: vec!["Every answer was checked.".to_owned()],
    };
    Ok(report.publish(&machine, flags.smoke())?)
}

/// Asks a system over so many connections for one round's time.
fn ask(system: &System, connections: usize, sizes: &Sizes, served: &mut Served) -> Result<(), Failure> {
    let mut clients = Vec::new();
    for number in 0..connections {
        let mut client = system.connect()?;
        let statement = client.prepare(QUERY)?;
        let mut asking = Asking { client, statement, random: SmallRng::seed_from_u64(number as u64) };
        for _ in 0..WARM_UP_QUERIES {
            asking.ask(sizes.rows)?;
        }
        clients.push(asking);
    }
    let (start, cpu) = (Instant::now(), system.cpu_time());
    let end = start + Duration::from_secs_f64(sizes.seconds);
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> =
            clients.iter_mut().map(|asking| scope.spawn(move || asking.until(end, sizes.rows))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("invariant: asking does not panic"))
            .collect::<Vec<_>>()
    });
    served.wall += start.elapsed();
    // While the connections are there: PostgreSQL's processes end with them.
    served.cpu += system.cpu_time().saturating_sub(cpu);
    for result in results {
        served.latencies.extend(&result?);
    }
    Ok(())
}

/// One connection that asks.
struct Asking {
    client: Client,
    statement: Statement,
    random: SmallRng,
}

impl Asking {
    /// Asks for one account after the other until the time has come.
    fn until(&mut self, end: Instant, rows: i64) -> Result<Latencies, Failure> {
        let mut latencies = Latencies::default();
        let mut start = Instant::now();
        while start < end {
            let answered = self.ask(rows)?;
            latencies.push(answered - start);
            start = answered;
        }
        Ok(latencies)
    }

    /// Asks for one account and checks the answer; returns when that was there.
    fn ask(&mut self, rows: i64) -> Result<Instant, Failure> {
        let id = self.random.random_range(0..rows);
        let row = self.client.query_one(&self.statement, &[&id])?;
        let answered = Instant::now();
        let (owner, balance) = account(id);
        match row.get::<_, &str>(0) == owner && row.get::<_, i64>(1) == balance {
            true => Ok(answered),
            false => Err(format!("account {id} was read wrong").into()),
        }
    }
}
