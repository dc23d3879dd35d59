//! The other side of a recording session: where it is, and how it is asked (RFC 3261 section 12).

use rsipstack::{
    sip::{
        Header, HeadersExt, Host, Method, Request, Response, SipMessage, StatusCodeKind, Uri,
        headers::untyped::To, prelude::ToTypedHeader,
    },
    transaction::{
        Endpoint, Transaction,
        key::{TransactionKey, TransactionRole},
        make_tag,
    },
    transport::{SipAddr, SipConnection},
};
use std::{sync::Arc, time::Duration};

use super::replies::{Refusal, tokens};
use crate::error::CaptureError;

/// The media type of a session description.
pub(super) const SDP: &str = "application/sdp";
/// The media type of a request for metadata (RFC 7866 section 9.2).
pub(super) const METADATA_REQUEST: &str = "application/rs-metadata-request";

/// A dialog as this host, which was called, sees it.
pub(super) struct Peer {
    endpoint: Arc<Endpoint>,
    pub(super) call_id: String,
    pub(super) remote_tag: String,
    pub(super) local_tag: String,
    /// `To` of the first request with this host's tag.
    local: String,
    /// `From` of the first request.
    remote: String,
    target: Uri,
    routes: Vec<Header>,
    connection: SipConnection,
    contact: String,
    /// The number of this host's last request.
    asked: u32,
    /// The number of the other side's last request.
    heard: u32,
    /// Whether it takes UPDATE (RFC 3311).
    pub(super) takes_update: bool,
    /// Whether it can be asked to say everything again (RFC 7866 section 8.2).
    pub(super) takes_metadata_requests: bool,
}

/// What a first request says of its sender.
pub(super) struct Introduction {
    call_id: String,
    remote_tag: String,
    /// `From`.
    remote: String,
    to: To,
    /// The number of the request.
    number: u32,
    target: Uri,
    routes: Vec<Header>,
    takes_update: bool,
    takes_metadata_requests: bool,
}

impl Introduction {
    /// Reads it.
    ///
    /// # Errors
    /// 400: something is missing without which there is no dialog (RFC 3261 section 12.1.1).
    pub(super) fn read(request: &Request) -> Result<Self, Refusal> {
        let from = request.from_header().map_err(|_| missing("From"))?;
        let tag = from.tag().ok().flatten().ok_or_else(|| missing("From tag"))?;
        let routes = request.headers.iter().filter_map(|h| match h {
            Header::RecordRoute(route) => Some(Header::Route(route.value().into())),
            _ => None,
        });
        Ok(Self {
            call_id: request.call_id_header().map_err(|_| missing("Call-ID"))?.value().to_owned(),
            remote_tag: tag.value().to_owned(),
            remote: from.value().to_owned(),
            to: request.to_header().map_err(|_| missing("To"))?.clone(),
            number: request.cseq_header().and_then(|c| c.seq()).map_err(|_| missing("CSeq"))?,
            target: target(request).ok_or_else(|| missing("Contact"))?,
            routes: routes.collect(),
            takes_update: tokens(request, "Allow").any(|method| method == "update"),
            takes_metadata_requests: tokens(request, "Accept").any(|kind| kind.starts_with(METADATA_REQUEST)),
        })
    }
}

fn missing(what: &str) -> Refusal {
    Refusal::new(400, format!("its {what} is missing or broken"))
}

impl Peer {
    /// The dialog that a first request begins. The request gets this host's tag, so that its answer has it.
    pub(super) fn of(
        tx: &mut Transaction,
        endpoint: Arc<Endpoint>,
        advertise_host: Option<&str>,
    ) -> Result<Self, Refusal> {
        let said = Introduction::read(&tx.original)?;
        let tag = make_tag();
        let local_tag = tag.value().to_owned();
        let to = said.to.with_tag(tag);
        let local = to.value().to_owned();
        let connection = tx.connection.clone().ok_or_else(|| missing("connection"))?;
        let contact = contact(&connection, advertise_host);
        tx.original.headers.unique_push(to.into());
        Ok(Self {
            endpoint,
            call_id: said.call_id,
            remote_tag: said.remote_tag,
            local_tag,
            local,
            remote: said.remote,
            target: said.target,
            routes: said.routes,
            connection,
            contact,
            asked: 0,
            heard: said.number,
            takes_update: said.takes_update,
            takes_metadata_requests: said.takes_metadata_requests,
        })
    }

    /// The header that says where this host is, and what.
    pub(super) fn contact(&self) -> Header {
        Header::Contact(self.contact.as_str().into())
    }

