//! Redacting: seconds are taken out of the key tree, for ever or into escrow; what survives at their edges becomes a patch.

use std::{collections::BTreeSet, ops::Range};

use caveat_model::{ClientId, RecordingId};
use futures::TryStreamExt;
use object_store::{ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::{
    Edge, Reader, SECONDS_PER_LEG, Vault, VaultError,
    escrow::Escrowed,
    layers::{Layers, PatchKeys},
    once::sha256,
    pages::{Change, Held},
    patch::{self, NewPatch},
    seal::store_error,
    secrets::RecordingKeys,
    segment::leaf,
    wal::Name,
};

/// Patches of one recording, a count: each lengthens its keys.
const PATCHES: u32 = 10_000;

/// What a redaction takes from one leg.
pub struct Cut {
    /// Which leg.
    pub leg: u8,
    /// Whole seconds: the keys of all that they hold, of every kind, are taken.
    pub seconds: Range<u32>,
    /// What is to survive of them.
    pub edges: Vec<Edge>,
}

/// What becomes of the keys that a redaction takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// They are destroyed.
    ForEver,
    /// They go to escrow, and [`Vault::unmask`] puts them back.
    ToEscrow,
}

/// A mask whose keys are in escrow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// Its number within the recording.
    pub number: u32,
    /// What it hides: leg and seconds.
    pub hides: Vec<(u8, Range<u32>)>,
}

impl Vault {
    /// Redacts a sealed recording as `reader` sees it; its number, which an unmasking names. The object stays as it is
    /// and still verifies. When this returns, a new reader has shown that the seconds open no more; readers made before
    /// keep their keys.
    ///
    /// # Errors
    /// [`VaultError::Contended`]: the recording was redacted after `reader` was made, so what is to survive may not be
    /// right any more; read anew and try again.
    pub async fn redact(&self, reader: &Reader, cuts: &[Cut], taken: Taken) -> Result<u32, VaultError> {
        let name = reader.name();
        let gone = leaves(cuts)?;
        let number = self.next_number(name).await?;
        let patch = self.put_patch(reader, cuts, number).await?;
        let number = patch.as_ref().map_or(number, |patch| patch.number);
        let seen = reader.keys();
        self.0
            .opener
            .pages()
            .change(name, |held| {
                if held.keys != *seen {
                    return Err(VaultError::Contended { recording: name.1 });
                }
                Ok(Change::To(take(held, &gone, taken, number, patch.clone())))
            })
            .await?;
        self.prove_gone(name, cuts, patch.as_ref()).await?;
        Ok(number)
    }

    /// Puts back what a mask took to escrow. What was redacted there since stays redacted, by whole seconds; what another
    /// mask hides goes to that one. That two people agree is the caller's to have checked.
    ///
    /// # Errors
    /// [`VaultError::NoSuchMask`].
    pub async fn unmask(
        &self,
        client: &ClientId,
        recording: RecordingId,
        number: u32,
    ) -> Result<(), VaultError> {
        let missing = || VaultError::NoSuchMask { recording, number };
        let name = (client.clone(), recording);
        let lift = |held: Held| Ok(Change::To(put_back(held, number).ok_or_else(missing)?));
        self.0.opener.pages().change(&name, lift).await
    }

    /// The masks of a recording that can be lifted.
    pub async fn masks(&self, client: &ClientId, recording: RecordingId) -> Result<Vec<Mask>, VaultError> {
        let escrow = self.0.opener.pages().escrow(&(client.clone(), recording)).await?;
        let hides = |range: &Range<u32>| {
            let (leg, first) = ((range.start / SECONDS_PER_LEG) as u8, range.start % SECONDS_PER_LEG);
            (leg, first..first + (range.end - range.start))
        };
        let mask = |e: &Escrowed| Mask { number: e.number, hides: e.hidden.iter().map(hides).collect() };
        Ok(escrow.iter().map(mask).collect())
    }

    /// Where the patches of a recording lie, those behind masks too.
    pub async fn patches(
        &self,
        client: &ClientId,
        recording: RecordingId,
    ) -> Result<Vec<String>, VaultError> {
        let (name, pages) = ((client.clone(), recording), self.0.opener.pages());
        let layers = pages.keys_of(&name, &pages.row(&name).await?).await?.layers;
        let escrow = pages.escrow(&name).await?;
        let all = layers.patches.iter().chain(escrow.iter().flat_map(|mask| &mask.layers.patches));
        let numbers: BTreeSet<u32> = all.map(|patch| patch.number).collect();
        Ok(numbers.into_iter().map(|n| patch::path((client.as_str(), recording), n).to_string()).collect())
    }

    async fn next_number(&self, name: &Name) -> Result<u32, VaultError> {
        let pages = self.0.opener.pages();
        let row = pages.row(name).await?;
        let keys = pages.keys_of(name, &row).await?;
        let of_patches = |layers: &Layers| layers.patches.iter().map(|p| p.number).max();
        let escrow = pages.escrow(name).await?;
        let in_escrow = escrow.iter().flat_map(|e| [Some(e.number), of_patches(&e.layers)]);
        let last = in_escrow.chain([of_patches(&keys.layers)]).flatten().max().unwrap_or(0);
        Ok(last + 1)
    }

