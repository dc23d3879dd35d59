//! Time from somebody else: tokens of RFC 3161 over checkpoints. A log that had so many entries when a token was made has them
//! before that time, whatever the host's clock said.
//!
//! `x509-tsp` and `cms` read the bytes, `webpki` judges signatures and certificates; here is what RFC 3161, section 2.4.2, and
//! RFC 5652, section 5, ask to be compared. Asking an authority over the wire is the caller's.

use caveat_model::{Digest, Moment};
use cms::{
    cert::CertificateChoices,
    content_info::ContentInfo,
    signed_data::{SignedData, SignerIdentifier, SignerInfo},
};
use der::{
    Any, Decode, Encode, Tag, Tagged,
    asn1::{Int, ObjectIdentifier, OctetString},
};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime, pem::PemObject};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use webpki::{EndEntityCert, KeyUsage, aws_lc_rs as algorithms};
use x509_tsp::{MessageImprint, TimeStampReq, TimeStampResp, TspVersion, TstInfo};

use crate::LedgerError;

const ID_SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const ID_TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const ID_CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const ID_MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const ID_SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
/// id-kp-timeStamping, 1.3.6.1.5.5.7.3.8, as its bytes.
const TIME_STAMPING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];
/// No answer of an authority is larger, in bytes.
pub const TOKEN_BYTES_MAX: usize = 256 << 10;

/// Certificates of authorities that are believed.
#[derive(Debug, Clone, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// From certificates in PEM, one after the other.
    ///
    /// # Errors
    /// [`LedgerError::Proof`] for a text that holds none, or a broken one.
    pub fn from_pem(text: &[u8]) -> Result<Self, LedgerError> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
        let read = read.map_err(|e| LedgerError::proof(format!("a certificate cannot be read: {e}")))?;
        match read.is_empty() {
            true => Err(LedgerError::proof("there is no certificate (PEM) in it")),
            false => Ok(Self(read)),
        }
    }
}

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamped {
    /// When the authority says that it was there.
    pub at: Moment,
    /// Whether the signature was checked, down from a given authority.
    pub trusted: bool,
}

/// A request for a token over something with this digest (SHA-256). `nonce` tells its answer from a replayed one.
///
/// # Errors
/// [`LedgerError::Proof`] if it cannot be encoded.
pub fn timestamp_request(digest: Digest, nonce: u64) -> Result<Vec<u8>, LedgerError> {
    let request = || {
        TimeStampReq {
            version: TspVersion::V1,
            message_imprint: MessageImprint {
                hash_algorithm: cms::cert::x509::spki::AlgorithmIdentifier {
                    oid: SHA_256,
                    parameters: Some(Any::null()),
                },
                hashed_message: OctetString::new(digest.0)?,
            },
            req_policy: None,
            nonce: Some(number(nonce)?),
            cert_req: true,
            extensions: None,
        }
        .to_der()
    };
    request().map_err(|e: der::Error| LedgerError::proof(e.to_string()))
}

/// Checks an authority's answer: it is over this digest, answers this nonce if one is given, and, where there are
/// authorities, is signed by a certificate for time stamping that one of them vouches for.
///
/// # Errors
/// [`LedgerError::Proof`] with what does not hold.
pub fn check_timestamp(
    answer: &[u8],
    digest: Digest,
    nonce: Option<u64>,
    authorities: &Authorities,
) -> Result<Stamped, LedgerError> {
    check(answer, digest, nonce, authorities).map_err(LedgerError::proof)
}

