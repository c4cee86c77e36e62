//! Looks that viewers share: whoever looks at the same thing is told by one look at it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// What is looked at now, with those who are told.
pub(in crate::web) struct Looks<K, T>(Mutex<HashMap<K, Arc<watch::Sender<T>>>>);

impl<K, T> Default for Looks<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, T: Default> Looks<K, T> {
    fn looks(&self) -> MutexGuard<'_, HashMap<K, Arc<watch::Sender<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is seen of a thing. `begin` is called when nobody looks at it yet, and begins to.
    pub(super) fn join(
        &self,
        thing: &K,
        begin: impl FnOnce(Arc<watch::Sender<T>>),
    ) -> watch::Receiver<T> {
        let mut looks = self.looks();
        if let Some(look) = looks.get(thing) {
            return look.subscribe();
        }
        let (sender, receiver) = watch::channel(T::default());
        let sender = Arc::new(sender);
        looks.insert(thing.clone(), sender.clone());
        begin(sender);
        receiver
    }

    /// Ends a look when nobody is told any more: whether it has ended.
    pub(super) fn leave(&self, thing: &K, look: &watch::Sender<T>) -> bool {
        let mut looks = self.looks();
        let left = look.receiver_count() == 0;
        if left {
            looks.remove(thing);
        }
        left
    }

    /// Ends a look although somebody may be told still: there is nothing more to see.
    pub(super) fn end(&self, thing: &K) {
        self.looks().remove(thing);
    }

    /// How many things are looked at.
    #[cfg(test)]
    fn count(&self) -> usize {
        self.looks().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_look_serves_all_and_ends_with_the_last() {
        let looks: Looks<&str, u32> = Looks::default();
        let mut begun = Vec::new();
        let first = looks.join(&"run", |look| begun.push(look));
        let second = looks.join(&"run", |look| begun.push(look));
        let other = looks.join(&"home", |look| begun.push(look));
        assert_eq!((begun.len(), looks.count()), (2, 2));
        begun[0].send_replace(7);
        assert_eq!(
            (*first.borrow(), *second.borrow(), *other.borrow()),
            (7, 7, 0)
        );
        drop(first);
        assert!(!looks.leave(&"run", &begun[0]));
        drop(second);
        assert!(looks.leave(&"run", &begun[0]));
        assert_eq!(looks.count(), 1);
    }
}
