//! `caveat pack push` and `pull`: packs in OCI registries.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use caveat_packs::{PackFile, Place, Registry, RegistryOptions, claimed_signers, signature_path};
use docker_credential::{CredentialRetrievalError, DockerCredential};
use serde_json::json;

use super::{print, sign};

/// How a registry is reached.
#[derive(Debug, clap::Args)]
pub(crate) struct Access {
    /// HTTP without TLS, for a registry on this machine.
    #[arg(long)]
    plain_http: bool,
    /// Who signs in; left out: whom the docker configuration names for the registry, else nobody.
    #[arg(long, env = "CAVEAT_REGISTRY_USER", value_name = "NAME")]
    username: Option<String>,
    /// Environment variable with their password.
    #[arg(long, default_value = "CAVEAT_REGISTRY_PASSWORD", value_name = "NAME")]
    password_env: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PushArgs {
    /// The pack; the signature beside it (FILE.sig) goes along.
    file: PathBuf,
    /// Where to: [oci://]HOST[:PORT]/REPOSITORY:TAG.
    #[arg(value_name = "REF")]
    reference: String,
    #[command(flatten)]
    access: Access,
    /// Print where it lies as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PullArgs {
    /// What: [oci://]HOST[:PORT]/REPOSITORY:TAG, or @sha256:... for the tag.
    #[arg(value_name = "REF")]
    reference: String,
    /// Where to; left out: NAME-VERSION.wasm in this folder. The signature goes beside it.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    keys: sign::SomeKeys,
    #[command(flatten)]
    access: Access,
    /// Print what came as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn push(args: &PushArgs) -> anyhow::Result<ExitCode> {
    let file = PackFile::open(&args.file)?;
    eprintln!("pushing {} bytes", file.bytes().len());
    let place = args.access.registry(&args.reference)?.push(&file, &args.reference).await?;
    let digest = file.digest().to_string();
    let done = json!({ "place": place, "digest": digest, "signers": claimed_signers(&file) });
    print(&done, args.json, |_| format!("{}\n", place.by_digest))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn pull(args: &PullArgs) -> anyhow::Result<ExitCode> {
    let (file, place) = get(&args.access, &args.reference).await?;
    // Nothing is written that was not signed as it should be.
    let verified = args.keys.verify(&file)?;
    let about = &file.manifest().pack;
    let out = args.out.clone().unwrap_or_else(|| format!("{}-{}.wasm", about.name, about.version).into());
    write(&out, &file)?;
    let done = json!({
        "place": place, "file": out, "digest": file.digest().to_string(),
        "signers": claimed_signers(&file), "verified-signers": verified,
    });
    print(&done, args.json, |_| {
        let signed = match (&verified, claimed_signers(&file).as_slice()) {
            (Some(signers), _) => format!("signed by {}", signers.join(", ")),
            (None, []) => "not signed".to_owned(),
            (None, _) => "signature not verified: give --key".to_owned(),
        };
        format!("{}  {}\n{signed}\n", out.display(), file.digest())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A pack from a registry.
pub(crate) async fn get(access: &Access, reference: &str) -> anyhow::Result<(PackFile, Place)> {
    eprintln!("pulling {reference}");
    Ok(access.registry(reference)?.pull(reference).await?)
}

/// Whole or not at all; a signature of what lay there before goes with it.
fn write(out: &Path, file: &PackFile) -> anyhow::Result<()> {
    let mut beside = out.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let wrote = || format!("cannot write {}", out.display());
    fs::write(&beside, file.bytes()).with_context(wrote)?;
    match fs::remove_file(signature_path(out)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(wrote),
        _ => {}
    }
    fs::rename(&beside, out).with_context(wrote)?;
    if let Some(note) = file.signatures().first() {
        sign::write_signature(out, note)?;
    }
    Ok(())
}

impl Access {
    fn registry(&self, reference: &str) -> anyhow::Result<Registry> {
        let credentials = self.credentials(reference)?;
        Ok(Registry::new(RegistryOptions { plain_http: self.plain_http, credentials, ..Default::default() }))
    }

    fn credentials(&self, reference: &str) -> anyhow::Result<Option<(String, String)>> {
        if let Some(user) = &self.username {
            let password = std::env::var(&self.password_env).with_context(|| {
                format!("{} is not set: put the password of {user} into it", self.password_env)
            })?;
            return Ok(Some((user.clone(), password)));
        }
        let server = reference.trim_start_matches("oci://").split('/').next().unwrap_or_default();
        use CredentialRetrievalError as E;
        match docker_credential::get_credential(server) {
            Ok(DockerCredential::UsernamePassword(user, password)) => Ok(Some((user, password))),
            Ok(DockerCredential::IdentityToken(_)) => bail!(
                "the docker configuration has an identity token for {server}, which cannot be used here: give --username"
            ),
            Err(E::ConfigNotFound | E::NoCredentialConfigured) => Ok(None),
            // A folder without the file is said to be unreadable.
            Err(E::ConfigReadError) if !docker_config().is_some_and(|path| path.exists()) => Ok(None),
            Err(error) => bail!("the docker configuration has no usable credentials for {server}: {error}"),
        }
    }
}

/// Where docker keeps credentials.
fn docker_config() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    Some(std::env::var_os("DOCKER_CONFIG").map(PathBuf::from).or_else(home)?.join("config.json"))
}