fn check(
    answer: &[u8],
    digest: Digest,
    nonce: Option<u64>,
    authorities: &Authorities,
) -> Result<Stamped, String> {
    let signed = signed_data(answer)?;
    let content = content_of(&signed)?;
    let info = TstInfo::from_der(&content).map_err(|e| format!("its time cannot be read: {e}"))?;
    let imprint = &info.message_imprint;
    if imprint.hash_algorithm.oid != SHA_256 || imprint.hashed_message.as_bytes() != digest.0 {
        return Err("it is over something else".into());
    }
    if let Some(nonce) = nonce {
        let wanted = number(nonce).map_err(|e| e.to_string())?;
        if info.nonce.as_ref().map(Int::as_bytes) != Some(wanted.as_bytes()) {
            return Err("it answers another request".into());
        }
    }
    let at = Moment::from_millis(info.gen_time.to_unix_duration().as_millis() as u64);
    if !authorities.0.is_empty() {
        trusted(&signed, &content, at, authorities)?;
    }
    Ok(Stamped { at, trusted: !authorities.0.is_empty() })
}

fn signed_data(answer: &[u8]) -> Result<SignedData, String> {
    let broken = |e: der::Error| format!("it is no answer of RFC 3161 that can be read: {e}");
    if answer.len() > TOKEN_BYTES_MAX {
        return Err(format!("it is larger than {TOKEN_BYTES_MAX} bytes"));
    }
    let answer = TimeStampResp::from_der(answer).map_err(broken)?;
    let token: ContentInfo = answer
        .time_stamp_token
        .ok_or_else(|| format!("the authority refused: {:?}", answer.status.status))?;
    if token.content_type != ID_SIGNED_DATA {
        return Err("its token is not signed".into());
    }
    token.content.decode_as().map_err(broken)
}

/// The bytes that are signed for: a `TSTInfo`.
fn content_of(signed: &SignedData) -> Result<Vec<u8>, String> {
    let inside = &signed.encap_content_info;
    let content = inside.econtent.as_ref().filter(|_| inside.econtent_type == ID_TST_INFO);
    let content = content.filter(|any| any.tag() == Tag::OctetString);
    content.map(|any| any.value().to_vec()).ok_or_else(|| "there is no time in its token".into())
}

/// The signature is over this content, by a certificate that an authority vouches for at that time.
fn trusted(signed: &SignedData, content: &[u8], at: Moment, authorities: &Authorities) -> Result<(), String> {
    let [signer] = signed.signer_infos.0.as_slice() else { return Err("it has not one signer".into()) };
    let attributes = signer.signed_attrs.as_ref().ok_or("its signer signs no attributes")?;
    let (hash, algorithms) = hash_of(&signer.digest_alg.oid)?;
    if attribute(signer, ID_CONTENT_TYPE)?.decode_as::<ObjectIdentifier>().ok() != Some(ID_TST_INFO) {
        return Err("its signer signed another kind of content".into());
    }
    let named = attribute(signer, ID_MESSAGE_DIGEST)?.decode_as::<OctetString>();
    if named.ok().as_ref().map(OctetString::as_bytes) != Some(hash(content).as_slice()) {
        return Err("its signer signed another content".into());
    }
    let certificates = certificates(signed)?;
    let signing = signing_certificate(&certificates, signer)?;
    named_by_signer(signer, &signing)?;

    // The attributes are signed as a SET, whatever tag they have inside (RFC 5652, section 5.4).
    let message = attributes.to_der().map_err(|e| e.to_string())?;
    let signing = CertificateDer::from(signing);
    let entity = EndEntityCert::try_from(&signing).map_err(|e| format!("its certificate: {e}"))?;
    let signature = signer.signature.as_bytes();
    if !algorithms.iter().any(|a| entity.verify_signature(*a, &message, signature).is_ok()) {
        return Err("its signature does not hold".into());
    }
    let anchors: Result<Vec<_>, _> = authorities.0.iter().map(webpki::anchor_from_trusted_cert).collect();
    let anchors = anchors.map_err(|e| format!("an authority's certificate: {e}"))?;
    let others: Vec<CertificateDer<'_>> =
        certificates.into_iter().map(|(_, bytes)| CertificateDer::from(bytes)).collect();
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_millis(at.as_millis()));
    let usage = KeyUsage::required(TIME_STAMPING);
    entity
        .verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, &others, time, usage, None, None)
        .map(drop)
        .map_err(|e| format!("no authority that was given vouches for its certificate: {e}"))
}

