//! `[telemetry]`: what is logged and how, and where traces go. Nothing of a person is in either.
//!
//! Logs go to standard error. Traces follow an event from the wire to the ledger (`event`, `rulings` with a `ruling` for
//! each pack, `merge`, `vault`, `ledger`) and are sent by OTLP over HTTP, in the background; a collector that is away costs
//! traces and nothing else. Without `otlp-endpoint` none are made.

use std::io::IsTerminal;

use anyhow::{Context, bail};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use serde::Deserialize;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

/// The target of all spans, which `recorder` and `packs` name too.
const TRACES: &str = "caveat_trace";
/// What is logged where nobody says otherwise.
const INFO: &str = "info";

/// What a host tells of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Telemetry {
    /// `error`, `warn`, `info`, `debug`, or per room; `info` if left out. A `--log` goes before it.
    log: Option<String>,
    /// How lines look.
    log_format: Format,
    /// Where a collector takes OTLP over HTTP, without `/v1/traces`: `http://127.0.0.1:4318`.
    otlp_endpoint: Option<String>,
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// What the command line says of logs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) filter: Option<String>,
    pub(crate) json: bool,
}

/// Logs and traces of this process.
pub(crate) struct Telling {
    filter: LogFilter,
    traces: Option<SdkTracerProvider>,
}

/// What is logged, while the host runs.
#[derive(Clone)]
pub(crate) struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
    asked: Option<String>,
}

impl Telemetry {
    /// Refuses what cannot be meant.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        filter(self.log.as_deref()).context("`log` of [telemetry]")?;
        match &self.otlp_endpoint {
            Some(url) if !(url.starts_with("http://") || url.starts_with("https://")) => {
                bail!("`otlp-endpoint` of [telemetry] does not begin with http:// or https://")
            }
            _ => Ok(()),
        }
    }

    /// From now on the process logs, and sends traces where it is told where to.
    pub(crate) fn start(&self, asked: Asked) -> anyhow::Result<Telling> {
        let (shown, handle) = reload::Layer::new(filter(asked.filter.as_deref().or(self.log.as_deref()))?);
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal());
        let lines = if asked.json || self.log_format == Format::Json {
            lines.json().with_filter(shown).boxed()
        } else {
            lines.with_filter(shown).boxed()
        };
        let traces = self.otlp_endpoint.as_deref().map(sent_to).transpose()?;
        let spans = traces.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("caveat"))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_filter(Targets::new().with_target(TRACES, LevelFilter::TRACE))
        });
        tracing_subscriber::registry().with(lines).with(spans).init();
        Ok(Telling { filter: LogFilter { handle, asked: asked.filter }, traces })
    }
}

impl Telling {
    pub(crate) fn filter(&self) -> LogFilter {
        self.filter.clone()
    }

    /// Sends what is left.
    pub(crate) fn finish(self) {
        if let Some(Err(error)) = self.traces.map(|traces| traces.shutdown()) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

impl LogFilter {
    /// What the configuration says from now on, unless the command line said something.
    pub(crate) fn renew(&self, telemetry: &Telemetry) -> anyhow::Result<()> {
        let wanted = filter(self.asked.as_deref().or(telemetry.log.as_deref()))?;
        Ok(self.handle.reload(wanted)?)
    }
}

/// The SIP stack logs whole messages, with numbers and keys in them: only who asks for it by name gets that.
fn filter(asked: Option<&str>) -> anyhow::Result<EnvFilter> {
    let asked = asked.unwrap_or(INFO);
    let whole =
        if asked.contains("rsipstack") { asked.to_owned() } else { format!("{asked},rsipstack=warn") };
    EnvFilter::try_new(whole).with_context(|| format!("`{asked}` says not what to log"))
}

fn sent_to(endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = SpanExporter::builder().with_http().with_endpoint(url).build();
    let exporter = exporter.context("`otlp-endpoint` of [telemetry]")?;
    let resource = Resource::builder_empty().with_service_name("caveat").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}
