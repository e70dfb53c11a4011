//! `keyfold provider`: the clouds that there are, what they can, and whether they do it.

mod check;

use std::fmt::Write as _;

use keyfold::kms::cloud::{self, Capabilities, Capability, ContextForm, SCHEMES, Support};
use serde_json::json;

use crate::fault::{self, Result};
use crate::session::Session;

/// Clouds whose KMS and password safe keyfold works with
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the clouds by the schemes of their keys, and the places that are configured
    List,
    /// Show what clouds can, without asking them
    Capabilities {
        /// One of them: a scheme, or the URI of a KMS or key; by default all
        #[arg(value_name = "SCHEME|URI")]
        which: Option<String>,
    },
    /// Try at the real service what can be tried without changing anything, and show what
    /// differs from what keyfold expects
    Check(check::Args),
}

pub(crate) fn run(session: &Session, command: &Command) -> Result<()> {
    match command {
        Command::List => list(session),
        Command::Capabilities { which } => capabilities(session, which.as_deref()),
        Command::Check(args) => check::run(session, args),
    }
}

/// What every cloud can, as far as no place changes it.
fn all() -> impl Iterator<Item = &'static Capabilities> {
    SCHEMES.iter().filter_map(|scheme| cloud::capabilities(scheme))
}

fn list(session: &Session) -> Result<()> {
    let (mut lines, mut providers) = (Vec::new(), Vec::new());
    for provider in all() {
        let beginning = format!("{}://", provider.scheme);
        let places: Vec<&String> =
            session.places().keys().filter(|place| place.starts_with(&beginning)).collect();
        lines.push(format!("{:<10}  {}", provider.scheme, provider.title));
        lines.extend(places.iter().map(|place| format!("{:<10}  {place}", "")));
        providers.push(json!({
            "scheme": provider.scheme,
            "title": provider.title,
            "places": places,
        }));
    }
    session.console.answer(&json!({ "providers": providers }), lines.join("\n"))
}

fn capabilities(session: &Session, which: Option<&str>) -> Result<()> {
    let providers = match which {
        None => all().collect(),
        // Settings of a place may change what there is.
        Some(uri) if uri.contains("://") => vec![session.capabilities(uri)?],
        Some(scheme) => vec![cloud::capabilities(scheme).ok_or_else(|| {
            fault::invalid(format!("{scheme} is no cloud that keyfold provider list names"))
        })?],
    };
    session.console.answer(&json!({ "providers": providers }), table(&providers))
}

fn table(providers: &[&Capabilities]) -> String {
    let mut text = String::new();
    let mut row = |name: &str, cell: &dyn Fn(&Capabilities) -> String| {
        let mut line = format!("{name:<22}");
        for provider in providers {
            let _ = write!(line, "  {:<14}", cell(provider));
        }
        let _ = writeln!(text, "{}", line.trim_end());
    };
    row("", &|provider| provider.scheme.to_owned());
    for capability in Capability::ALL {
        row(capability.as_str(), &|provider| match provider.support(*capability) {
            Support::Absent => "-".to_owned(),
            support => support.as_str().to_owned(),
        });
    }
    row("context", &|provider| match provider.context {
        ContextForm::Map => "pairs".to_owned(),
        ContextForm::Text { max } => format!("text to {max} B"),
        ContextForm::Bytes => "bytes".to_owned(),
        ContextForm::Never => "-".to_owned(),
    });
    row("small data", &|provider| format!("to {} B", provider.max_plaintext));
    row("value of a secret", &|provider| match provider.max_secret {
        0 => "-".to_owned(),
        max => format!("to {max} B"),
    });
    row("days to a key's end", &|provider| {
        let (least, most) = provider.key_deletion_days;
        if most == 0 { "-".to_owned() } else { format!("{least} to {most}") }
    });
    row("alias names a key", &|provider| {
        if provider.alias_is_a_name { "yes".to_owned() } else { "-".to_owned() }
    });
    row("calls to seal, to open", &|provider| {
        format!("{}, {}", provider.calls.0, provider.calls.1)
    });
    text
}
