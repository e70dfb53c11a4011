//! `keyfold secret import`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use keyfold::{Error, ErrorCode, SecretBytes};
use keyfold_kms::types::SecretText;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::json;

use super::{MAX_VALUE, read_value};
use crate::fault::{self, Result};
use crate::input::Input;
use crate::names::{self, KeyName};
use crate::session::Session;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files with one value each; a secret gets the name of its file
    #[arg(value_name = "FILE", required_unless_present = "json_file")]
    files: Vec<PathBuf>,
    /// A JSON object of names and values; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    json_file: Option<PathBuf>,
    /// What every name starts with
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,
    /// KMS key that protects new secrets; by default the safe's own
    #[arg(long, short, value_name = "KEY", value_parser = names::key)]
    key: Option<KeyName>,
    /// Give secrets that are there already a new version, instead of refusing them
    #[arg(long)]
    update: bool,
}

/// The longest JSON file, in bytes.
const MAX_JSON: usize = 16 << 20;

pub(super) fn run(session: &Session, args: &Args) -> Result<()> {
    // Everything is read and checked before the first is stored.
    let secrets = match &args.json_file {
        Some(path) => from_json(path, &args.prefix)?,
        None => from_files(&args.files, &args.prefix)?,
    };
    if !args.update {
        check_new(session, secrets.keys())?;
    }
    let mut done = Vec::with_capacity(secrets.len());
    for (name, value) in &secrets {
        let stored = session.put_secret(name, value, args.key.as_ref());
        stored.map_err(|error| {
            let what = format!("{name} (after {} of {} were stored)", done.len(), secrets.len());
            fault::at(what, &error)
        })?;
        done.push(name.as_str());
    }
    let text = format!("stored {} secrets", done.len());
    session.console.answer(&json!({ "Names": done }), text)
}

fn check_new<'a>(session: &Session, names: impl Iterator<Item = &'a String>) -> Result<()> {
    for name in names {
        match session.describe_secret(name) {
            Ok(()) => {
                let detail = format!("{name} is there already: --update gives it a new version");
                return Err(Error::new(ErrorCode::VersionConflict, detail));
            }
            Err(error) if error.code() == ErrorCode::SecretNotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn from_files(files: &[PathBuf], prefix: &str) -> Result<BTreeMap<String, SecretBytes>> {
    let mut secrets = BTreeMap::new();
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            fault::invalid(format!("{} has no name that a secret could have", file.display()))
        })?;
        let value = read_value(Input::open(file)?)?;
        if secrets.insert(format!("{prefix}{name}"), value).is_some() {
            return Err(fault::invalid(format!("two files are named {name}")));
        }
    }
    Ok(secrets)
}

fn from_json(path: &Path, prefix: &str) -> Result<BTreeMap<String, SecretBytes>> {
    let bytes = Input::open(path)?.read_all(MAX_JSON, "a JSON file")?;
    // The parser's own text could show a value.
    let Values(values) = serde_json::from_slice(&bytes).map_err(|error| {
        fault::invalid(format!(
            "{} is not one JSON object of names and texts, each name once (line {}, column {})",
            path.display(),
            error.line(),
            error.column()
        ))
    })?;
    let mut secrets = BTreeMap::new();
    for (name, value) in values {
        let value = value.into_bytes();
        if value.is_empty() || value.len() > MAX_VALUE {
            return Err(fault::limit(format!("{name}: a secret has 1 to {MAX_VALUE} bytes")));
        }
        secrets.insert(format!("{prefix}{name}"), SecretBytes::new(value));
    }
    Ok(secrets)
}

/// An object of texts in which every name stands once.
struct Values(Vec<(String, SecretText)>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
                let (mut values, mut seen) = (Vec::new(), BTreeSet::new());
                while let Some((name, value)) = map.next_entry::<String, SecretText>()? {
                    if !seen.insert(name.clone()) {
                        return Err(A::Error::custom("a name stands twice"));
                    }
                    values.push((name, value));
                }
                Ok(Values(values))
            }
        }

        deserializer.deserialize_map(Names)
    }
}
