//! A recording session begins: from its first INVITE to the answer.

use std::{sync::Arc, time::Instant};

use caveat_model::{Attribute, AttributeValue};
use caveat_recorder::{Answer, NewCall, NewParty, RecorderError, RecordingState};
use caveat_vault::SealReason;
use rsipstack::{
    sip::{HeadersExt, Method, SipMessage},
    transaction::Transaction,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{
    body,
    desk::Desk,
    dialog::{self, Dialog},
    media::Media,
    metadata::{self, Metadata},
    parties::{Leg, Parties},
    peer::Peer,
    replies::{Refusal, abilities, answer, check_required, check_whole},
    sdp,
    settings::{Refused, Trunk},
    timer::Timer,
};
use crate::{error::CaptureError, running::Running};

/// Answers a first INVITE; what becomes of its session is then the session's own to say.
///
/// # Errors
/// Why it is refused. Whatever was begun is taken back.
pub(super) async fn open(
    desk: &Arc<Desk>,
    tx: &mut Transaction,
    seat: OwnedSemaphorePermit,
) -> Result<(), Refusal> {
    let trunk = desk.trunk_of(tx).ok_or_else(|| desk.stranger(tx))?;
    if let Err(error) = tx.send_trying().await {
        tracing::debug!(%error, "a SIP response could not be sent");
    }
    let limits = &desk.limits;
    if desk.is_stopping() {
        return Err(Refusal::later("this host is stopping", limits));
    }
    check_required(&tx.original)?;
    check_whole(&tx.original)?;
    let (timer, timer_headers) = Timer::agreed(&tx.original, limits, Instant::now())?;
    let place = desk.seats.clone().try_acquire_owned();
    let place = place.map_err(|_| Refusal::later("too many recording sessions", limits))?;
    let peer = Peer::of(tx, desk.endpoint.clone(), desk.siprec.load().advertise_host.as_deref())?;
    let (inbox, orders) = mpsc::channel(limits.requests_waiting_max.max(1));
    let key = (peer.call_id.clone(), peer.remote_tag.clone());
    let entered = desk.enter(key, &peer.local_tag, inbox.clone())?;

    let (mut media, metadata) = read(desk, tx).await.map_err(|error| Refusal::of(&error, limits))?;
    let legs = media.legs();
    let (parties, new) = Parties::at_the_beginning(&metadata, &legs, &trunk, limits.parties_max);
    let call = NewCall {
        external_id: peer.call_id.clone(),
        direction: trunk.direction,
        parties: new,
        attributes: attributes(&metadata),
        ..NewCall::default()
    };
    let began = Instant::now();
    let opened = opened(desk, tx, &trunk, call, &legs).await?;
    let (running, verdict, parties_known) = opened;
    let parties = if parties_known { parties } else { Parties::default() };
    if verdict.state == RecordingState::NotRecorded {
        let status = match trunk.refused {
            Refused::Inactive | Refused::Listen => None,
            Refused::Unavailable => Some(480),
            Refused::Decline => Some(603),
        };
        if let Some(status) = status {
            give_up(running, SealReason::Ended);
            return Err(Refusal::new(status, "it may not be recorded"));
        }
        media.muted = trunk.refused == Refused::Inactive;
    }
    media.begin(&running.call, began);

    let mut headers = abilities();
    headers.push(peer.contact());
    headers.extend(timer_headers);
    let sdp = media.describe();
    answer(tx, 200, headers, Some(sdp)).await;
    let session =
        Dialog::new(desk.clone(), trunk, running, peer, media, (metadata, parties), timer, verdict.state);
    tokio::spawn(session.live(orders, inbox.clone(), (entered, place)));
    dialog::until_acknowledged(tx, inbox).await;
    drop(seat);
    Ok(())
}

/// What a first INVITE offers and tells. Metadata that cannot be read is as good as none.
async fn read(desk: &Desk, tx: &Transaction) -> Result<(Media, Metadata), CaptureError> {
    let request = &tx.original;
    let kind = request.header_value("Content-Type");
    let body = body::parse(kind.as_deref(), &request.body, &desk.limits)?;
    let offer = body.sdp.ok_or(CaptureError::NothingToRecord)?;
    let offer = sdp::parse(offer, &desk.limits)?;
    let metadata = body.metadata.and_then(|text| told(text, desk)).unwrap_or_default();
    if body.metadata.is_none() {
        metrics::counter!("caveat_siprec_metadata_total", "result" => "missing").increment(1);
    }
    let media = Media::offered(offer, &desk.ports, desk.media_address).await?;
    Ok((media, metadata))
}

/// Reads metadata; broken metadata is logged and counted.
pub(super) fn told(text: &[u8], desk: &Desk) -> Option<Metadata> {
    let read = metadata::read(text, &desk.limits);
    let result = if read.is_ok() { "ok" } else { "broken" };
    metrics::counter!("caveat_siprec_metadata_total", "result" => result).increment(1);
    read.inspect_err(|error| tracing::warn!(%error, "metadata cannot be read: its parties are unknown")).ok()
}

/// Opens the call while its INVITE may still be cancelled. Where the recorder does not take it with all that is told of
/// it, it is taken with unknown parties: too much metadata loses nobody a recording. False says that.
async fn opened(
    desk: &Arc<Desk>,
    tx: &mut Transaction,
    trunk: &Trunk,
    call: NewCall,
    legs: &[Leg],
) -> Result<(Running, Answer, bool), Refusal> {
    let (recorder, client) = (desk.recorder.clone(), trunk.client.clone());
    let unknown: Vec<_> =
        legs.iter().map(|l| NewParty { leg: Some(l.number), ..NewParty::default() }).collect();
    let bare = NewCall {
        external_id: call.external_id.clone(),
        direction: call.direction,
        parties: unknown,
        ..NewCall::default()
    };
    let mut opening = tokio::spawn(async move {
        match Running::open(&recorder, &client, call).await {
            Ok((running, answer)) => Ok((running, answer, true)),
            Err(CaptureError::Recorder(
                error @ (RecorderError::TooMany { what: "parties" | "legs", .. }
                | RecorderError::TooLong { .. }),
            )) => {
                tracing::warn!(%error, "a call is recorded with unknown parties");
                let (running, answer) = Running::open(&recorder, &client, bare).await?;
                Ok((running, answer, false))
            }
            Err(error) => Err(error),
        }
    });
    loop {
        tokio::select! {
            opened = &mut opening => {
                let opened = opened.map_err(|error| Refusal::new(500, error.to_string()))?;
                return opened.map_err(|error| {
                    tracing::warn!(%error, trunk = trunk.name, "a recording session could not be opened");
                    Refusal::of(&error, &desk.limits)
                });
            }
            message = tx.receive() => match message {
                Some(SipMessage::Request(request)) if request.method == Method::Cancel => break,
                Some(_) => {}
                None => break,
            }
        }
    }
    tokio::spawn(async move {
        if let Ok(Ok((running, ..))) = opening.await {
            give_up(running, SealReason::Interrupted);
        }
    });
    Err(Refusal::new(487, "it was cancelled"))
}

fn give_up(running: Running, reason: SealReason) {
    tokio::spawn(async move {
        if let Err(error) = running.end(reason).await {
            tracing::warn!(%error, "a call could not be ended");
        }
    });
}

/// Ids by which other systems know the call. They name no person.
fn attributes(metadata: &Metadata) -> Vec<Attribute> {
    let session = metadata.sessions.first();
    let named = [
        ("siprec.session", session.map(|s| s.id.clone())),
        ("siprec.sip-session", session.and_then(|s| s.sip_ids.first().cloned())),
        ("siprec.group", session.and_then(|s| s.group.clone())),
        ("siprec.reason", session.and_then(|s| s.reason.clone())),
    ];
    let attribute = |(name, value): (&str, Option<String>)| {
        let value = AttributeValue::Text(value.filter(|v| !v.is_empty())?);
        Some(Attribute { name: name.to_owned(), value })
    };
    named.into_iter().filter_map(attribute).collect()
}
