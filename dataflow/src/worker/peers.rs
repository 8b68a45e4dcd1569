//! The sockets between the processes of a group.
//!
//! Each process connects to those before it and listens for those after it. Before a socket carries anything else, both sides say who
//! they are: processes of different builds, or of groups of different sizes, must not exchange a single batch. What knocks and
//! is no process of the group is sent away.
//!
//! ```text
//!   magic | build | processes | workers of each | process        five words, both ways
//! ```

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use compiler::{Error, SqlState};

use crate::exchange::build_id;

/// How long to wait before trying again.
const PAUSE: Duration = Duration::from_millis(50);

/// After so long the wait is worth a line.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a peer may take to say who it is.
const GREETING: Duration = Duration::from_secs(5);

const MAGIC: u64 = u64::from_be_bytes(*b"tidewatr");

/// A group of processes, and which one this is.
pub(super) struct Group<'a> {
    /// Where each listens for the others; several addresses in one are separated by spaces.
    pub addresses: &'a [String],
    pub process: usize,
    pub workers: usize,
}

/// Why a socket cannot be used.
enum Refusal {
    /// It is no process of a group, or went away: another may come.
    Stranger,
    /// It is one that this process cannot work with.
    Unfit(Error),
}

impl From<io::Error> for Refusal {
    fn from(_: io::Error) -> Refusal {
        Refusal::Stranger
    }
}

fn unfit(message: String) -> Error {
    Error::new(SqlState::CANNOT_CONNECT_NOW, message)
}

impl Group<'_> {
    /// A socket to each other process, by their numbers; waits until all are there.
    pub fn connect(&self) -> Result<Vec<Option<TcpStream>>, Error> {
        let listeners = self.listen()?;
        let mut sockets: Vec<Option<TcpStream>> = self.addresses.iter().map(|_| None).collect();
        let mut wait = Wait { since: Instant::now(), told: false };
        for (peer, socket) in sockets.iter_mut().enumerate().take(self.process) {
            *socket = Some(self.reach(peer, &mut wait)?);
        }
        while let Some(missing) = self.missing(&sockets) {
            let mut heard = false;
            for listener in &listeners {
                let Ok((socket, _)) = listener.accept() else { continue };
                heard = true;
                match self.greet(&socket, None) {
                    Ok(peer) if peer > self.process && sockets[peer].is_none() => {
                        sockets[peer] = Some(socket)
                    }
                    Ok(_) | Err(Refusal::Stranger) => {}
                    Err(Refusal::Unfit(error)) => return Err(error),
                }
            }
            if !heard {
                wait.pause(|| format!("process {missing} of the group to connect"));
            }
        }
        Ok(sockets)
    }

    /// The first process that has not connected.
    fn missing(&self, sockets: &[Option<TcpStream>]) -> Option<usize> {
        (self.process + 1..sockets.len()).find(|peer| sockets[*peer].is_none())
    }

    fn listen(&self) -> Result<Vec<TcpListener>, Error> {
        let listen = |address: &str| {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let addresses = self.addresses[self.process].split_whitespace();
        let listeners = addresses.map(|address| {
            listen(address).map_err(|error: io::Error| {
                unfit(format!("cannot listen on {address} for the other processes: {error}"))
            })
        });
        listeners.collect()
    }

    /// Connects to a process before this one, which may not be there yet.
    fn reach(&self, peer: usize, wait: &mut Wait) -> Result<TcpStream, Error> {
        loop {
            let addresses = self.addresses[peer].split_whitespace();
            for socket in addresses.filter_map(|address| TcpStream::connect(address).ok()) {
                match self.greet(&socket, Some(peer)) {
                    Ok(_) => return Ok(socket),
                    Err(Refusal::Stranger) => {}
                    Err(Refusal::Unfit(error)) => return Err(error),
                }
            }
            wait.pause(|| format!("process {peer} of the group at {}", self.addresses[peer]));
        }
    }

    fn greeting(&self) -> [u64; 5] {
        [MAGIC, build_id(), self.addresses.len() as u64, self.workers as u64, self.process as u64]
    }

    /// Says who this is, and hears who the other is.
    fn greet(&self, mut socket: &TcpStream, expected: Option<usize>) -> Result<usize, Refusal> {
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(GREETING))?;
        socket.write_all(&self.greeting().map(u64::to_be_bytes).concat())?;
        let mut heard = [0; 40];
        socket.read_exact(&mut heard)?;
        socket.set_read_timeout(None)?;
        let words: Vec<u64> = heard.as_chunks::<8>().0.iter().map(|word| u64::from_be_bytes(*word)).collect();
        self.check(&words, expected)
    }

    /// The number of the process that said this.
    fn check(&self, words: &[u64], expected: Option<usize>) -> Result<usize, Refusal> {
        let [MAGIC, build, processes, workers, process] = words[..] else { return Err(Refusal::Stranger) };
        let unfit = |message: String| Err(Refusal::Unfit(unfit(message)));
        if build != build_id() {
            return unfit(format!("process {process} of the group is another build of tidewater"));
        }
        let (own_processes, own_workers) = (self.addresses.len(), self.workers);
        if (processes, workers) != (own_processes as u64, own_workers as u64) {
            return unfit(format!(
                "process {process} of the group was started with -n {processes} -w {workers}, this one with \
                 -n {own_processes} -w {own_workers}"
            ));
        }
        match usize::try_from(process) {
            Ok(process) if process < own_processes && expected.is_none_or(|expected| expected == process) => {
                Ok(process)
            }
            _ => unfit(format!("process {process} of the group is not where the hostfile says")),
        }
    }
}

