//! A closed loop: each connection sends a request, waits for its answer, sends the next.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest answer.
const MAX_ANSWER: usize = 64 * 1024;

/// What a run measured.
pub(crate) struct Sample {
    elapsed: Duration,
    /// Sorted.
    latencies: Vec<Duration>,
    pub(crate) server_cpu: Duration,
}

impl Sample {
    #[allow(clippy::cast_precision_loss)] // exact below 2^53 requests
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that this share of the requests does not exceed.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(crate) fn latency(&self, share: f64) -> Duration {
        let at = (self.latencies.len() as f64 * share) as usize;
        self.latencies.get(at).copied().unwrap_or_default()
    }

    /// The server's processor time for one request, in microseconds.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn server_micros(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / self.latencies.len() as f64
    }
}

/// Sends the requests in turn over so many connections, for so long. Where a server cannot `keep`
/// a connection, each request has one of its own.
pub(crate) fn run(
    address: &str,
    keep: bool,
    requests: &[Vec<u8>],
    connections: usize,
    time: Duration,
) -> Result<Sample> {
    // One thread: the load must not take more of the machine than it needs.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut streams = Vec::with_capacity(connections);
        for _ in 0..connections {
            streams.push(connect(address).await?);
        }
        let requests: Rc<[Vec<u8>]> = requests.into();
        let begun = Instant::now();
        let end = begun + time;
        let local = tokio::task::LocalSet::new();
        let tasks: Vec<_> = streams
            .into_iter()
            .enumerate()
            .map(|(number, stream)| {
                let requests = Rc::clone(&requests);
                let first = number * requests.len() / connections;
                let again = (!keep).then(|| address.to_owned());
                local.spawn_local(connection(stream, again, requests, first, end))
            })
            .collect();
        let mut latencies = Vec::new();
        local
            .run_until(async {
                for task in tasks {
                    latencies.extend(task.await??);
                }
                anyhow::Ok(())
            })
            .await?;
        ensure!(!latencies.is_empty(), "no request was answered");
        let elapsed = begun.elapsed();
        latencies.sort_unstable();
        Ok(Sample { elapsed, latencies, server_cpu: Duration::ZERO })
    })
}

async fn connect(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn connection(
    mut stream: TcpStream,
    again: Option<String>,
    requests: Rc<[Vec<u8>]>,
    first: usize,
    end: Instant,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let mut buffer = Vec::with_capacity(4096);
    for request in requests.iter().cycle().skip(first) {
        let begun = Instant::now();
        if begun >= end {
            break;
        }
        stream.write_all(request).await?;
        answer(&mut stream, &mut buffer).await?;
        latencies.push(begun.elapsed());
        if let Some(address) = &again {
            stream = connect(address).await?;
        }
    }
    Ok(latencies)
}

/// Reads one answer, which must be a success.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    buffer.clear();
    let mut expected = None;
    loop {
        ensure!(stream.read_buf(buffer).await? > 0, "the server hung up");
        if expected.is_none() {
            expected = whole_length(buffer)?;
        }
        match expected {
            Some(length) if buffer.len() >= length => break,
            _ if buffer.len() > MAX_ANSWER => bail!("an endless answer"),
            _ => {}
        }
    }
    if !buffer.starts_with(b"HTTP/1.1 200") {
        bail!("the server answers: {}", String::from_utf8_lossy(buffer));
    }
    Ok(())
}

/// The length of head and body, once the head is there.
fn whole_length(buffer: &[u8]) -> Result<Option<usize>> {
    let Some(head) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&buffer[..head])?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    let length: usize = length.context("an answer without a length")?.parse()?;
    Ok(Some(head + 4 + length))
}
