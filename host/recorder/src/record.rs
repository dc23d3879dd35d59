//! What is entered about a recording and changes nothing of it: that it was given to somebody outside, and what somebody has
//! to say about it. And the log itself, taken out of the house. Each is ruled on and logged as an access is.

use caveat_access::SignedIn;
use caveat_model::{Act, Attribute, AttributeValue, Facts, Form, Purpose, RecordingId};

use crate::{Asked, Decided, Recorder, RecorderError};

/// By this fact, packs know that the log is asked for and no recording (PCI DSS 10.3.1).
const OBJECT: &str = "access.object";

impl Recorder {
    /// Enters that somebody outside the client is given a recording: it is in the accounting of disclosures from then on
    /// (45 CFR 164.528(b)(2): when, to whom, what, why). The file itself goes its own way: `export` makes it.
    ///
    /// # Errors
    /// As [`Recorder::look`].
    pub async fn disclose(
        &self,
        who: &SignedIn,
        id: RecordingId,
        asked: Asked,
    ) -> Result<Result<Decided, Decided>, RecorderError> {
        let asked = Asked { act: Act::Disclose, ..asked };
        self.entered(who, id, &asked).await
    }

    /// Attaches somebody's words to a recording (45 CFR 164.526: an amendment is appended, and what it is about is left as
    /// it is). They stand in the timeline, are sealed as its other details are, and go with the recording.
    ///
    /// # Errors
    /// As [`Recorder::look`].
    pub async fn amend(
        &self,
        who: &SignedIn,
        id: RecordingId,
        purpose: Purpose,
        note: String,
    ) -> Result<Result<Decided, Decided>, RecorderError> {
        let asked = Asked { act: Act::Amend, form: Form::FactsOnly, reason: note, ..Asked::to_play(purpose) };
        self.entered(who, id, &asked).await
    }

    async fn entered(
        &self,
        who: &SignedIn,
        id: RecordingId,
        asked: &Asked,
    ) -> Result<Result<Decided, Decided>, RecorderError> {
        let (_, facts) = self.kept(&who.client, id).await?;
        let granted = match self.decide(who, Some(id), facts, asked).await? {
            Err(decided) => return Ok(Err(decided)),
            Ok(granted) => granted,
        };
        self.result(&who.client, granted.intent, true, 0).await?;
        Ok(Ok(granted.decided))
    }

    /// The log of the client with its proofs, as a tar in a file that is gone when it is closed: what
    /// `caveat ledger verify` reads, unpacked. No entry names or describes a person.
    ///
    /// # Errors
    /// The log cannot be read, or there is no room for a copy of it.
    pub async fn export_log(
        &self,
        who: &SignedIn,
        purpose: Purpose,
        reason: String,
    ) -> Result<Result<std::fs::File, Decided>, RecorderError> {
        let asked = Asked { act: Act::Export, form: Form::FactsOnly, reason, ..Asked::to_play(purpose) };
        let object = Attribute { name: OBJECT.into(), value: AttributeValue::Text("audit-log".into()) };
        let facts = Facts { attributes: vec![object], ..Facts::default() };
        let granted = match self.decide(who, None, facts, &asked).await? {
            Err(decided) => return Ok(Err(decided)),
            Ok(granted) => granted,
        };
        let written = self.log_as_tar(who).await;
        let bytes = written.as_ref().ok().and_then(|file| Some(file.metadata().ok()?.len())).unwrap_or(0);
        self.result(&who.client, granted.intent, written.is_ok(), bytes).await?;
        Ok(Ok(written?))
    }

    async fn log_as_tar(&self, who: &SignedIn) -> Result<std::fs::File, RecorderError> {
        let failed = |source| RecorderError::LogExport { source };
        let dir = tempfile::tempdir().map_err(failed)?;
        let bundle = dir.path().join("log");
        self.house.ledger.export(&who.client, &bundle).await?;
        let packed = tokio::task::spawn_blocking(move || {
            let mut tar = tar::Builder::new(tempfile::tempfile()?);
            tar.append_dir_all("log", &bundle)?;
            let mut file = tar.into_inner()?;
            std::io::Seek::rewind(&mut file)?;
            drop(dir);
            Ok(file)
        });
        packed.await.map_err(|_| RecorderError::Interrupted { what: "packing the log" })?.map_err(failed)
    }
}
