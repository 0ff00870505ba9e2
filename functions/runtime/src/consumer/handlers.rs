//! Handlers, by the type of event that they are for.

use core::future::Future;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use souk_domain::{Event, EventKind, EventType};
use std::collections::BTreeMap;
use std::rc::Rc;

type Handler<'a> = Rc<dyn Fn(Event) -> LocalBoxFuture<'a, Result<(), HandlerError>> + 'a>;

/// Why a handler has not handled an event. Any error becomes [`HandlerError::Failed`] by `?`.
#[derive(Debug)]
pub enum HandlerError {
    /// It may succeed another time.
    Failed(Box<dyn core::error::Error + Send + Sync>),
    /// It will never succeed.
    Refused(Box<dyn core::error::Error + Send + Sync>),
    /// An earlier event of its aggregate is parked, and has to be applied first.
    Behind,
}

impl HandlerError {
    /// An error that no other try will mend.
    pub fn refused(error: impl Into<Box<dyn core::error::Error + Send + Sync>>) -> Self {
        Self::Refused(error.into())
    }
}

impl<E: core::error::Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// At most one for each type.
#[derive(Default)]
pub(super) struct Handlers<'a>(BTreeMap<EventType, Handler<'a>>);

impl<'a> Handlers<'a> {
    pub(super) fn insert_typed<T, F, Fut>(&mut self, kind: EventKind<T>, handler: F)
    where
        T: 'static,
        F: Fn(Event, T) -> Fut + 'a,
        Fut: Future<Output = Result<(), HandlerError>> + 'a,
    {
        let opened = move |event: Event| match kind.open(event.data.clone()) {
            Some(data) => handler(event, data).boxed_local(),
            // It is looked up by the type of its data.
            None => futures::future::ready(Ok(())).boxed_local(),
        };
        self.0.insert(kind.event_type(), Rc::new(opened));
    }

    pub(super) fn insert_each<F, Fut>(
        &mut self,
        types: impl IntoIterator<Item = EventType>,
        handler: F,
    ) where
        F: Fn(Event) -> Fut + 'a,
        Fut: Future<Output = Result<(), HandlerError>> + 'a,
    {
        let handler: Handler<'a> = Rc::new(move |event| handler(event).boxed_local());
        for event_type in types {
            self.0.insert(event_type, Rc::clone(&handler));
        }
    }

    pub(super) fn of(&self, event_type: EventType) -> Option<&Handler<'a>> {
        self.0.get(&event_type)
    }
}
