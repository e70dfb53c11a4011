//! A PostgreSQL server of a test's own: in a new folder, on a free port of 127.0.0.1, ended when it
//! is dropped.

mod programs;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

pub use programs::programs;

/// The password of the server's one user.
const PASSWORD: &str = "keyfold-test";

/// A running server.
pub struct Server {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    running: bool,
}

impl Server {
    /// Makes a database cluster and starts it, with more lines for its configuration.
    ///
    /// # Errors
    /// Why it does not start; what its programs print is on standard error.
    pub fn start(settings: &str) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let programs = programs().ok_or_else(|| {
            let how = "there is no PostgreSQL on this machine (`cargo xtask test --only postgres` \
                       installs it where it can)";
            io::Error::new(io::ErrorKind::NotFound, how)
        })?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("keyfold-postgres-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder)?;
        let mut server = Server { folder, programs, port: 0, running: false };
        server.make(settings)?;
        server.boot()?;
        Ok(server)
    }

    fn make(&self, settings: &str) -> io::Result<()> {
        let secret = self.folder.join("password");
        fs::write(&secret, PASSWORD)?;
        if is_root() {
            // The server refuses to run as root, and its user must reach its files.
            succeed(Command::new("chown").arg("-R").arg("postgres").arg(&self.folder))?;
        }
        // Made without syncing, for speed; the server itself syncs what it acknowledges.
        succeed(
            self.program("initdb")
                .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"])
                .args(["--username=keyfold", "--pwfile"])
                .arg(&secret)
                .arg("--pgdata")
                .arg(self.data()),
        )?;
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = on\n\
             shared_buffers = 32MB\nmax_connections = 60\nlog_min_messages = fatal\n{settings}\n"
        );
        let configuration = self.data().join("postgresql.conf");
        fs::OpenOptions::new().append(true).open(configuration)?.write_all(settings.as_bytes())
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The folder of the server, which goes with it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts it, again on the same port if it ran before.
    ///
    /// # Errors
    /// Why it does not.
    pub fn boot(&mut self) -> io::Result<()> {
        // Another process may take a free port before the server does: then the next one is tried.
        for attempt in 0..5 {
            if self.port == 0 {
                self.port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            }
            let options = format!("-p {}", self.port);
            let log = self.folder.join("log");
            let mut start = self.control("start");
            start.args(["--wait", "--timeout=60", "--options"]).arg(options).arg("--log").arg(&log);
            match succeed(&mut start) {
                Ok(()) => {
                    self.running = true;
                    return Ok(());
                }
                Err(error) if attempt == 4 => {
                    let log = fs::read_to_string(&log).unwrap_or_default();
                    return Err(io::Error::other(format!("{error}\n{log}")));
                }
                Err(_) => thread::sleep(Duration::from_millis(300)),
            }
            let log = fs::read_to_string(&log).unwrap_or_default();
            if log.contains("could not bind") {
                self.port = 0;
            }
        }
        Ok(())
    }

    /// Makes it offer TLS from now on.
    ///
    /// # Panics
    /// Where the files cannot be copied or the server does not read them.
    pub fn encrypt(&mut self, certificate: &Path, key: &Path) {
        for (file, name) in [(certificate, "server.crt"), (key, "server.key")] {
            let copy = self.data().join(name);
            fs::copy(file, &copy).expect("copied");
            succeed(Command::new("chmod").arg("0600").arg(&copy)).expect("its owner's alone");
            if is_root() {
                succeed(Command::new("chown").arg("postgres").arg(&copy)).expect("the server's");
            }
        }
        self.sql("postgres", "ALTER SYSTEM SET ssl = on").expect("a setting");
        self.stop("fast").expect("stopped");
        self.boot().expect("started");
    }

    /// Ends it: `fast` in good order, `immediate` as a crash would.
    ///
    /// # Errors
    /// Why it does not end.
    pub fn stop(&mut self, mode: &str) -> io::Result<()> {
        self.running = false;
        succeed(self.control("stop").args(["--wait", "--mode"]).arg(mode))
    }

    /// The URL of a database of the server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://keyfold:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// The same without its password.
    pub fn url_without_password(&self, database: &str) -> String {
        self.url(database).replace(&format!(":{PASSWORD}"), "")
    }

    /// Makes an empty database and answers its URL.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub fn database(&self, name: &str) -> io::Result<String> {
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(name))
    }

    /// Runs statements by `psql`, and answers what it prints, unadorned.
    ///
    /// # Errors
    /// What it says.
    pub fn sql(&self, database: &str, statements: &str) -> io::Result<String> {
        let output = Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set", "ON_ERROR_STOP=1", "--dbname"])
            .arg(self.url(database))
            .args(["--command", statements])
            .output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn control(&self, verb: &str) -> Command {
        let mut command = self.program("pg_ctl");
        command.arg(verb).arg("--silent").arg("--pgdata").arg(self.data());
        command
    }

    /// A program of the server, as the user that it runs as.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.folder);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.running {
            // Whatever it says, there is nobody left to tell.
            let _ = self.stop("immediate");
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn succeed(command: &mut Command) -> io::Result<()> {
    // Neither pipe may be held open by the server that pg_ctl leaves behind.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    if status.success() {
        return Ok(());
    }
    let words: Vec<OsString> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(Into::into).collect();
    Err(io::Error::other(format!("{status} from {}", words.join(" ".as_ref()).display())))
}
