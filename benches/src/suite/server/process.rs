//! Servers as processes: started, watched, ended by their process id.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; ended when it is dropped.
pub(crate) struct Server {
    child: Child,
    /// Host and port.
    pub(crate) address: String,
}

impl Server {
    /// Starts one that says where it listens.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let lines = child.stdout.take().context("no output")?;
        BufReader::new(lines).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://").map(str::to_owned);
        let server = Server { child, address: address.unwrap_or_default() };
        ensure!(!server.address.is_empty(), "{command:?} says {line:?}");
        Ok(server)
    }

    /// Starts one that does not, and waits for it.
    pub(crate) fn start_at(command: &mut Command, address: String) -> Result<Self> {
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let server = Server { child, address };
        let begun = Instant::now();
        while TcpStream::connect(&server.address).is_err() {
            if begun.elapsed() > PATIENCE {
                bail!("{command:?} does not listen on {}", server.address);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// The processor time it has used.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in parentheses, may hold anything; user and system time are the 14th and
        // 15th field, in hundredths of a second on every Linux.
        let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let ticks: u64 = fields
            .get(11..13)
            .context("/proc/PID/stat")?
            .iter()
            .try_fold(0, |sum, field| field.parse::<u64>().map(|ticks| sum + ticks))?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Its resident memory, in bytes.
    pub(crate) fn resident(&mut self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")).context("VmRSS")?;
        Ok(kibibytes.trim().parse::<u64>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command prints.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{} from: {command:?}", output.status);
    Ok(output.stdout)
}
