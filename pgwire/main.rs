//! The `tidewater` binary: flags, logging, the engine and the server, signals.
//!
//! Whatever keeps it from serving is one line on stderr and an exit code other than 0. Once it serves, it says on stdout
//! how to connect, and SIGINT or SIGTERM end it within a second.

use std::io::{IsTerminal, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dataflow::Engine;
use pgwire::{Executor, Server};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// What the flags ask for.
struct Settings {
    /// `None` keeps nothing.
    data_directory: Option<PathBuf>,
    listen: SocketAddr,
    timely: timely::Config,
    /// This process's number, how many there are, and the workers of each.
    process: usize,
    processes: usize,
    workers: usize,
}

enum Asked {
    Serve(Box<Settings>),
    Help(String),
    Version,
}

fn main() -> ExitCode {
    let result = match parse_flags(std::env::args().skip(1).collect()) {
        Ok(Asked::Serve(settings)) => serve(*settings),
        Ok(Asked::Help(text)) => say(&text),
        Ok(Asked::Version) => say(concat!("tidewater ", env!("CARGO_PKG_VERSION"))),
        Err(message) => Err(message),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "tidewater: {message}");
            ExitCode::FAILURE
        }
    }
}

/// One line (or text) on stdout; that nobody reads it is no reason to fail.
fn say(text: &str) -> Result<(), String> {
    let mut stdout = std::io::stdout();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    Ok(())
}

fn options() -> getopts::Options {
    let mut options = getopts::Options::new();
    options.optopt("", "data-dir", "where everything is kept (default: ./tidewater-data)", "DIR");
    options.optflag("", "memory", "keep nothing: all data is gone when the server ends");
    options.optopt(
        "",
        "listen",
        "where clients connect; port 0 takes any (default: 127.0.0.1:7432)",
        "ADDR:PORT",
    );
    options.optflag("", "help", "print this and exit");
    options.optflag("", "version", "print the version and exit");
    timely::Config::install_options(&mut options);
    options
}

fn parse_flags(args: Vec<String>) -> Result<Asked, String> {
    let options = options();
    let matches = options.parse(args).map_err(|fail| lower_first(&fail.to_string()))?;
    if matches.opt_present("help") {
        return Ok(Asked::Help(options.usage("Usage: tidewater [OPTIONS]").trim_end().to_owned()));
    }
    if matches.opt_present("version") {
        return Ok(Asked::Version);
    }
    if let Some(extra) = matches.free.first() {
        return Err(format!("unexpected argument \"{extra}\""));
    }
    let data_directory = match (matches.opt_present("memory"), matches.opt_str("data-dir")) {
        (true, Some(_)) => return Err("--memory and --data-dir exclude each other".to_owned()),
        (true, None) => None,
        (false, directory) => Some(directory.map_or_else(|| PathBuf::from("tidewater-data"), PathBuf::from)),
    };
    let listen = parse_listen(&matches.opt_str("listen").unwrap_or_else(|| "127.0.0.1:7432".to_owned()))?;
    let Workers { timely, process, processes, workers } = parse_workers(&matches)?;
    Ok(Asked::Serve(Box::new(Settings { data_directory, listen, timely, process, processes, workers })))
}

/// Who computes.
struct Workers {
    timely: timely::Config,
    process: usize,
    processes: usize,
    workers: usize,
}