    /// Seals and stores what survives, and reads it back. An attempt that broke off may have left an object whose keys
    /// nobody has: the next free number is taken.
    async fn put_patch(
        &self,
        reader: &Reader,
        cuts: &[Cut],
        mut number: u32,
    ) -> Result<Option<PatchKeys>, VaultError> {
        let edges: Vec<(u8, &Edge)> =
            cuts.iter().flat_map(|cut| cut.edges.iter().map(|edge| (cut.leg, edge))).collect();
        if edges.is_empty() {
            return Ok(None);
        }
        let name = reader.name();
        let patch = NewPatch::seal(reader.binding(), &edges).map_err(|f| f.at(patch::folder(name)))?;
        let store = self.0.opener.store();
        while number <= PATCHES {
            let path = patch::path((name.0.as_str(), name.1), number);
            let bytes = PutPayload::from(patch.object.clone());
            match store.put_opts(&path, bytes, PutOptions::from(PutMode::Create)).await {
                Ok(_) => {
                    let back = self.0.opener.get(&path).await?;
                    if sha256(&[&back]) != sha256(&[&patch.object]) {
                        return Err(VaultError::ReadBack { object: path.to_string() });
                    }
                    return Ok(Some(patch.keys(number)));
                }
                Err(object_store::Error::AlreadyExists { .. }) => number += 1,
                Err(e) => return Err(store_error("put", &path)(e)),
            }
        }
        Err(VaultError::TooLarge {
            limit: "patches of a recording",
            given: number.into(),
            allowed: PATCHES.into(),
        })
    }

    /// Opens the recording anew, and tries every second that is to be gone.
    async fn prove_gone(
        &self,
        name: &Name,
        cuts: &[Cut],
        patch: Option<&PatchKeys>,
    ) -> Result<(), VaultError> {
        let reader = self.reader(&name.0, name.1).await?;
        for cut in cuts {
            for second in cut.seconds.clone() {
                let opens = reader.keys().layers.leaf(leaf(cut.leg, second));
                let patched = patch.and_then(|p| p.cover.leaf(leaf(cut.leg, second)));
                let only_patched = match (opens, patched) {
                    (None, None) => true,
                    (Some(crate::layers::Lies::InPatch(_, found)), Some(ours)) => found == ours,
                    _ => false,
                };
                if !only_patched {
                    return Err(VaultError::StillOpens { recording: name.1, leg: cut.leg, second });
                }
            }
        }
        Ok(())
    }

    /// Deletes every patch of a recording.
    pub(crate) async fn delete_patches(&self, name: &Name) -> Result<(), VaultError> {
        let (store, folder) = (self.0.opener.store(), patch::folder(name));
        let found: Vec<_> =
            store.list(Some(&folder)).try_collect().await.map_err(store_error("list", &folder))?;
        for meta in found {
            match store.delete(&meta.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(e) => return Err(store_error("delete", &meta.location)(e)),
            }
        }
        Ok(())
    }
}

/// The leaves that cuts take: sorted, apart from each other.
fn leaves(cuts: &[Cut]) -> Result<Vec<Range<u32>>, VaultError> {
    let mut ranges = Vec::with_capacity(cuts.len());
    for Cut { leg, seconds, edges } in cuts {
        let furthest = edges.iter().map(|e| e.second.saturating_add(1)).max().unwrap_or(0).max(seconds.end);
        if furthest > SECONDS_PER_LEG {
            let (given, allowed) = (u64::from(furthest), u64::from(SECONDS_PER_LEG));
            return Err(VaultError::TooLarge { limit: "seconds per leg", given, allowed });
        }
        if let Some(edge) = edges.iter().find(|e| !seconds.contains(&e.second)) {
            let segment = crate::Segment { leg: *leg, index: edge.second, kind: edge.kind };
            return Err(VaultError::NotCut { segment });
        }
        let first = leaf(*leg, 0);
        ranges.push(first + seconds.start.min(seconds.end)..first + seconds.end);
    }
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    let mut apart: Vec<Range<u32>> = vec![];
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    Ok(apart)
}

fn take(held: Held, gone: &[Range<u32>], taken: Taken, number: u32, patch: Option<PatchKeys>) -> Held {
    let Held { keys: RecordingKeys { seal, layers, suite }, mut escrow } = held;
    let mut rest = layers.without(gone);
    match taken {
        Taken::ToEscrow => {
            escrow.push(Escrowed { number, hidden: gone.to_vec(), layers: layers.within(gone) });
        }
        // What a mask has hidden there goes with it.
        Taken::ForEver => {
            for mask in &mut escrow {
                mask.layers = mask.layers.without(gone);
            }
            escrow.retain(|mask| !mask.layers.is_empty());
        }
    }
    rest.patches.extend(patch);
    Held { keys: RecordingKeys { seal, layers: rest, suite }, escrow }
}

fn put_back(held: Held, number: u32) -> Option<Held> {
    let Held { keys: RecordingKeys { seal, layers, suite }, mut escrow } = held;
    let at = escrow.iter().position(|mask| mask.number == number)?;
    let mut lifted = escrow.remove(at).layers;
    // Its patch showed what survived beside the mask: from here on the seconds themselves do.
    let mut rest = layers.without_patch(number);
    for other in &mut escrow {
        other.layers =
            std::mem::take(&mut other.layers).without_patch(number).with(&lifted.within(&other.hidden));
        lifted = lifted.without(&other.hidden);
    }
    rest = rest.with(&lifted);
    Some(Held { keys: RecordingKeys { seal, layers: rest, suite }, escrow })
}