    /// Takes note of a later request of the dialog.
    ///
    /// # Errors
    /// It is older than one that came before.
    pub(super) fn hears(&mut self, tx: &Transaction) -> Result<(), Refusal> {
        let number = tx.original.cseq_header().and_then(|c| c.seq()).unwrap_or(0);
        if number <= self.heard {
            return Err(Refusal::new(500, "it came after a later request of the same dialog"));
        }
        self.heard = number;
        if let Some(connection) = &tx.connection {
            self.connection = connection.clone();
        }
        if matches!(tx.original.method, Method::Invite | Method::Update)
            && let Some(target) = target(&tx.original)
        {
            self.target = target;
        }
        Ok(())
    }

    /// A request of this host, ready to be sent.
    pub(super) fn ask(
        &mut self,
        method: Method,
        headers: Vec<Header>,
        body: Option<(&'static str, String)>,
    ) -> Result<Transaction, CaptureError> {
        self.asked += 1;
        let inner = &self.endpoint.inner;
        let via = inner.get_via(Some(self.connection.get_addr().clone()), None)?;
        let mut all = vec![
            Header::Via(via.into()),
            Header::MaxForwards(70.into()),
            Header::From(self.local.as_str().into()),
            Header::To(self.remote.as_str().into()),
            Header::CallId(self.call_id.as_str().into()),
            Header::CSeq(format!("{} {method}", self.asked).into()),
            self.contact(),
        ];
        all.extend(self.routes.iter().cloned());
        all.extend(headers);
        let (kind, body) = body.unzip();
        all.extend(kind.map(|kind| Header::ContentType(kind.into())));
        let body = body.map(String::into_bytes).unwrap_or_default();
        let request = Request {
            method,
            uri: self.target.clone(),
            headers: all.into(),
            version: rsipstack::sip::Version::V2,
            body,
        };
        let key = TransactionKey::from_request(&request, TransactionRole::Client)?;
        let (connection, destination) = self.way();
        let mut tx = Transaction::new_client(key, request, inner.clone(), connection);
        tx.destination = destination;
        Ok(tx)
    }

    /// By the connection that the last request came on, as long as it is open. By UDP, to where the route or the contact
    /// says, if that is an address; what is behind a name is where the last request came from.
    fn way(&self) -> (Option<SipConnection>, Option<SipAddr>) {
        let is_closed = self.connection.cancel_token().is_some_and(|token| token.is_cancelled());
        if self.connection.is_reliable() {
            return ((!is_closed).then(|| self.connection.clone()), None);
        }
        let next = self.routes.first().and_then(|route| Uri::try_from(route.value().split(',').next()?).ok());
        let next = next.as_ref().unwrap_or(&self.target);
        let said = match next.host_with_port.host {
            Host::IpAddr(_) => SipAddr::try_from(next).ok(),
            Host::Domain(_) => None,
        };
        (Some(self.connection.clone()), said.or_else(|| self.connection.get_remote_addr().cloned()))
    }
}

/// Where requests to the sender of this one go.
fn target(request: &Request) -> Option<Uri> {
    Some(request.contact_header().ok()?.typed().ok()?.uri)
}

fn contact(connection: &SipConnection, advertise_host: Option<&str>) -> String {
    let SipAddr { r#type, addr: local } = connection.get_addr();
    let host = advertise_host.map_or_else(|| local.host.to_string(), str::to_owned);
    let port = local.port.map(|port| format!(":{port}")).unwrap_or_default();
    let transport = r#type.unwrap_or(connection.transport()).to_string().to_lowercase();
    format!("<sip:srs@{host}{port};transport={transport}>;+sip.srs")
}

/// Sends a request, and waits for its final response; none, if there was no way to send it, or no answer in time.
pub(super) async fn asked(mut tx: Transaction) -> (Option<Response>, Transaction) {
    if let Err(error) = tx.send().await {
        tracing::info!(%error, method = %tx.original.method, "a SIP request could not be sent");
        return (None, tx);
    }
    while let Some(message) = tx.receive().await {
        if let SipMessage::Response(response) = message
            && response.status_code.kind() != StatusCodeKind::Provisional
        {
            return (Some(response), tx);
        }
    }
    (None, tx)
}

/// Keeps a transaction until it is over, so that what comes once more is answered once more.
pub(super) async fn see_off(mut tx: Transaction, at_most: Duration) {
    let _ = tokio::time::timeout(at_most, async { while tx.receive().await.is_some() {} }).await;
}