/// Timely's own flags. It takes some values that it cannot run with, and reads no hostfile for one process.
fn parse_workers(matches: &getopts::Matches) -> Result<Workers, String> {
    let number = |flag: &str, default: usize| -> Result<usize, String> {
        let text = matches.opt_str(flag);
        let parsed = text.as_ref().map_or(Ok(default), |text| text.parse());
        parsed.map_err(|_| format!("-{flag} {}: not a number", text.unwrap_or_default()))
    };
    let (workers, process, processes) = (number("w", 1)?, number("p", 0)?, number("n", 1)?);
    if workers == 0 || processes == 0 {
        return Err("-w and -n must be at least 1".to_owned());
    }
    if process >= processes {
        return Err(format!("-p {process}: with -n {processes} the processes are 0 to {}", processes - 1));
    }
    if let Some(hostfile) = matches.opt_str("h") {
        let text = std::fs::read_to_string(&hostfile)
            .map_err(|error| format!("hostfile \"{hostfile}\": {error}"))?;
        if text.lines().count() < processes {
            return Err(format!("hostfile \"{hostfile}\": fewer lines than the {processes} processes of -n"));
        }
    }
    let timely = timely::Config::from_matches(matches).map_err(|error| lower_first(&error))?;
    Ok(Workers { timely, process, processes, workers })
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|_| format!("--listen {text}: not an ADDR:PORT"))?;
    let address = addresses.next().ok_or_else(|| format!("--listen {text}: no such address"))?;
    if !address.ip().is_loopback() {
        return Err(format!(
            "--listen {text}: only loopback addresses can be served, for there is no authentication"
        ));
    }
    Ok(address)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// The stack of a thread that compiles: a plan is as high as its statement has joins. Untouched, it costs nothing but addresses.
const STACK_BYTES: usize = 64 << 20;

fn serve(settings: Settings) -> Result<(), String> {
    start_logging();
    // Before anything slow: whoever asks to end is heard from here on.
    let serving = Arc::new(AtomicBool::new(false));
    let asked = hear_signals(Arc::clone(&serving)).map_err(|e| e.to_string())?;
    if settings.process != 0 {
        let (process, processes) = (settings.process, settings.processes);
        say(&format!(
            "tidewater: process {process} of {processes} computes; process 0 alone serves clients"
        ))?;
        return open(settings).map(drop);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build()
        .map_err(|e| e.to_string())?;
    let listen = settings.listen;
    let server =
        runtime.block_on(Server::bind(listen)).map_err(|e| format!("cannot listen on {listen}: {e}"))?;
    let address = server.address().map_err(|e| e.to_string())?;
    let Some(engine) = open(settings)? else { return Ok(()) };
    serving.store(true, Ordering::Release);
    say(&format!("tidewater is ready: psql -h {} -p {}", host(address.ip()), address.port()))?;
    let is_lost = AtomicBool::new(false);
    let end = async {
        tokio::select! {
            _ = asked => {}
            () = dataflow::lost() => is_lost.store(true, Ordering::Release),
        }
    };
    runtime.block_on(server.run(Executor::new(engine.clone()), end));
    while is_lost.load(Ordering::Acquire) {
        // Whoever found it out ends the process.
        std::thread::park();
    }
    engine.close();
    runtime.shutdown_background();
    Ok(())
}

fn open(settings: Settings) -> Result<Option<Engine>, String> {
    let Settings { data_directory, timely, process, processes, workers, .. } = settings;
    let config = dataflow::Config { data_dir: data_directory, timely, process, processes, workers };
    Engine::open(config).map_err(|error| error.message)
}

/// How long the end may take once it was asked for.
const EXIT_AFTER: Duration = Duration::from_millis(700);

/// Resolves at the first SIGINT or SIGTERM. A thread of its own hears them, so that nothing keeps the process from ending soon after;
/// before it serves there is nobody to say goodbye to, and it ends at once.
fn hear_signals(serving: Arc<AtomicBool>) -> std::io::Result<oneshot::Receiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupts, mut terminations) = {
        let _within = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let (ask, asked) = oneshot::channel();
    let hear = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = terminations.recv() => {}
            }
        });
        if serving.load(Ordering::Acquire) {
            let _ = ask.send(());
            std::thread::sleep(EXIT_AFTER);
        }
        std::process::exit(0);
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(hear)?;
    Ok(asked)
}

/// What psql is given as -h.
fn host(ip: IpAddr) -> String {
    if ip == IpAddr::from([127, 0, 0, 1]) { "localhost".to_owned() } else { ip.to_string() }
}

/// Warnings and errors go to stderr; `TIDEWATER_LOG` or `RUST_LOG` ask for more.
fn start_logging() {
    let filter = ["TIDEWATER_LOG", "RUST_LOG"].into_iter().find_map(|name| std::env::var(name).ok());
    let filter = tracing_subscriber::EnvFilter::new(filter.as_deref().unwrap_or("warn"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}
