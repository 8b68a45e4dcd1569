//! A server in the test's own process, so that what the engine runs can be counted beside what clients see.

use dataflow::{Config, Engine};
use pgwire::{Executor, Server};
use postgres::Client;
use tokio::sync::oneshot;

use super::server::connect;

/// Serves until it is dropped. Nothing is kept.
pub struct InProcess {
    pub engine: Engine,
    pub port: u16,
    end: Option<oneshot::Sender<()>>,
    runtime: tokio::runtime::Runtime,
}

impl InProcess {
    pub fn start(workers: usize) -> InProcess {
        let timely = match workers {
            1 => timely::Config::thread(),
            _ => timely::Config::process(workers),
        };
        let config = Config { data_dir: None, timely, process: 0, processes: 1, workers };
        let engine = Engine::open(config).expect("memory does not fail").expect("this is process 0");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be started");
        let address = "127.0.0.1:0".parse().expect("an address");
        let server = runtime.block_on(Server::bind(address)).expect("a free port");
        let port = server.address().expect("bound").port();
        let (end, ended) = oneshot::channel();
        let executor = Executor::new(engine.clone());
        runtime.spawn(server.run(executor, async { drop(ended.await) }));
        InProcess { engine, port, end: Some(end), runtime }
    }

    pub fn connect(&self) -> Client {
        connect(self.port, "tidewater")
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        drop(self.end.take());
        self.engine.close();
        // What is blocked in a thread of the runtime ends with the test.
        let runtime = std::mem::replace(
            &mut self.runtime,
            tokio::runtime::Builder::new_current_thread().build().expect("needs no thread"),
        );
        runtime.shutdown_background();
    }
}
