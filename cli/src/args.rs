//! The command line as a whole.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use keyfold_kms::folder;

use crate::commands::{
    access_key, audit, backup, completions, data, decrypt, encrypt, grant, init, inspect, key,
    migrate, provider, public_key, recipient, restore, rewrap, root, secret, serve, sign, store,
    token, verify,
};
use crate::console::Console;
use crate::fault::Result;
use crate::home::Home;
use crate::kms::Target;
use crate::session::Session;

/// Encrypt, sign and keep secrets under keys that stay in a key management service
#[derive(Parser)]
#[command(name = "keyfold", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Cli {
    /// Answer in JSON on standard output, and with JSON errors on standard error
    #[arg(long, global = true)]
    json: bool,
    /// Folder of the embedded KMS [default: ~/.keyfold]
    #[arg(long, global = true, value_name = "DIR", env = folder::HOME)]
    home: Option<PathBuf>,
    /// Database of the embedded KMS: a file, or postgres://USER@HOST/DATABASE
    /// [default: store.db in the home folder]
    // The value may hold a password: help does not repeat it.
    #[arg(
        long,
        global = true,
        value_name = "URL|FILE",
        env = "KEYFOLD_DATABASE",
        hide_env_values = true
    )]
    database: Option<OsString>,
    /// File with the secret of the root key's file slot [default: root.key in the home folder]
    #[arg(long, global = true, value_name = "FILE", env = folder::ROOT_FILE)]
    root_file: Option<PathBuf>,
    /// File whose first line is the passphrase of a root slot; KEYFOLD_PASSPHRASE may hold it too
    #[arg(long, global = true, value_name = "FILE", env = "KEYFOLD_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// The KMS: file://FOLDER, keyfold://HOST[:PORT], aws://REGION, or a cloud's, such as
    /// tencent://REGION [default: the home folder]
    #[arg(long, global = true, value_name = "URI", env = "KEYFOLD_KMS")]
    kms: Option<String>,
    /// The profile in config.toml of the home folder that says how to reach the KMS
    #[arg(long, global = true, value_name = "NAME", env = "KEYFOLD_PROFILE")]
    profile: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Args),
    #[command(subcommand)]
    Key(key::Command),
    #[command(subcommand)]
    Grant(grant::Command),
    Encrypt(encrypt::Args),
    Decrypt(decrypt::Args),
    Inspect(inspect::Args),
    Rewrap(rewrap::Args),
    Migrate(migrate::Args),
    #[command(subcommand)]
    Recipient(recipient::Command),
    #[command(subcommand)]
    Data(data::Command),
    Sign(sign::Args),
    Verify(verify::Args),
    PublicKey(public_key::Args),
    #[command(subcommand)]
    Secret(secret::Command),
    #[command(subcommand)]
    Provider(provider::Command),
    #[command(subcommand)]
    AccessKey(access_key::Command),
    Token(token::Args),
    #[command(subcommand)]
    Audit(audit::Command),
    #[command(subcommand)]
    Root(root::Command),
    Backup(backup::Args),
    Restore(restore::Args),
    #[command(subcommand)]
    Store(store::Command),
    Serve(Box<serve::Args>),
    Completions(completions::Args),
}

impl Cli {
    /// Where this run speaks to.
    pub(crate) fn console(&self) -> Console {
        Console { json: self.json }
    }

    /// Does what the command line says.
    pub(crate) fn run(self) -> Result<()> {
        let console = self.console();
        let mut home = Home {
            folder: self.home,
            database: self.database,
            root_file: self.root_file,
            passphrase_file: self.passphrase_file,
        };
        let target = Target::of(self.kms.as_deref(), self.profile.as_deref(), &mut home)?;
        let session = Session::new(console, home, target);
        match &self.command {
            Command::Init(args) => init::run(&session, args),
            Command::Key(command) => key::run(&session, command),
            Command::Grant(command) => grant::run(&session, command),
            Command::Encrypt(args) => encrypt::run(&session, args),
            Command::Decrypt(args) => decrypt::run(&session, args),
            Command::Inspect(args) => inspect::run(&session, args),
            Command::Rewrap(args) => rewrap::run(&session, args),
            Command::Migrate(args) => migrate::run(&session, args),
            Command::Recipient(command) => recipient::run(&session, command),
            Command::Data(command) => data::run(&session, command),
            Command::Sign(args) => sign::run(&session, args),
            Command::Verify(args) => verify::run(&session, args),
            Command::PublicKey(args) => public_key::run(&session, args),
            Command::Secret(command) => secret::run(&session, command),
            Command::Provider(command) => provider::run(&session, command),
            Command::AccessKey(command) => access_key::run(&session, command),
            Command::Token(args) => token::run(&session, args),
            Command::Audit(command) => audit::run(&session, command),
            Command::Root(command) => root::run(&session, command),
            Command::Backup(args) => backup::run(&session, args),
            Command::Restore(args) => restore::run(&session, args),
            Command::Store(command) => store::run(&session, command),
            Command::Serve(args) => serve::run(&session, args),
            Command::Completions(args) => completions::run(&session, args),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
