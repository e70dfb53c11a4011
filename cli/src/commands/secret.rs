//! `keyfold secret`: the password safe. No value ever stands on a command line, where other
//! processes and the shell's history would see it.

mod cloud;
mod import;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use keyfold::SecretBytes;
use keyfold_kms::types::{
    DeleteSecretRequest, GetRandomPasswordRequest, ListSecretVersionIdsRequest, ListSecretsRequest,
    RestoreSecretRequest,
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::cloud::Cloud;
use crate::envelope::shown;
use crate::fault::{self, Result};
use crate::input::{DASH, Input};
use crate::names::{self, KeyName};
use crate::output::{Content, Options, Output};
use crate::session::Session;
use crate::terminal;

/// The password safe: secrets with versions, rotation and a recovery window
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Store many secrets: one in each file, or all in one JSON object
    Import(import::Args),
    /// Store a value, as a new version where the secret is there already
    Put(Put),
    /// Read a value
    Get(Get),
    /// List the secrets, without their values
    List {
        /// Also those whose deletion is scheduled
        #[arg(long)]
        all: bool,
    },
    /// List the versions of a secret
    Versions {
        /// The secret
        name: String,
        /// Also those that no stage names any more
        #[arg(long)]
        all: bool,
    },
    /// Give a secret a new value; the old one stays readable as AWSPREVIOUS
    Rotate(Rotate),
    /// Delete a secret, after a recovery window
    Delete(Delete),
    /// Call off the deletion of a secret
    Restore {
        /// The secret
        name: String,
    },
}

#[derive(clap::Args)]
pub(crate) struct Put {
    /// The secret: letters, digits and /_+=.@-
    name: String,
    /// File with the value, all bytes of it; `-` is standard input
    #[arg(value_name = "FILE", default_value = DASH)]
    file: PathBuf,
    /// KMS key that protects a new secret; by default the safe's own
    #[arg(long, short, value_name = "KEY", value_parser = names::key)]
    key: Option<KeyName>,
}

#[derive(clap::Args)]
pub(crate) struct Get {
    /// The secret
    name: String,
    /// The version, by its id
    #[arg(long, value_name = "ID")]
    version_id: Option<String>,
    /// The version, by its stage [default: AWSCURRENT]
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// Where the value goes, exactly its bytes; `-` is standard output
    #[arg(long, short, value_name = "FILE", default_value = DASH)]
    output: PathBuf,
    /// Replace an output that is there, and write binary to a terminal
    #[arg(long, short)]
    force: bool,
}

#[derive(clap::Args)]
pub(crate) struct Rotate {
    /// The secret
    name: String,
    /// File with the new value; `-` is standard input
    #[arg(value_name = "FILE", default_value = DASH)]
    file: PathBuf,
    /// Make a random password instead of reading a value
    #[arg(long, conflicts_with = "file")]
    generate: bool,
    /// Length of that password in characters
    #[arg(long, value_name = "N", requires = "generate")]
    length: Option<u32>,
    /// Characters that must not be in it
    #[arg(long, value_name = "CHARACTERS", requires = "generate")]
    exclude: Option<String>,
    /// Letters and digits only
    #[arg(long, requires = "generate")]
    no_punctuation: bool,
}

