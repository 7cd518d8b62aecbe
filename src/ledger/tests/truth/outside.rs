//! What comes upon the ledger from outside its passes in a random world: kills, starts, a person's word; the model knows afterwards what has to be known.

use super::*;

impl Model {
    /// Killed and started again: from the journal alone.
    pub(super) fn restart(&mut self) {
        let store = MemoryStore::default();
        store.append(&self.work.pending).expect("numbers rise");
        let before = self.index().clone();
        let claimed = self.sent.values().any(|s| s.state == AttemptState::Claimed);
        // a start says something only of claims that are open, and of a new store
        let same = if claimed || before.last_seq() == 0 {
            replay(&store).expect("own records").0 == before
        } else {
            true
        };
        let opened = without_a_disk(Arc::new(store), self.now()).expect("opened");
        assert!(opened.report.repaired.is_empty(), "{:?}", opened.report);
        self.index = opened.index;
        let same = same && (claimed || before.last_seq() == 0 || *self.index() == before);
        // what a start takes as of now, because the clock was set back, is on no record
        let same = same || self.server.was_set_back;
        assert!(same, "{}", self.told("a start knows something else"));
        self.work = Work::new(Arc::clone(&self.index));
        self.work.found_open(self.now());
        self.work.none_later(self.now());
        let mut pending = Vec::new();
        let mut take = |seq, bytes: &[u8]| {
            pending.push((seq, bytes.to_vec()));
            std::ops::ControlFlow::Continue(())
        };
        opened.store.visit(0, &mut take).expect("in memory");
        self.work.pending = pending;
        let open: Vec<Token> = self
            .sent
            .iter()
            .filter(|(_, s)| s.state.is_open())
            .map(|(t, _)| *t)
            .collect();
        for token in open {
            self.moved(token, AttemptEvent::Restarted);
        }
        for (token, sent) in &self.sent {
            let index = self.index();
            let open = index.open_attempt(token.0).filter(|a| a.ordinal == token.1);
            let expected = sent.state.is_open().then_some(sent.state);
            assert_eq!(
                open.map(|a| a.state),
                expected,
                "{}",
                self.told("lost by a restart")
            );
        }
    }

    /// What was read and not written yet is gone with the daemon.
    pub(super) fn crash(&mut self, loses: bool) {
        if let Some((records, sent)) = self.unsure.take().filter(|_| loses) {
            self.work.pending.truncate(records);
            let unchanged: Vec<_> = self.sent.values().map(|s| s.unchanged.clone()).collect();
            self.sent = sent;
            for (sent, unchanged) in self.sent.values_mut().zip(unchanged) {
                sent.unchanged = unchanged;
            }
            let store = MemoryStore::default();
            store.append(&self.work.pending).expect("numbers rise");
            *self.index.write().expect("a lock") = replay(&store).expect("own records").0;
        }
        self.restart();
    }

    /// A person who knows the truth says what became of an attempt.
    pub(super) fn person(&mut self, pick: u8) {
        let Some((lineage, _)) = self.any_lineage(pick) else {
            return;
        };
        let Some(attempt) = self.index().attempt(lineage).cloned() else {
            return;
        };
        let work = self.server.fact(&attempt.task).work;
        let mut of = self.server.facts.iter().filter(|fact| fact.work == work);
        let done = of.any(|fact| fact.status.is_done());
        if self.server.on_its_way(work) {
            return;
        }
        let outcome = Outcome {
            lineage,
            ordinal: attempt.ordinal,
            event: if done {
                AttemptEvent::PersonCompleted
            } else {
                AttemptEvent::PersonClosed
            },
            at: self.now(),
            task: None,
            evidence: None,
        };
        let token = (lineage, attempt.ordinal);
        let event = outcome.event;
        let told = self
            .work
            .conclude(vec![outcome], &Meta::daemon(self.now(), None));
        assert!(told.expect("answered")[0].applied);
        self.moved(token, event);
        if done {
            self.new_episode(work);
        }
    }

    pub(super) fn reset(&mut self, pick: u8) {
        let Some((lineage, task)) = self.any_lineage(pick) else {
            return;
        };
        let closed = self.index().open_attempt(lineage).is_none();
        if closed && !self.index().is_ambiguous(lineage) {
            let reason = Arc::from("asked");
            let body = EventBody::EpisodeReset { lineage, reason };
            self.work
                .emit(&Meta::daemon(self.now(), None), body)
                .expect("small");
            self.new_episode(self.server.fact(&task).work);
        }
    }
}
