//! `open_or_create`: attaching and creating in turn, until one of them succeeds.

use std::fs::File;

use super::Segment;
use super::attach::{self, AttachMode, Wanted};
use super::create;
use super::handle::Shm;
use super::lifetime::{self, NameState};
use super::open::{self, Failure};
use super::options::Settings;
use crate::error::{Existing, ShmError};
use crate::name::SegmentName;
use crate::shm_layout::ShmLayout;
use crate::sys::clock::Backoff;
use crate::sys::file::FileId;

/// The state of one call of `open_or_create`.
pub(super) struct OpenOrCreate<'a, T: ShmLayout + ?Sized, F> {
    name: &'a SegmentName,
    mode: AttachMode,
    len: usize,
    /// The caller's, without `supersede`: a segment of this layout is attached to, and never superseded, even if it appears
    /// and loses its owner meanwhile.
    settings: Settings,
    /// Whether to supersede a segment of another layout.
    supersede: bool,
    /// Taken when it runs.
    init: Option<F>,
    /// A segment that lost the race for the name is kept: the winner may be gone by the next look, and `init` runs only
    /// once.
    built: Option<Shm<T>>,
    /// Retries, for `timeout`, while other processes create and remove segments.
    retries: Backoff,
    /// Looks at a segment of another layout, for `wait`.
    pauses: Backoff,
}

impl<'a, T, F, E> OpenOrCreate<'a, T, F>
where
    T: ShmLayout + ?Sized,
    F: FnOnce(&Shm<T>) -> Result<(), E>,
{
    pub(super) fn new(settings: &Settings, name: &'a SegmentName, len: usize, init: F) -> Self {
        Self {
            name,
            mode: AttachMode {
                writable: true,
                owner: true,
                len: Some(len),
            },
            len,
            settings: Settings {
                supersede: false,
                ..settings.clone()
            },
            supersede: settings.supersede,
            init: Some(init),
            built: None,
            retries: Backoff::until(settings.deadline()),
            pauses: settings.pauses(),
        }
    }

    pub(super) fn run(mut self) -> Result<Shm<T>, Failure<E>> {
        loop {
            match self.attach() {
                Ok(shm) => return Ok(shm),
                Err(ShmError::NotFound { .. }) => {}
                Err(mismatch @ ShmError::LayoutMismatch { .. }) => {
                    if !self.may_replace(mismatch)? {
                        continue;
                    }
                }
                // Its last owner removes it, or another process replaces it.
                Err(ShmError::Busy { .. }) if self.wait() => continue,
                Err(other) => return Err(other.into()),
            }
            if let Some(shm) = self.create()? {
                return Ok(shm);
            }
            // The winner was there a moment ago, so look again, however short the timeout is.
            if !self.retries.first_retry() && !self.retries.pause() && !self.wait() {
                let reason = "other processes keep creating and removing it";
                return Err(ShmError::busy(reason, self.settings.timeout).into());
            }
        }
    }

    fn attach(&self) -> Result<Shm<T>, ShmError> {
        let deadline = self.retries.deadline();
        attach::attach(
            &self.settings,
            self.name,
            Wanted::Type(T::LAYOUT),
            self.mode,
            deadline,
        )
        .map(|segment| Shm::new(Box::new(segment)))
    }

    /// Gives a new segment the name. `None` if another segment has it by now.
    fn create(&mut self) -> Result<Option<Shm<T>>, Failure<E>> {
        let shm = match self.built.take() {
            Some(shm) => shm,
            None => match self.prepare() {
                Ok(segment) => self.initialize(segment)?,
                Err(ShmError::AlreadyExists { .. }) => return Ok(None),
                Err(other) => return Err(other.into()),
            },
        };
        match shm
            .segment()
            .publish(&self.settings, self.retries.deadline(), false)
        {
            Ok(()) => Ok(Some(shm)),
            Err(ShmError::AlreadyExists { .. }) => {
                self.built = Some(shm);
                Ok(None)
            }
            Err(ShmError::Busy { .. }) if self.wait() => {
                self.built = Some(shm);
                Ok(None)
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Pauses as long as the name may take to become free or usable. The timeout, which is for retries, starts again.
    fn wait(&mut self) -> bool {
        let waits = self.pauses.pause();
        if waits {
            self.retries.restart(self.settings.deadline());
        }
        waits
    }

    fn prepare(&self) -> Result<Segment, ShmError> {
        let deadline = self.retries.deadline();
        // `attach` has just looked.
        create::prepare(
            &self.settings,
            self.name,
            T::LAYOUT,
            self.len,
            deadline,
            false,
        )
    }

    fn initialize(&mut self, segment: Segment) -> Result<Shm<T>, Failure<E>> {
        let shm = open::initialize(Box::new(segment), &mut self.init)?;
        // `init` may have taken longer than the timeout, which is for retries.
        self.retries.restart(self.settings.deadline());
        Ok(shm)
    }

    /// Whether creating replaces the segment of another layout or length that was found. `false` means: look at the name again.
    fn may_replace(&mut self, mismatch: ShmError) -> Result<bool, Failure<E>> {
        match lifetime::examine_settled(self.name, self.retries.deadline())? {
            // An orphaned segment is replaced, as `create` does. One that has just gone is not in the way.
            NameState::Orphaned(..) | NameState::Free => Ok(true),
            NameState::InTransition(_) if self.retries.pause() || self.wait() => Ok(false),
            NameState::Ownerless(file, id) if self.supersede => {
                self.supersede(file, &id, mismatch)?;
                // Whatever has the name now, by this removal or by another process, is looked at again.
                Ok(false)
            }
            // Another process that found the same may have replaced it by now.
            NameState::Taken(_) if self.pauses.first_retry() => Ok(false),
            // As `create` waits, for instance until the kernel has torn down a killed owner.
            NameState::Taken(Existing::Live) | NameState::Ownerless(..) if self.wait() => Ok(false),
            _ => Err(mismatch.into()),
        }
    }

    /// Takes the name from an ownerless segment, if it still is one and of another layout.
    fn supersede(&mut self, file: File, id: &FileId, mismatch: ShmError) -> Result<(), Failure<E>> {
        // Another process may have put a segment of this layout there since.
        let is_usable = attach::check(&file, id, T::LAYOUT, self.mode.len).is_ok();
        if !is_usable {
            // Built first, so that a call that fails removes nothing.
            if self.built.is_none() {
                let segment = create::build(&self.settings, self.name, T::LAYOUT, self.len)?;
                self.built = Some(self.initialize(segment)?);
            }
            if lifetime::supersede(self.name, file, id, self.retries.deadline())? {
                return Ok(());
            }
        }
        if self.retries.pause() || self.wait() {
            Ok(())
        } else {
            Err(mismatch.into())
        }
    }
}
