//! The streams of a connection by their ids.

use motet_core::Map;

/// How many places the table has at first, and at most; a power of two.
const LEAST: usize = 8;
const MOST: usize = 8192;

/// Values by stream id.
///
/// Ids grow by two, so their low bits are as good as a hash: each has one place in the table, and the
/// calls of a moment have places beside each other. A place that an older call still holds, or that
/// a peer's leap in its ids makes two calls share, sends the later one to a map.
#[derive(Debug)]
pub(super) struct Streams<V> {
    table: Vec<Option<(u64, V)>>,
    others: Map<u64, V>,
    len: usize,
}

impl<V> Default for Streams<V> {
    fn default() -> Streams<V> {
        Streams { table: Vec::new(), others: Map::default(), len: 0 }
    }
}

impl<V> Streams<V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn place(&self, id: u64) -> usize {
        (id / 2) as usize & self.table.len().wrapping_sub(1)
    }

    #[inline]
    pub(super) fn get(&self, id: &u64) -> Option<&V> {
        match self.table.get(self.place(*id)) {
            Some(Some((held, value))) if held == id => Some(value),
            _ if self.others.is_empty() => None,
            _ => self.others.get(id),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: &u64) -> Option<&mut V> {
        let place = self.place(*id);
        match self.table.get_mut(place) {
            Some(Some((held, value))) if held == id => Some(value),
            _ if self.others.is_empty() => None,
            _ => self.others.get_mut(id),
        }
    }

    pub(super) fn contains_key(&self, id: &u64) -> bool {
        self.get(id).is_some()
    }

    /// Adds a stream; its id is new.
    #[inline]
    pub(super) fn insert(&mut self, id: u64, value: V) {
        self.len += 1;
        let (place, size) = (self.place(id), self.table.len());
        match self.table.get_mut(place) {
            Some(free @ None) => *free = Some((id, value)),
            _ if self.len * 2 > size && size < MOST => self.grow(id, value),
            _ => _ = self.others.insert(id, value),
        }
    }

    #[cold]
    fn grow(&mut self, id: u64, value: V) {
        let size = (self.table.len() * 2).max(LEAST);
        let before = std::mem::take(&mut self.table);
        let others = std::mem::take(&mut self.others);
        self.table.resize_with(size, || None);
        for (id, value) in before.into_iter().flatten().chain(others).chain([(id, value)]) {
            let place = self.place(id);
            match &mut self.table[place] {
                free @ None => *free = Some((id, value)),
                Some(_) => _ = self.others.insert(id, value),
            }
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, id: &u64) -> Option<V> {
        let place = self.place(*id);
        let removed = match self.table.get_mut(place) {
            Some(held) if held.as_ref().is_some_and(|(held, _)| held == id) => held.take().map(|(_, value)| value),
            _ if self.others.is_empty() => None,
            _ => self.others.remove(id),
        };
        self.len -= usize::from(removed.is_some());
        removed
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut V)> {
        let table = self.table.iter_mut().flatten().map(|(id, value)| (*id, value));
        table.chain(self.others.iter_mut().map(|(id, value)| (*id, value)))
    }

    /// Gives memory back once no stream is open.
    pub(super) fn rest(&mut self) {
        if self.is_empty() {
            *self = Streams::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(steps in prop::collection::vec((0u64..4, 0u64..200, any::<bool>()), 0..400)) {
            let (mut streams, mut map, mut next) = (Streams::default(), BTreeMap::new(), 1u64);
            for (leap, pick, add) in steps {
                if add {
                    next += 2 + leap * 8192;
                    streams.insert(next, pick);
                    map.insert(next, pick);
                } else if let Some(id) = map.keys().nth(pick as usize % map.len().max(1)).copied() {
                    prop_assert_eq!(streams.get(&id), map.get(&id));
                    prop_assert_eq!(streams.get_mut(&id), map.get_mut(&id));
                    prop_assert_eq!(streams.remove(&id), map.remove(&id));
                    prop_assert_eq!(streams.remove(&id), None);
                    prop_assert!(!streams.contains_key(&id));
                }
                prop_assert_eq!(streams.len(), map.len());
            }
            let mut all: Vec<_> = streams.iter_mut().map(|(id, value)| (id, *value)).collect();
            all.sort_unstable();
            prop_assert_eq!(all, map.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn calls_in_a_row_have_places_of_their_own() {
        let mut streams = Streams::default();
        (0..1000u64).for_each(|n| streams.insert(2 * n + 1, n));
        assert!(streams.others.is_empty());
        for n in 0..100_000u64 {
            streams.remove(&(2 * n + 1));
            streams.insert(2 * (n + 1000) + 1, n);
        }
        assert!(streams.others.is_empty() && streams.table.len() <= 2048);
    }

    #[test]
    fn the_table_is_bounded_and_goes_when_all_is_quiet() {
        let mut streams = Streams::default();
        (0..20_000u64).for_each(|n| streams.insert(n * 16384 + 1, n));
        assert!(streams.table.len() <= MOST && streams.len() == 20_000);
        (0..20_000u64).for_each(|n| assert_eq!(streams.remove(&(n * 16384 + 1)), Some(n)));
        streams.rest();
        assert_eq!(streams.table.capacity(), 0);
    }
}