type Hash = fn(&[u8]) -> Vec<u8>;
type Algorithms = [&'static dyn SignatureVerificationAlgorithm; 3];

fn hash_of(oid: &ObjectIdentifier) -> Result<(Hash, Algorithms), String> {
    use algorithms as a;
    match *oid {
        SHA_256 => Ok((
            |b| Sha256::digest(b).to_vec(),
            [a::RSA_PKCS1_2048_8192_SHA256, a::ECDSA_P256_SHA256, a::ECDSA_P384_SHA256],
        )),
        SHA_384 => Ok((
            |b| Sha384::digest(b).to_vec(),
            [a::RSA_PKCS1_2048_8192_SHA384, a::ECDSA_P256_SHA384, a::ECDSA_P384_SHA384],
        )),
        SHA_512 => Ok((
            |b| Sha512::digest(b).to_vec(),
            [a::RSA_PKCS1_2048_8192_SHA512, a::ECDSA_P256_SHA512, a::ECDSA_P384_SHA512],
        )),
        other => Err(format!("its signer hashes with {other}, which is not believed")),
    }
}

/// The one value of a signed attribute.
fn attribute(signer: &SignerInfo, oid: ObjectIdentifier) -> Result<&Any, String> {
    let found = signer.signed_attrs.iter().flat_map(|all| all.iter()).find(|a| a.oid == oid);
    let value = found.and_then(|a| a.values.as_slice().first().filter(|_| a.values.len() == 1));
    value.ok_or_else(|| format!("its signer does not sign the attribute {oid}"))
}

/// Certificates in the token, read and as bytes.
fn certificates(signed: &SignedData) -> Result<Vec<(cms::cert::x509::Certificate, Vec<u8>)>, String> {
    let mut all = vec![];
    for choice in signed.certificates.iter().flat_map(|set| set.0.iter()) {
        if let CertificateChoices::Certificate(certificate) = choice {
            all.push((certificate.clone(), certificate.to_der().map_err(|e| e.to_string())?));
        }
    }
    Ok(all)
}

fn signing_certificate(
    all: &[(cms::cert::x509::Certificate, Vec<u8>)],
    signer: &SignerInfo,
) -> Result<Vec<u8>, String> {
    let SignerIdentifier::IssuerAndSerialNumber(named) = &signer.sid else {
        return Err("its signer is not named by issuer and serial number".into());
    };
    let is_named = |c: &cms::cert::x509::Certificate| {
        c.tbs_certificate.issuer == named.issuer && c.tbs_certificate.serial_number == named.serial_number
    };
    let found = all.iter().find(|(certificate, _)| is_named(certificate));
    found.map(|(_, bytes)| bytes.clone()).ok_or_else(|| "its signer's certificate is not in it".into())
}

/// The signer signed which certificate it signs with (RFC 5816); an older token names it by SHA-1, which proves nothing and is
/// not asked for.
fn named_by_signer(signer: &SignerInfo, certificate: &[u8]) -> Result<(), String> {
    let Ok(value) = attribute(signer, ID_SIGNING_CERTIFICATE_V2) else { return Ok(()) };
    let digest = Sha256::digest(certificate);
    let bytes = value.to_der().map_err(|e| e.to_string())?;
    // ESSCertIDv2 without an algorithm means SHA-256; one that names another is judged by the chain alone.
    let names_another = [SHA_384, SHA_512].iter().any(|oid| contains(&bytes, oid.as_bytes()));
    match names_another || contains(&bytes, &digest) {
        true => Ok(()),
        false => Err("its signer named another certificate".into()),
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A number that is not negative: with a zero in front where its highest bit is set.
fn number(n: u64) -> der::Result<Int> {
    let bytes = n.to_be_bytes();
    let first = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len() - 1);
    let short = bytes.get(first..).unwrap_or_default();
    let sign: &[u8] = if short.first().is_some_and(|b| b & 0x80 != 0) { &[0] } else { &[] };
    Int::new(&[sign, short].concat())
}