#[derive(clap::Args)]
pub(crate) struct Delete {
    /// The secret
    name: String,
    /// The recovery window: 7 to 30 days; clouds have bounds of their own [default: 30]
    #[arg(long, value_name = "DAYS")]
    days: Option<u32>,
    /// At once and for good, without a recovery window
    #[arg(long, conflicts_with = "days")]
    now: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// The longest value of a secret, in bytes.
const MAX_VALUE: usize = 65_536;

pub(crate) fn run(session: &Session, command: &Command) -> Result<()> {
    if let Some(cloud) = Cloud::of(session, None)?
        && let Some(done) = cloud::run(session, &cloud, command)
    {
        return done;
    }
    match command {
        Command::Import(args) => import::run(session, args),
        Command::Put(args) => put(session, args),
        Command::Get(args) => get(session, args),
        Command::List { all } => list(session, *all),
        Command::Versions { name, all } => versions(session, name, *all),
        Command::Rotate(args) => rotate(session, args),
        Command::Delete(args) => delete(session, args),
        Command::Restore { name } => {
            let answer = session.call(&RestoreSecretRequest { secret_id: name.clone() })?;
            session.console.answer(&answer, format!("restored {}", answer.name))
        }
    }
}

/// Reads a value, all bytes of a file.
fn read_value(input: Input) -> Result<SecretBytes> {
    let name = input.path().display().to_string();
    let mut value = input.read_all(MAX_VALUE, "a secret")?;
    if value.is_empty() {
        return Err(fault::invalid(format!(
            "{name} is empty: a secret has 1 to {MAX_VALUE} bytes"
        )));
    }
    Ok(SecretBytes::new(std::mem::take(&mut value)))
}

fn put(session: &Session, args: &Put) -> Result<()> {
    let value = read_value(Input::open(&args.file)?)?;
    let version = session.put_secret(&args.name, &value, args.key.as_ref())?;
    let answer = json!({ "Name": args.name, "VersionId": version });
    session.console.answer(&answer, format!("stored {}, version {version}", args.name))
}

fn get(session: &Session, args: &Get) -> Result<()> {
    let content = Content::Unknown;
    let options = Options { force: args.force, content, like: None, private: true };
    // With --json the value is part of the answer.
    let to_answer = session.console.json && crate::input::is_dash(&args.output);
    let output = if to_answer { None } else { Some(Output::create(&args.output, options)?) };
    let (version, stage) = (args.version_id.as_deref(), args.stage.as_deref());
    let (value, version) = session.get_secret(&args.name, version, stage)?;
    let Some(mut output) = output else {
        return answer_value(&args.name, &version, &value);
    };
    output.write_all(value.expose())?;
    if output.is_stdout() {
        if std::io::stdout().is_terminal() && !value.expose().ends_with(b"\n") {
            output.write_all(b"\n")?;
        }
        return output.commit();
    }
    let path = shown(output.path());
    output.commit()?;
    let answer = json!({ "Name": args.name, "VersionId": version, "output": path });
    session.console.answer(&answer, format!("wrote {} to {path}", args.name))
}

/// The value in JSON: text, or base64 where it is none. The names of the members are those of
/// the Secrets Manager API.
fn answer_value(name: &str, version: &str, value: &SecretBytes) -> Result<()> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer<'a> {
        name: &'a str,
        version_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        secret_string: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        secret_binary: Option<keyfold_kms::types::Sensitive>,
    }
    let secret_string = std::str::from_utf8(value.expose()).ok();
    let secret_binary = secret_string.is_none().then(|| value.expose().into());
    let answer = Answer { name, version_id: version, secret_string, secret_binary };
    // Room for the worst escapes, so that no copy is left behind by growth.
    let mut text = Zeroizing::new(Vec::with_capacity(value.len() * 6 + 1024));
    serde_json::to_writer(&mut *text, &answer).map_err(|error| {
        keyfold::Error::new(keyfold::ErrorCode::Internal, "an answer has no JSON form")
            .with_source(error)
    })?;
    text.push(b'\n');
    let content = Content::Text;
    let options = Options { force: false, content, like: None, private: false };
    let mut output = Output::create(DASH.as_ref(), options)?;
    output.write_all(&text)?;
    output.commit()
}

fn list(session: &Session, all: bool) -> Result<()> {
    let mut request =
        ListSecretsRequest { include_planned_deletion: Some(all), ..ListSecretsRequest::default() };
    let mut secrets = Vec::new();
    loop {
        let page = session.call(&request)?;
        secrets.extend(page.secret_list);
        match page.next_token {
            Some(token) => request.next_token = Some(token),
            None => break,
        }
    }
    // By name: the safe's own order, by age, says nothing where several are imported at once.
    secrets.sort_by(|a, b| a.name.cmp(&b.name));
    let lines: Vec<String> = secrets
        .iter()
        .map(|secret| match secret.deleted_date {
            Some(date) => format!("{}  (ends {date})", secret.name),
            None => secret.name.clone(),
        })
        .collect();
    session.console.answer(&json!({ "SecretList": secrets }), lines.join("\n"))
}

fn versions(session: &Session, name: &str, all: bool) -> Result<()> {
    let mut request = ListSecretVersionIdsRequest {
        secret_id: name.to_owned(),
        include_deprecated: Some(all),
        ..ListSecretVersionIdsRequest::default()
    };
    let mut versions = Vec::new();
    loop {
        let page = session.call(&request)?;
        versions.extend(page.versions);
        match page.next_token {
            Some(token) => request.next_token = Some(token),
            None => break,
        }
    }
    let lines: Vec<String> = versions
        .iter()
        .map(|version| {
            let stages = version.version_stages.join(" ");
            format!("{}  {}  {stages}", version.version_id, version.created_date)
        })
        .collect();
    session.console.answer(&json!({ "Name": name, "Versions": versions }), lines.join("\n"))
}

impl Rotate {
    /// What a password is to be like.
    fn password(&self) -> GetRandomPasswordRequest {
        GetRandomPasswordRequest {
            password_length: self.length,
            exclude_characters: self.exclude.clone().unwrap_or_default(),
            exclude_punctuation: self.no_punctuation,
            ..GetRandomPasswordRequest::default()
        }
    }
}

fn rotate(session: &Session, args: &Rotate) -> Result<()> {
    let value = if args.generate { None } else { Some(read_value(Input::open(&args.file)?)?) };
    let answer = session.rotate_secret(&args.name, value.as_ref(), &args.password())?;
    let text = format!("rotated {}, version {}", answer.name, answer.version_id);
    session.console.answer(&answer, text)
}

fn delete(session: &Session, args: &Delete) -> Result<()> {
    if args.now {
        session.console.note(format!("WARNING: {} will be lost for good.", args.name));
        terminal::confirm("Delete it at once?", args.yes)?;
    }
    let answer = session.call(&DeleteSecretRequest {
        secret_id: args.name.clone(),
        recovery_window_in_days: args.days,
        force_delete_without_recovery: args.now.then_some(true),
    })?;
    let text = if args.now {
        format!("deleted {}", answer.name)
    } else {
        format!("{} ends on {}; keyfold secret restore keeps it", answer.name, answer.deletion_date)
    };
    session.console.answer(&answer, text)
}