/// A wait for peers, of which the user is told once.
struct Wait {
    since: Instant,
    told: bool,
}

impl Wait {
    fn pause(&mut self, what: impl FnOnce() -> String) {
        if !self.told && self.since.elapsed() > PATIENCE {
            self.told = true;
            eprintln!("tidewater: waiting for {}", what());
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Vec<String> {
        let listeners: Vec<TcpListener> =
            (0..2).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        listeners.iter().map(|listener| listener.local_addr().expect("it is bound").to_string()).collect()
    }

    fn group(addresses: &[String], process: usize, workers: usize) -> Group<'_> {
        Group { addresses, process, workers }
    }

    #[test]
    fn processes_find_each_other_and_send_strangers_away() {
        let addresses = addresses();
        std::thread::scope(|scope| {
            let first = scope.spawn(|| group(&addresses, 0, 2).connect());
            let mut stranger = loop {
                match TcpStream::connect(&addresses[0]) {
                    Ok(socket) => break socket,
                    Err(_) => std::thread::sleep(PAUSE),
                }
            };
            stranger.write_all(b"GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n").expect("it is read");
            let second = group(&addresses, 1, 2).connect().expect("it reaches the first");
            let first = first.join().expect("it does not panic").expect("it is reached");
            assert!(first[0].is_none() && second[1].is_none());
            let mut socket = first[1].as_ref().expect("there is a socket to the other");
            socket.write_all(b"!").expect("it is read");
            let mut heard = [0];
            second[0].as_ref().expect("there is a socket").read_exact(&mut heard).expect("it is written");
            assert_eq!(&heard, b"!");
        });
    }

    #[test]
    fn groups_of_different_sizes_and_builds_refuse_each_other() {
        let addresses = addresses();
        std::thread::scope(|scope| {
            let first = scope.spawn(|| group(&addresses, 0, 2).connect());
            let second = group(&addresses, 1, 3).connect().expect_err("it has more workers");
            assert_eq!(
                second.message,
                "process 0 of the group was started with -n 2 -w 2, this one with -n 2 -w 3"
            );
            first.join().expect("it does not panic").expect_err("it has fewer workers");
        });
        let refused = |change: fn(&mut [u64; 5])| {
            let group = group(&addresses, 0, 2);
            let mut words = group.greeting();
            words[4] = 1;
            change(&mut words);
            match group.check(&words, None) {
                Ok(process) => format!("process {process}"),
                Err(Refusal::Stranger) => "a stranger".to_owned(),
                Err(Refusal::Unfit(error)) => error.message,
            }
        };
        assert_eq!(refused(|_| {}), "process 1");
        assert_eq!(refused(|words| words[0] += 1), "a stranger");
        assert_eq!(refused(|words| words[1] += 1), "process 1 of the group is another build of tidewater");
        assert_eq!(refused(|words| words[4] = 9), "process 9 of the group is not where the hostfile says");
    }
}
